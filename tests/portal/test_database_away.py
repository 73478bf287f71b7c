"""What a browser with a session still reads while the database is away: what is open to everybody."""

from datetime import timedelta

import pytest
import time_machine
from django.db import OperationalError, connection
from django.test import Client
from django.urls import reverse

from incidents import cached, information
from members.models import AuditEvent
from tests.cast import *  # noqa: F403

PUBLIC = [
    "/information/",
    "/information/2024-02-tiers-payant/",
    "/information/flux.atom",
    "/information/index.json",
]
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


def test_all_that_anybody_reads_of_incidents_outlives_the_database(browser, away, february_2024):
    """Long after what is kept was fresh, in a process that never read it, with a session or without."""
    information.renew()
    cached.forget_near()
    with time_machine.travel(timedelta(hours=12), tick=False):
        away()
        for client in (Client(), browser):
            pages = {path: client.get(path) for path in PUBLIC}
            assert {path: page.status_code for path, page in pages.items()} == dict.fromkeys(
                PUBLIC, 200
            )
            assert all("Viamedis" in page.content.decode() for page in pages.values())
        assert Client().get("/information/inconnu/").status_code == 404
        assert Client().get("/connexion/").status_code == 200  # it shows what is in force, too
        check = Client(raise_request_exception=False).post("/attestations/", {"code": "x"})
        assert check.status_code == 503  # its limits fail closed


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
