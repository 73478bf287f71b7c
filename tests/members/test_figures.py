"""The figures of the last days: counted in the background, exact, and of nobody in particular."""

from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from django.utils import timezone

from members import audit, figures
from members.models import AuditEvent, DayFigures, SmsMessage
from members.models.sms import SmsState
from tests.members.routes import queued_text

NOON = datetime(2026, 3, 10, 11, tzinfo=UTC)


@pytest.fixture(autouse=True)
def a_day_in_march(db):
    with time_machine.travel(NOON, tick=False) as clock:
        yield clock


def happened(action, at=NOON):
    with time_machine.travel(at, tick=False):
        audit.record(action)


def of(day):
    return DayFigures.objects.get(day=day)


def test_each_day_holds_its_sign_ins_refusals_and_texts(claire):
    for action in ["signin.completed"] * 3 + ["signin.password_failed", "app.code_failed"]:
        happened(action)
    happened("account.protected")  # counted nowhere
    for state in (SmsState.DELIVERED, SmsState.FAILED, SmsState.QUEUED):
        text = queued_text(claire)
        SmsMessage.objects.filter(pk=text.pk).update(state=state)
    figures.count()
    today = of("2026-03-10")
    assert (today.signed_in, today.passwords_refused, today.codes_refused) == (3, 1, 1)
    assert (today.texts, today.texts_delivered, today.texts_lost) == (3, 1, 1)


def test_a_day_begins_at_midnight_in_paris():
    happened("signin.completed", datetime(2026, 3, 9, 22, 59, 59, tzinfo=UTC))
    happened("signin.completed", datetime(2026, 3, 9, 23, 0, tzinfo=UTC))
    figures.count()
    assert (of("2026-03-09").signed_in, of("2026-03-10").signed_in) == (1, 1)


def test_every_day_of_the_fortnight_is_there_even_without_anything():
    figures.count()
    days = [one.day for one in figures.recent()]
    assert days == [date(2026, 2, 25) + timedelta(days=place) for place in range(figures.DAYS)]


def test_a_day_that_is_settled_is_not_counted_again(django_assert_num_queries):
    figures.count()
    happened("signin.completed", NOON - timedelta(days=5))
    happened("signin.completed", NOON - timedelta(days=1))
    # the days counted · for today and yesterday each: events · texts · row found · row written, in
    # a transaction of its own
    with django_assert_num_queries(1 + 2 * 6):
        figures.count()
    assert (of("2026-03-05").signed_in, of("2026-03-09").signed_in) == (0, 1)


def test_nothing_in_them_is_of_a_person():
    kept = {field.name for field in DayFigures._meta.get_fields() if field.is_relation}
    assert not kept
    assert not AuditEvent.objects.exists()  # and counting is no event
    figures.count()
    assert timezone.localdate(figures.recent()[-1].counted_at) == date(2026, 3, 10)
