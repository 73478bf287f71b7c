"""What plans promise today, under the headings that every insurer shares."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils import timezone

from members.models import Guarantee
from members.models.plan import Heading


@dataclass(frozen=True, slots=True)
class Group:
    heading: str
    guarantees: list[Guarantee]


def of_plans(plans: Iterable[int]) -> dict[int, list[Group]]:
    """For each of these plans, its guarantees of today in the order of the headings. One statement."""
    found: dict[int, dict[str, list[Guarantee]]] = {}
    for row in Guarantee.objects.filter(plan__in=plans).on(timezone.localdate()):
        found.setdefault(row.plan_id, {}).setdefault(row.heading, []).append(row)
    return {
        plan: [Group(heading.label, rows[heading]) for heading in Heading if heading in rows]
        for plan, rows in found.items()
    }
