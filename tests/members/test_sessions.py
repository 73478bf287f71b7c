from datetime import timedelta

import pytest
import time_machine
from django.contrib import auth
from django.http import HttpRequest
from django.test import Client
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice

from members import sessions, signin
from members.models import AuditEvent, Session, SmsMessage, User
from tests.members.conftest import PASSWORD, make_member
from tests.members.steps import signs_in, type_password
from tests.signing import sign_in

HOME, PAGE = "/espace/", "/espace/securite/sessions/"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0"


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
    # session, account and device · adhésions · ayants droit · last reimbursements · acknowledgements
    with django_assert_num_queries(5):
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
        with django_assert_num_queries(6):
            browser.get(HOME)
        with django_assert_num_queries(5):
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


# Asleep, and awake again with the password alone


@pytest.fixture
def clock():
    with time_machine.travel(timezone.now(), tick=False) as clock:
        yield clock


def reopen(client, password=PASSWORD, **more):
    return client.post("/connexion/reprendre/", {"password": password, **more})


@pytest.fixture
def asleep(clock, browser):
    clock.shift(901)
    return browser


def test_asleep_it_opens_no_page(asleep):
    assert asleep.get(HOME)["Location"].startswith("/connexion/")
    assert asleep.post("/session/prolonger/").status_code == 302


def test_the_password_alone_wakes_it_without_any_text(asleep, claire):
    assert (
        "Votre session est en veille"
        in asleep.get("/connexion/?next=/espace/donnees/").content.decode()
    )
    before = asleep.cookies["session"].value
    assert reopen(asleep, next="/espace/donnees/")["Location"] == "/espace/donnees/"
    assert is_in(asleep)
    assert asleep.cookies["session"].value != before
    assert not SmsMessage.objects.exists()
    assert AuditEvent.objects.get().action == "session.reopened"


def test_a_wrong_password_is_counted_and_wakes_nothing(asleep, claire):
    for _ in range(5):
        assert "pas le bon" in reopen(asleep, "wrong").content.decode()
    assert reopen(asleep).status_code == 429
    assert not is_in(asleep)


def test_looking_at_pages_or_leaving_a_note_does_not_wake_it(asleep):
    for path in ("/connexion/", "/connexion/code/", "/mot-de-passe/oublie/"):
        asleep.get(path)
    store = sessions.SessionStore(asleep.cookies["session"].value)
    store["note"] = 1
    store.save()
    assert not is_in(asleep)


def test_twelve_hours_after_the_sign_in_the_password_is_not_enough(clock, browser):
    clock.shift(12 * 3600 + 1)
    assert "Me connecter" in browser.get("/connexion/").content.decode()
    assert reopen(browser)["Location"] == "/connexion/"
    assert not is_in(browser)


def test_a_change_of_password_ends_a_sleeping_session_too(asleep, claire):
    claire.user.set_password("une autre marée haute")
    claire.user.save()
    assert reopen(asleep, "une autre marée haute")["Location"] == "/connexion/"
    assert not is_in(asleep)


def test_a_colleague_signs_in_anew_with_both_factors(clock, client, hugo):
    sign_in(client, hugo)
    clock.shift(1801)
    assert "Me connecter" in client.get("/connexion/").content.decode()
    assert reopen(client)["Location"] == "/connexion/"


def test_sleeping_rows_stay_until_their_absolute_end(clock, asleep):
    sessions.SessionStore.clear_expired()
    assert Session.objects.count() == 1
    clock.shift(12 * 3600)
    sessions.SessionStore.clear_expired()
    assert not Session.objects.exists()


def test_staying_connected_counts_from_now(clock, browser):
    clock.shift(800)
    assert browser.post("/session/prolonger/").json() == {"seconds": 900}
    clock.shift(800)
    assert is_in(browser)


@pytest.mark.parametrize("identifiant", ["claire", "denis"])
def test_both_steps_over_a_sleeping_session_open_a_new_one(
    clock, asleep, identifiant, django_capture_on_commit_callbacks
):
    make_member("denis", nir="178067512345644", phone="+33612345679")
    clock.shift(3600)
    opened = signs_in(asleep, django_capture_on_commit_callbacks, identifiant)
    assert opened.status_code == 302
    assert is_in(asleep)
    row = Session.objects.get(user__identifiant=identifiant)
    assert row.started_at == timezone.now(), "its age counts from this sign-in"


def test_a_colleague_types_his_password_over_his_sleeping_session(clock, client, hugo):
    sign_in(client, hugo, TOTPDevice.objects.get(user=hugo))
    clock.shift(1801)
    assert type_password(client, "hugo")["Location"] == "/connexion/code/"


def test_a_sign_in_over_the_session_of_another_does_not_inherit_its_age(clock, browser):
    hugo = User.objects.create(identifiant="hugo", is_staff=True)
    clock.shift(600)
    request = HttpRequest()
    request.session = sessions.SessionStore(browser.cookies["session"].value)
    auth.login(request, hugo, backend=signin.BACKEND)
    request.session.save()
    assert Session.objects.get(user=hugo).started_at == timezone.now()


@pytest.mark.parametrize(("path", "status"), [(HOME, 302), ("/session/prolonger/", 400)])
def test_a_session_ended_while_it_is_noted_as_used_is_over_and_no_error(
    clock, browser, monkeypatch, path, status
):
    clock.shift(61 if path == HOME else 1)
    noted = sessions.SessionStore._touch

    def ended_first(self, data):
        Session.objects.all().delete()
        return noted(self, data)

    monkeypatch.setattr(sessions.SessionStore, "_touch", ended_first)
    page = browser.get(path) if path == HOME else browser.post(path)
    assert page.status_code == status
    assert not Session.objects.filter(user__isnull=False).exists()


# Seen and ended by their owner


def test_a_member_sees_his_sessions_and_ends_one(browser, claire):
    other = sign_in(Client(), claire.user)
    last = Session.objects.latest("started_at")
    Session.objects.filter(pk=last.pk).update(browser=FIREFOX, address_prefix="198.51.100.0/24")
    page = browser.get(PAGE).content.decode()
    assert page.count("rows__item") == 2
    assert "Firefox sur Windows" in page
    assert "198.51.100.0/24" in page
    browser.post(PAGE, {"session": last.pk})
    assert not is_in(other)
    assert is_in(browser)


def test_he_ends_all_the_others_at_once(browser, claire):
    others = [sign_in(Client(), claire.user) for _ in range(3)]
    page = browser.post(PAGE, {"others": "1"}, follow=True).content.decode()
    assert "3 connexions fermées." in page
    assert [is_in(other) for other in others] == [False] * 3
    assert is_in(browser)


def test_nobody_ends_the_session_of_somebody_else(browser, db):
    denis = make_member("denis", nir="178067512345644", phone="+33612345679")
    other = sign_in(Client(), denis.user)
    browser.post(PAGE, {"session": Session.objects.get(user=denis.user).pk})
    assert is_in(other)
