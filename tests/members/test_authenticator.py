"""An authenticator app for members: set up, asked for first, and never in the way of a text."""

import re
from base64 import b32decode
from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice

from members import authenticator
from members.mail.memory import outbox
from members.models import AuditEvent, Challenge, Mail, Member, User
from members.sms import memory
from tests.members.conftest import PASSWORD
from tests.members.steps import read_code, said, signs_in, type_code, type_password, wrong

APP, CONFIRM, REMOVE = (f"/espace/securite/application/{end}" for end in ("", "code/", "retirer/"))
CODE, TEXT = "/connexion/code/", "/connexion/code/sms/"


@pytest.fixture
def commits(django_capture_on_commit_callbacks):
    return django_capture_on_commit_callbacks


@pytest.fixture
def at_home(client, claire, commits):
    signs_in(client, commits)
    return client


def shown(user, drift=0) -> str:
    device = TOTPDevice.objects.get(user=user)
    return f"{totp(device.bin_key, drift=drift):06}"


@pytest.fixture
def app(at_home, claire, commits):
    """Claire's app, confirmed a minute ago. Her browser is signed out, her phone is read."""
    with time_machine.travel(timezone.now() - timedelta(minutes=1)):
        at_home.post(APP)
        at_home.post(CONFIRM, {"code": shown(claire.user)})
    at_home.post("/deconnexion/")
    memory.outbox.clear()
    return TOTPDevice.objects.get(user=claire.user)


# Setting it up


def test_the_app_counts_once_it_has_shown_a_first_right_code(at_home, claire, commits):
    assert at_home.post(APP)["Location"] == CONFIRM
    page = said(at_home.get(CONFIRM))
    [key] = re.findall(r'class="secret">([A-Z2-7 ]+)<', page)
    assert {len(group) for group in key.split()} == {4}
    assert b32decode(key.replace(" ", "")) == TOTPDevice.objects.get().bin_key
    assert "<svg viewBox" in page
    assert 'href="otpauth://totp/' in page
    refused = at_home.post(CONFIRM, {"code": wrong(shown(claire.user))})
    assert "n'est pas le bon" in said(refused)
    assert not TOTPDevice.objects.get().confirmed
    with commits(execute=True):
        assert at_home.post(CONFIRM, {"code": shown(claire.user)})["Location"] == APP
    assert TOTPDevice.objects.get().confirmed
    assert "Votre application est active" in said(at_home.get(APP))
    assert outbox[-1].subject == "Un moyen de connexion a été ajouté"
    trail = AuditEvent.objects.filter(action__startswith="app.").order_by("id")
    assert [event.action for event in trail] == ["app.code_failed", "app.added"]


def test_the_secret_is_never_shown_again(at_home, claire):
    at_home.post(APP)
    at_home.post(CONFIRM, {"code": shown(claire.user)})
    assert at_home.get(CONFIRM)["Location"] == APP
    assert "otpauth" not in said(at_home.get(APP))


def test_looking_makes_no_secret(at_home):
    at_home.get(APP)
    assert at_home.get(CONFIRM)["Location"] == APP
    assert not TOTPDevice.objects.exists()


def test_a_secret_that_nobody_confirms_in_thirty_minutes_is_dead(at_home, claire):
    at_home.post(APP)
    assert at_home.get(CONFIRM).status_code == 200
    TOTPDevice.objects.update(created_at=timezone.now() - timedelta(minutes=31))
    assert at_home.post(CONFIRM, {"code": shown(claire.user)})["Location"] == APP
    assert not TOTPDevice.objects.get().confirmed


def test_the_secret_is_neither_shown_nor_confirmed_once_the_password_is_old(at_home, claire):
    at_home.post(APP)
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        for answer in (at_home.get(CONFIRM), at_home.post(CONFIRM, {"code": shown(claire.user)})):
            assert answer["Location"] == APP
        assert "mot de passe actuel" in said(at_home.get(APP))
    assert not TOTPDevice.objects.get().confirmed


def test_another_session_neither_sees_nor_confirms_the_secret(at_home, claire, commits):
    at_home.post(APP)
    elsewhere = Client()
    signs_in(elsewhere, commits)
    for answer in (elsewhere.get(CONFIRM), elsewhere.post(CONFIRM, {"code": shown(claire.user)})):
        assert answer["Location"] == APP
    assert not TOTPDevice.objects.get().confirmed
    assert at_home.post(CONFIRM, {"code": shown(claire.user)})["Location"] == APP
    assert TOTPDevice.objects.get().confirmed


def test_an_app_confirmed_while_the_account_is_closed_does_not_count(at_home, claire, monkeypatch):
    at_home.post(APP)
    TOTPDevice.objects.update(created_at=timezone.now() - timedelta(minutes=1))
    check = authenticator.codes.check_totp

    def meanwhile(*arguments):
        check(*arguments)
        User.objects.update(password="")

    monkeypatch.setattr(authenticator.codes, "check_totp", meanwhile)
    assert at_home.post(CONFIRM, {"code": shown(claire.user)})["Location"] == APP
    assert not TOTPDevice.objects.get().confirmed


def test_setting_up_and_removing_ask_for_the_password_unless_it_was_given_a_moment_ago(
    at_home, claire
):
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        assert "mot de passe actuel" in said(at_home.post(APP))
        assert not TOTPDevice.objects.exists()
        TOTPDevice.objects.create(user=claire.user, name="application")
        assert "mot de passe actuel" in said(at_home.post(REMOVE))
        assert TOTPDevice.objects.exists()
        assert at_home.post(REMOVE, {"present_password": PASSWORD})["Location"] == APP
        assert not TOTPDevice.objects.exists()


def test_an_app_under_way_changes_nothing_to_the_sign_in(at_home, claire, commits):
    at_home.post(APP)
    at_home.post("/deconnexion/")
    assert signs_in(at_home, commits)["Location"] == "/espace/"


# Signing in with it


def test_the_app_is_asked_for_first_and_no_text_leaves(client, app, claire):
    assert type_password(client)["Location"] == CODE
    page = said(client.get(CODE))
    assert "Saisissez le code de votre application" in page
    assert "Recevoir plutôt un SMS" in page
    assert type_code(client, shown(claire.user))["Location"] == "/espace/"
    assert client.get("/espace/").status_code == 200
    assert not memory.outbox


def test_the_password_step_costs_no_statement_more_than_it_did(
    client, warm, app, commits, django_assert_num_queries
):
    with commits(), django_assert_num_queries(5):
        # limits · account with its app · limits given back · event · session
        type_password(client)


def test_a_text_may_be_asked_for_instead_once(client, app, commits):
    type_password(client)
    with commits(execute=True):
        assert client.post(TEXT)["Location"] == CODE
        client.post(TEXT)
    assert len(memory.outbox) == 1
    assert "Saisissez le code reçu par SMS" in said(client.get(CODE))
    assert type_code(client, read_code())["Location"] == "/espace/"
    assert AuditEvent.objects.filter(action="signin.text_chosen").count() == 1


def test_once_a_text_is_asked_for_the_code_of_the_app_opens_nothing(client, app, claire, commits):
    type_password(client)
    with commits(execute=True):
        client.post(TEXT)
    code = shown(claire.user)
    assert type_code(client, code).status_code == 200
    assert Challenge.objects.last().attempts == 1


def test_the_limits_of_texts_hold_for_it(client, app):
    for _ in range(4):  # a fifth, to sign in before there was an app
        type_password(client)
        client.post(TEXT)
    type_password(client)
    page = client.post(TEXT, follow=True)
    assert "Réessayez à partir de" in said(page)
    assert "Saisissez le code de votre application" in said(page)


def test_asking_for_a_text_needs_a_right_password_before(client, app, hugo):
    assert client.post(TEXT)["Location"] == "/connexion/"
    type_password(client, "hugo")
    assert "Recevoir plutôt un SMS" not in said(client.get(CODE))
    assert client.post(TEXT)["Location"] == "/connexion/?motif=changed"
    assert not memory.outbox


def test_without_a_phone_the_app_is_the_way_in(client, app, claire):
    Member.objects.filter(pk=claire.pk).update(phone="")
    assert type_password(client)["Location"] == CODE
    assert "Recevoir plutôt un SMS" not in said(client.get(CODE))
    assert type_code(client, shown(claire.user))["Location"] == "/espace/"


def test_a_code_that_has_served_says_wait_for_the_next_one(client, app, claire):
    type_password(client)
    code = shown(claire.user)
    type_code(client, code)
    client.post("/deconnexion/")
    type_password(client)
    assert "Ce code a déjà servi." in said(type_code(client, code))
    assert type_code(client, shown(claire.user, drift=1))["Location"] == "/espace/"


@pytest.mark.parametrize(("steps", "opens"), [(-2, False), (-1, True), (1, True), (2, False)])
def test_one_step_early_or_late_still_opens(client, claire, steps, opens):
    device = TOTPDevice.objects.create(user=claire.user, name="application")
    with time_machine.travel(timezone.now().replace(second=15), tick=False):
        type_password(client)
        response = type_code(client, f"{totp(device.bin_key, drift=steps):06}")
    assert (response.status_code == 302) == opens


def test_guessing_must_wait_and_after_a_hundred_in_a_row_only_a_text_opens(
    client, app, claire, settings, commits
):
    settings.LIMITS = {**settings.LIMITS, "TOTP_FAILURES": 3, "CODE_FAILURES_IN_A_ROW": 4}
    type_password(client)
    for _ in range(3):
        assert type_code(client, wrong(shown(claire.user))).status_code == 200
    assert type_code(client, shown(claire.user)).status_code == 429
    with time_machine.travel(timezone.now() + timedelta(seconds=31)):
        type_code(client, wrong(shown(claire.user)))
    with time_machine.travel(timezone.now() + timedelta(seconds=120)):
        page = type_code(client, shown(claire.user))
        assert "Trop de codes faux." in said(page)
        assert AuditEvent.objects.filter(action="signin.locked").count() == 1
        with commits(execute=True):
            client.post(TEXT)
        assert type_code(client, read_code())["Location"] == "/espace/"


def test_three_wrong_codes_of_an_app_are_told_once(client, app, claire, commits):
    outbox.clear()
    stranger = Client()
    with commits(execute=True):
        for sign_in in range(3):
            type_password(stranger)
            for _ in range(2):
                type_code(stranger, wrong(shown(claire.user)))
            assert Mail.objects.filter(kind="code_failed").count() == (sign_in > 0)
    assert [mail.subject for mail in outbox] == ["Une connexion à votre espace a échoué"]


def test_the_half_way_step_dies_when_the_app_is_removed(client, app, claire):
    type_password(client)
    code = shown(claire.user)
    TOTPDevice.objects.all().delete()
    assert type_code(client, code)["Location"] == "/connexion/?motif=changed"


# Removing it


def test_a_removed_app_tells_its_holder_and_ends_what_it_opened(client, app, claire, commits):
    type_password(client)
    type_code(client, shown(claire.user))
    by_text = Client()
    type_password(by_text)
    with commits(execute=True):
        by_text.post(TEXT)
    type_code(by_text, read_code())
    with commits(execute=True):
        assert client.post(REMOVE)["Location"] == "/connexion/?motif=factor"
    assert client.get("/espace/").status_code == 302
    assert by_text.get("/espace/").status_code == 200
    assert outbox[-1].subject == "Un moyen de connexion a été retiré"
    assert AuditEvent.objects.filter(action="app.removed").count() == 1
    assert signs_in(client, commits)["Location"] == "/espace/"


def test_there_is_one_app_at_a_time(client, app, claire, at_home, commits):
    type_password(client)
    type_code(client, shown(claire.user))
    client.post(APP)
    assert TOTPDevice.objects.get() == app
