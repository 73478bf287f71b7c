"""How many people an incident exposes, by operator, kind, category and contract. (docs/exposure.md)

The rows of `incidents.exposure.judged`, grouped by person, then by what they have in common: two
statements for everybody, without a row of our own per person. Of a large base, `parts` are counted one
after the other, and what they found is added up.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connections, models
from django.db.models import (
    Aggregate,
    Case,
    ExpressionWrapper,
    F,
    IntegerField,
    Max,
    Min,
    Q,
    Value,
    When,
)
from django.utils.translation import gettext_lazy as _

from incidents.exposure import AYANTS_DROIT, MEMBERS, Root, judged
from incidents.facts import Facts, TargetFacts
from incidents.fingerprint import fingerprint
from incidents.models.claim import ClaimState
from incidents.reasons import CONCERNED
from members.days import years_before
from members.models.category import DataCategory, codes_of
from members.models.contract import ContractKind

ADULT_AGE = 18
CONCERNED_BIT = 1 << 30  # beside the categories: concerned, even when none of them is exposed
BITS = (*(category.bit for category in DataCategory), CONCERNED_BIT)
INDIVIDUAL = 0  # in place of a contract's id: all individual contracts together
PART = 100_000  # people counted by one statement: about a second, and bounded memory
DIGESTS = 1 << 128  # how many digests of a NIR there can be


class Kind(models.TextChoices):
    """In which capacity a person is counted; someone who holds two capacities counts in both.

    The last two are no capacities: they are members, present or former, counted again.
    """

    MEMBERS = "adherents", _("Adhérents")
    ADULTS = "ayants_droit_majeurs", _("Ayants droit majeurs")
    MINORS = "ayants_droit_mineurs", _("Ayants droit mineurs")
    FORMER = "anciens_adherents", _("Anciens adhérents")
    NO_ACCOUNT = "sans_compte", _("Sans compte")
    NO_PHONE = "sans_telephone", _("Sans téléphone")


CAPACITIES = (Kind.MEMBERS, Kind.ADULTS, Kind.MINORS, Kind.FORMER)


@dataclass
class Numbers:
    """People by kind, in all and for each exposed category."""

    persons: Counter = field(default_factory=Counter)
    categories: dict[str, Counter] = field(default_factory=dict)

    def add(self, kinds: Iterable[Kind], mask: int, number: int) -> None:
        for kind in kinds:
            self.persons[kind] += number
            for code in codes_of(mask):
                self.categories[code][kind] += number

    def as_json(self) -> dict[str, Any]:
        return {
            "persons": by_kind(self.persons),
            "categories": {code: by_kind(found) for code, found in self.categories.items()},
        }


@dataclass
class OperatorCount(Numbers):
    """`contracts`: the same for each collective contract, by its id; `INDIVIDUAL` for all others. A
    person counts once in each contract that exposes him, for what it sent."""

    operator: str = ""
    contracts: dict[int, Numbers] = field(default_factory=dict)


@dataclass(frozen=True)
class Count:
    """How many people an incident exposes. A person counts once in each of his capacities."""

    as_of: date
    totals: Counter
    operators: tuple[OperatorCount, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "as_of": self.as_of.isoformat(),
            "totals": by_kind(self.totals),
            "operators": [
                {"operator": count.operator, **count.as_json()} for count in self.operators
            ],
        }


def by_kind(counter: Counter) -> dict[str, int]:
    return {kind.value: counter[kind] for kind in Kind}


def basis(facts: Facts) -> str:
    """A digest of what decides who is concerned, and by which data: a count of another is outdated."""
    return fingerprint(
        {
            "targets": [
                [
                    target.operator_id,
                    target.first_day.isoformat(),
                    target.last_day.isoformat(),
                    target.exposed_mask,
                ]
                for target in facts.targets
            ],
            "scope": [
                sorted(one.id for one in named)
                for named in (
                    facts.included,
                    facts.excluded,
                    facts.included_domains,
                    facts.excluded_domains,
                )
            ],
        }
    )


def count(facts: Facts, as_of: date) -> Count:
    """Counts everybody in two statements; ages and « ancien adhérent » are those of the day `as_of`."""
    found = Counter()
    for part in WHOLE:
        found += groups(part, facts, as_of)
    return tally(found, facts, as_of)


# Parts


class Part(NamedTuple):
    """People of one root: all of them, those whose digest of a NIR is in [low, high[ when `by` is "nir",
    or those without NIR whose key is, when it is "pk". Bounds are hexadecimal: JSON keeps them whole."""

    root: str
    by: str = ""
    low: str = ""
    high: str = ""

    @property
    def people(self) -> Q:
        match self.by:
            case "nir":
                low, high = int(self.low, 16), int(self.high, 16) - 1
                return Q(nir_digest__range=(UUID(int=low), UUID(int=high)))
            case "pk":
                low, high = int(self.low, 16), int(self.high, 16) - 1
                return Q(nir_digest__isnull=True, pk__range=(low, high))
        return Q()


ROOTS = {root.kind: root for root in (MEMBERS, AYANTS_DROIT)}
WHOLE = tuple(Part(kind) for kind in ROOTS)


def parts() -> list[Part]:
    """Everybody, in parts that hold about `PART` people each; no person is in two of one root."""
    found = []
    for kind, root in ROOTS.items():
        known = root.model.objects.filter(nir_digest__isnull=False).count()
        found += [Part(kind, "nir", *bounds) for bounds in _slices(0, DIGESTS, known)]
        unknown = root.model.objects.filter(nir_digest__isnull=True).aggregate(
            low=Min("pk"), high=Max("pk"), number=models.Count("pk")
        )
        if unknown["number"]:
            slices = _slices(unknown["low"], unknown["high"] + 1, unknown["number"])
            found += [Part(kind, "pk", *bounds) for bounds in slices]
    return found


def _slices(low: int, high: int, people: int) -> list[tuple[str, str]]:
    number = max(1, -(-people // PART))
    bounds = [low + (high - low) * one // number for one in range(number + 1)]
    return [(f"{start:x}", f"{end:x}") for start, end in itertools.pairwise(bounds) if start < end]


# Groups


class Group(NamedTuple):
    """What people have in common, as one contract makes them so; `person` and `masks` have one mask of
    categories per target, of the whole person and of this contract. Each person is `first` once."""

    kind: Kind
    lacks: tuple[Kind, ...]
    contract: int
    first: bool
    person: tuple[int, ...]
    masks: tuple[int, ...]


def groups(part: Part, facts: Facts, as_of: date) -> Counter:
    """How many people each group of `part` has: there are few groups, however many people. One statement."""
    active = Q(adhesions__start__lte=as_of) & (
        Q(adhesions__end__isnull=True) | Q(adhesions__end__gte=as_of)
    )
    root = ROOTS[part.root]
    if root is MEMBERS:
        flags = [active, Q(user__isnull=False), ~Q(phone="")]
    else:
        flags = [Q(birth_date__lte=years_before(as_of, ADULT_AGE))]
    found = Counter()
    size = len(facts.targets)
    for contract, first, *columns, number in _rows(root, part.people, facts, flags):
        marks, masks = columns[: len(flags)], tuple(columns[len(flags) :])
        group = Group(*_kinds(root, marks), contract, bool(first), masks[:size], masks[size:])
        found[group] += number
    return found


def _kinds(root: Root, marks: list[int]) -> tuple[Kind, tuple[Kind, ...]]:
    if root is AYANTS_DROIT:
        return (Kind.ADULTS if marks[0] else Kind.MINORS), ()
    active, has_account, has_phone = marks
    lacks = [] if has_account else [Kind.NO_ACCOUNT]
    lacks += [] if has_phone else [Kind.NO_PHONE]
    return (Kind.MEMBERS if active else Kind.FORMER), tuple(lacks)


def _rows(root: Root, people: Q, facts: Facts, flags: list[Q]) -> list[tuple]:
    """Rows (contract, first, flags of the person, masks of the person, masks of the contract, people).

    Inside out: judged rows, made one per person and contract, then told what their person is.
    """
    flag_names = [f"flag_{number}" for number in range(len(flags))]
    mask_names = [f"mask_{number}" for number in range(len(facts.targets))]
    contract = f"{root.adhesions}__contract"
    pairs = (
        judged(root, facts)
        .filter(people)
        # one person is one NIR, else one row: the child of two members counts once
        .annotate(
            without_nir=Case(When(nir_digest__isnull=True, then=F("pk"))),
            of_contract=Case(
                When(**{f"{contract}__kind": ContractKind.COLLECTIVE}, then=F(f"{contract}__pk")),
                default=Value(INDIVIDUAL),
            ),
        )
        .values("nir_digest", "without_nir", "of_contract")
        .annotate(
            **{
                name: Max(Case(When(flag, then=1), default=0))
                for name, flag in zip(flag_names, flags, strict=True)
            },
            **{
                name: UnionOfSets(_mask(target))
                for name, target in zip(mask_names, facts.targets, strict=True)
            },
        )
        .values("nir_digest", "without_nir", "of_contract", *flag_names, *mask_names)
    )
    # The ORM has no GROUP BY over a window over a GROUP BY: its own SQL, wrapped twice.
    connection = connections[pairs.db]
    sql, params = pairs.query.get_compiler(pairs.db).as_sql()
    union = _union_of(connection.vendor)
    of_person = [
        *(f"MAX({name}) OVER person AS person_{name}" for name in flag_names),
        *(f"{union(name, ' OVER person')} AS person_{name}" for name in mask_names),
    ]
    columns = ", ".join(
        [
            *("of_contract", "first"),
            *(f"person_{name}" for name in (*flag_names, *mask_names)),
            *mask_names,
        ]
    )
    own = ", ".join(["of_contract", *mask_names, *of_person])
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {columns}, COUNT(*) FROM ("
            f"SELECT {own}, CASE WHEN ROW_NUMBER() OVER person = 1 THEN 1 ELSE 0 END AS first "
            f"FROM ({sql}) pairs WINDOW person AS (PARTITION BY nir_digest, without_nir)"
            f") told GROUP BY {columns}",
            params,
        )
        return cursor.fetchall()


def _mask(target: TargetFacts) -> Case:
    """The exposed categories of a row judged concerned by `target`, and that it is."""
    exposed = ExpressionWrapper(
        F("served__categories").bitand(target.exposed_mask) + CONCERNED_BIT,
        output_field=IntegerField(),
    )
    concerned = When(served__operator=target.operator_id, reason__in=CONCERNED, then=exposed)
    return Case(concerned, default=0, output_field=IntegerField())


def _union_of(vendor: str) -> Callable[..., str]:
    """SQL of the union of bit masks over a group or a window. SQLite has no BIT_OR: there, bit by bit."""
    if vendor != "sqlite":
        return lambda sql, over="": f"BIT_OR({sql}){over}"
    return lambda sql, over="": (
        "(" + " | ".join(f"MAX(({sql}) & {bit}){over}" for bit in BITS) + ")"
    )


class UnionOfSets(Aggregate):
    """The union of bit masks over a group."""

    function = "BIT_OR"
    output_field = IntegerField()

    def as_sqlite(self, compiler, connection, **context):
        sql, params = compiler.compile(self.get_source_expressions()[0])
        return _union_of("sqlite")(sql), tuple(params) * len(BITS)


# Sums


def tally(found: Counter, facts: Facts, as_of: date) -> Count:
    """What the groups of all parts come to."""
    exposed = [
        [code for code in DataCategory.values if code in target.categories(ClaimState.EXPOSED)]
        for target in facts.targets
    ]

    def none(number: int) -> dict[str, Counter]:
        return {code: Counter() for code in exposed[number]}

    totals = Counter()
    operators = tuple(
        OperatorCount(operator=target.operator, categories=none(number))
        for number, target in enumerate(facts.targets)
    )
    for group, number in found.items():
        kinds = (group.kind, *group.lacks)
        if group.first and any(group.person):
            for kind in kinds:
                totals[kind] += number
        for place, operator in enumerate(operators):
            if group.first and group.person[place]:
                operator.add(kinds, group.person[place], number)
            if mask := group.masks[place]:
                if group.contract not in operator.contracts:
                    operator.contracts[group.contract] = Numbers(categories=none(place))
                operator.contracts[group.contract].add(kinds, mask, number)
    return Count(as_of, totals, operators)
