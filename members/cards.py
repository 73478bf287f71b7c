"""The tiers payant card: what it says today, those that were issued, and whether one still holds.

A card is issued when its member looks and what it says has changed since the last one: a new year, another
operator, a child. Issued cards are written once. (docs/decisions/0037-cards-are-issued-once.md)
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import get_random_string

from members import audit, cover
from members.letters import ALPHABET
from members.models import Adhesion, AyantDroit, Card, CardDomain, Delegation, Member
from members.models.member import HIMSELF

LENGTH = 16  # 21 ** 16: 70 bits, so nobody finds a card by trying
GROUP = 4


class UnknownPerson(Exception):
    """Nobody of this card has this id."""


@dataclass(frozen=True)
class Shown:
    """A card as a page or a paper shows it. `card` is None while it was not issued: an agent looks."""

    content: dict[str, Any]
    card: Card | None

    @property
    def valid_from(self) -> date:
        return date.fromisoformat(self.content["valid_from"])

    @property
    def valid_until(self) -> date:
        return date.fromisoformat(self.content["valid_until"])

    @property
    def people(self) -> list[dict[str, Any]]:
        return [
            person | {"birth_date": date.fromisoformat(person["birth_date"])}
            for person in self.content["people"]
        ]

    @property
    def operators(self) -> list[dict[str, str]]:
        """Each operator once, in the order of the domains."""
        found = {domain["operator_code"]: domain["operator"] for domain in self.content["domains"]}
        return [{"code": code, "name": name} for code, name in found.items() if code]

    @property
    def code(self) -> str:
        """As it is printed, in groups; empty while the card was not issued."""
        code = self.card.code if self.card else ""
        return "-".join(code[place : place + GROUP] for place in range(0, len(code), GROUP))

    @property
    def check_url(self) -> str:
        return settings.PUBLIC_URL + reverse("card_check", args=[self.card.code])

    def only(self, person: int | None) -> "Shown":
        """The card of one person of it; the whole with None. Raises UnknownPerson."""
        if person is None:
            return self
        people = [one for one in self.content["people"] if one["id"] == person]
        if not people:
            raise UnknownPerson
        return Shown(self.content | {"people": people}, self.card)


# ----------------------------------------------------------------------------------------- today


def contents(member: Member) -> dict[int, dict[str, Any]]:
    """What the card of each present contract says today, by contract. Four statements.

    Nothing else than JSON, so that a frozen content compares with it.
    """
    today = timezone.localdate()
    current = [one for one in cover.covers(member) if one.is_current]
    family = AyantDroit.objects.filter(member=member).on(today)
    people = [_person(member, HIMSELF), *(_person(one, one.pk) for one in family)]
    contracts = [one.contract_id for one in current]
    served: dict[int, list[Delegation]] = {}
    for row in (
        Delegation.objects.filter(contract__in=contracts).on(today).select_related("operator")
    ):
        served.setdefault(row.contract_id, []).append(row)
    promised: dict[int, list[CardDomain]] = {}
    plans = {one.plan_id for one in current}
    for row in CardDomain.objects.filter(plan__in=plans).select_related("domain"):
        promised.setdefault(row.plan_id, []).append(row)
    return {
        one.contract_id: _content(
            member,
            one,
            people,
            served.get(one.contract_id, []),
            promised.get(one.plan_id, []),
            today,
        )
        for one in current
    }


def _content(member, one, people, delegations, domains, today) -> dict[str, Any]:
    first, last = date(today.year, 1, 1), date(today.year, 12, 31)
    # the labels of the whole card are those of who serves every domain, where somebody does
    delegations = sorted(delegations, key=lambda row: (row.domain_id is not None, row.pk))
    main = delegations[0] if delegations else None
    return {
        "amc": settings.AMC_NUMBER,
        "convention": main.convention_type if main else "",
        "csr": main.csr if main else "",
        "member_number": member.number,
        "contract": one.contract_number,
        "phone": one.phone,
        "valid_from": max(first, one.since).isoformat(),
        "valid_until": min(last, one.until or last).isoformat(),
        "people": people,
        "domains": [_domain(row, delegations) for row in domains],
    }


def _person(person: Member | AyantDroit, key: int) -> dict[str, Any]:
    return {
        "id": key,
        "name": person.full_name,
        "birth_date": person.birth_date.isoformat(),
        "rank": person.birth_rank,
    }


def _domain(row: CardDomain, delegations: list[Delegation]) -> dict[str, Any]:
    serves = (one for one in delegations if one.domain_id in (None, row.domain_id))
    operator = next((one.operator for one in serves), None)
    return {
        "code": row.domain.code,
        "label": row.domain.label,
        "rate": row.rate,
        "agreement": row.needs_agreement,
        "operator": operator.name if operator else "",
        "operator_code": operator.code if operator else "",
    }


# ---------------------------------------------------------------------------------------- issued


@dataclass(frozen=True)
class Wallet:
    """`past`: cards that others replaced or whose contract ended, the latest first."""

    present: list[Shown]
    past: list[Card]


def wallet(member: Member, *, request=None) -> Wallet:
    """The cards of `member`; those of today are issued now where what they say is new.

    Without `request` nothing is written: an agent looks, not the member. Five statements when nothing
    is new.
    """
    said = contents(member)
    issued = list(Card.objects.filter(member=member).select_related("contract"))
    last: dict[int, Card] = {}
    for card in sorted(issued, key=lambda card: card.number):
        last[card.contract_id] = card
    present = []
    for contract, content in said.items():
        card = last.get(contract)
        if card is None or card.content != content:
            card = _issue(member, contract, content, card, request) if request else None
        present.append(Shown(card.content if card else content, card))
    current = {shown.card.pk for shown in present if shown.card}
    return Wallet(present, [card for card in issued if card.pk not in current])


def _issue(member: Member, contract: int, content, before: Card | None, request) -> Card:
    """The next card; the one that another request has just issued, if it was faster."""
    number = before.number + 1 if before else 1
    try:
        with transaction.atomic():
            card = Card.objects.create(
                member=member,
                contract_id=contract,
                number=number,
                code=get_random_string(LENGTH, ALPHABET),
                valid_from=date.fromisoformat(content["valid_from"]),
                valid_until=date.fromisoformat(content["valid_until"]),
                content=content,
            )
            audit.record("card.issued", user=member.user, request=request, card=card.pk)
    except IntegrityError:
        return Card.objects.get(member=member, contract=contract, number=number)
    return card


def own(member: Member, code: str) -> Shown | None:
    """A card of `member` as it was issued; None when it is not his. One statement."""
    card = Card.objects.filter(member=member, code=plain(code)).first()
    return Shown(card.content, card) if card else None


# --------------------------------------------------------------------------------------- checked


@dataclass(frozen=True)
class Checked:
    """What anybody learns of a card that he holds: whether it holds today, and nobody's name.

    `is_replaced`: another took its place, or would as soon as its member looks.
    """

    is_valid: bool
    is_replaced: bool
    valid_from: date
    valid_until: date


def check(code: str) -> Checked | None:
    """Whether the card of this code holds today; None when none has it. Five statements at most.

    It holds on its own days, while the adhésion that it was issued for does, as long as what it says of
    people, domains and operators is so. Another phone number to call does not end it.
    """
    today = timezone.localdate()
    same = {"member": OuterRef("member"), "contract": OuterRef("contract")}
    card = (
        Card.objects.filter(code=plain(code))
        .annotate(
            is_covered=Exists(Adhesion.objects.filter(**same).on(today)),
            is_replaced=Exists(Card.objects.filter(**same, number__gt=OuterRef("number"))),
        )
        .select_related("member")
        .first()
    )
    if card is None:
        return None
    holds = card.valid_from <= today <= card.valid_until and card.is_covered
    is_replaced = card.is_replaced or (holds and _has_changed(card))
    return Checked(
        is_valid=holds and not is_replaced,
        is_replaced=is_replaced,
        valid_from=card.valid_from,
        valid_until=card.valid_until,
    )


def _has_changed(card: Card) -> bool:
    """Whether its member's card says something else today."""
    said = contents(card.member).get(card.contract_id, {})
    return said | {"phone": ""} != card.content | {"phone": ""}


def plain(typed: str) -> str:
    """A code without its groups, in capitals; empty when it cannot be one."""
    code = typed.replace("-", "").upper()
    return code if set(code) <= set(ALPHABET) else ""
