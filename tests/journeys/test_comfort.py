"""The end of an idle session: warned of, put off by the keyboard, and slept through without a second text."""

import re

import pytest
from playwright.sync_api import expect

from portal.demo.people import PASSWORD
from tests.journeys.conftest import MANY_TRIES

pytestmark = pytest.mark.browser
SHORT = {"LIMIT_SESSION_IDLE": "15", "LIMIT_SESSION_WARNING": "11", "LIMIT_SESSION_TOUCH": "1"}


@pytest.fixture(scope="module")
def portal(portal_server, celery_worker, twilio_standin):
    """As everywhere, but sessions fall asleep after a quarter of a minute."""
    portal = portal_server(cast=True, twilio=twilio_standin, env={**MANY_TRIES, **SHORT})
    celery_worker(portal)
    return portal


def test_staying_connected_takes_one_key_and_loses_nothing_typed(person, page, portal, axe):
    antoine = person(page, "antoine.kervella")
    antoine.signs_in()
    page.goto(f"{portal.url}/espace/securite/email/")
    page.get_by_label("Nouvelle adresse").fill("antoine@exemple.invalid")
    warning = page.get_by_role("dialog")
    expect(warning).to_be_visible(timeout=8_000)
    expect(warning).to_contain_text("Êtes-vous toujours là ?")
    axe(page)
    page.get_by_role("button", name="Rester connecté").press("Enter")
    expect(warning).to_be_hidden()
    expect(page.get_by_label("Nouvelle adresse")).to_have_value("antoine@exemple.invalid")
    expect(warning).to_be_visible(timeout=8_000)


def test_asleep_the_password_alone_opens_with_or_without_javascript_and_no_text_leaves(
    person, page, new_page, portal, twilio, axe
):
    plain = new_page(java_script_enabled=False, viewport={"width": 320, "height": 640})
    person(plain, "bianca.santoni").signs_in()
    antoine = person(page, "antoine.kervella")
    antoine.signs_in()
    sent = len(twilio.requests)
    expect(page.get_by_text("Votre session est en veille.")).to_be_visible(timeout=20_000)

    page.goto(f"{portal.url}/espace/donnees/")
    expect(page.get_by_role("heading", name="Votre session est en veille")).to_be_visible()
    axe(page)
    wakes(page)
    page.wait_for_url("**/espace/donnees/")

    plain.goto(f"{portal.url}/espace/")
    wakes(plain)
    assert "/connexion/" not in plain.url
    assert len(twilio.requests) == sent


def wakes(page):
    page.get_by_label("Mot de passe").fill(PASSWORD)
    page.get_by_role("button", name=re.compile("Reprendre ma session")).click()
