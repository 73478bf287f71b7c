"""What a browser with a session still reads while the database is away: what is open to everybody."""

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.urls import reverse

from members.models import AuditEvent
from tests.cast import *  # noqa: F403

OPEN = ["/connexion/", "/connexion/code/aide/", "/sante/vivant/"]


@pytest.fixture
def browser(as_member, cast, february_2024):
    """Antoine's, after a look at the public pages: their notices are in the cache."""
    browser = as_member(cast.antoine)
    browser.raise_request_exception = False
    for path in (*OPEN, reverse("public_notice", args=[february_2024.reference])):
        Client().get(path)
    return browser


@pytest.fixture
def away():
    """Called, it takes the database away: every statement fails."""
    cut = []

    def refuses(execute, sql, params, many, context):
        raise OperationalError("server closed the connection unexpectedly")

    def take():
        cut.append(connection.execute_wrapper(refuses))
        cut[0].__enter__()

    yield take
    for wrapper in cut:
        wrapper.__exit__(None, None, None)


@pytest.mark.parametrize("path", OPEN)
def test_pages_open_to_all_answer_as_to_nobody_and_keep_the_cookie(browser, away, path):
    away()
    for method in (browser.get, browser.head):
        answer = method(path)
        assert answer.status_code == 200
        assert "session" not in answer.cookies
    assert "Me déconnecter" not in browser.get(path).content.decode()


def test_so_does_the_public_page_of_an_incident(browser, away, february_2024):
    away()
    page = browser.get(reverse("public_notice", args=[february_2024.reference]))
    assert page.status_code == 200
    assert "Viamedis" in page.content.decode()


def test_the_session_goes_on_once_the_database_is_back(browser):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("members.sessions.Session.objects", Broken())
        patch.setattr("members.sessions._with_account", Broken())
        assert browser.get("/connexion/").status_code == 200
    assert "Me déconnecter" in browser.get("/espace/").content.decode()


class Broken:
    def __getattr__(self, name):
        raise OperationalError


@pytest.mark.parametrize(
    ("method", "path"),
    [("get", "/espace/"), ("get", "/connexion/code/"), ("post", "/deconnexion/")],
)
def test_what_needs_to_know_who_asks_says_503(browser, away, method, path):
    away()
    answer = getattr(browser, method)(path)
    assert answer.status_code == 503
    assert "session" not in answer.cookies


def test_nobody_is_signed_out_without_an_event(browser):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("members.sessions.Session.objects", Broken())
        patch.setattr("members.sessions._with_account", Broken())
        assert browser.post("/deconnexion/").status_code == 503
    assert not AuditEvent.objects.filter(action="session.ended").exists()
    assert browser.get("/espace/").status_code == 200
