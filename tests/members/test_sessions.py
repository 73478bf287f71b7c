from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from members import sessions
from members.models import Session
from tests.signing import sign_in

HOME = "/espace/"


@pytest.fixture
def browser(client, claire):
    return sign_in(client, claire.user)


def is_in(client):
    return client.get(HOME).status_code == 200


def test_the_database_does_not_hold_the_key(browser):
    key = browser.cookies["session"].value
    row = Session.objects.get()
    assert key not in (row.key_digest, row.data)


def test_a_signed_in_page_costs_one_statement_for_session_account_and_device(
    browser, warm, django_assert_num_queries
):
    # session, account and device · adhésions · ayants droit · acknowledgements
    with django_assert_num_queries(4):
        browser.get(HOME)


def test_fifteen_idle_minutes_end_it(browser):
    with time_machine.travel(timezone.now() + timedelta(seconds=901)):
        assert not is_in(browser)


def test_using_it_keeps_it_open_until_twelve_hours(browser):
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for _ in range(12 * 60 // 14):
            clock.shift(14 * 60)
            assert is_in(browser)
        clock.shift(14 * 60)
        assert not is_in(browser)


def test_at_most_one_write_a_minute_notes_that_it_is_used(browser, warm, django_assert_num_queries):
    with time_machine.travel(timezone.now() + timedelta(seconds=61)):
        with django_assert_num_queries(5):
            browser.get(HOME)
        with django_assert_num_queries(4):
            browser.get(HOME)


@pytest.mark.parametrize("change", ["password", "phone", "suspended"])
def test_a_change_of_the_account_ends_its_sessions(browser, claire, change):
    assert is_in(browser)
    if change == "password":
        claire.user.set_password("another long password")
    elif change == "suspended":
        claire.user.suspended_at = timezone.now()
    else:
        claire.phone = "+33698765432"
        claire.save()
    claire.user.save()
    assert not is_in(browser)
    assert not Session.objects.filter(user=claire.user).exists()


def test_ending_them_all_ends_them_now(browser, claire):
    assert sessions.end_all(claire.user) == 1
    assert not is_in(browser)


def test_a_session_written_after_it_was_ended_does_not_come_back(browser, claire):
    store = sessions.SessionStore(browser.cookies["session"].value)
    store["something"] = 1
    sessions.end_all(claire.user)
    with pytest.raises(sessions.UpdateError):
        store.save()
    assert not Session.objects.exists()


def test_a_rotated_secret_key_keeps_sessions_while_the_old_one_is_a_fallback(browser, settings):
    old = settings.SECRET_KEY
    settings.SECRET_KEY = "a new secret key, forty characters long.."
    settings.SECRET_KEY_FALLBACKS = [old]
    assert is_in(browser)
    settings.SECRET_KEY_FALLBACKS = []
    assert not is_in(browser)


def test_dead_sessions_are_cleared_and_live_ones_stay(browser, claire):
    Session.objects.create(
        key_digest="dead", data="", expires_at=timezone.now() - timedelta(seconds=1)
    )
    sessions.SessionStore.clear_expired()
    assert Session.objects.count() == 1


@pytest.mark.parametrize("forged", ["", "x", "0" * 32, "é" * 32, "\0" * 10, "a" * 5000])
def test_a_forged_key_is_nobody(client, db, forged):
    client.cookies["session"] = forged
    assert client.get(HOME).status_code == 302
