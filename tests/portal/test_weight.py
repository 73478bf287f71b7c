"""Pages stay light: what a phone in a bad network fetches first, before any compression."""

import pytest

from members.sms import memory
from portal.demo.people import PASSWORD
from tests.cast import *  # noqa: F403

HEAVIEST = 30_000  # bytes
NOTICE = "2024-02-tiers-payant"


@pytest.mark.parametrize(
    "path", ["/connexion/", "/information/", f"/information/{NOTICE}/", "/attestations/"]
)
def test_pages_for_anybody_are_light(client, february_2024, path, settings):
    settings.DEMO = True  # with its accounts, the heaviest
    assert_light(client.get(path))


def test_the_page_of_the_code_is_light(client, february_2024):
    memory.outbox.clear()
    typed = {"identifiant": "antoine.kervella", "password": PASSWORD}
    assert_light(client.post("/connexion/", typed, follow=True))


@pytest.mark.parametrize(
    "path",
    [
        "/espace/",
        "/espace/beneficiaires/",
        "/espace/contrat/",
        "/espace/carte/",
        "/espace/remboursements/",
        "/espace/donnees/",
        "/espace/demandes/",
        "/espace/demandes/nouvelle/soins/",
        "/espace/demandes/nouvelle/ajout/",
        "/incidents/",
        f"/incidents/{NOTICE}/",
    ],
)
def test_pages_of_a_family_at_two_operators_are_light(as_member, cast, february_2024, path):
    assert_light(as_member(cast.antoine).get(path))


def test_an_attestation_is_light(as_member, cast, february_2024):
    browser = as_member(cast.antoine)
    browser.get(f"/incidents/{NOTICE}/")
    assert_light(browser.post(f"/incidents/{NOTICE}/attestation/", follow=True))


def assert_light(response):
    assert response.status_code == 200
    assert len(response.content) <= HEAVIEST
