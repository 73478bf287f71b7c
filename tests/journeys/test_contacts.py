"""A new phone, and a lost one, in a browser and with real parts: worker, database, texts."""

import re
import subprocess
import sys
from datetime import timedelta

import pytest
from django.db.models import F

from members.models import OneTimeLink, PhoneChange
from members.models.link import LinkPurpose
from tests.journeys.test_member import overflow
from tests.services.processes import ROOT, wait_until

pytestmark = pytest.mark.browser
SECURITY = "/espace/securite/"
SMALL = {"java_script_enabled": False, "viewport": {"width": 320, "height": 640}}


class Walk:
    """Somebody's page after page, each looked at for width and accessibility."""

    def __init__(self, person, page, axe, twilio):
        self.person, self.page, self.axe, self.twilio = person, page, axe, twilio

    def looks(self):
        self.page.wait_for_load_state()  # a click returns before its page is whole
        assert overflow(self.page) <= 0, self.page.url
        self.axe(self.page)

    def goes(self, path):
        self.page.goto(self.person.portal.url + path)
        self.looks()

    def presses(self, name):
        self.page.get_by_role("button", name=name).click()
        self.looks()

    def types_next_code(self, button, to):
        """Presses `button`, and types the code of the text that arrives at the number `to`."""
        before = len(self.twilio.requests)
        self.page.get_by_role("button", name=button).click()
        text = self.twilio.wait_for(before + 1)[before]
        assert text.to == to
        self.looks()
        self.page.get_by_label(re.compile("^Code")).fill(re.match(r"\d{6}", text.body).group())


@pytest.fixture
def walk(person, new_page, axe, twilio):
    def start(identifiant, **options):
        page = new_page(**options)
        return Walk(person(page, identifiant), page, axe, twilio)

    return start


def applies(portal, twilio, number):
    """Three days pass, beat asks for what it asks each minute, and the new phone is told."""
    with portal.orm():
        PhoneChange.objects.waiting().update(
            confirmed_at=F("confirmed_at") - timedelta(days=3),
            serves_from=F("serves_from") - timedelta(days=3),
        )
    subprocess.run(
        [
            sys.executable,
            "-m",
            "celery",
            "-A",
            "portal",
            "call",
            "portal.tasks.apply_phone_changes",
        ],
        env=portal.env,
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    wait_until(lambda: "arrivent maintenant" in twilio.last_to(number).body)


def test_a_member_moves_to_a_new_phone_without_javascript(walk, portal):
    old, new = "+33600000004", "+33698765433"
    claims = walk("denise.fauvel", **SMALL)
    page, someone = claims.page, claims.person
    someone.signs_in()
    claims.goes(SECURITY)
    page.get_by_role("link", name="Changer de téléphone").click()
    claims.looks()
    page.get_by_label("Nouveau numéro de mobile").fill("01 42 68 53 00")
    claims.presses("Continuer")
    someone.sees("Indiquez un téléphone mobile de France ou d'outre-mer.")
    page.get_by_label("Nouveau numéro de mobile").fill(new)
    claims.types_next_code("Continuer", to=old)
    claims.types_next_code("Valider", to=new)
    claims.presses("Valider")
    someone.sees("Un changement est en cours", "Votre nouveau téléphone est confirmé.")
    claims.goes(SECURITY)
    someone.sees(f"06 •• •• •• {new[-2:]}", "servira à partir du")

    applies(portal, claims.twilio, new)
    page.goto(portal.url + "/espace/")
    assert "/connexion/" in page.url, "the change ends every session"
    someone.signs_in()
    assert claims.twilio.requests[-1].to == new


def test_a_change_is_cancelled_from_the_email_without_javascript(walk, portal):
    claims = walk("gilles.perrin", **SMALL)
    page, someone = claims.page, claims.person
    someone.signs_in()
    claims.goes(SECURITY + "telephone/")
    page.get_by_label("Nouveau numéro de mobile").fill("06 98 76 54 34")
    claims.types_next_code("Continuer", to="+33600000008")
    claims.types_next_code("Valider", to="+33698765434")
    claims.presses("Valider")
    with portal.orm():
        link = OneTimeLink.objects.get(
            purpose=LinkPurpose.CANCEL_PHONE, user__identifiant=someone.identifiant
        )
        token = f"{link.pk}-{link.secret()}"
    reader = walk("gilles.perrin", **SMALL)
    reader.goes(f"/contact/telephone/annuler/{token}/")
    reader.presses("Annuler ce changement")
    reader.person.sees("Le changement est annulé")
    claims.goes(SECURITY + "telephone/")
    someone.sees("Changer de numéro")


def test_a_lost_phone_is_replaced_with_a_saved_code(walk, portal):
    identifiant, new = "bianca.santoni", "+33698765435"
    options = {"color_scheme": "dark", "viewport": {"width": 320, "height": 640}}
    claims = walk(identifiant, **options)
    page, someone = claims.page, claims.person
    someone.signs_in()
    claims.goes(SECURITY)
    page.get_by_role("link", name="Créer mes codes de secours").click()
    claims.looks()
    claims.presses("Créer mes codes")
    saved = page.locator(".codes li").first.inner_text()
    page.get_by_role("link", name="J'ai noté mes codes").click()
    someone.sees("Il vous reste 8 codes.")

    someone = walk(identifiant, **options)
    someone.person.types_password()
    someone.page.wait_for_url("**/connexion/code/")
    someone.page.get_by_role("link", name="Je n'ai plus ce numéro").click()
    someone.looks()
    someone.page.get_by_label("Code de secours", exact=True).fill("AAAA-BBBB-CCCC-DDDD")
    someone.presses("Continuer avec ce code")
    someone.person.sees("Ce code n'est pas le bon, ou il ne sert plus.")
    someone.page.get_by_label("Code de secours", exact=True).fill(saved)
    someone.presses("Continuer avec ce code")
    someone.page.get_by_label("Nouveau numéro de mobile").fill(new)
    someone.presses("Recevoir un code à ce numéro")
    text = someone.twilio.last_to(new)
    someone.page.get_by_label(re.compile("^Code")).fill(re.match(r"\d{6}", text.body).group())
    someone.presses("Valider")
    someone.person.sees("Votre nouveau téléphone est confirmé")
    someone.page.goto(portal.url + "/espace/")
    assert "/connexion/" in someone.page.url, "recovery never signs in"

    applies(portal, someone.twilio, new)
    someone.person.signs_in()
    assert someone.twilio.requests[-1].to == new
