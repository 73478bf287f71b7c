"""What each operator said of each category, side by side, now and before."""

from dataclasses import dataclass

from incidents.models import Claim, Incident, Target
from members.models.category import DataCategory


@dataclass(frozen=True, slots=True)
class Cell:
    """One operator about one category: what it says now, and what it said before, latest first."""

    target: Target
    live: Claim | None
    before: tuple[Claim, ...]


@dataclass(frozen=True, slots=True)
class Row:
    category: DataCategory
    cells: tuple[Cell, ...]

    @property
    def differs(self) -> bool:
        """Whether two operators say different things of it; who says nothing contradicts nobody."""
        return len({cell.live.state for cell in self.cells if cell.live}) > 1


def of(incident: Incident) -> tuple[list[Target], list[Row]]:
    """The operators and a row for each category, in two statements."""
    targets = list(incident.targets.select_related("operator"))
    said: dict[tuple[int, str], list[Claim]] = {}
    claims = Claim.objects.filter(target__incident=incident).select_related("recorded_by")
    for claim in claims.order_by("-pk"):
        said.setdefault((claim.target_id, claim.category), []).append(claim)
    return targets, [
        Row(
            category,
            tuple(_cell(target, said.get((target.pk, category), [])) for target in targets),
        )
        for category in DataCategory
    ]


def _cell(target: Target, claims: list[Claim]) -> Cell:
    live = next((claim for claim in claims if claim.superseded_at is None), None)
    return Cell(target, live, tuple(claim for claim in claims if claim is not live))
