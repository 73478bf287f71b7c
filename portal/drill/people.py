"""Invented members by the hundred thousand, whose histories meet the attack of February 2024 in every way.

All of it is arithmetic on a member's place: two drills of one size hold the same people.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from django.contrib.auth.hashers import make_password
from django.db import transaction

from members.models import (
    Adhesion,
    AyantDroit,
    Contract,
    Delegation,
    Employer,
    Holding,
    Member,
    Operator,
    Plan,
    SmsDevice,
    User,
)
from members.models.contract import ContractKind
from members.models.member import Civility, Link, NirAbsence
from portal.demo import care
from portal.demo.people import ALMERYS, OCEANE, PASSWORD, SENT, VIAMEDIS

BATCH = 2_000  # members written by one transaction
STAFF_OF_EMPLOYER = 500  # members of one employer's contract
BEGAN = date(2015, 1, 1)
LAST_DAY, NEXT_DAY = date(2023, 12, 31), date(2024, 1, 1)
PURGED = date(2024, 1, 15)  # before the attack
LEFT = date(2023, 10, 31)
NAMES = ("Abgrall", "Bihan", "Calvez", "Derrien", "Even", "Floch", "Guéguen", "Hamon", "Jaouen")
FIRST_NAMES = ("Anne", "Bruno", "Clara", "Denis", "Élise", "Fañch", "Gaël", "Hélène", "Ivan")


def identifiant(place: int) -> str:
    return f"exercice.{place:07}"


def invent(members: int) -> None:
    """Writes `members` members, their contracts, accounts and families, in batches."""
    password = make_password(PASSWORD)  # one hash serves all: nobody measures it here
    operators = {one.code: one for one in Operator.objects.all()}
    plans = care.load_plans()
    employers = _contracts_of_employers(members, plans["Socle collectif"], operators)
    own = plans["Individuel essentiel"]
    for first in range(0, members, BATCH):
        places = range(first, min(first + BATCH, members))
        with transaction.atomic():
            _batch(places, employers, own, operators, password)


def _contracts_of_employers(members: int, plan: Plan, operators) -> list[Contract]:
    number = max(1, members // STAFF_OF_EMPLOYER)
    employers = Employer.objects.bulk_create(
        Employer(siren=f"8{place:08}", name=f"Employeur inventé {place}") for place in range(number)
    )
    contracts = Contract.objects.bulk_create(
        Contract(
            number=f"EXE-{place:06}",
            kind=ContractKind.COLLECTIVE,
            employer=employer,
            population="Ensemble des salariés",
            plan=plan,
            phone="02 61 91 00 10",
            start=BEGAN,
        )
        for place, employer in enumerate(employers)
    )
    _serve(enumerate(contracts), operators)
    return contracts


def _serve(contracts, operators) -> None:
    """Viamedis, then Almerys; one contract out of eleven was always another operator's. One purge out of
    seven was attested before the attack."""
    delegations, holdings = [], []
    for place, contract in contracts:
        if place % 11 == 10:
            served = [(OCEANE, BEGAN, None)]
        else:
            served = [(VIAMEDIS, BEGAN, LAST_DAY), (ALMERYS, NEXT_DAY, None)]
            purged = place % 7 == 6
            holdings.append(
                Holding(
                    contract=contract,
                    operator=operators[VIAMEDIS],
                    purged_on=PURGED if purged else None,
                    evidence="Attestation d'effacement de l'opérateur" if purged else "",
                )
            )
        delegations += [
            Delegation(
                contract=contract,
                operator=operators[code],
                start=start,
                end=end,
                categories=SENT,
            )
            for code, start, end in served
        ]
    Delegation.objects.bulk_create(delegations)
    Holding.objects.bulk_create(holdings)


@dataclass(frozen=True)
class Invented:
    """What is said of the member of a place."""

    place: int

    @property
    def is_individual(self) -> bool:
        return self.place % 10 == 9

    @property
    def has_account(self) -> bool:
        return self.place % 3 != 2

    @property
    def has_phone(self) -> bool:
        return self.has_account or self.place % 4 == 2

    @property
    def start(self) -> date:
        return date(2016, 1, 1) + timedelta(
            days=self.place * 31 % 2_800
        )  # 2023-08-30 at the latest

    @property
    def end(self) -> date | None:
        return LEFT if self.place % 20 == 13 else None

    @property
    def birth_date(self) -> date:
        return date(1945, 1, 1) + timedelta(days=self.place * 7_919 % 21_000)

    def relatives(self) -> Iterator[tuple[Link, date]]:
        if self.place % 2 == 0:
            yield Link.CONJOINT, self.birth_date + timedelta(days=400)
        if self.place % 4 < 2:
            grown = date(2000, 1, 1) + timedelta(days=self.place * 104_729 % 5_700)
            yield Link.ENFANT, grown
            yield Link.ENFANT, grown + timedelta(days=900)


def _batch(places: range, employers: list[Contract], plan: Plan, operators, password: str) -> None:
    invented = [Invented(place) for place in places]
    users = User.objects.bulk_create(
        User(identifiant=identifiant(one.place), password=password)
        for one in invented
        if one.has_account
    )
    SmsDevice.objects.bulk_create(SmsDevice(user=user, name="sms") for user in users)
    accounts = iter(users)
    members = Member.objects.bulk_create(
        [_member(one, next(accounts) if one.has_account else None) for one in invented]
    )
    own = Contract.objects.bulk_create(
        Contract(
            number=f"IND-{one.place:08}",
            kind=ContractKind.INDIVIDUAL,
            plan=plan,
            phone="02 61 91 00 30",
            start=BEGAN,
        )
        for one in invented
        if one.is_individual
    )
    individual = iter(own)
    _serve(zip((one.place for one in invented if one.is_individual), own, strict=True), operators)
    Adhesion.objects.bulk_create(
        Adhesion(
            member=member,
            contract=next(individual)
            if one.is_individual
            else employers[one.place % len(employers)],
            start=one.start,
            end=one.end,
            end_reason="Départ" if one.end else "",
        )
        for one, member in zip(invented, members, strict=True)
    )
    AyantDroit.objects.bulk_create(
        _relative(one, member, number, link, birth_date)
        for one, member in zip(invented, members, strict=True)
        for number, (link, birth_date) in enumerate(one.relatives(), start=1)
    )


def _member(one: Invented, user: User | None) -> Member:
    place = one.place
    feminine = place % 2 == 0
    member = Member(
        number=f"9{place:08}",
        user=user,
        phone=f"+3374{place:07}" if one.has_phone else "",
        civility=Civility.MADAME if feminine else Civility.MONSIEUR,
        first_names=FIRST_NAMES[place % len(FIRST_NAMES)],
        birth_name=NAMES[place // len(FIRST_NAMES) % len(NAMES)],
        birth_date=one.birth_date,
        address=f"{1 + place % 90} rue des Exercices",
        postal_code="29200",
        city="Brest",
    )
    if place % 50 == 49:
        member.nir_absence = NirAbsence.PENDING
    else:
        member.set_nir(_nir(place, 2 if feminine else 1, one.birth_date))
    return member


def _relative(one: Invented, member: Member, number: int, link: Link, born: date) -> AyantDroit:
    relative = AyantDroit(
        member=member,
        reference=f"{number:02}",
        link=link,
        first_names=FIRST_NAMES[(one.place + number) % len(FIRST_NAMES)],
        birth_name=member.birth_name,
        birth_date=born,
        start=max(one.start, born),
        end=one.end,
    )
    if link == Link.CONJOINT:
        relative.set_nir(_nir(one.place, 7, born))
    else:
        relative.nir_absence = NirAbsence.PENDING
    return relative


def _nir(place: int, first: int, born: date) -> str:
    """A valid number that nobody has: 13 characters that follow from the place, and their key."""
    rest, order = divmod(place, 999)
    department, commune = divmod(rest, 990)
    number = f"{first}{born:%y%m}{1 + department % 19:02}{1 + commune:03}{1 + order:03}"
    return f"{number}{97 - int(number) % 97:02}"
