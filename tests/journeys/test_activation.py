"""A first sign-in in a browser, through the whole portal."""

import itertools
import re

import pytest
from playwright.sync_api import expect

from members import letters
from members.models import Member
from members.models.recovery import LetterPurpose
from tests.journeys.test_member import overflow, press_until
from tests.members.test_letters import code_in, invited

pytestmark = pytest.mark.browser
PASSWORD = "douze goélands sur la jetée"
_numbers = itertools.count(20_000_001)


@pytest.fixture
def newcomer(portal, cast_anew):
    """`newcomer(**on_file)` is a new member's number and the code of a letter to him."""

    def make(**on_file):
        number = str(next(_numbers))
        with portal.orm():
            member = invited(number, **on_file)
            pdf = letters.print_batch([member], LetterPurpose.ACTIVATION, None)
        return number, code_in(pdf)

    return make


class Newcomer:
    def __init__(self, portal, twilio, page):
        self.portal, self.twilio, self.page = portal, twilio, page

    def starts_with_letter(self, number, code):
        self.page.goto(f"{self.portal.url}/connexion/")
        self.page.get_by_role("link", name="Première connexion ?").click()
        self.page.get_by_role("link", name="Saisir mon code").click()
        self.types_letter(number, code)
        self.page.wait_for_url("**/activation/mot-de-passe/")

    def types_letter(self, number, code):
        self.page.get_by_label("Numéro d'adhérent").fill(number)
        self.page.get_by_label("Code du courrier").fill(code)
        self.page.get_by_role("button", name="Continuer").click()

    def chooses_password(self):
        self.page.get_by_label("Nouveau mot de passe").fill(PASSWORD)
        self.page.get_by_label("Le même, une seconde fois").fill(PASSWORD)
        self.page.get_by_role("button", name="Continuer").click()

    def reads_code(self) -> str:
        return re.match(r"\d{6}", self.twilio.wait_for(1)[-1].body).group()


@pytest.fixture
def someone(portal, twilio):
    return lambda page: Newcomer(portal, twilio, page)


def test_from_the_letter_to_the_space_and_axe_finds_nothing(
    someone, newcomer, new_page, axe, portal
):
    page = new_page()
    number, code = newcomer()
    jules = someone(page)
    for path in ("/activation/", "/activation/demande/", "/activation/courrier/"):
        page.goto(portal.url + path)
        axe(page, dark=True)
    jules.types_letter(number, "CCCCC-CCCCC")
    expect(page.get_by_role("alert")).to_contain_text("ne vont pas ensemble")
    axe(page, dark=True)
    jules.starts_with_letter(number, code.lower().replace("-", " "))
    axe(page, dark=True)
    jules.chooses_password()
    page.wait_for_url("**/activation/telephone/")
    axe(page, dark=True)
    page.get_by_label("Votre téléphone mobile").fill("06 12 34 56 71")
    page.get_by_role("button", name="Recevoir le code").click()
    page.wait_for_url("**/activation/telephone/code/")
    axe(page, dark=True)
    page.get_by_label("Code reçu").fill(jules.reads_code())
    page.get_by_role("button", name="Ouvrir mon espace").click()
    page.wait_for_url("**/incidents/**")  # what waits for him comes first, as at every sign-in
    page.goto(f"{portal.url}/espace/")
    expect(page.locator("body")).to_contain_text("Bonjour Jules")
    with portal.orm():
        assert Member.objects.get(number=number).phone == "+33612345671"


def test_without_javascript_at_320_pixels(someone, newcomer, new_page, axe, portal):
    page = new_page(java_script_enabled=False, viewport={"width": 320, "height": 640})
    number, code = newcomer(phone="+33612345672")
    ines = someone(page)
    for path in ("/activation/", "/activation/demande/", "/activation/courrier/"):
        page.goto(portal.url + path)
        assert overflow(page) <= 0, path
    ines.starts_with_letter(number, code)
    assert overflow(page) <= 0
    ines.chooses_password()
    page.get_by_role("button", name="Recevoir le code").click()
    assert overflow(page) <= 0
    axe(page)
    page.get_by_label("Code reçu").fill("12 34")
    page.get_by_role("button", name="Ouvrir mon espace").click()
    expect(page.get_by_role("alert")).to_contain_text("Saisissez les 6 chiffres")
    assert overflow(page) <= 0
    page.get_by_label("Code reçu").fill(ines.reads_code())
    page.get_by_role("button", name="Ouvrir mon espace").click()
    page.wait_for_url("**/incidents/**")


def test_with_the_keyboard_alone_by_text(someone, newcomer, page, portal):
    number, _code = newcomer(phone="+33612345673")
    ines = someone(page)
    page.goto(f"{portal.url}/activation/")
    press_until(page, "Choisir comment")
    page.keyboard.press("Enter")
    page.wait_for_url("**/activation/demande/")
    press_until(page, "Numéro d'adhérent")
    page.keyboard.type(number)
    press_until(page, "Recevoir un code par SMS")
    page.keyboard.press("Enter")
    page.wait_for_url("**/activation/code/")
    page.keyboard.type(ines.reads_code())  # the field has the focus
    page.keyboard.press("Enter")
    page.wait_for_url("**/activation/mot-de-passe/")
    press_until(page, "Nouveau mot de passe")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/incidents/**")


def test_an_unknown_number_reads_the_same_pages(someone, newcomer, page, portal, twilio):
    number, _code = newcomer(phone="+33612345674")
    read = []
    for asked in (number, "99999999"):
        page.goto(f"{portal.url}/activation/demande/")
        page.get_by_label("Numéro d'adhérent").fill(asked)
        page.get_by_role("button", name="Recevoir un code par SMS").click()
        page.wait_for_url("**/activation/code/")
        page.get_by_label("Code reçu").fill("000000")
        page.get_by_role("button", name="Valider").click()
        text = page.locator("main").inner_text()
        read.append(re.sub(r"demande [A-Z]{2}|\d+ h \d+", "", text))
    assert read[0] == read[1]
    assert "4 essais" in read[0]
    twilio.wait_for(1)
    assert len(twilio.requests) == 1
