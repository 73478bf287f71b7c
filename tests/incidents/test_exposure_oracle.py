"""The rule against an oracle: random histories, judged day by day by slow and obvious Python.

The oracle knows rule 5 of domain.md §4 and nothing of the queryset. Days are few and close, so that
periods touch, start and end on the same day as often as not. Both databases must agree with it.

While a day of an attack is unknown, the oracle tries every attack that the known days allow, and a person
is concerned as soon as one of them would concern him.
"""

import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from unittest.mock import patch

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incidents import audience, exposure
from incidents.facts import (
    ClaimFacts,
    ContactFacts,
    ContractFacts,
    DomainFacts,
    Facts,
    TargetFacts,
)
from members.models import (
    Adhesion,
    AyantDroit,
    CareDomain,
    Contract,
    Delegation,
    Employer,
    Holding,
    Member,
    Operator,
    Plan,
    User,
)
from tests.incidents.embedded import embedded_database

DAY_ZERO = date(2020, 2, 20)
SPAN = 6  # every date of a history falls within these days, except open ends
A_YEAR = timedelta(days=365)
AS_OF = DAY_ZERO + timedelta(days=3)
ADULT_BIRTH = AS_OF.replace(year=AS_OF.year - 18)
MINOR_BIRTH = ADULT_BIRTH + timedelta(days=1)
CATEGORIES = ["ETAT_CIVIL", "NIR", "EMAIL"]
OPERATORS = ["ONE", "TWO", "OTHER"]


def day(number):
    return DAY_ZERO + timedelta(days=number)


# Histories


@dataclass
class Span:
    start: date
    end: date | None

    def holds(self, day):
        return self.start <= day and (self.end is None or day <= self.end)

    def days(self):
        return {day(n) for n in range(SPAN + 2) if self.holds(day(n))}


@dataclass
class Service(Span):
    operator: str
    domain: str | None
    sent: frozenset


@dataclass
class ContractHistory:
    services: list[Service]
    kept: dict[str, list[date | None]]  # operator → a purge for each holding, None: not purged
    is_collective: bool = False


@dataclass
class Someone:
    identity: int | None  # a NIR, by number; None: unknown
    is_adult: bool
    stay: Span


@dataclass
class MemberHistory:
    identity: int | None
    stays: list[tuple[int, Span]]  # (contract, adhésion)
    family: list[Someone]
    has_account: bool = True
    has_phone: bool = True


@dataclass
class Attack:
    first: date | None
    last: date | None
    known_on: date
    exposed: frozenset


@dataclass
class History:
    contracts: list[ContractHistory]
    members: list[MemberHistory]
    attacks: dict[str, Attack]
    included: frozenset = field(default_factory=frozenset)
    excluded: frozenset = field(default_factory=frozenset)
    included_domains: frozenset = field(default_factory=frozenset)
    excluded_domains: frozenset = field(default_factory=frozenset)

    def leaves_out(self, number, service):
        """Whether a delegation of a contract is outside the incident's scope."""
        if number in self.excluded or (self.included and number not in self.included):
            return True
        if service.domain is None:  # every domain, so some that is in the scope
            return False
        if self.included_domains and service.domain not in self.included_domains:
            return True
        return service.domain in self.excluded_domains


numbers = st.integers(0, SPAN)
sets = st.frozensets(st.sampled_from(CATEGORIES))
some_sent = st.frozensets(st.sampled_from(CATEGORIES), min_size=1)
domains = st.sampled_from(["OPTI", "DENT"])
identities = st.one_of(st.none(), st.integers(1, 3))


@st.composite
def spans(draw):
    start = draw(numbers)
    end = draw(st.one_of(st.none(), st.integers(start, SPAN)))
    return Span(day(start), None if end is None else day(end))


@st.composite
def services(draw):
    """Delegations that no rule forbids: none overlaps another of the same or of every domain."""
    found = []
    for span in draw(st.lists(spans(), min_size=1, max_size=3)):
        domain = draw(st.sampled_from([None, "OPTI", "DENT"]))
        clash = any(
            (span.days() & other.days() and None in (domain, other.domain))
            or (domain == other.domain and span.days() & other.days())
            for other in found
        )
        if not clash:
            operator, sent = draw(st.sampled_from(OPERATORS)), draw(some_sent)
            found.append(Service(span.start, span.end, operator, domain, sent))
    return found


@st.composite
def contracts(draw):
    purges = st.lists(st.one_of(st.none(), numbers.map(day)), max_size=3, unique=True)
    kept = {operator: draw(purges) for operator in OPERATORS}
    return ContractHistory(draw(services()), kept, draw(st.booleans()))


@st.composite
def members(draw, contract_count):
    stays = []
    for span in draw(st.lists(spans(), min_size=1, max_size=2)):
        contract = draw(st.integers(0, contract_count - 1))
        if not any(c == contract and span.days() & other.days() for c, other in stays):
            stays.append((contract, span))
    family = [
        Someone(draw(identities), draw(st.booleans()), span)
        for span in draw(st.lists(spans(), max_size=2))
    ]
    has_account, has_phone = draw(st.booleans()), draw(st.booleans())
    return MemberHistory(draw(identities), stays, family, has_account, has_phone)


@st.composite
def attacks(draw):
    first = draw(st.one_of(st.none(), numbers))
    last = None if first is None else draw(st.one_of(st.none(), st.integers(first, SPAN)))
    return Attack(
        None if first is None else day(first),
        None if last is None else day(last),
        # a year away, so that the edge of what is plausible falls among the days of the history
        day(draw(numbers)) + draw(st.sampled_from([timedelta(0), A_YEAR, -A_YEAR])),
        draw(sets),
    )


@st.composite
def histories(draw):
    all_contracts = draw(st.lists(contracts(), min_size=1, max_size=2))
    some = st.frozensets(st.integers(0, len(all_contracts) - 1), max_size=1)
    return History(
        contracts=all_contracts,
        members=draw(st.lists(members(len(all_contracts)), min_size=1, max_size=2)),
        attacks={operator: draw(attacks()) for operator in ("ONE", "TWO")},
        included=draw(some),
        excluded=draw(some),
        included_domains=draw(st.frozensets(domains, max_size=1)),
        excluded_domains=draw(st.frozensets(domains, max_size=1)),
    )


# Histories that random ones meet too seldom, each on both sides of the day that decides


def one_stay(services, kept, attack, covered_from=0):
    """A member covered from a day on, under a contract that ONE served."""
    served = [Service(day(start), day(end), "ONE", None, ALL) for start, end in services]
    kept = {
        "ONE": [None if purge is None else day(purge) for purge in kept],
        "TWO": [],
        "OTHER": [],
    }
    stays = [(0, Span(day(covered_from), None))]
    quiet = Attack(day(0), day(0), day(0), frozenset())
    return History(
        [ContractHistory(served, kept)],
        [MemberHistory(1, stays, [])],
        {"ONE": attack, "TWO": quiet},
    )


ALL = frozenset(CATEGORIES)
LATE = Attack(day(5), day(6), day(5), ALL)
TWICE = [(0, 1), (3, 4)]
NAMED = [
    # served again since a purge: with its own holding, without, purged too, too late
    *(one_stay(TWICE, kept, LATE, covered_from=3) for kept in ([2], [2, None], [2, 4], [2, 5], [])),
    *(one_stay(TWICE, kept, LATE) for kept in ([2], [2, None], [2, 4])),
    # purged inside the delegation, on its last day, before and on the first day of the attack
    *(one_stay([(0, 3)], [purge], LATE) for purge in (2, 3, 4, 5)),
    # what is plausible begins on day 3, or ends on it
    *(one_stay([(0, end)], [], Attack(None, None, day(3) + A_YEAR, ALL)) for end in (2, 3)),
    *(one_stay([(0, 1)], [purge], Attack(None, None, day(3) + A_YEAR, ALL)) for purge in (2, 3)),
    *(
        one_stay([(0, 6)], [], Attack(first, None, day(3) - A_YEAR, ALL), covered_from=start)
        for first in (None, day(3) - A_YEAR)
        for start in (3, 4)
    ),
]


# The oracle


def possible_attacks(attack):
    """Every (first day, last day) that what is known allows; days far away count as one."""
    earliest = attack.first or attack.known_on - A_YEAR
    latest = attack.last or max(attack.first or attack.known_on, attack.known_on) + A_YEAR
    around = [day(number) for number in range(-1, SPAN + 2)]
    within = [one for one in around if earliest <= one <= latest]
    within = within or [around[-1] if earliest > around[-1] else around[0]]
    firsts = [attack.first] if attack.first else within
    lasts = [attack.last] if attack.last else within
    return [(first, last) for first in firsts for last in lasts if first <= last]


def oracle(history, cover, operator):
    """(is he concerned?, exposed categories, the days that made him so), over every possible attack."""
    concerned, categories, days = False, set(), set()
    for first, last in possible_attacks(history.attacks[operator]):
        also, more, served = oracle_of_one(history, cover, operator, first, last)
        concerned, categories, days = concerned or also, categories | more, days | served
    return concerned, categories, days


def oracle_of_one(history, cover, operator, first, last):
    """The same for one attack whose days are known, one day after the other."""
    attack = history.attacks[operator]
    sent, days = set(), set()
    concerned = False
    for number, covered in cover:
        contract = history.contracts[number]
        for service in contract.services:
            if service.operator != operator or history.leaves_out(number, service):
                continue
            served = covered & service.days()
            if not any(one <= last for one in served):
                continue
            active = any(first <= one <= last for one in service.days())
            erased = any(
                purge and service.end and service.end <= purge < first
                for purge in contract.kept[operator]
            )
            if active or (contract.kept[operator] and not erased):
                concerned = True
                sent |= service.sent
                days |= served
    return concerned, sent & attack.exposed if concerned else set(), days


def covers_of_member(member):
    return [(contract, span.days()) for contract, span in member.stays]


def covers_of(someone, member):
    return [(contract, span.days() & someone.stay.days()) for contract, span in member.stays]


def oracle_counts(history):
    """{(kind, operator, category, contract): number of persons}, None standing for any.

    All individual contracts together are the contract "individual".
    """
    found, marks, everyone = {}, {}, []

    def mark(who, *words):
        marks.setdefault(who, set()).update(words)

    for number, member in enumerate(history.members):
        who = ("member", member.identity or f"row {number}")
        mark(who, *(["active"] if any(s.holds(AS_OF) for _c, s in member.stays) else []))
        mark(who, *(["account"] if member.has_account else []))
        mark(who, *(["phone"] if member.has_phone else []))
        everyone.append((who, covers_of_member(member)))
        for position, someone in enumerate(member.family):
            who = ("family", someone.identity or f"row {number}.{position}")
            mark(who, *(["adult"] if someone.is_adult else []))
            everyone.append((who, covers_of(someone, member)))
    for who, cover in everyone:
        contracts = {None: cover}
        for number, days in cover:
            collective = history.contracts[number].is_collective
            contracts.setdefault(number if collective else "individual", []).append((number, days))
        for operator in history.attacks:
            for contract, part in contracts.items():
                concerned, categories, _days = oracle(history, part, operator)
                for kind in kinds_of(who, marks[who]) if concerned else ():
                    keys = [(kind, operator, None, contract)]
                    keys += [(kind, operator, category, contract) for category in categories]
                    keys += [(kind, None, None, None)]
                    for key in keys:
                        found.setdefault(key, set()).add(who)
    return {key: len(people) for key, people in found.items()}


def kinds_of(who, marks):
    if who[0] == "family":
        return ["ayants_droit_majeurs" if "adult" in marks else "ayants_droit_mineurs"]
    kinds = ["adherents" if "active" in marks else "anciens_adherents"]
    kinds += [] if "account" in marks else ["sans_compte"]
    return kinds + ([] if "phone" in marks else ["sans_telephone"])


# The same history as rows


def write(history):
    operators = {code: Operator.objects.create(code=code, name=code) for code in OPERATORS}
    employer = Employer.objects.create(siren="123456782", name="Employeur")
    domains = {code: CareDomain.objects.create(code=code, label=code) for code in ("OPTI", "DENT")}
    plan, _created = Plan.objects.get_or_create(code="P", name="P")
    rows = []
    for number, contract in enumerate(history.contracts):
        row = Contract.objects.create(
            number=f"C{number}",
            kind="collectif" if contract.is_collective else "individuel",
            employer=employer if contract.is_collective else None,
            plan=plan,
            phone="0",
            start=DAY_ZERO,
        )
        rows.append(row)
        Delegation.objects.bulk_create(
            Delegation(
                contract=row,
                operator=operators[one.operator],
                domain=domains.get(one.domain),
                start=one.start,
                end=one.end,
                categories=one.sent,
            )
            for one in contract.services
        )
        Holding.objects.bulk_create(
            Holding(
                contract=row,
                operator=operators[operator],
                purged_on=purged_on,
                evidence="attestation" if purged_on else "",
            )
            for operator, purges in contract.kept.items()
            for purged_on in purges
        )
    members = []
    for number, member in enumerate(history.members):
        person = Member.objects.create(
            number=f"M{number:04}",
            first_names=f"M{number}",
            birth_name="Test",
            birth_date=ADULT_BIRTH,
            user=User.objects.create(identifiant=f"m{number}") if member.has_account else None,
            phone=f"+3360000000{number}" if member.has_phone else "",
            **_nir(member.identity),
        )
        members.append(person)
        Adhesion.objects.bulk_create(
            Adhesion(member=person, contract=rows[contract], start=span.start, end=span.end)
            for contract, span in member.stays
        )
        AyantDroit.objects.bulk_create(
            AyantDroit(
                member=person,
                reference=str(position),
                link="enfant",
                first_names=f"F{position}",
                birth_name="Test",
                birth_date=ADULT_BIRTH if one.is_adult else MINOR_BIRTH,
                birth_rank=position + 1,
                start=one.stay.start,
                end=one.stay.end,
                **_nir(one.identity),
            )
            for position, one in enumerate(member.family)
        )
    targets = tuple(
        TargetFacts(
            operator_id=operators[code].pk,
            operator=code,
            operator_name=code,
            window_from=attack.first,
            window_until=attack.last,
            window_source="",
            detected_on=attack.known_on,
            what_happened="",
            claims=tuple(
                ClaimFacts(category, "exposee", "source", DAY_ZERO) for category in attack.exposed
            ),
        )
        for code, attack in history.attacks.items()
    )
    facts = Facts(
        reference="oracle",
        title="",
        detected_on=DAY_ZERO,
        contacts=ContactFacts("", "", "", ""),
        targets=targets,
        included=tuple(ContractFacts(rows[number].pk, "") for number in history.included),
        excluded=tuple(ContractFacts(rows[number].pk, "") for number in history.excluded),
        included_domains=_domains(domains, history.included_domains),
        excluded_domains=_domains(domains, history.excluded_domains),
    )
    return members, rows, facts


def _domains(rows, codes):
    return tuple(DomainFacts(rows[code].pk, code) for code in codes)


def _nir(identity):
    if identity is None:
        return {"nir_absence": "en_attente"}
    return {"nir_sealed": "sealed", "nir_digest": uuid.UUID(int=identity << 126)}


# The comparison


def agrees(history, alias):
    """Compares every person and every count, in one go and in parts; leaves no row behind."""
    with transaction.atomic(using=alias):
        members, contracts, facts = write(history)
        for member, row in zip(history.members, members, strict=True):
            himself, *family = exposure.of_member(row, facts)
            _same(history, himself, covers_of_member(member))
            by_name = {person.name: person for person in family}
            assert len(by_name) == len(member.family)
            for position, someone in enumerate(member.family):
                _same(history, by_name[f"F{position} Test"], covers_of(someone, member))
        expected = oracle_counts(history)
        names = {row.pk: number for number, row in enumerate(contracts)}
        _same_counts(expected, audience.count(facts, AS_OF), names)
        with patch.object(audience, "PART", 1):
            parts = audience.parts()
        found = sum((audience.groups(part, facts, AS_OF) for part in parts), Counter())
        _same_counts(expected, audience.tally(found, facts, AS_OF), names)
        transaction.set_rollback(True, using=alias)


def _same(history, person, cover):
    for answer in person.operators:
        concerned, categories, days = oracle(history, cover, answer.target.operator)
        attack = history.attacks[answer.target.operator]
        known = attack.first and attack.last
        expected = ("confirmee" if known else "presumee") if concerned else "ecartee"
        assert answer.state == expected
        assert answer.reason.is_concerned == concerned
        assert answer.categories == categories
        if concerned:
            assert answer.since == min(days)
            assert answer.until == (None if day(SPAN + 1) in days else max(days))


def _same_counts(expected, counted, names):
    """`names`: the number in its history of each contract, by its id."""
    found = {(kind.value, None, None, None): number for kind, number in counted.totals.items()}
    for operator in counted.operators:
        contracts = {None: operator}
        for pk, numbers in operator.contracts.items():
            contracts["individual" if pk == audience.INDIVIDUAL else names[pk]] = numbers
        for contract, numbers in contracts.items():
            for kind, number in numbers.persons.items():
                found[kind.value, operator.operator, None, contract] = number
            for category, kinds in numbers.categories.items():
                for kind, number in kinds.items():
                    found[kind.value, operator.operator, category, contract] = number
    assert found == expected


@pytest.mark.django_db
class TestPostgreSQL:
    @settings(
        max_examples=150, deadline=None, suppress_health_check=[HealthCheck.differing_executors]
    )
    @given(history=histories())
    def test_every_person_and_every_count_agree_with_the_oracle(self, history):
        agrees(history, "default")


@pytest.mark.django_db
@pytest.mark.parametrize("history", NAMED)
def test_the_days_that_decide_agree_with_the_oracle(history):
    agrees(history, "default")


@pytest.mark.parametrize("history", NAMED)
def test_sqlite_agrees_on_the_days_that_decide(embedded, history):
    agrees(history, embedded)


@pytest.fixture(scope="module")
def embedded(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), embedded_database() as alias:
        yield alias


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(history=histories())
def test_sqlite_agrees_with_the_oracle_too(embedded, history):
    agrees(history, embedded)
