"""Error pages: French, in the same look, and telling nothing of what went wrong inside."""

from datetime import timedelta

import pytest
from django.db import InterfaceError, OperationalError
from django.test import Client
from django.utils import timezone

from members.throttle import Throttled
from members.views import signin
from tests.members.conftest import make_member
from tests.signing import sign_in


@pytest.fixture
def claire(db):
    return make_member()


@pytest.fixture
def frank_client():
    return Client(raise_request_exception=False)


@pytest.mark.parametrize("path", ["/nowhere/", "/espace/1/", "/incidents/unknown/lu/x"])
def test_an_unknown_page_is_a_french_404(client, claire, path):
    sign_in(client, claire.user)
    response = client.get(path)
    assert response.status_code == 404
    assert '<html lang="fr">' in response.content.decode()


def test_a_form_without_its_token_is_a_french_403(claire):
    response = Client(enforce_csrf_checks=True).post("/connexion/", {"identifiant": "claire"})
    assert response.status_code == 403
    assert '<html lang="fr">' in response.content.decode()


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OperationalError("host=db.internal"), 503),
        (InterfaceError("closed"), 503),
        (ZeroDivisionError("secret"), 500),
    ],
)
def test_an_error_inside_tells_nothing(frank_client, db, monkeypatch, error, status):
    def fails(*args, **kwargs):
        raise error

    monkeypatch.setattr(signin, "SignInForm", fails)
    response = frank_client.get("/connexion/")
    page = response.content.decode()
    assert response.status_code == status
    assert '<html lang="fr">' in page
    assert str(error) not in page
    assert ("Retry-After" in response) == (status == 503)


def test_an_unknown_host_is_a_400(client, db):
    assert client.get("/connexion/", headers={"Host": "evil.example"}).status_code == 400


def test_a_limit_that_no_view_words_is_a_french_429(client, db, monkeypatch):
    def refuses(*args, **kwargs):
        raise Throttled(timezone.now() + timedelta(seconds=40))

    monkeypatch.setattr(signin, "SignInForm", refuses)
    response = client.get("/connexion/")
    assert response.status_code == 429
    assert 38 <= int(response["Retry-After"]) <= 41
    assert '<html lang="fr">' in response.content.decode()
