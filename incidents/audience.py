"""How many people an incident exposes, by operator, kind and category. (docs/exposure.md)

The rows of `incidents.exposure.judged`, grouped by person, then by what they have in common: two
statements for everybody, without a row of our own per person.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.db import connections, models
from django.db.models import Aggregate, Case, ExpressionWrapper, F, IntegerField, Max, Q, When

from incidents.exposure import AYANTS_DROIT, MEMBERS, Root, judged
from incidents.facts import Facts, TargetFacts
from incidents.models.claim import ClaimState
from incidents.reasons import CONCERNED
from members.models.category import DataCategory, codes_of

ADULT_AGE = 18
CONCERNED_BIT = 1 << 30  # beside the categories: concerned, even when none of them is exposed


class Kind(models.TextChoices):
    """In which capacity a person is counted; someone who holds two capacities counts in both."""

    MEMBERS = "adherents"
    ADULTS = "ayants_droit_majeurs"
    MINORS = "ayants_droit_mineurs"
    FORMER = "anciens_adherents"


@dataclass(frozen=True)
class OperatorCount:
    operator: str
    persons: Counter = field(default_factory=Counter)
    categories: dict[str, Counter] = field(default_factory=dict)


@dataclass(frozen=True)
class Count:
    """How many people an incident exposes. A person counts once in each of his capacities."""

    as_of: date
    totals: Counter
    operators: tuple[OperatorCount, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "as_of": self.as_of.isoformat(),
            "totals": _by_kind(self.totals),
            "operators": [
                {
                    "operator": count.operator,
                    "persons": _by_kind(count.persons),
                    "categories": {
                        code: _by_kind(counter) for code, counter in count.categories.items()
                    },
                }
                for count in self.operators
            ],
        }


def _by_kind(counter: Counter) -> dict[str, int]:
    return {kind.value: counter[kind] for kind in Kind}


def count(facts: Facts, as_of: date) -> Count:
    """Counts everybody in two statements; ages and « ancien adhérent » are those of the day `as_of`."""
    totals = Counter()
    operators = tuple(
        OperatorCount(
            target.operator,
            categories={
                code: Counter()
                for code in DataCategory.values
                if code in target.categories(ClaimState.EXPOSED)
            },
        )
        for target in facts.targets
    )
    for kind, masks, number in _groups(facts, as_of):
        if any(masks):
            totals[kind] += number
        for operator, mask in zip(operators, masks, strict=True):
            if mask:
                operator.persons[kind] += number
            for code in codes_of(mask):
                operator.categories[code][kind] += number
    return Count(as_of, totals, operators)


def _groups(facts: Facts, as_of: date) -> Iterator[tuple[Kind, list[int], int]]:
    """(kind, one mask per target, number of people), over the few sets of data that exist."""
    active = Q(adhesions__start__lte=as_of) & (
        Q(adhesions__end__isnull=True) | Q(adhesions__end__gte=as_of)
    )
    adult = Q(birth_date__lte=years_before(as_of, ADULT_AGE))
    for root, flag, kinds in (
        (MEMBERS, active, (Kind.FORMER, Kind.MEMBERS)),
        (AYANTS_DROIT, adult, (Kind.MINORS, Kind.ADULTS)),
    ):
        for flagged, *masks, number in _count_people(root, facts, flag):
            yield kinds[flagged], masks, number


def _count_people(root: Root, facts: Facts, flag: Q) -> list[tuple]:
    """Rows (flag, one mask per target, number of people)."""
    masks = {f"mask_{number}": _mask(target) for number, target in enumerate(facts.targets)}
    people = (
        judged(root, facts)
        # one person is one NIR, else one row: the child of two members counts once
        .annotate(without_nir=Case(When(nir_digest__isnull=True, then=F("pk"))))
        .values("nir_digest", "without_nir")
        .annotate(flag=Max(Case(When(flag, then=1), default=0)))
        .annotate(**{name: UnionOfSets(mask) for name, mask in masks.items()})
        .values("flag", *masks)
    )
    # The ORM has no GROUP BY over a GROUP BY: its own SQL, wrapped once.
    connection = connections[people.db]
    sql, params = people.query.get_compiler(people.db).as_sql()
    columns = ", ".join(connection.ops.quote_name(name) for name in ("flag", *masks))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns}, COUNT(*) FROM ({sql}) people GROUP BY {columns}", params)
        return cursor.fetchall()


def _mask(target: TargetFacts) -> Case:
    """The exposed categories of a row judged concerned by `target`, and that it is."""
    exposed = ExpressionWrapper(
        F("served__categories").bitand(target.exposed_mask) + CONCERNED_BIT,
        output_field=IntegerField(),
    )
    concerned = When(served__operator=target.operator_id, reason__in=CONCERNED, then=exposed)
    return Case(concerned, default=0, output_field=IntegerField())


class UnionOfSets(Aggregate):
    """The union of bit masks over a group. SQLite has no BIT_OR: there, bit by bit."""

    function = "BIT_OR"
    output_field = IntegerField()

    def as_sqlite(self, compiler, connection, **context):
        sql, params = compiler.compile(self.get_source_expressions()[0])
        bits = [*(category.bit for category in DataCategory), CONCERNED_BIT]
        union = " | ".join(f"MAX(({sql}) & {bit})" for bit in bits)
        return f"({union})", tuple(params) * len(bits)


def years_before(day: date, years: int) -> date:
    """The latest birth date of who has `years` on `day`; born on 29 February, one ages on 1 March."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return day.replace(year=day.year - years, day=28)
