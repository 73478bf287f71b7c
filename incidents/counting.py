"""Who an incident concerns, counted by a worker and kept: pages read what was counted, and when.

A small base is counted at once. A large one is counted in parts, by work that a person can watch and
that is taken up where it was; people who change meanwhile are counted as their part found them.
"""

from collections import Counter
from datetime import date
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from incidents import audience, facts, notices
from incidents.audience import Count, Group, Part
from incidents.facts import Facts
from incidents.models import AudienceCount, Incident, NoticeVersion
from members import audit, jobs
from members.models import Contract, Job, Member
from members.models.category import DataCategory
from members.models.job import ACTIVE

KIND = "incidents.audience"
AT_ONCE = 10_000  # members: the page that asks waits some tenths of a second


def told(incident: Incident, *, as_typed: bool = False) -> tuple[NoticeVersion | None, Facts]:
    """What is counted: the facts of the version in force, or those that are typed now (no version)."""
    return (None, facts.of(incident)) if as_typed else notices.told(incident)


def kept(incident: Incident, version: NoticeVersion | None) -> AudienceCount | None:
    """What was last counted for `version`, whatever has changed since."""
    return AudienceCount.objects.filter(incident=incident, version=version).first()


def is_outdated(counted: AudienceCount, told: Facts) -> bool:
    """Whether other facts decide today."""
    return counted.basis != audience.basis(told)


def under_way(incident: Incident) -> Job | None:
    """The work that counts for `incident` now, if any."""
    active = Job.objects.filter(kind=KIND, key__startswith=f"{incident.pk}:", state__in=ACTIVE)
    return active.first()


def ask(incident: Incident, *, by, as_typed: bool = False, request=None) -> Job | None:
    """Counts at once and returns None; returns the job that will, where there are many people."""
    as_of = timezone.localdate()
    if Member.objects.all()[: AT_ONCE + 1].count() <= AT_ONCE:
        version, counted = told(incident, as_typed=as_typed)
        _keep(incident, version, counted, audience.count(counted, as_of), by=by, request=request)
        return None
    return jobs.start(
        KIND,
        by=by,
        request=request,
        key=f"{incident.pk}:{'saisie' if as_typed else 'version'}",
        incident=incident.pk,
        as_typed=as_typed,
        as_of=as_of.isoformat(),
    )


@jobs.work(
    KIND,
    title=_("Compter les personnes concernées"),
    permission="incidents.view_audiencecount",
)
def count_in_parts(job: Job):
    """Begins again from nothing when other facts came into force meanwhile."""
    incident = Incident.objects.get(pk=job.parameters["incident"])
    as_of = date.fromisoformat(job.parameters["as_of"])
    version, counted = told(incident, as_typed=job.parameters["as_typed"])
    basis = audience.basis(counted)
    cursor = job.cursor
    if cursor.get("basis") != basis:
        cursor = {"basis": basis, "parts": audience.parts(), "next": 0, "found": []}
    parts = [Part(*part) for part in cursor["parts"]]
    found = _groups_from_json(cursor["found"])
    for place in range(cursor["next"], len(parts)):
        found += audience.groups(parts[place], counted, as_of)
        cursor = cursor | {"next": place + 1, "found": _groups_as_json(found)}
        yield jobs.Step(done=place + 1, total=len(parts), cursor=cursor)
    result = audience.tally(found, counted, as_of)
    _keep(incident, version, counted, result, by=job.by)
    return {str(kind.label): result.totals[kind] for kind in audience.CAPACITIES}


def _groups_as_json(found: Counter) -> list:
    return [[*group, number] for group, number in found.items()]


def _groups_from_json(rows: list) -> Counter:
    found = Counter()
    for kind, lacks, contract, first, person, masks, number in rows:
        lacks = tuple(audience.Kind(lack) for lack in lacks)
        group = Group(audience.Kind(kind), lacks, contract, first, tuple(person), tuple(masks))
        found[group] = number
    return found


def _keep(incident, version, counted: Facts, result: Count, *, by, request=None) -> None:
    with transaction.atomic():
        AudienceCount.objects.update_or_create(
            incident=incident,
            version=version,
            defaults={
                "as_of": result.as_of,
                "counted_at": timezone.now(),
                "basis": audience.basis(counted),
                "figures": figures(result, counted),
            },
        )
        audit.record(
            "incident.audience_counted",
            actor=by,
            request=request,
            incident=incident.reference,
            version=version and version.number,
            persons=sum(result.totals[kind] for kind in audience.CAPACITIES),
        )


def figures(result: Count, counted: Facts) -> dict[str, Any]:
    """The numbers of `result` as JSON, with the names that they need to be read years later.

    The contracts of an operator come the largest first; the individual ones together have no number.
    """
    ids = {pk for operator in result.operators for pk in operator.contracts}
    named = Contract.objects.filter(pk__in=ids).values_list("pk", "number", "employer__name")
    names = {pk: {"number": number, "employer": employer} for pk, number, employer in named}
    names[audience.INDIVIDUAL] = {"number": "", "employer": ""}
    operators = []
    for operator, target in zip(result.operators, counted.targets, strict=True):
        contracts = [
            names[pk] | numbers.as_json()
            for pk, numbers in operator.contracts.items()
            if pk in names  # a contract that disappeared meanwhile
        ]
        contracts.sort(key=lambda one: (-_persons(one), one["number"]))
        operators.append(
            {
                "operator": operator.operator,
                "name": target.operator_name,
                **operator.as_json(),
                "contracts": contracts,
            }
        )
    return result.as_json() | {"operators": operators}


def _persons(numbers: dict[str, Any]) -> int:
    return sum(numbers["persons"][kind] for kind in audience.CAPACITIES)


# The file

EVERY = _("Tous")


def lines(counted: AudienceCount):
    """The rows of a CSV: a header, then one per operator, contract and category, with a number by kind."""
    head = [_("Opérateur"), _("Contrat"), _("Employeur"), _("Donnée")]
    yield [*head, *(kind.label for kind in audience.Kind)]
    yield [EVERY, EVERY, "", _("Toutes"), *in_order(counted.figures["totals"])]
    for operator in counted.figures["operators"]:
        yield from _lines_of(operator["name"], EVERY, "", operator)
        for contract in operator["contracts"]:
            number = contract["number"] or _("Contrats individuels")
            yield from _lines_of(operator["name"], number, contract["employer"], contract)


def _lines_of(operator, contract, employer, numbers):
    yield [operator, contract, employer, _("Toutes"), *in_order(numbers["persons"])]
    for category, found in categories(numbers):
        yield [operator, contract, employer, category.label, *in_order(found)]


def in_order(by_kind: dict[str, int]) -> list[int]:
    """A number for each kind, in their order: a database keeps none in JSON."""
    return [by_kind.get(kind, 0) for kind in audience.Kind]


def categories(numbers: dict[str, Any]) -> list[tuple[DataCategory, dict[str, int]]]:
    """(category, numbers by kind), in the order of the categories."""
    found = numbers["categories"]
    return [(category, found[category]) for category in DataCategory if category in found]
