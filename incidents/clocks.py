"""Which deadlines run for an incident: computed from what happened, never typed. (domain.md §4.9)

`of` reads the rows, `compute` is the rule and reads nothing. Hours are counted as they pass; months lead to
the same hour in Paris on the same day of a later month, or on its last day.
"""

import calendar
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import TextChoices
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents.models import Call, Classification, Filing, Incident, Regime, Ruling, Target
from incidents.models.regime import Trigger
from members.days import day

SOON = 80  # percent of the time


class ClockState(TextChoices):
    WAITING = "waiting", gettext_lazy("n'a pas démarré")
    RUNNING = "running", gettext_lazy("en cours")
    SOON = "soon", gettext_lazy("bientôt échue")
    LATE = "late", gettext_lazy("dépassée")
    MET = "met", gettext_lazy("tenue")
    MET_LATE = "met_late", gettext_lazy("tenue en retard")
    NOT_APPLICABLE = "not_applicable", gettext_lazy("sans objet")


@dataclass(frozen=True, slots=True)
class Clock:
    """One duty of one incident, or of one of its operators, at one moment."""

    regime: Regime
    target: Target | None
    state: ClockState
    at: datetime
    started_at: datetime | None = None
    due_at: datetime | None = None
    filing: Filing | None = None
    why: str = ""  # why it waits, or does not apply, even if it was filed
    ruling: Ruling | None = None  # that it does not apply

    @property
    def name(self) -> str:
        return (
            f"{self.regime.name} · {self.target.operator.name}" if self.target else self.regime.name
        )

    @property
    def key(self) -> str:
        """What a form names it by."""
        return f"{self.regime.code}:{self.target.pk}" if self.target else self.regime.code

    @property
    def is_open(self) -> bool:
        """Whether somebody has to file before it stops."""
        return self.state in (ClockState.RUNNING, ClockState.SOON, ClockState.LATE)

    @property
    def applies(self) -> bool:
        return self.state != ClockState.NOT_APPLICABLE

    @property
    def is_owed(self) -> bool:
        """Whether the duty stands: one that no longer applies keeps its filing, and `why` says so."""
        return self.applies and not (self.filing and self.why)

    @property
    def percent(self) -> int | None:
        """How much of the time was used, until the filing or until now; above 100 when late."""
        if self.due_at is None:
            return None
        end = self.filing.submitted_at if self.filing else self.at
        return max(0, (end - self.started_at) * 100 // (self.due_at - self.started_at))


@dataclass(frozen=True, slots=True)
class Happened:
    """What clocks depend on: only rows that stand."""

    awareness: Mapping[int, datetime]  # of a target → its first call
    classification: Classification | None
    filings: tuple[Filing, ...]  # in order of their submission
    rulings: tuple[Ruling, ...] = ()


def of(incident: Incident, now: datetime) -> list[Clock]:
    """Every clock of `incident` as it stands at `now`, in six statements."""
    targets = list(incident.targets.select_related("operator", "incident"))
    awareness: dict[int, datetime] = {}
    for call in Call.objects.standing().filter(target__incident=incident).order_by("called_at"):
        awareness.setdefault(call.target_id, call.called_at)
    happened = Happened(
        awareness=awareness,
        classification=Classification.objects.standing().filter(incident=incident).first(),
        filings=tuple(
            Filing.objects.standing()
            .filter(incident=incident)
            .select_related("regime")
            .order_by("submitted_at", "pk")
        ),
        rulings=tuple(Ruling.objects.standing().filter(incident=incident).select_related("regime")),
    )
    return compute(Regime.objects.all(), targets, happened, now)


def compute(
    regimes: Iterable[Regime], targets: Iterable[Target], happened: Happened, now: datetime
) -> list[Clock]:
    """The clocks that `regimes` give: one per regime, and per target where it counts for each operator."""
    targets, now = list(targets), now.astimezone(UTC)
    by_code: dict[str, list[Regime]] = {}
    for regime in sorted(regimes, key=lambda regime: regime.applies_from):
        by_code.setdefault(regime.code, []).append(regime)
    clocks: list[Clock] = []
    ordered = sorted(by_code.values(), key=lambda versions: versions[-1].position)
    for versions in ordered:
        for target in targets if versions[-1].per_operator else [None]:
            clocks.append(_clock(versions, target, targets, happened, clocks, now))
    return clocks


def _clock(versions, target, targets, happened, before, now) -> Clock:
    code = versions[-1].code
    calls = [happened.awareness.get(one.pk) for one in ([target] if target else targets)]
    aware = min((_utc(at) for at in calls if at), default=None)
    filed = [
        filing
        for filing in happened.filings
        if filing.regime.code == code and filing.target_id == (target.pk if target else None)
    ]
    filing = filed[0] if filed else None
    for ruling in happened.rulings:
        same = ruling.regime.code == code and ruling.target_id == (target.pk if target else None)
        if same and not ruling.applies:
            why = _("déclarée sans objet : %(reason)s") % {"reason": ruling.reason}
            return _without_object(ruling.regime, target, now, why, filing, ruling)
    if aware is None:
        regime, started, due, why = versions[-1], None, None, _("aucun appel n'est saisi")
    else:
        regime = _in_force(versions, aware)
        if regime is None:
            first = versions[0]
            why = _("ne s'applique que depuis le %(day)s") % {"day": day(first.applies_from)}
            return _without_object(first, target, now, why, filing)
        match regime.trigger:
            case Trigger.AWARENESS:
                started, due, why = aware, _after(regime, aware), ""
            case Trigger.CLASSIFICATION:
                if happened.classification and not happened.classification.is_major:
                    why = _("l'incident est classé non majeur")
                    return _without_object(regime, target, now, why, filing)
                started, due, why = _from_classification(regime, aware, happened.classification)
            case Trigger.FIRST_FILING | Trigger.LAST_FILING:
                followed = next(
                    (clock for clock in before if clock.regime.code == regime.follows), None
                )
                if followed and not followed.is_owed:
                    return _without_object(regime, target, now, followed.why, filing)
                started = _trigger(regime, happened.filings, filing)
                due = _after(regime, started) if started else None
                name = followed.regime.name if followed else regime.follows
                why = "" if started else _("démarre après « %(name)s »") % {"name": name}
    return Clock(
        regime,
        target,
        _state(started, due, filing, now),
        now,
        started,
        due,
        filing,
        "" if filing else why,
    )


def _without_object(regime, target, now, why: str, filing, ruling: Ruling | None = None) -> Clock:
    """What does not apply has no deadline. What was filed stays filed, as late as its own row says."""
    state = _state(None, filing.due_at, filing, now) if filing else ClockState.NOT_APPLICABLE
    return Clock(regime, target, state, now, filing=filing, why=why, ruling=ruling)


def following(clocks: Iterable[Clock], clock: Clock) -> list[Clock]:
    """Those of `clocks`, in their order, that wait for a filing of `clock`, or of one that does."""
    codes, found = {clock.regime.code}, []
    for one in clocks:
        if one.regime.follows in codes:
            codes.add(one.regime.code)
            found.append(one)
    return found


def _in_force(versions: list[Regime], aware: datetime) -> Regime | None:
    """The row that applied on the day of awareness."""
    known = timezone.localdate(aware)
    return next((one for one in reversed(versions) if one.applies_from <= known), None)


def _from_classification(regime: Regime, aware: datetime, classification: Classification | None):
    """So many hours after the classification, and no later than so many after awareness: the earlier.

    Until the incident is classified, only the second one is known. (domain.md §3, « DORA »)
    """
    cap = aware + timedelta(hours=regime.cap_hours)
    if classification is None:
        return aware, cap, ""
    classified = _utc(classification.classified_at)
    return min(aware, classified), min(_after(regime, classified), cap), ""


def _trigger(regime: Regime, filings: tuple[Filing, ...], filing: Filing | None) -> datetime | None:
    """When the filing that this regime follows was made: the first, or the last before `filing`."""
    moments = [_utc(one.submitted_at) for one in filings if one.regime.code == regime.follows]
    if regime.trigger == Trigger.FIRST_FILING or not moments:
        return min(moments, default=None)
    return max((at for at in moments if filing is None or at <= filing.submitted_at), default=None)


def _state(started, due, filing: Filing | None, now: datetime) -> ClockState:
    if filing:
        return ClockState.MET_LATE if due and filing.submitted_at > due else ClockState.MET
    if started is None:
        return ClockState.WAITING
    if now > due:
        return ClockState.LATE
    return (
        ClockState.SOON if (now - started) * 100 >= (due - started) * SOON else ClockState.RUNNING
    )


def _after(regime: Regime, start: datetime) -> datetime:
    if regime.hours:
        return start + timedelta(hours=regime.hours)
    return months_after(start, regime.months)


def months_after(start: datetime, months: int) -> datetime:
    """The same hour of Paris on the same day, `months` later; on the last day of a shorter month.

    An hour that a change of clocks skips is taken an hour later, one that comes twice the first time.
    """
    local = timezone.localtime(start)
    years, month = divmod(local.month - 1 + months, 12)
    year, month = local.year + years, month + 1
    last = calendar.monthrange(year, month)[1]
    moved = local.replace(year=year, month=month, day=min(local.day, last), fold=0)
    return moved.astimezone(UTC)


def _utc(at: datetime) -> datetime:
    """Two hours of one zone are subtracted as a wall shows them, which is wrong when clocks change."""
    return at.astimezone(UTC)
