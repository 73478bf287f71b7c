"""Known browsers: their own budget, no alarm, and never a way around the code."""

from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from members.mail.memory import outbox
from members.models import KnownBrowser, Mail
from tests.members.conftest import make_member
from tests.members.steps import read_code, signs_in, type_code, type_password, wrong


@pytest.fixture
def commits(django_capture_on_commit_callbacks):
    return django_capture_on_commit_callbacks


@pytest.fixture
def known(client, claire, commits):
    """A browser where Claire has just signed in and out."""
    signs_in(client, commits)
    client.post("/deconnexion/")
    return client


def cookie(client):
    return next(value for name, value in client.cookies.items() if name.startswith("browser-"))


def test_the_database_holds_a_digest_and_no_name_tells_the_account(known, claire):
    row, held = KnownBrowser.objects.get(), cookie(known)
    assert held.value not in row.digest
    assert len(held.value) >= 43
    assert len(held.key) == len("browser-") + 10
    assert held["httponly"]
    assert held["samesite"] == "Lax"
    assert held["max-age"] == 2_592_000


def test_it_never_replaces_the_code(known, commits):
    with commits(execute=True):
        assert type_password(known)["Location"] == "/connexion/code/"
    assert known.get("/espace/").status_code == 302


def test_a_new_browser_is_told_by_email_and_a_known_one_is_not(known, commits):
    assert [mail.subject for mail in outbox] == ["Nouvelle connexion à votre espace"]
    signs_in(known, commits)
    assert len(outbox) == 1
    signs_in(Client(), commits)
    assert len(outbox) == 2


def test_strangers_who_use_up_the_budget_of_the_account_do_not_lock_it_out(
    known, settings, commits
):
    settings.LIMITS = {**settings.LIMITS, "PASSWORD_FAILURES_ACCOUNT": 3}
    thieves = [Client(REMOTE_ADDR=f"203.0.113.{n}") for n in range(1, 6)]
    statuses = [type_password(thief, password="wrong").status_code for thief in thieves]
    assert statuses == [200, 200, 200, 429, 429]
    with commits(execute=True):
        assert type_password(known)["Location"] == "/connexion/code/"


def test_its_own_budget_is_bounded_too(known, settings):
    settings.LIMITS = {**settings.LIMITS, "PASSWORD_FAILURES_KNOWN": 3}
    assert [type_password(known, password="wrong").status_code for _ in range(4)] == [
        200,
        200,
        200,
        429,
    ]


def test_a_cookie_taken_to_another_account_is_nothing_special(known, settings):
    settings.LIMITS = {**settings.LIMITS, "PASSWORD_FAILURES_PAIR": 1, "PASSWORD_FAILURES_KNOWN": 9}
    make_member("denis", nir="178067512345644", phone="+33612345679")
    assert [type_password(known, "denis", "wrong").status_code for _ in range(2)] == [200, 429]


def test_a_planted_token_is_not_adopted(client, claire, commits):
    client.cookies["browser-planted000"] = "chosen by a thief"
    signs_in(client, commits)
    thief = Client()
    thief.cookies["browser-planted000"] = "chosen by a thief"
    signs_in(thief, commits)
    assert Mail.objects.filter(kind="new_browser").count() == 2


def test_after_thirty_days_without_a_sign_in_it_is_forgotten(known, commits):
    with time_machine.travel(timezone.now() + timedelta(days=31)):
        signs_in(known, commits)
    assert Mail.objects.filter(kind="new_browser").count() == 2


def test_each_sign_in_keeps_it_known_thirty_days_more(known, commits):
    for days in (20, 40, 60):
        with time_machine.travel(timezone.now() + timedelta(days=days)):
            signs_in(known, commits)
            known.post("/deconnexion/")
    assert Mail.objects.filter(kind="new_browser").count() == 1


def test_its_member_forgets_it_and_nobody_else_can(known, claire, commits):
    row = KnownBrowser.objects.get()
    make_member("denis", nir="178067512345644", phone="+33612345679")
    other = Client()
    signs_in(other, commits, "denis")
    other.post("/espace/securite/sessions/", {"browser": row.pk})
    assert KnownBrowser.objects.live().filter(pk=row.pk).exists()
    signs_in(known, commits)
    page = known.post("/espace/securite/sessions/", {"browser": row.pk}, follow=True)
    assert "Ce navigateur est oublié." in page.content.decode()
    known.post("/deconnexion/")
    signs_in(known, commits)
    assert Mail.objects.filter(user=claire.user, kind="new_browser").count() == 2


def guesses(browser, commits, tries):
    with commits(execute=True):
        type_password(browser)
    with commits(execute=True):
        for _ in range(tries):
            type_code(browser, wrong(read_code()))


def told_of_codes():
    return Mail.objects.filter(kind="code_failed").count()


def test_a_right_password_with_three_wrong_codes_is_told_unless_from_a_known_browser(
    known, claire, commits
):
    guesses(known, commits, 5)
    assert told_of_codes() == 0
    stranger = Client()
    guesses(stranger, commits, 2)
    assert told_of_codes() == 0, "a slip or two"
    guesses(stranger, commits, 2)
    assert told_of_codes() == 1, "over two sign-ins, none of which used up its tries"


def test_who_was_told_of_wrong_codes_is_told_again_after_a_day_and_not_before(claire, commits):
    with time_machine.travel(timezone.now()) as clock:
        for _ in range(2):
            guesses(Client(), commits, 4)
        assert told_of_codes() == 1
        clock.shift(timedelta(days=1, minutes=1))
        guesses(Client(), commits, 4)
        assert told_of_codes() == 2


@pytest.mark.parametrize("value", ["", "x" * 5000, "é"])
def test_odd_tokens_are_strangers(client, claire, value):
    client.cookies["browser-odd"] = value
    assert type_password(client).status_code == 302
