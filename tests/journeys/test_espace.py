"""The everyday pages of the espace, on the smallest phone and without any script."""

import re

import pytest
from playwright.sync_api import expect

from tests.journeys.test_member import overflow

pytestmark = pytest.mark.browser


def test_a_member_finds_his_way_on_a_small_phone_without_any_script(person, new_page, axe, portal):
    page = new_page(java_script_enabled=False, viewport={"width": 320, "height": 640})
    antoine = person(page, "antoine.kervella")
    antoine.signs_in("/espace/")

    def looks_right():
        page.wait_for_load_state()
        expect(page.locator("h1")).to_be_visible()
        assert overflow(page) <= 0, page.url
        axe(page, dark=True)

    def goes_to(name):
        page.locator(".menu > summary").press("Enter")
        page.get_by_role("link", name=name, exact=True).click()
        looks_right()

    page.goto(f"{portal.url}/espace/")
    antoine.sees("Derniers remboursements", "02 61 91 00 10", "Qui est couvert")
    looks_right()

    goes_to("Remboursements")
    expect(page.locator(".payment")).to_have_count(10)
    page.get_by_role("link", name="Voir les précédents").click()
    page.wait_for_url("**avant=**")
    looks_right()
    page.get_by_label("Pour qui").select_option("Aurélie")
    page.get_by_role("button", name="Afficher").click()
    antoine.sees("Votre sélection", "pour votre sélection")
    with page.expect_download() as sheet:
        page.get_by_role("link", name="Relevé pour tableur").click()
    assert sheet.value.suggested_filename == "releve-choix.csv"
    page.locator(".payment a").first.click()
    antoine.sees("Soin par soin", "Base de remboursement", "Aurélie")
    looks_right()

    goes_to("Ma carte")
    antoine.sees("Numéro AMC", "PHAR", "Ralenti.", "Almerys")
    with page.expect_download() as paper:
        page.get_by_role("link", name="Télécharger la carte").click()
    assert paper.value.suggested_filename == "carte-tiers-payant.pdf"
    page.get_by_role("link", name="Adèle Kervella").click()
    expect(page.locator(".tp tbody").first).not_to_contain_text("Antoine")
    looks_right()
    check = page.get_by_role("link", name=re.compile("Vérifier la carte")).get_attribute("href")

    goes_to("Mon contrat")
    antoine.sees(
        "Socle collectif", "Exemple : une consultation sans dépassement", "Télécom Atlantique"
    )
    goes_to("Bénéficiaires")
    antoine.sees("Adèle Kervella", "À relier", "Automatiques")

    professional = new_page(viewport={"width": 320, "height": 640})
    professional.goto(portal.url + check)
    assert "Carte valable aujourd'hui" in professional.inner_text("main")
    assert "Kervella" not in professional.content()
    assert overflow(professional) <= 0
    axe(professional)
