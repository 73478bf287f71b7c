"""« Mes informations » and « Mes données », on the smallest phone and without any script."""

import re
import zipfile

import pytest
from playwright.sync_api import expect

from portal.demo.people import PASSWORD
from tests.journeys.test_member import overflow

pytestmark = pytest.mark.browser


def test_a_member_changes_his_account_and_takes_his_data_away(person, new_page, axe, portal):
    page = new_page(java_script_enabled=False, viewport={"width": 320, "height": 640})
    antoine = person(page, "antoine.kervella")
    antoine.signs_in("/espace/")

    def opens(path: str, heading: str):
        page.goto(portal.url + path)
        looks_right(heading)

    def looks_right(heading: str):
        expect(page.locator("h1")).to_have_text(heading)
        assert overflow(page) <= 0, page.url
        axe(page)

    opens("/espace/informations/", "Mes informations")
    page.get_by_role("link", name="Changer de compte bancaire").click()
    page.get_by_label("IBAN du nouveau compte").fill("DE89 3704 0044 0532 0130 01")
    page.get_by_role("button", name="Enregistrer ce compte").click()
    looks_right("Votre compte bancaire")
    page.get_by_label("IBAN du nouveau compte").fill("DE89 3704 0044 0532 0130 00")
    page.get_by_role("button", name="Enregistrer ce compte").click()
    looks_right("Votre compte bancaire")
    expect(page.locator("main")).to_contain_text("DE89 •••• •••• 3000")
    page.get_by_role("button", name="Annuler ce changement").click()
    expect(page.locator("main")).to_contain_text("Votre compte reste le même")

    opens("/espace/informations/e-mails/", "Choisir mes e‑mails")
    page.get_by_label("Une de vos demandes avance").uncheck()
    page.get_by_role("button", name="Enregistrer mes choix").click()
    expect(page.locator("main")).to_contain_text(re.compile(r"Une de vos demandes avance\s*non"))

    opens("/espace/donnees/droits/", "Mes droits sur mes données")
    opens("/espace/donnees/copie/", "Une copie de mes données")
    page.get_by_role("button", name="Demander ma copie").click()
    ready = page.get_by_role("button", name="Télécharger ma copie")
    expect(ready).to_be_visible(timeout=30_000)  # the page comes again by itself
    page.get_by_label("Votre mot de passe actuel").fill(PASSWORD)
    looks_right("Une copie de mes données")
    with page.expect_download() as download:
        ready.click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert "Kervella" in archive.read("mes-donnees.html").decode()
