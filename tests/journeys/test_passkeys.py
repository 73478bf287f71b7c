"""Passkeys in a browser, with the authenticator that Chromium plays. (WebAuthn §11, automation)"""

import re

import pytest
from playwright.sync_api import expect

from tests.journeys.conftest import MANY_TRIES
from tests.services import chromium

pytestmark = pytest.mark.browser
ENTER = "Me connecter avec une clé d'accès"
KEYS, APP = "/espace/securite/cles/", "/espace/securite/application/"


@pytest.fixture(scope="module")
def portal(portal_server, celery_worker, twilio_standin):
    """As the other journeys', under a name: no key is made for a number."""
    portal = portal_server(cast=True, twilio=twilio_standin, env=MANY_TRIES, host="localhost")
    celery_worker(portal)
    return portal


@pytest.fixture
def cast_anew(portal):
    """Nobody has read anything yet, nor keeps any key or app."""
    portal.sql(
        "TRUNCATE incidents_acknowledgement, members_throttle, members_session, members_passkey CASCADE"
    )
    portal.sql(
        "DELETE FROM otp_totp_totpdevice WHERE user_id IN (SELECT user_id FROM members_member)"
    )
    portal.flush_redis()


class Device:
    """The phone or computer of a browser: it keeps keys and knows its holder."""

    def __init__(self, page):
        self.protocol = page.context.new_cdp_session(page)
        self.protocol.send("WebAuthn.enable")
        added = self.protocol.send(
            "WebAuthn.addVirtualAuthenticator",
            {
                "options": {
                    "protocol": "ctap2",
                    "transport": "internal",
                    "hasResidentKey": True,
                    "hasUserVerification": True,
                    "isUserVerified": True,
                    "automaticPresenceSimulation": True,
                }
            },
        )
        self.name = {"authenticatorId": added["authenticatorId"]}

    def knows_nobody(self):
        self.protocol.send("WebAuthn.setUserVerified", {**self.name, "isUserVerified": False})

    def answers(self, by_itself):
        self.protocol.send(
            "WebAuthn.setAutomaticPresenceSimulation", {**self.name, "enabled": by_itself}
        )

    def credentials(self) -> list[dict]:
        return self.protocol.send("WebAuthn.getCredentials", self.name)["credentials"]


@pytest.fixture
def at_a_device(person, new_page):
    """`at_a_device("bianca.santoni")` has a device that can keep keys, and answers at once.

    It takes no key among the suggestions of the first field, unless told so: it would not wait for a click.
    """

    def someone(identifiant, *, suggestions=False, **options):
        page = new_page(**options)
        if not suggestions:
            page.add_init_script("delete PublicKeyCredential.isConditionalMediationAvailable")
        someone = person(page, identifiant)
        someone.device = Device(page)
        return someone

    return someone


@pytest.fixture
def bianca(at_a_device):
    """Bianca in her espace, signed in by text."""
    bianca = at_a_device("bianca.santoni")
    bianca.signs_in()
    return bianca


def adds_key(person, name="Mon téléphone"):
    page = person.page
    page.goto(person.portal.url + KEYS)
    page.get_by_role("link", name="Ajouter une clé").click()
    page.get_by_label("Nom de cette clé").fill(name)
    page.get_by_role("button", name="Continuer").click()
    page.get_by_role("button", name="Créer la clé").click()
    page.wait_for_url("**" + KEYS)
    person.sees("Votre clé d'accès est prête.", name)


def leaves(person):
    person.page.get_by_role("button", name="Me déconnecter").click()
    person.page.wait_for_url("**/connexion/**")


def test_from_a_first_key_to_a_sign_in_with_it_alone(bianca, portal, twilio):
    page = bianca.page
    page.goto(f"{portal.url}/espace/")
    page.get_by_role("link", name="Ajouter une clé").click()
    assert page.url == f"{portal.url}{KEYS}ajouter/"
    adds_key(bianca)
    [kept] = bianca.device.credentials()
    assert kept["rpId"] == "localhost"
    assert kept["isResidentCredential"]
    leaves(bianca)
    twilio.reset()
    page.get_by_role("button", name=ENTER).click()
    page.wait_for_url("**/incidents/**")
    page.goto(f"{portal.url}/espace/")
    bianca.sees("Bonjour Bianca")
    assert not twilio.requests
    page.goto(portal.url + KEYS)
    assert "Jamais utilisée" not in page.inner_text("body")


def test_a_key_among_the_suggestions_of_the_first_field_opens_too(at_a_device, portal, twilio):
    bianca = at_a_device("bianca.santoni", suggestions=True)
    bianca.device.answers(by_itself=False)
    bianca.signs_in()
    bianca.device.answers(by_itself=True)
    adds_key(bianca)
    bianca.device.answers(by_itself=False)
    leaves(bianca)
    twilio.reset()
    bianca.page.goto(f"{portal.url}/connexion/?next=/espace/donnees/")
    bianca.device.answers(by_itself=True)  # she picks it
    bianca.page.wait_for_url(re.compile("/incidents/|/espace/"))
    assert not twilio.requests


def test_a_removed_key_opens_nothing_and_the_password_still_does(bianca, portal):
    page = bianca.page
    adds_key(bianca)
    page.get_by_role("link", name="Retirer Mon téléphone").click()
    page.get_by_role("button", name="Retirer cette clé").click()
    bianca.sees("Ce moyen de connexion est retiré.", "Vous n'avez pas encore de clé")
    leaves(bianca)
    page.get_by_role("button", name=ENTER).click()
    expect(page.locator("[data-passkey-door] [role=status]")).to_have_text(
        "Cette clé n'ouvre aucun espace ici. Connectez-vous avec votre mot de passe."
    )
    assert page.goto(f"{portal.url}/espace/").url.startswith(f"{portal.url}/connexion/")
    bianca.signs_in()


def test_a_device_that_does_not_know_its_holder_opens_nothing(bianca, portal):
    page = bianca.page
    adds_key(bianca)
    leaves(bianca)
    bianca.device.knows_nobody()
    page.get_by_role("button", name=ENTER).click()
    expect(page.locator("[data-passkey-door] [role=status]")).to_contain_text(
        "saisissez votre mot de passe"
    )
    assert page.goto(f"{portal.url}/espace/").url.startswith(f"{portal.url}/connexion/")


def test_a_device_keeps_one_key_per_espace(bianca):
    page = bianca.page
    adds_key(bianca)
    page.get_by_role("link", name="Ajouter une clé").click()
    page.get_by_label("Nom de cette clé").fill("Encore")
    page.get_by_role("button", name="Continuer").click()
    page.get_by_role("button", name="Créer la clé").click()
    expect(page.locator("[data-passkey-maker] [role=status]")).to_have_text(
        "Cet appareil a déjà une clé pour votre espace."
    )


def test_staff_enter_the_admin_with_a_key_of_theirs(at_a_device):
    agent = at_a_device("support")
    page = agent.page
    agent.signs_in_to_work()
    page.get_by_role("link", name="Mes clés d'accès").click()
    page.get_by_role("link", name="Ajouter une clé").click()
    page.get_by_label("Nom de cette clé").fill("Poste de travail")
    page.get_by_role("button", name="Continuer").click()
    page.get_by_role("button", name="Créer la clé").click()
    page.wait_for_url("**/equipe/cles/")
    leaves(agent)
    page.get_by_role("button", name=ENTER).click()
    page.wait_for_url("**/admin/")


def test_without_javascript_or_without_keys_the_sign_in_misses_nothing(new_page, portal):
    page = new_page(java_script_enabled=False)
    page.goto(f"{portal.url}/connexion/")
    expect(page.get_by_role("button", name="Continuer")).to_be_visible()
    expect(page.get_by_role("button", name=ENTER)).to_be_hidden()
    unable = new_page()
    unable.add_init_script("delete window.PublicKeyCredential")
    unable.goto(f"{portal.url}/connexion/")
    expect(unable.get_by_role("button", name=ENTER)).to_be_hidden()


def test_an_app_is_linked_then_asked_for_and_a_text_may_replace_it(bianca, portal, twilio):
    page = bianca.page
    page.goto(portal.url + APP)
    page.get_by_role("button", name="Commencer").click()
    bianca.types_code(bianca.shows_code())
    bianca.sees("Votre application est active")
    leaves(bianca)
    twilio.reset()
    bianca.types_password()
    bianca.sees("Saisissez le code de votre application")
    bianca.types_code(bianca.shows_code())
    page.wait_for_url(re.compile("/incidents/|/espace/"))
    assert not twilio.requests
    page.get_by_role("button", name="Me déconnecter").click()
    bianca.types_password()
    page.get_by_role("button", name="Recevoir plutôt un SMS").click()
    twilio.wait_for(1)
    bianca.types_code(bianca.reads_code())
    page.wait_for_url(re.compile("/incidents/|/espace/"))


def test_axe_finds_nothing_and_nothing_overflows_at_320_pixels(at_a_device, axe, portal):
    small = {"width": 320, "height": 640}
    bianca = at_a_device("bianca.santoni", viewport=small)
    page = bianca.page
    bianca.signs_in()

    def looks_right():
        axe(page, dark=True)
        with chromium.scriptable(page) as shown:
            assert shown.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, (
                page.url
            )

    for path in ("/espace/", "/espace/securite/", KEYS, f"{KEYS}ajouter/", APP):
        page.goto(portal.url + path)
        looks_right()
    page.get_by_role("button", name="Commencer").click()
    looks_right()
    bianca.types_code("000")
    looks_right()
    bianca.types_code(bianca.shows_code())
    page.goto(f"{portal.url}{APP}retirer/")
    looks_right()
    page.goto(f"{portal.url}{KEYS}ajouter/")
    page.get_by_label("Nom de cette clé").fill("Téléphone de Bianca à la maison, le petit")
    page.get_by_role("button", name="Continuer").click()
    looks_right()
    page.get_by_role("button", name="Créer la clé").click()
    page.wait_for_url("**" + KEYS)
    looks_right()
    for link in ("Renommer", "Retirer"):
        page.goto(portal.url + KEYS)
        page.get_by_role("link", name=link).click()
        looks_right()
