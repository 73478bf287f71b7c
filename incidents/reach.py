"""The reach ledger: who must be told of an incident, and where each stands. (domain.md §2, §4.10)

The rows come from the exposure rule and from no other; who is informed is said by one queryset,
`ReachQuerySet.with_state`. (docs/decisions/0034-reach-ledger.md)
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.conf import settings
from django.db import connections, models, transaction
from django.db.models import Case, F, Max, Min, Q, QuerySet, Value, When
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents import notices, reach_figures
from incidents.audience import ADULT_AGE
from incidents.exposure import AYANTS_DROIT, MEMBERS, judged
from incidents.facts import Facts
from incidents.models import Acknowledgement, Census, Dispatch, Incident, NoticeVersion, Reach
from incidents.models.incident import IncidentState
from incidents.models.reach import Channel, DispatchState, ReachState, Unreachable
from incidents.reach_figures import Totals
from incidents.reasons import CONCERNED
from members import audit, jobs
from members.days import years_before
from members.models import AyantDroit, Job, Member

FILL = "incidents.reach"
BATCH = 20_000  # people judged at a time
FRESH = timedelta(days=1)
COUNTED_AT_ONCE = 50_000  # larger ledgers are counted by jobs, not by pages


class ReachError(Exception):
    """An incident may not be closed yet. (domain.md §4.10)"""


class NotCounted(ReachError):
    """The ledger was not filled by the facts of today within a day."""


class NotAllInformed(ReachError):
    def __init__(self, left: int):
        super().__init__(left)
        self.left = left


# ------------------------------------------------------------------------------------ which versions


def enough(incident: Incident) -> list[int]:
    """The ids of the versions whose reading is enough today, the first published first. One statement."""
    versions = NoticeVersion.objects.enough().filter(incident=incident)
    return list(versions.order_by("number").values_list("pk", flat=True))


def as_of(incident: Incident) -> date:
    """The day that says who is of age: when what must be read was published, else today.

    A child was told through his member that day; he is not written to again on his birthday.
    """
    first = NoticeVersion.objects.enough().filter(incident=incident).order_by("number").first()
    return timezone.localdate(first.published_at if first else None)


# ------------------------------------------------------------------------------------------ filling


@jobs.work(
    FILL,
    title=gettext_lazy("Actualiser le registre des personnes à informer"),
    permission="incidents.refresh_reach",
)
def work(job) -> Iterator[jobs.Step]:
    incident = Incident.objects.get(pk=job.parameters["incident"])
    census = yield from _steps(incident, job.cursor, by=job.by)
    return {
        _("Personnes concernées"): census.figures["concerned"],
        _("Reste à informer"): census.figures["to_inform"],
    }


def refresh(incident: Incident, *, by, request=None) -> Job:
    """Asks for a filling, or returns the one that is under way."""
    return jobs.start(FILL, by=by, request=request, key=incident.reference, incident=incident.pk)


def refresh_live() -> None:
    """Each night: whoever is concerned since yesterday comes in, and an incident can be closed today."""
    for incident in Incident.objects.filter(state=IncidentState.LIVE):
        refresh(incident, by=None)


def settle() -> None:
    """Each hour: what became of e-mails is noted, long before their own rows are purged."""
    Dispatch.objects.settle()


def forget() -> int:
    """Each night: what letters told of people leaves, INCIDENT_DETAILS_YEARS after the closing; how many
    letters. (GDPR article 5.1.e)"""
    years = settings.INCIDENT_DETAILS_YEARS
    last = years_before(timezone.localdate(), years)
    midnight = timezone.make_aware(datetime.combine(last, time.min))
    return Dispatch.objects.forget(midnight)


def fill(incident: Incident) -> Census:
    """The whole filling at once, for a command or a small incident."""
    steps = _steps(incident, {})
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            return finished.value


def _steps(incident: Incident, cursor: dict, by=None) -> Iterator[jobs.Step]:
    """Fills in batches of people; each is safe to do again. Returns the finished census."""
    _version, facts = notices.told(incident)
    census = Census.objects.filter(pk=cursor.get("census")).first()
    if census is None or census.facts_digest != notices.facts_digest(facts):
        census = Census.objects.create(
            incident=incident, facts_digest=notices.facts_digest(facts), as_of=as_of(incident)
        )
        total = 2 * (Member.objects.count() + AyantDroit.objects.count())
        cursor = {"census": census.pk, "pass": 0, "after": 0, "done": 0, "total": total}
    Dispatch.objects.settle()
    # Everybody leaves before anybody enters: an adult who has rows of two members enters by the one
    # that concerns him only once the other has left, and their batches come in any order.
    passes = [(act, root) for act in (_dismiss, _enrol) for root in (MEMBERS, AYANTS_DROIT)]
    while cursor["pass"] < len(passes):
        act, root = passes[cursor["pass"]]
        upto, judged_now = _batch(root.model, cursor["after"])
        if judged_now:
            with transaction.atomic():
                people = {"pk__gt": cursor["after"], "pk__lte": upto}
                act(incident, root, facts, people, census.as_of)
            cursor = cursor | {"after": upto, "done": cursor["done"] + judged_now}
        else:
            cursor = cursor | {"pass": cursor["pass"] + 1, "after": 0}
        yield jobs.Step(done=cursor["done"], total=cursor["total"], cursor=cursor)
    with transaction.atomic():
        census.finished_at = timezone.now()
        census.figures = reach_figures.count(incident, enough(incident)).as_json()
        census.save(update_fields=["finished_at", "figures"])
        audit.record(
            "incident.reach_filled",
            actor=by,
            incident=incident.reference,
            concerned=census.figures["concerned"],
            to_inform=census.figures["to_inform"],
        )
    return census


def _batch(model: type[models.Model], after: int) -> tuple[int, int]:
    """(the last id of the next batch, how many people it holds)."""
    ids = model.objects.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:BATCH]
    found = list(ids)
    return (found[-1], len(found)) if found else (after, 0)


def _hits(root, facts: Facts, people: dict) -> QuerySet:
    return judged(root, facts).filter(**people).filter(reason__in=CONCERNED)


def _dismiss(incident: Incident, root, facts: Facts, people: dict, _day: date) -> None:
    """Who is no longer concerned leaves the list; his row stays, with what was sent to him."""
    concerned = _hits(root, facts, people).values("pk")
    if root is MEMBERS:
        rows = Reach.objects.filter(
            ayant_droit__isnull=True,
            member__gt=people["pk__gt"],
            member__lte=people["pk__lte"],
        ).exclude(member__in=concerned)
    else:
        rows = Reach.objects.filter(
            ayant_droit__gt=people["pk__gt"], ayant_droit__lte=people["pk__lte"]
        ).exclude(ayant_droit__in=concerned)
    rows.filter(incident=incident, is_concerned=True).update(is_concerned=False)


# One statement writes a batch: who is new comes in, who is concerned again comes back. The subquery
# `person` is the exposure rule; `WHERE TRUE` lets SQLite see where the SELECT ends.
MEMBERS_SQL = """
    INSERT INTO incidents_reach (incident_id, member_id, ayant_droit_id, capacity, is_concerned,
        added_at, unreachable, unreachable_note)
    SELECT %s, person.member, NULL,
        CASE WHEN person.is_present = 1 THEN 'adherent' ELSE 'ancien_adherent' END, TRUE, %s, '', ''
    FROM ({people}) person
    WHERE TRUE
    ON CONFLICT (incident_id, member_id) WHERE ayant_droit_id IS NULL
    DO UPDATE SET is_concerned = TRUE, capacity = excluded.capacity
    WHERE NOT incidents_reach.is_concerned OR incidents_reach.capacity <> excluded.capacity
"""
# a person is one NIR: the adult child of two members has one row, that of the first who covers him
ADULTS_SQL = """
    INSERT INTO incidents_reach (incident_id, member_id, ayant_droit_id, capacity, is_concerned,
        added_at, unreachable, unreachable_note)
    SELECT %s, covered.member_id, covered.id, 'ayant_droit', TRUE, %s, '', ''
    FROM ({people}) person JOIN members_ayantdroit covered ON covered.id = person.first_row
    WHERE NOT EXISTS (
        SELECT 1 FROM incidents_reach told JOIN members_ayantdroit same ON same.id = told.ayant_droit_id
        WHERE told.incident_id = %s AND told.is_concerned AND same.nir_digest = person.nir_digest
            AND same.id <> person.first_row)
    ON CONFLICT (incident_id, ayant_droit_id) WHERE ayant_droit_id IS NOT NULL
    DO UPDATE SET is_concerned = TRUE WHERE NOT incidents_reach.is_concerned
"""


def _enrol(incident: Incident, root, facts: Facts, people: dict, day: date) -> None:
    rows = judged(root, facts).filter(**people)
    if root is MEMBERS:
        today = timezone.localdate()
        active = Q(adhesions__start__lte=today) & (
            Q(adhesions__end__isnull=True) | Q(adhesions__end__gte=today)
        )
        chosen = (
            rows.values(member=F("pk"))
            .annotate(hit=_any(Q(reason__in=CONCERNED)), is_present=_any(active))
            .filter(hit=1)
            .values("member", "is_present")
        )
        _insert(MEMBERS_SQL, chosen, [incident.pk])
    else:
        chosen = (
            rows.filter(birth_date__lte=years_before(day, ADULT_AGE), reason__in=CONCERNED)
            .annotate(without_nir=Case(When(nir_digest__isnull=True, then=F("pk"))))
            .values("nir_digest", "without_nir")
            .annotate(first_row=Min("pk"))
            .values("nir_digest", "first_row")
        )
        _insert(ADULTS_SQL, chosen, [incident.pk], after=[incident.pk])


def _any(condition: Q) -> Max:
    return Max(Case(When(condition, then=Value(1)), default=Value(0)))


def _insert(statement: str, people: QuerySet, before: list, after: list = ()) -> None:
    connection = connections[people.db]
    sql, params = people.query.get_compiler(people.db).as_sql()
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    with connection.cursor() as cursor:
        cursor.execute(statement.format(people=sql), [*before, now, *params, *after])


# ------------------------------------------------------------------------------------------ closing


def insist(incident: Incident) -> None:
    """Everybody concerned is informed or known as unreachable. Raises NotCounted or NotAllInformed."""
    if not is_up_to_date(incident) or last_census(incident).finished_at < timezone.now() - FRESH:
        raise NotCounted
    left = incident.reach.to_inform(enough(incident)).count()
    if left:
        raise NotAllInformed(left)


def count_at_closing(incident: Incident) -> None:
    """The figures of the last filling become those of the closing: nobody counts a large ledger later."""
    census = last_census(incident)
    census.figures = reach_figures.count(incident, enough(incident)).as_json()
    census.save(update_fields=["figures"])


def is_up_to_date(incident: Incident) -> bool:
    """Whether the facts in force are those that filled the ledger last. Two statements."""
    _version, facts = notices.told(incident)
    census = last_census(incident)
    return census is not None and census.facts_digest == notices.facts_digest(facts)


def expect_up_to_date(incident: Incident) -> None:
    """For whoever writes to people: those of the ledger are those whom the version in force concerns.

    Raises jobs.Failed.
    """
    if not is_up_to_date(incident):
        raise jobs.Failed(_("Le registre date d'autres faits. Actualisez-le d'abord."))


def last_census(incident: Incident) -> Census | None:
    return incident.censuses.finished().first()


# ----------------------------------------------------------------------------------------- counting


def totals(incident: Incident) -> Totals | None:
    """The figures of an incident, or None while its ledger was never filled.

    A large ledger is not counted while a page waits: its figures are then those of the last filling,
    or of the closing, and `Totals.counted_at` says when.
    """
    census = last_census(incident)
    if census is None:
        return None
    if census.figures["concerned"] <= COUNTED_AT_ONCE:
        return reach_figures.count(incident, enough(incident))
    return Totals.from_json(census.figures)


def is_outdated(incident: Incident, totals: Totals) -> bool:
    """Whether they were counted before the version in force, or in a ledger of other facts."""
    version = notices.latest(incident)
    counted = totals.versions[-1].number if totals.versions else None
    return counted != (version.number if version else None) or not is_up_to_date(incident)


# --------------------------------------------------------------------------------------- one person


@dataclass(frozen=True)
class Event:
    """One thing that a person was told, or that stood in the way. `reference`: that of a letter."""

    at: datetime
    version: int | None
    what: str
    reference: str = ""


@dataclass(frozen=True)
class Story:
    """What one person was told of one incident, the latest first, and where he stands today."""

    row: Reach
    state: ReachState
    events: list[Event]


def sent_to(member: Member) -> QuerySet:
    """Each e-mail and letter to him or to an adult of his family, the latest first. One statement."""
    sent = Dispatch.objects.filter(person__member=member).order_by("-made_at", "-pk")
    return sent.select_related("version__incident", "person__member", "person__ayant_droit")


def story(row: Reach) -> Story:
    """What the person of `row` was told: four statements, three for an ayant droit."""
    state = Reach.objects.with_state(enough(row.incident)).values_list("state", flat=True)
    events = [*_sent(row), *(_shown(row) if row.ayant_droit_id is None else ())]
    if row.unreachable:
        events.append(
            Event(
                row.unreachable_at,
                None,
                _("Injoignable : %(reason)s. %(note)s")
                % {"reason": row.get_unreachable_display(), "note": row.unreachable_note},
            )
        )
    events.sort(key=lambda event: event.at, reverse=True)
    return Story(row, ReachState(state.get(pk=row.pk)), events)


def _sent(row: Reach) -> Iterator[Event]:
    for sent in Dispatch.objects.filter(person=row).select_related("version"):
        number, what = sent.version.number, _WORDS[sent.channel]
        reference = grouped(sent.reference)
        yield Event(sent.made_at, number, str(what["made"]), reference)
        if sent.state in what:
            yield Event(sent.state_at, number, str(what[sent.state]), reference)


def _shown(row: Reach) -> Iterator[Event]:
    readings = Acknowledgement.objects.filter(
        member=row.member_id, version__incident=row.incident_id
    )
    for reading in readings.select_related("version"):
        number = reading.version.number
        yield Event(reading.shown_at, number, _("Information affichée dans l'espace"))
        if reading.acknowledged_at:
            yield Event(reading.acknowledged_at, number, _("Information lue, dit l'adhérent"))


_WORDS = {
    Channel.MAIL: {
        "made": gettext_lazy("E-mail mis en file"),
        DispatchState.SENT: gettext_lazy("E-mail envoyé"),
        DispatchState.FAILED: gettext_lazy("E-mail refusé par le serveur"),
    },
    Channel.LETTER: {
        "made": gettext_lazy("Courrier imprimé"),
        DispatchState.RETURNED: gettext_lazy("Courrier revenu"),
    },
}


def grouped(reference: str) -> str:
    """A letter's reference as it is printed: « CDFG-HJKM-NPQR »."""
    return "-".join(reference[start : start + 4] for start in range(0, len(reference), 4))


# -------------------------------------------------------------------------------------- unreachable


def excuse(row: Reach, reason: Unreachable, note: str, *, by, request=None) -> bool:
    """Says why the person cannot be told, and what proves it. False when it was said already."""
    with transaction.atomic():
        done = bool(_excuse(Reach.objects.filter(pk=row.pk), reason, note, by))
        if done:
            audit.record(
                "incident.unreachable",
                actor=by,
                request=request,
                incident=row.incident.reference,
                person=row.pk,
                reason=str(reason),
            )
    return done


def excuse_all(incident: Incident, reason: Unreachable, note: str, *, by, request=None) -> int:
    """The same for everybody of whom the ledger itself shows it; how many. (`shown_by_the_ledger`)"""
    with transaction.atomic():
        rows = Reach.objects.filter(pk__in=shown_by_the_ledger(incident, reason).values("pk"))
        done = _excuse(rows, reason, note, by)
        audit.record(
            "incident.unreachable_by_group",
            actor=by,
            request=request,
            incident=incident.reference,
            reason=str(reason),
            count=done,
        )
    return done


def _excuse(rows: QuerySet, reason: Unreachable, note: str, by) -> int:
    return rows.filter(unreachable="").update(
        unreachable=Unreachable(reason),
        unreachable_note=note,
        unreachable_at=timezone.now(),
        unreachable_by=by,
    )


def reach_again(row: Reach, *, by, request=None) -> bool:
    """Takes back that he is unreachable: an address was found. False when it was not said."""
    with transaction.atomic():
        done = bool(
            Reach.objects.filter(pk=row.pk)
            .exclude(unreachable="")
            .update(unreachable="", unreachable_note="", unreachable_at=None, unreachable_by=None)
        )
        if done:
            audit.record(
                "incident.reachable_again",
                actor=by,
                request=request,
                incident=row.incident.reference,
                person=row.pk,
            )
    return done


def complete_address(path: str) -> Q:
    """Whether the person at `path` has a whole postal address."""
    return ~(
        Q(**{f"{path}address": ""}) | Q(**{f"{path}postal_code": ""}) | Q(**{f"{path}city": ""})
    )


POSTAL = complete_address("member__") | Q(ayant_droit__isnull=False) & complete_address(
    "ayant_droit__"
)
OPEN_ACCOUNT = Q(
    ayant_droit__isnull=True,
    member__user__is_active=True,
    member__user__suspended_at__isnull=True,
) & ~Q(member__phone="")

# What the ledger itself shows, for everybody at once; other reasons are said one by one.
BY_GROUP = (Unreachable.NO_ADDRESS, Unreachable.RETURNED, Unreachable.RETURNED_TWICE)


def shown_by_the_ledger(incident: Incident, reason: Unreachable) -> QuerySet:
    """Who is still to inform, and of whom the ledger shows `reason`, which is one of BY_GROUP."""
    versions = enough(incident)
    left = incident.reach.to_inform(versions)
    if reason == Unreachable.NO_ADDRESS:
        return left.exclude(POSTAL).exclude(OPEN_ACCOUNT)
    least = 2 if reason == Unreachable.RETURNED_TWICE else 1
    returned = Dispatch.objects.filter(version__in=versions, state=DispatchState.RETURNED)
    often = returned.values("person").annotate(times=models.Count("pk")).filter(times__gte=least)
    return left.filter(state=ReachState.RETURNED, pk__in=often.values("person"))
