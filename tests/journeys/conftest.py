import re

import pytest
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice
from playwright.sync_api import expect

from portal.demo.people import PASSWORD

MANY_TRIES = {"LIMIT_SENDS_PER_PHONE_HOUR": "200", "LIMIT_SENDS_PER_PHONE_DAY": "200"}


@pytest.fixture(scope="module")
def portal(portal_server, celery_worker, twilio_standin):
    """The whole portal with its cast: web server, PostgreSQL, Redis, a worker, Twilio's stand-in."""
    portal = portal_server(cast=True, twilio=twilio_standin, env=MANY_TRIES)
    celery_worker(portal)
    return portal


@pytest.fixture
def cast_anew(portal):
    """Nobody has read anything yet."""
    portal.sql("TRUNCATE incidents_acknowledgement, members_throttle, members_session CASCADE")
    portal.flush_redis()


class Person:
    """Someone of the cast in front of a browser."""

    def __init__(self, portal, twilio, page, identifiant):
        self.portal, self.twilio, self.page, self.identifiant = portal, twilio, page, identifiant

    def types_password(self, path="/"):
        self.page.goto(self.portal.url + path)
        self.page.get_by_label("Identifiant").fill(self.identifiant)
        self.page.get_by_label("Mot de passe").fill(PASSWORD)
        self.page.get_by_role("button", name="Continuer").click()

    def reads_code(self) -> str:
        sent = self.twilio.wait_for(len(self.twilio.requests) or 1)
        return re.match(r"\d{6}", sent[-1].body).group()

    def shows_code(self) -> str:
        """The code of the authenticator app, for staff."""
        with self.portal.orm():
            device = TOTPDevice.objects.get(user__identifiant=self.identifiant)
            TOTPDevice.objects.filter(pk=device.pk).update(last_t=-1)
            return f"{totp(device.bin_key):06}"

    def types_code(self, code):
        self.page.get_by_label(re.compile("^Code")).fill(code)
        self.page.get_by_role("button", name="Valider").click()

    def signs_in(self, path="/"):
        before = len(self.twilio.requests)
        self.types_password(path)
        self.page.wait_for_url("**/connexion/code/")
        self.twilio.wait_for(before + 1)
        self.types_code(self.reads_code())
        self.page.wait_for_url(lambda url: "/connexion/" not in url)

    def signs_in_to_work(self, path="/admin/"):
        self.types_password(path)
        self.page.wait_for_url("**/connexion/code/")
        self.types_code(self.shows_code())
        self.page.wait_for_url("**/admin/**")

    def sees(self, *texts):
        for text in texts:
            expect(self.page.locator("body")).to_contain_text(text)


@pytest.fixture
def person(portal, twilio, cast_anew):
    """`person(page, identifiant)`."""
    return lambda page, identifiant: Person(portal, twilio, page, identifiant)
