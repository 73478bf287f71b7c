"""Deadlines: computed from what happened, at any hour and in any order. (domain.md §4.9, §3 « DORA »)"""

from datetime import UTC, date, datetime, timedelta
from threading import Barrier, Thread
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from incidents import clocks, evidence, filings, intake, lifecycle, reminders
from incidents.clocks import ClockState, Happened
from incidents.models import (
    Call,
    Classification,
    Filing,
    Incident,
    Regime,
    Reminder,
    Ruling,
    Target,
)
from members.models import AuditEvent, Mail, Operator
from members.models.written_once import WrittenOnce
from portal import roles
from tests.cast import nobody_left_to_inform
from tests.incidents.test_desk import at, text

PARIS = ZoneInfo("Europe/Paris")
HOUR = timedelta(hours=1)
DORA_DAY = date(2025, 1, 17)
NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)

moments = st.integers(0, 7 * 365 * 24 * 60).map(
    lambda minutes: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)
spans = st.integers(min_value=0, max_value=90 * 24 * 60).map(
    lambda minutes: timedelta(minutes=minutes)
)


# The rule


def regime(code, **told) -> Regime:
    common = {
        "name": code,
        "position": 1,
        "trigger": "connaissance",
        "applies_from": date(2018, 5, 25),
    }
    return Regime(code=code, **{**common, **told})


GDPR = regime("rgpd-33", per_operator=True, hours=72)
INITIAL = regime(
    "dora-initial", trigger="classement", hours=4, cap_hours=24, applies_from=DORA_DAY, position=2
)
INTERMEDIATE = regime(
    "dora-intermediaire",
    trigger="premier_depot",
    follows="dora-initial",
    hours=72,
    applies_from=DORA_DAY,
    position=3,
)
FINAL = regime(
    "dora-final",
    trigger="dernier_depot",
    follows="dora-intermediaire",
    months=1,
    applies_from=DORA_DAY,
    position=4,
)
LAW = (GDPR, INITIAL, INTERMEDIATE, FINAL)
TARGETS = (Target(pk=1), Target(pk=2))


def filed(regime, at, target=None) -> Filing:
    return Filing(regime=regime, submitted_at=at, target_id=target)


def stand(now, *, calls=None, classified=None, is_major=True, filings=()) -> dict:
    happened = Happened(
        awareness=calls or {},
        classification=Classification(classified_at=classified, is_major=is_major)
        if classified
        else None,
        filings=tuple(sorted(filings, key=lambda one: one.submitted_at)),
    )
    found = clocks.compute(LAW, TARGETS, happened, now)
    return {(one.regime.code, one.target.pk if one.target else None): one for one in found}


@given(first=moments, second=moments, now=moments)
def test_each_operator_has_its_own_seventy_two_hours(first, second, now):
    found = stand(now, calls={1: first, 2: second})
    for target, aware in ((1, first), (2, second)):
        clock = found["rgpd-33", target]
        assert clock.due_at - aware == 72 * HOUR
        assert (clock.state == ClockState.LATE) == (now > aware + 72 * HOUR)


@given(aware=moments, after=spans)
def test_a_clock_is_soon_over_from_four_fifths_on_and_late_from_its_end(aware, after):
    clock = stand(aware + after, calls={1: aware})["rgpd-33", 1]
    used = after / (72 * HOUR)
    expected = (
        ClockState.RUNNING if used < 0.8 else ClockState.SOON if used <= 1 else ClockState.LATE
    )
    assert clock.state == expected
    assert clock.percent == int(100 * after.total_seconds()) // int(72 * HOUR.total_seconds())


@given(aware=moments, after=spans, submitted=spans)
def test_what_was_filed_stays_met_and_says_whether_it_was_late(aware, after, submitted):
    filing = filed(GDPR, aware + submitted, target=1)
    clock = stand(aware + after, calls={1: aware}, filings=[filing])["rgpd-33", 1]
    assert clock.state == (ClockState.MET if submitted <= 72 * HOUR else ClockState.MET_LATE)
    assert not clock.is_open


@given(aware=moments, now=moments)
def test_a_filing_for_one_operator_stops_no_other_clock(aware, now):
    found = stand(now, calls={1: aware, 2: aware}, filings=[filed(GDPR, aware, target=1)])
    assert found["rgpd-33", 1].state == ClockState.MET
    assert found["rgpd-33", 2].filing is None


@given(aware=moments)
def test_no_law_applies_before_its_day_and_the_day_of_awareness_in_paris_decides(aware):
    found = stand(aware, calls={1: aware})
    applies = aware.astimezone(PARIS).date() >= DORA_DAY
    for code in ("dora-initial", "dora-intermediaire", "dora-final"):
        assert found[code, None].applies == applies
    assert found["rgpd-33", 1].applies


@pytest.mark.parametrize(
    ("aware", "applies"),
    [
        (datetime(2025, 1, 16, 22, 59, tzinfo=UTC), False),
        (datetime(2025, 1, 16, 23, 0, tzinfo=UTC), True),  # already the 17th in Paris
    ],
)
def test_the_first_minute_of_dora_is_midnight_in_paris(aware, applies):
    assert stand(aware, calls={1: aware})["dora-initial", None].applies == applies


dora_moments = st.integers(0, 5 * 365 * 24 * 60).map(
    lambda minutes: datetime(2025, 1, 17, tzinfo=PARIS).astimezone(UTC) + timedelta(minutes=minutes)
)


@given(aware=dora_moments, classified=spans)
def test_the_initial_notification_is_due_at_the_earlier_of_both_limits(aware, classified):
    before = stand(aware, calls={1: aware})["dora-initial", None]
    assert before.due_at == aware + 24 * HOUR
    after = stand(aware, calls={1: aware}, classified=aware + classified)["dora-initial", None]
    assert after.due_at == min(aware + classified + 4 * HOUR, aware + 24 * HOUR)
    assert after.due_at <= before.due_at


@given(first=dora_moments, second=dora_moments)
def test_an_incident_is_known_from_the_first_call_of_any_operator(first, second):
    due = stand(first, calls={1: first, 2: second})["dora-initial", None].due_at
    assert due == min(first, second) + 24 * HOUR


@given(aware=dora_moments, submitted=spans)
def test_the_intermediate_report_counts_from_the_submission_and_from_nothing_else(aware, submitted):
    waiting = stand(aware, calls={1: aware})["dora-intermediaire", None]
    assert (waiting.state, waiting.due_at) == (ClockState.WAITING, None)
    initial = filed(INITIAL, aware + submitted)
    clock = stand(aware, calls={1: aware}, filings=[initial])["dora-intermediaire", None]
    assert clock.due_at == aware + submitted + 72 * HOUR


@given(aware=dora_moments, reports=st.lists(spans, min_size=1, max_size=4), final=spans)
def test_the_final_report_counts_from_the_last_intermediate_one_before_it(aware, reports, final):
    rows = [filed(INITIAL, aware), *(filed(INTERMEDIATE, aware + span) for span in reports)]
    last = aware + max(reports)
    open_clock = stand(aware, calls={1: aware}, filings=rows)["dora-final", None]
    assert open_clock.due_at == clocks.months_after(last, 1)
    met = stand(aware, calls={1: aware}, filings=[*rows, filed(FINAL, last + final)])
    late = last + final > clocks.months_after(last, 1)
    assert met["dora-final", None].state == (ClockState.MET_LATE if late else ClockState.MET)


def test_a_report_after_the_final_one_makes_it_late_no_more_nor_less():
    rows = [filed(INITIAL, NOON), filed(INTERMEDIATE, NOON), filed(FINAL, NOON + 24 * HOUR)]
    rows.append(filed(INTERMEDIATE, NOON + 48 * HOUR))
    clock = stand(NOON + 72 * HOUR, calls={1: NOON}, filings=rows)["dora-final", None]
    assert (clock.state, clock.due_at) == (ClockState.MET, clocks.months_after(NOON, 1))


def test_an_incident_that_is_not_major_owes_no_report():
    found = stand(NOON, calls={1: NOON}, classified=NOON, is_major=False)
    assert {code for (code, _target), clock in found.items() if not clock.applies} == {
        "dora-initial",
        "dora-intermediaire",
        "dora-final",
    }


def test_what_was_filed_stays_filed_when_the_incident_is_no_longer_major():
    proofs = [filed(INITIAL, NOON + 3 * HOUR), filed(INTERMEDIATE, NOON + 30 * HOUR)]
    proofs[0].due_at = NOON + HOUR
    told = {"calls": {1: NOON}, "classified": NOON, "is_major": False, "filings": proofs}
    found = stand(NOON + 40 * HOUR, **told)
    initial, report, final = (
        found[code, None] for code in ("dora-initial", "dora-intermediaire", "dora-final")
    )
    assert (initial.state, initial.filing) == (ClockState.MET_LATE, proofs[0])
    assert (report.state, report.filing) == (ClockState.MET, proofs[1])
    assert initial.why == report.why == "l'incident est classé non majeur"
    assert not initial.is_owed
    assert not report.is_owed
    assert (final.state, final.why) == (ClockState.NOT_APPLICABLE, initial.why)


def test_a_call_of_before_the_law_takes_no_filing_away():
    proof = filed(INITIAL, NOON + HOUR)
    calls = {1: datetime(2024, 2, 1, tzinfo=UTC)}
    found = stand(NOON + 2 * HOUR, calls=calls, filings=[proof])["dora-initial", None]
    assert (found.state, found.filing, found.is_owed) == (ClockState.MET, proof, False)


def test_without_a_call_no_clock_runs_and_each_says_why():
    for clock in stand(NOON).values():
        assert (clock.state, clock.why) == (ClockState.WAITING, "aucun appel n'est saisi")


@given(start=moments, months=st.integers(min_value=1, max_value=14))
def test_a_month_later_is_the_same_hour_of_paris_on_the_same_or_the_last_day(start, months):
    local = start.astimezone(PARIS)
    later = clocks.months_after(start, months).astimezone(PARIS)
    assert (later.year * 12 + later.month) - (local.year * 12 + local.month) == months
    assert later.day == local.day or (
        later.day < local.day and (later + timedelta(days=1)).month != later.month
    )
    skipped = later - timedelta(hours=1)
    assert (
        later.time() == local.time()
        or later.utcoffset() != skipped.astimezone(UTC).astimezone(PARIS).utcoffset()
    )


@pytest.mark.parametrize(
    ("start", "due"),
    [
        ((2026, 1, 31, 10, 0), (2026, 2, 28, 10, 0)),
        ((2028, 1, 31, 10, 0), (2028, 2, 29, 10, 0)),
        ((2026, 12, 31, 23, 59), (2027, 1, 31, 23, 59)),
        ((2026, 2, 28, 12, 0), (2026, 3, 28, 12, 0)),
        ((2026, 3, 1, 9, 0), (2026, 4, 1, 9, 0)),  # summer time began meanwhile
        ((2026, 2, 28, 2, 30), (2026, 3, 28, 2, 30)),
        ((2027, 2, 28, 2, 30), (2027, 3, 28, 3, 30)),  # an hour that does not exist
    ],
)
def test_months_end_where_a_calendar_says(start, due):
    assert clocks.months_after(datetime(*start, tzinfo=PARIS), 1) == datetime(*due, tzinfo=PARIS)


def test_seventy_two_hours_are_seventy_two_hours_when_clocks_change():
    aware = datetime(2026, 3, 28, 12, 0, tzinfo=PARIS)
    due = stand(aware, calls={1: aware})["rgpd-33", 1].due_at.astimezone(PARIS)
    assert (due.day, due.hour) == (31, 13)


def test_a_later_law_applies_to_what_is_known_from_its_day_on():
    shorter = regime("rgpd-33", per_operator=True, hours=96, applies_from=date(2026, 1, 1))
    for aware, hours in ((datetime(2025, 12, 30, tzinfo=UTC), 72), (NOON, 96)):
        found = clocks.compute((shorter, GDPR), TARGETS, Happened({1: aware}, None, ()), aware)
        assert found[0].due_at == aware + hours * HOUR


# The rows


@pytest.fixture
def auteur(colleague):
    return colleague("auteur", roles.WRITING)


@pytest.fixture
def incident(auteur) -> Incident:
    for code in ("OCEANE", "ALMERYS"):
        Operator.objects.create(code=code, name=code.capitalize())
    return Incident.objects.create(
        reference="2026-03-essai",
        title="Essai",
        detected_on=date(2026, 3, 10),
        created_by=auteur,
        dpo_name="Le délégué",
        dpo_email="dpo@mutuelle.example",
    )


def told(called_at, code="OCEANE", **more) -> intake.Told:
    return intake.Told(
        operator=Operator.objects.get(code=code),
        called_at=called_at,
        channel="telephone",
        caller_name="Camille Roux",
        caller_role="Astreinte",
        said="Un accès volé.",
        source="Appel",
        stated_on=called_at.date(),
        **more,
    )


@pytest.fixture
def call(incident, auteur):
    """A call of the tenth of March 2026 at noon, and it is one o'clock."""
    with time_machine.travel(NOON + HOUR, tick=False):
        yield intake.record(incident, told(NOON), by=auteur)


def clock_of(incident, code) -> clocks.Clock:
    return next(one for one in clocks.of(incident, timezone.now()) if one.regime.code == code)


def file(incident, code, auteur, at=None, **more) -> Filing:
    at = at or timezone.now()
    proof = ContentFile(f"{code} {at}".encode(), name="accuse.txt")
    return filings.record_with_file(
        incident, clock_of(incident, code), proof, submitted_at=at, by=auteur, **more
    )


def test_the_migration_seeds_the_six_duties(db):
    found = {(one.code, one.hours, one.months, one.cap_hours) for one in Regime.objects.all()}
    assert found == {
        ("rgpd-33", 72, None, None),
        ("rgpd-34", 72, None, None),
        ("plainte", 72, None, None),
        ("dora-initial", 4, None, 24),
        ("dora-intermediaire", 72, None, None),
        ("dora-final", None, 1, None),
    }
    assert [one.code for one in Regime.objects.filter(house_rule=True)] == ["rgpd-34"]


def test_clocks_of_an_incident_cost_six_statements(
    incident, call, auteur, django_assert_num_queries
):
    file(incident, "rgpd-33", auteur)
    # targets · calls · classification · filings · rulings · regimes
    with django_assert_num_queries(6):
        clocks.of(incident, timezone.now())


def test_a_filing_stops_its_clock_and_keeps_what_the_deadline_was(incident, call, auteur):
    filing = file(incident, "rgpd-33", auteur)
    assert clock_of(incident, "rgpd-33").state == ClockState.MET
    assert filing.due_at == NOON + 72 * HOUR
    event = AuditEvent.objects.get(action="filing.recorded")
    assert (event.details["regime"], event.details["late"]) == ("rgpd-33", False)


def test_a_late_filing_says_why_or_is_not_recorded(incident, call, auteur):
    with time_machine.travel(NOON + 80 * HOUR, tick=False):
        with pytest.raises(filings.LateWithoutReason):
            file(incident, "rgpd-33", auteur)
        assert not Filing.objects.exists()
        assert not incident.evidence.exists()
        file(incident, "rgpd-33", auteur, late_reason="Le rapport manquait.")
        assert clock_of(incident, "rgpd-33").state == ClockState.MET_LATE
        row = Filing.objects.values().get()
    with (
        time_machine.travel(NOON + 90 * HOUR, tick=False),
        pytest.raises(IntegrityError, match="filing_late_says_why"),
        transaction.atomic(),
    ):
        Filing.objects.create(
            **{**row, "id": None, "late_reason": "", "submitted_at": NOON + 90 * HOUR}
        )


def test_a_complement_after_the_first_filing_misses_no_deadline(incident, call, auteur):
    file(incident, "rgpd-33", auteur)
    with time_machine.travel(NOON + 200 * HOUR, tick=False):
        assert file(incident, "rgpd-33", auteur).due_at is None
        assert clock_of(incident, "rgpd-33").state == ClockState.MET


def test_the_same_filing_is_not_recorded_twice(incident, call, auteur):
    file(incident, "rgpd-33", auteur)
    with pytest.raises(filings.Twice):
        file(incident, "rgpd-33", auteur)
    assert Filing.objects.count() == 1


def test_a_duty_that_does_not_apply_takes_no_filing(incident, call, auteur):
    clock = clock_of(incident, "dora-initial")
    proof = file(incident, "rgpd-33", auteur).evidence
    filings.classify(
        incident,
        classified_at=timezone.now(),
        is_major=False,
        grounds="Peu de clients.",
        by=auteur,
    )
    with pytest.raises(filings.NotApplicable):
        filings.record(incident, clock, submitted_at=timezone.now(), evidence=proof, by=auteur)


def test_a_struck_call_starts_nothing_and_stays_to_be_read(incident, call, auteur):
    filings.strike(call, reason="Mauvaise heure.", by=auteur)
    assert clock_of(incident, "rgpd-33").state == ClockState.WAITING
    intake.record(incident, told(NOON), by=auteur)  # the same minute is free again
    assert clock_of(incident, "rgpd-33").state == ClockState.RUNNING
    assert Call.objects.count() == 2
    with pytest.raises(filings.AlreadyStruck):
        filings.strike(call, reason="Encore.", by=auteur)
    assert AuditEvent.objects.get(action="call.struck").details["reason"] == "Mauvaise heure."


def test_a_new_classification_strikes_the_former_one_through(incident, call, auteur):
    common = {"classified_at": timezone.now(), "by": auteur}
    filings.classify(incident, is_major=True, grounds="Dix mille clients.", **common)
    filings.classify(incident, is_major=False, grounds="Cent clients seulement.", **common)
    standing = Classification.objects.standing().get()
    assert (standing.is_major, Classification.objects.count()) == (False, 2)


@pytest.mark.parametrize("table", ["call", "filing", "classification", "ruling"])
def test_the_database_itself_rewrites_and_deletes_nothing(incident, call, auteur, table):
    file(incident, "rgpd-33", auteur)
    filings.classify(
        incident, classified_at=timezone.now(), is_major=True, grounds="Oui.", by=auteur
    )
    filings.rule(
        incident, clock_of(incident, "plainte"), applies=False, reason="Sans assurance.", by=auteur
    )
    column = {
        "call": "called_at",
        "filing": "submitted_at",
        "classification": "classified_at",
        "ruling": "recorded_at",
    }[table]
    for statement in (
        f"UPDATE incidents_{table} SET {column} = {column} - interval '1 hour'",
        f"DELETE FROM incidents_{table}",
    ):
        with (
            pytest.raises(IntegrityError, match=f"{table}_is_written_once"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
    with pytest.raises(WrittenOnce):
        call.save()
    with pytest.raises((WrittenOnce, ProtectedError)):
        call.target.delete()


def test_nothing_happens_tomorrow(incident, auteur, call):
    later = timezone.now() + HOUR
    proof = file(incident, "rgpd-33", auteur).evidence
    clock = clock_of(incident, "rgpd-33")
    common = {"by": auteur}
    for act in (
        lambda: intake.record(incident, told(later), **common),
        lambda: filings.record(incident, clock, submitted_at=later, evidence=proof, **common),
        lambda: filings.classify(
            incident, classified_at=later, is_major=True, grounds="Oui.", **common
        ),
        lambda: file(incident, "rgpd-33", auteur, at=later),
    ):
        with pytest.raises(ValidationError, match="futur"):
            act()
    assert (Call.objects.count(), Filing.objects.count(), incident.evidence.count()) == (1, 1, 1)
    assert not Classification.objects.exists()


# Duties without object


def set_aside(incident, code, by, **told):
    return filings.rule(
        incident, clock_of(incident, code), applies=False, reason="Hors du champ.", by=by, **told
    )


def test_a_duty_is_set_aside_with_a_reason_and_what_follows_it_too(incident, call, auteur):
    proof = file(incident, "rgpd-33", auteur).evidence
    row = set_aside(incident, "dora-initial", auteur, evidence=proof)
    for code in ("dora-initial", "dora-intermediaire", "dora-final"):
        clock = clock_of(incident, code)
        assert not clock.applies
        assert clock.why.replace("\u00a0", " ") == "déclarée sans objet : Hors du champ."
    assert clock_of(incident, "rgpd-34").applies
    event = AuditEvent.objects.get(action="ruling.recorded").details
    assert (event["regime"], event["applies"], event["ruling"]) == ("dora-initial", False, row.pk)
    with pytest.raises(filings.NotApplicable):
        filings.record(
            incident,
            clock_of(incident, "dora-initial"),
            submitted_at=timezone.now(),
            evidence=proof,
            by=auteur,
        )


def test_a_duty_set_aside_for_one_operator_runs_for_the_other(incident, call, auteur):
    intake.record(incident, told(NOON, code="ALMERYS"), by=auteur)
    set_aside(incident, "plainte", auteur)
    found = [one for one in clocks.of(incident, timezone.now()) if one.regime.code == "plainte"]
    assert [clock.applies for clock in found] == [False, True]


def test_a_duty_applies_again_by_another_row_or_once_the_first_is_struck_through(
    incident, call, auteur
):
    due = clock_of(incident, "rgpd-34").due_at
    first = set_aside(incident, "rgpd-34", auteur)
    clock = clock_of(incident, "rgpd-34")
    filings.rule(incident, clock, applies=True, reason="Relu.", by=auteur)
    assert clock_of(incident, "rgpd-34").due_at == due
    first.refresh_from_db()
    assert (first.is_struck, first.struck_reason) == (True, "Relu.")
    second = set_aside(incident, "rgpd-34", auteur)
    filings.strike(second, reason="Mauvais incident.", by=auteur)
    assert clock_of(incident, "rgpd-34").due_at == due
    assert Ruling.objects.count() == 3


def test_nothing_is_decided_twice_nor_of_what_was_filed(incident, call, auteur):
    with pytest.raises(filings.Unchanged):
        filings.rule(
            incident, clock_of(incident, "rgpd-34"), applies=True, reason="Oui.", by=auteur
        )
    set_aside(incident, "rgpd-34", auteur)
    with pytest.raises(filings.Unchanged):
        set_aside(incident, "rgpd-34", auteur)
    file(incident, "rgpd-33", auteur)
    with pytest.raises(filings.Filed):
        set_aside(incident, "rgpd-33", auteur)
    assert Ruling.objects.count() == 1


def test_a_duty_is_not_set_aside_under_what_was_filed_after_it(incident, call, auteur):
    file(incident, "dora-final", auteur)
    for code in ("dora-initial", "dora-intermediaire"):
        with pytest.raises(filings.Filed):
            set_aside(incident, code, auteur)
    assert clock_of(incident, "dora-final").state == ClockState.MET
    assert not Ruling.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_who_set_a_duty_aside_at_once_one_decides(incident, call, auteur):
    together, outcomes = Barrier(2), []
    clock = clock_of(incident, "rgpd-34")

    def decide():
        together.wait()
        try:
            filings.rule(incident, clock, applies=False, reason="Hors du champ.", by=auteur)
            outcomes.append("decided")
        except filings.Unchanged:
            outcomes.append("unchanged")
        finally:
            connection.close()

    threads = [Thread(target=decide) for _colleague in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["decided", "unchanged"]
    assert Ruling.objects.standing().count() == 1


def test_a_piece_on_which_a_decision_rests_keeps_its_file(incident, call, auteur):
    with evidence.stored([ContentFile(b"Un avis.", name="avis.txt")]) as [one]:
        advice = evidence.record(
            incident, one, kind="rapport", received_from="Conseil", received_at=NOON, by=auteur
        )
    set_aside(incident, "rgpd-34", auteur, evidence=advice)
    with pytest.raises(evidence.InUse):
        evidence.remove(advice, reason="Doublon.", by=auteur)


# Reminders


@pytest.fixture
def on_call(settings, incident, call):
    """Two colleagues are on call, and only one clock is open: the notification to the CNIL."""
    settings.INCIDENT_ONCALL = ["astreinte@mutuelle.example", "dpo@mutuelle.example"]
    Regime.objects.exclude(code="rgpd-33").delete()


def reminded(after) -> list[str]:
    """The steps told so far, once the worker ran at this moment."""
    reminders.remind(NOON + after)
    return [reminder.percent for reminder in Reminder.objects.order_by("pk")]


def test_each_step_is_told_once_to_everybody_on_call(on_call, incident):
    assert reminded(35 * HOUR) == []
    assert reminded(36 * HOUR) == reminded(37 * HOUR) == [50]
    assert reminded(58 * HOUR) == [50, 80]
    assert reminded(73 * HOUR) == reminded(500 * HOUR) == [50, 80, 100]
    mails = Mail.objects.filter(kind="deadline")
    assert mails.count() == 6
    assert set(mails.values_list("to", flat=True)) == {
        "astreinte@mutuelle.example",
        "dpo@mutuelle.example",
    }


def test_after_a_silence_only_the_highest_step_is_told(on_call):
    assert reminded(100 * HOUR) == [100]


def test_a_reminder_says_which_duty_and_when_and_nothing_of_anybody(
    on_call, mailoutbox, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        reminded(60 * HOUR)
    mail = mailoutbox[-1]
    assert mail.subject == "Échéance d'un incident à suivre"
    assert "80 % d'un délai est passé." in mail.body
    assert "Notification à la CNIL · " in mail.body
    assert "RGPD, art. 33" in mail.body
    assert "13/03/2026 à 13:00" in mail.body
    assert "Camille" not in mail.body
    assert "accès volé" not in mail.body


def test_a_met_clock_and_an_empty_list_are_silent(on_call, incident, auteur, settings):
    file(incident, "rgpd-33", auteur)
    assert reminded(100 * HOUR) == []
    filings.strike(Filing.objects.get(), reason="Erreur.", by=auteur)
    settings.INCIDENT_ONCALL = []
    assert reminded(100 * HOUR) == []


def test_an_incident_whose_deadlines_cannot_be_computed_silences_no_other(
    on_call, incident, auteur, monkeypatch, caplog
):
    broken = Incident.objects.create(
        reference="2026-04-essai", title="Essai", detected_on="2026-04-01", created_by=auteur
    )
    real = clocks.of
    monkeypatch.setattr(clocks, "of", lambda one, now: 1 / 0 if one == broken else real(one, now))
    assert Incident.objects.first() == broken
    assert reminded(40 * HOUR) == [50]
    assert f"The deadlines of the incident {broken.pk} could not be told." in caplog.text


def test_a_deadline_that_moved_is_another_one(on_call, incident, call, auteur):
    assert reminded(40 * HOUR) == [50]
    filings.strike(call, reason="Mauvaise heure.", by=auteur)
    intake.record(incident, told(NOON - 10 * HOUR), by=auteur)
    assert reminded(40 * HOUR) == [50, 50]


# The pages


@pytest.fixture
def dpo(colleague):
    return colleague("dpo", roles.DPO)


def filing_page(incident):
    return at("incident_file", incident)


def posted(incident, code, **more):
    clock = clock_of(incident, code)
    proof = ContentFile(b"Bien re\xc3\xa7u.", name="accuse.txt")
    moment = timezone.localtime().strftime("%Y-%m-%dT%H:%M")
    return {"clock": clock.key, "submitted_at": moment, "file": proof, **more}


def test_the_dpo_files_and_the_timeline_says_so(as_staff, dpo, incident, call):
    browser = as_staff(dpo)
    answer = browser.post(filing_page(incident), posted(incident, "rgpd-33", reference="CNIL-7"))
    assert answer.url == at("incident_timeline", incident)
    page = text(browser.get(answer.url))
    assert "CNIL-7" in page
    assert "Tenue" in page


def test_a_late_filing_is_asked_why_beside_its_field_and_keeps_what_was_typed(
    as_staff, dpo, incident, call
):
    with time_machine.travel(NOON + 80 * HOUR, tick=False):
        browser = as_staff(dpo)
        answer = browser.post(
            filing_page(incident), posted(incident, "rgpd-33", reference="CNIL-7")
        )
        assert answer.status_code == 200
        assert answer.context["form"].errors["late_reason"] == [
            "L'échéance était passée\u00a0: dites pourquoi."
        ]
        assert 'value="CNIL-7"' in text(answer)
        again = posted(incident, "rgpd-33", late_reason="Week-end.")
        assert browser.post(filing_page(incident), again).status_code == 302
    assert Filing.objects.get().late_reason == "Week-end."


@pytest.mark.parametrize(
    "change",
    [
        {"file": ""},
        {"clock": "rgpd-99"},
        {"clock": "rgpd-33:1\0"},
        {"submitted_at": "demain"},
        {"submitted_at": "2199-01-01T00:00"},
        {"evidence": "999999"},
    ],
)
def test_a_wrong_filing_is_told_and_none_is_recorded(as_staff, dpo, incident, call, change):
    answer = as_staff(dpo).post(filing_page(incident), posted(incident, "rgpd-33", **change))
    assert answer.status_code == 200
    assert "errornote" in text(answer)
    assert not Filing.objects.exists()


def test_evidence_of_another_incident_proves_nothing(as_staff, dpo, auteur, incident, call):
    other = Incident.objects.create(
        reference="autre", title="Autre", detected_on=date(2026, 3, 1), created_by=auteur
    )
    intake.record(other, told(NOON), by=auteur)
    other = file(other, "rgpd-33", auteur).evidence
    answer = as_staff(dpo).post(
        filing_page(incident), posted(incident, "rgpd-33", file="", evidence=other.pk)
    )
    assert "evidence" in answer.context["form"].errors
    assert not incident.filings.exists()
    with pytest.raises(filings.NoEvidence):
        filings.record(
            incident,
            clock_of(incident, "rgpd-33"),
            submitted_at=timezone.now(),
            evidence=other,
            by=dpo,
        )


def test_who_approves_sets_a_duty_aside_and_restores_it_from_the_timeline(
    as_staff, colleague, auteur, incident, call
):
    browser = as_staff(colleague("approbateur", roles.APPROVAL))
    timeline, address = at("incident_timeline", incident), at("incident_rule", incident)
    assert f"{address}?echeance=rgpd-34" in text(browser.get(timeline))
    posted = {"clock": "rgpd-34", "applies": "0", "reason": "Aucune personne n'est exposée."}
    for wrong in ({"reason": ""}, {"clock": "autre"}, {"applies": ""}, {"applies": "1"}):
        answer = browser.post(address, posted | wrong)
        assert (answer.status_code, set(answer.context["form"].errors)) == (200, set(wrong))
    assert not Ruling.objects.exists()
    assert browser.post(address, posted).url == timeline
    page = text(browser.get(timeline)).replace("\u00a0", " ")
    assert "Information des personnes · sans objet" in page
    assert "déclarée sans objet : Aucune personne n'est exposée." in page
    assert "La rétablir" in page
    again = browser.get(address, {"echeance": "rgpd-34"})
    assert again.context["form"]["applies"].initial == "1"
    browser.post(address, posted | {"applies": "1", "reason": "Relu."})
    assert clock_of(incident, "rgpd-34").applies
    shown = text(browser.get(at("ruling_change", Ruling.objects.standing().get())))
    assert "s'applique de nouveau" in shown
    author = as_staff(auteur)
    assert author.get(address).status_code == author.post(address, posted).status_code == 403
    assert address not in text(author.get(timeline))


def test_a_classification_starts_the_four_hours(as_staff, auteur, incident, call):
    browser = as_staff(auteur)
    moment = timezone.localtime().strftime("%Y-%m-%dT%H:%M")
    answer = browser.post(
        at("incident_classify", incident),
        {"classified_at": moment, "is_major": "1", "grounds": "Des millions de personnes."},
    )
    assert answer.status_code == 302
    assert clock_of(incident, "dora-initial").due_at == NOON + 5 * HOUR
    wrong = browser.post(at("incident_classify", incident), {"is_major": "9", "grounds": ""})
    assert wrong.status_code == 200
    assert set(wrong.context["form"].errors) == {"classified_at", "is_major", "grounds"}


def test_the_page_of_an_incident_shows_its_clocks_in_short(as_staff, auteur, incident, call):
    page = text(as_staff(auteur).get(at("incident_change", incident)))
    assert "short-clocks" in page
    assert "13 mars 2026 à 13\u00a0h\u00a000" in page


def test_a_timeline_costs_the_same_however_long_it_is(
    as_staff, auteur, incident, call, django_assert_max_num_queries
):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    browser = as_staff(auteur)

    def cost():
        with CaptureQueriesContext(
            connection,
        ) as found:
            assert browser.get(at("incident_timeline", incident)).status_code == 200
        return len(found)

    browser.get(at("incident_timeline", incident))
    before = cost()
    file(incident, "rgpd-33", auteur)
    for minutes in range(1, 6):
        intake.record(incident, told(NOON + timedelta(minutes=minutes)), by=auteur)
        intake.record(incident, told(NOON + timedelta(minutes=minutes), "ALMERYS"), by=auteur)
    assert cost() == before


@pytest.mark.parametrize("page", ["file", "classify", "evidence", "call", "timeline"])
def test_support_sees_none_of_these_pages(as_staff, colleague, incident, call, page):
    browser = as_staff(colleague("support", roles.SUPPORT))
    assert browser.get(at(f"incident_{page}", incident)).status_code == 403
    assert browser.post(at(f"incident_{page}", incident)).status_code == 403


def test_who_approves_reads_the_timeline_and_files_nothing(as_staff, colleague, incident, call):
    browser = as_staff(colleague("approbateur", roles.APPROVAL))
    page = text(browser.get(at("incident_timeline", incident)))
    assert "Camille Roux, Astreinte" in page
    assert "Enregistrer" not in page
    for name in ("file", "classify", "evidence", "call"):
        assert browser.post(at(f"incident_{name}", incident)).status_code == 403


@pytest.mark.parametrize("page", ["file", "classify", "evidence", "call", "timeline", "claims"])
def test_an_incident_that_does_not_exist_is_not_found(as_staff, auteur, page):
    for pk in ("9999", "x"):
        assert (
            as_staff(auteur).get(reverse(f"admin:incidents_incident_{page}", args=[pk])).status_code
            == 404
        )


def test_who_records_calls_strikes_them_through_with_a_reason(
    as_staff, colleague, auteur, incident, call
):
    address = at("call_strike", call)
    approver = colleague("approbateur", roles.APPROVAL)
    assert as_staff(approver).post(address, {"reason": "Non"}).status_code == 403
    browser = as_staff(auteur)
    assert browser.get(address).status_code == 200
    assert browser.post(address, {"reason": ""}).status_code == 200
    assert Call.objects.standing().exists()
    browser.post(address, {"reason": "Mauvaise heure."})
    assert not Call.objects.standing().exists()
    assert "Rayé : Mauvaise heure." in text(browser.get(at("incident_timeline", incident))).replace(
        "\u00a0", " "
    )


def test_only_a_house_rule_is_set_and_only_by_the_dpo(as_staff, auteur, dpo):
    house, law = Regime.objects.get(code="rgpd-34"), Regime.objects.get(code="rgpd-33")
    tomorrow = timezone.localdate() + timedelta(days=1)
    posted = {"hours": 48, "applies_from": tomorrow.isoformat()}
    browser = as_staff(auteur)
    assert browser.post(at("regime_change", house), posted).status_code == 403
    browser = as_staff(dpo)
    assert browser.post(at("regime_change", law), posted).status_code == 403
    assert "Notification à la CNIL" in text(browser.get(at("regime_change", law)))
    for wrong in ({"hours": 0}, {"applies_from": timezone.localdate().isoformat()}):
        assert browser.post(at("regime_change", house), posted | wrong).status_code == 200
    assert f'value="{tomorrow}"' in text(browser.get(at("regime_change", house)))
    assert browser.post(at("regime_change", house), posted).status_code == 302
    assert AuditEvent.objects.get(action="regime.changed").details == {
        "regime": "rgpd-34",
        "before": 72,
        "after": 48,
        "applies_from": tomorrow.isoformat(),
    }


def test_a_house_rule_that_changes_keeps_the_deadlines_of_what_is_known(
    as_staff, dpo, incident, call, auteur
):
    house, before = Regime.objects.get(code="rgpd-34"), clock_of(incident, "rgpd-34").due_at
    browser = as_staff(dpo)
    since = NOON.date() + timedelta(days=1)
    posted = {"hours": 48, "applies_from": since.isoformat()}
    browser.post(at("regime_change", house), posted)
    assert clock_of(incident, "rgpd-34").due_at == before
    house.refresh_from_db()
    later = Regime.objects.get(code="rgpd-34", applies_from=since)
    assert (house.hours, later.hours, later.house_rule) == (72, 48, True)
    assert "Ce délai change déjà ce jour-là." in text(
        browser.post(at("regime_change", house), posted)
    )
    browser.post(at("regime_change", later), posted | {"hours": 24})  # nothing rests on it yet
    assert list(Regime.objects.filter(code="rgpd-34").values_list("hours", flat=True)) == [72, 24]
    filings.strike(call, reason="Mauvaise heure.", by=auteur)
    with time_machine.travel(NOON + 30 * HOUR, tick=False):
        intake.record(incident, told(NOON + 24 * HOUR), by=auteur)
        assert clock_of(incident, "rgpd-34").due_at == NOON + 48 * HOUR


def test_clocks_run_on_when_the_incident_is_closed(february_2024, cast, as_staff):
    lifecycle.close(nobody_left_to_inform(february_2024), by=cast.approbateur)
    browser = as_staff(cast.auteur)
    assert browser.get(at("incident_file", february_2024)).status_code == 200
    assert browser.get(at("incident_call", february_2024)).url == at("incident_choose")
