"""The figures of the reach ledger: how many are informed, how, and how fast. (docs/reach.md)"""

from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from itertools import accumulate
from typing import Any

from django.db.models import Count, Exists, Min, OuterRef
from django.db.models.functions import TruncHour
from django.utils import timezone

from incidents.models import Acknowledgement, Call, Dispatch, Incident, NoticeVersion, Reach
from incidents.models.reach import INFORMED, TO_INFORM, Capacity, Channel, ReachState


@dataclass(frozen=True)
class VersionFigures:
    """What came of one version, among those concerned today."""

    number: int
    material: bool
    published_at: str
    shown: int = 0
    acknowledged: int = 0
    mails_queued: int = 0
    mails_sent: int = 0
    mails_failed: int = 0
    letters_printed: int = 0
    letters_returned: int = 0

    @property
    def letters(self) -> int:
        """Printed, whether they came back or not."""
        return self.letters_printed + self.letters_returned


@dataclass(frozen=True)
class Totals:
    """Figures of an incident, for the versions whose reading is enough.

    `p50` and `p95`: hours from the publication until half, and 95 %, of those concerned were informed;
    `p50_call` and `p95_call`, from the first call of an operator. None while they are not, or no call is
    known. `curve`: how many were informed at the end of each day, until today or the closing.
    """

    counted_at: str
    concerned: int
    states: dict[str, int]
    capacities: dict[str, int]
    versions: list[VersionFigures]
    p50: int | None = None
    p95: int | None = None
    p50_call: int | None = None
    p95_call: int | None = None
    curve: list[tuple[str, int]] = field(default_factory=list)

    @property
    def informed(self) -> int:
        return sum(self.states[state] for state in INFORMED)

    @property
    def acknowledged(self) -> int:
        return self.states[ReachState.ACKNOWLEDGED]

    @property
    def unreachable(self) -> int:
        return self.states[ReachState.UNREACHABLE]

    @property
    def to_inform(self) -> int:
        return sum(self.states[state] for state in TO_INFORM)

    def as_json(self) -> dict[str, Any]:
        told = {name: getattr(self, name) for name in ("informed", "acknowledged", "unreachable")}
        return asdict(self) | told | {"to_inform": self.to_inform}

    @classmethod
    def from_json(cls, figures: dict[str, Any]) -> "Totals":
        names = set(cls.__dataclass_fields__)
        own = {name: value for name, value in figures.items() if name in names}
        return cls(**own | {"versions": [VersionFigures(**one) for one in own["versions"]]})


def count(incident: Incident, versions: list[int]) -> Totals:
    """Counts everybody of the ledger in six statements. `versions`: those whose reading is enough."""
    people = incident.reach.concerned()
    groups = people.with_state(versions).values_list("capacity", "state").annotate(Count("pk"))
    states, capacities = Counter(), Counter()
    for capacity, state, number in groups.order_by():
        states[state] += number
        capacities[capacity] += number
    told = list(incident.versions.visible().order_by("number"))
    first = next((version for version in told if version.pk in versions), None)
    hours = _hours(people, versions)
    concerned = states.total()
    calls = Call.objects.standing().filter(target__incident=incident)
    call = calls.aggregate(first=Min("called_at"))["first"]
    return Totals(
        counted_at=timezone.now().isoformat(),
        concerned=concerned,
        states={state.value: states[state] for state in ReachState},
        capacities={capacity.value: capacities[capacity] for capacity in Capacity},
        versions=_by_version(incident, told),
        p50=_percentile(hours, concerned, 50, first and first.published_at),
        p95=_percentile(hours, concerned, 95, first and first.published_at),
        p50_call=_percentile(hours, concerned, 50, call),
        p95_call=_percentile(hours, concerned, 95, call),
        curve=_curve(hours, first, timezone.localdate(incident.closed_at)),
    )


def _hours(people, versions: list[int]) -> list[tuple[datetime, int]]:
    """(hour, how many were informed within it), the earliest first."""
    if not versions:
        return []
    informed = people.with_informed_at(versions).filter(informed_at__isnull=False)
    by_hour = informed.annotate(hour=TruncHour("informed_at")).values_list("hour")
    return list(by_hour.annotate(Count("pk")).order_by("hour"))


def _percentile(hours, concerned: int, percent: int, begin: datetime | None) -> int | None:
    """Whole hours from `begin`, rounded up, until `percent` of those concerned were informed.

    Until the end of the hour of the clock in which they were: never less than the truth.
    """
    if not concerned or begin is None:
        return None
    informed = 0
    for hour, number in hours:
        informed += number
        if informed * 100 >= concerned * percent:
            return max(0, -((begin - hour - timedelta(hours=1)) // timedelta(hours=1)))
    return None


def _curve(hours, first: NoticeVersion | None, last: date) -> list[tuple[str, int]]:
    """(day, informed by its end), each day from the publication until `last`."""
    if first is None:
        return []
    by_day = Counter()
    for hour, number in hours:
        by_day[timezone.localdate(hour)] += number
    begin = timezone.localdate(first.published_at)
    days = [begin + timedelta(days=n) for n in range((last - begin).days + 1)]
    rising = accumulate(by_day[day] for day in days)
    return [(day.isoformat(), informed) for day, informed in zip(days, rising, strict=True)]


def _by_version(incident: Incident, told: list[NoticeVersion]) -> list[VersionFigures]:
    concerned = Reach.objects.concerned().filter(
        incident=incident, ayant_droit__isnull=True, member=OuterRef("member")
    )
    readings = Acknowledgement.objects.filter(Exists(concerned), version__in=told)
    figures = {
        version: {"shown": shown, "acknowledged": acknowledged}
        for version, shown, acknowledged in readings.values_list("version")
        .annotate(Count("pk"), Count("acknowledged_at"))
        .order_by()
    }
    sent = Dispatch.objects.filter(person__is_concerned=True, version__in=told)
    names = {Channel.MAIL: "mails", Channel.LETTER: "letters"}
    groups = sent.values_list("version", "channel", "state").annotate(Count("pk")).order_by()
    for version, channel, state, number in groups:
        figures.setdefault(version, {})[f"{names[channel]}_{state}"] = number
    return [
        VersionFigures(
            version.number,
            version.material,
            version.published_at.isoformat(),
            **figures.get(version.pk, {}),
        )
        for version in told
    ]
