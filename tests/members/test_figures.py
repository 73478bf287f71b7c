"""The figures of the last days: counted in the background, exact, and of nobody in particular."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice

from members import audit, figures
from members.models import AuditEvent, DayFigures, SmsMessage, User
from members.models.sms import SmsState
from tests.members.routes import queued_text
from tests.members.steps import said
from tests.signing import sign_in

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


def test_the_first_page_of_the_admin_calls_today_what_is_of_today_alone(a_day_in_march):
    figures.count()
    assert counted_on(first_page()) == ["Aujourd'hui"] * 2
    a_day_in_march.shift(timedelta(days=2))
    assert counted_on(first_page()) == ["10 mars 2026"] * 2


def first_page() -> str:
    boss, _made = User.objects.get_or_create(identifiant="chef", is_staff=True, is_superuser=True)
    app, _made = TOTPDevice.objects.get_or_create(user=boss, name="app", confirmed=True)
    return said(sign_in(Client(), boss, app).get("/admin/"))


def counted_on(page) -> list[str]:
    """The day that each first figure names."""
    return re.findall(r'aria-labelledby="board-(?:signins|texts)">.*?<dt>(.*?)</dt>', page, re.S)
