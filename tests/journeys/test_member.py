"""A member in a browser, through the whole portal."""

import re

import pytest
from playwright.sync_api import expect

from portal.demo.people import PASSWORD
from tests.services import chromium

pytestmark = pytest.mark.browser
INCIDENT = "/incidents/2024-02-tiers-payant/"


def overflow(page):
    with chromium.scriptable(page) as shown:
        return shown.evaluate("document.documentElement.scrollWidth - window.innerWidth")


def test_antoine_learns_what_was_exposed_for_his_family_once_and_goes_on(person, page, portal):
    antoine = person(page, "antoine.kervella")
    antoine.signs_in()
    assert page.url == portal.url + INCIDENT
    antoine.sees("Aurélie Kervella", "Apolline Kervella", "Adèle Kervella", "Viamedis", "Almerys")
    antoine.sees("Numéro de sécurité sociale", "Informations bancaires", "Plainte déposée")
    antoine.sees("02 61 91 00 10")
    page.get_by_role("button", name=re.compile("pris connaissance")).click()
    page.wait_for_url("**/espace/")
    antoine.sees("Bonjour Antoine", "Informations que vous avez lues")
    [(version, shown, read)] = portal.sql(
        "SELECT version_id, shown_at, acknowledged_at FROM incidents_acknowledgement"
    )
    assert version
    assert shown < read
    page.get_by_role("button", name="Me déconnecter").click()
    antoine.signs_in()
    assert page.url == f"{portal.url}/espace/"
    page.get_by_role("link", name=re.compile("Relire")).click()
    assert page.url == portal.url + INCIDENT


@pytest.mark.parametrize(
    ("identifiant", "seen", "unseen"),
    [
        ("bianca.santoni", "Almerys", "exposée chez Viamedis"),
        ("fabien.loriot", "Non concerné", "Une partie de vos données est exposée"),
        ("denise.fauvel", "2022", "Une partie de vos données est exposée"),
    ],
)
def test_each_is_told_his_own_case(person, page, identifiant, seen, unseen):
    someone = person(page, identifiant)
    someone.signs_in()
    someone.sees(seen)
    assert unseen not in page.inner_text("body")


def test_who_clicks_again_while_the_answer_is_slow_asks_for_one_text(person, page, portal):
    bianca = person(page, "bianca.santoni")
    held = []
    page.route(
        "**/connexion/",
        lambda route: held.append(route) if route.request.method == "POST" else route.continue_(),
    )
    page.goto(f"{portal.url}/connexion/")
    page.get_by_label("Identifiant").fill(bianca.identifiant)
    page.get_by_label("Mot de passe").fill(PASSWORD)
    button = page.get_by_role("button", name="Continuer")
    button.scroll_into_view_if_needed()
    box = button.bounding_box()
    for _click in range(3):
        page.mouse.click(box["x"] + 20, box["y"] + 20)
        page.wait_for_timeout(200)
    assert len(held) == 1
    held[0].continue_()
    bianca.types_code(bianca.reads_code())
    page.wait_for_url("**/incidents/**")


@pytest.mark.parametrize("identifiant", ["simone.verdier", "paulin.roche", "nobody"])
def test_suspended_phoneless_and_unknown_people_read_the_same_sentence(person, page, identifiant):
    someone = person(page, identifiant)
    someone.types_password()
    someone.sees("Identifiant ou mot de passe incorrect")


def test_without_javascript_at_320_pixels(person, new_page, axe, portal):
    page = new_page(java_script_enabled=False, viewport={"width": 320, "height": 640})
    someone = person(page, "antoine.kervella")
    someone.types_password()
    page.wait_for_url("**/connexion/code/")
    assert overflow(page) <= 0
    someone.types_code("12 34")
    someone.sees("Saisissez les 6 chiffres du code.")
    someone.types_code(someone.reads_code())
    page.wait_for_url("**/incidents/**")
    for path in (INCIDENT, "/espace/", "/espace/donnees/", "/incidents/"):
        page.goto(portal.url + path)
        assert overflow(page) <= 0, path
        axe(page)


def test_folded_lists_open_with_the_keyboard_and_by_themselves_on_paper(person, new_page, portal):
    page = new_page(java_script_enabled=False, viewport={"width": 390, "height": 844})
    person(page, "bianca.santoni").signs_in()
    folded = page.locator("details").get_by_text("Informations bancaires")
    expect(folded).not_to_be_visible()
    page.emulate_media(media="print")
    expect(folded).to_be_visible()
    page.emulate_media(media="screen")
    page.locator("article summary").press("Enter")
    expect(folded).to_be_visible()


def test_on_a_phone_the_page_leads_to_its_parts_and_to_the_confirmation(person, new_page, portal):
    page = new_page(viewport={"width": 320, "height": 640})
    person(page, "antoine.kervella").signs_in()
    page.get_by_role("link", name="Ce qui fonctionne").click()
    expect(page.locator("#services")).to_be_in_viewport()
    page.get_by_role("link", name="J'ai lu, aller à la confirmation").click()
    expect(page.locator("#lecture")).to_be_in_viewport()


def test_with_the_keyboard_alone(person, page, portal):
    someone = person(page, "bianca.santoni")
    page.goto(portal.url)
    press_until(page, "Identifiant")
    page.keyboard.type("bianca.santoni")
    page.keyboard.press("Tab")
    page.keyboard.type("trois-galets-gris")
    page.keyboard.press("Enter")
    page.wait_for_url("**/connexion/code/")
    page.keyboard.type(someone.reads_code())  # the field has the focus
    page.keyboard.press("Enter")
    page.wait_for_url("**/incidents/**")
    press_until(page, "pris connaissance")
    page.keyboard.press("Enter")
    page.wait_for_url("**/espace/")
    press_until(page, "Me déconnecter")
    page.keyboard.press("Enter")
    page.wait_for_url("**/connexion/**")


def press_until(page, name):
    """Presses Tab until the element in focus is called `name`, and sees that focus is visible."""
    for _ in range(60):
        page.keyboard.press("Tab")
        label, outline = page.evaluate(
            """() => {
                const e = document.activeElement, s = getComputedStyle(e);
                const label = e.labels?.[0]?.innerText || e.innerText || e.ariaLabel || '';
                return [label, s.outlineStyle !== 'none' || s.boxShadow !== 'none'];
            }"""
        )
        if name in label:
            assert outline, f"the focus on « {label} » cannot be seen"
            return
    raise AssertionError(f"« {name} » is out of the keyboard's reach on {page.url}")


def test_axe_finds_nothing_on_any_page(person, new_page, axe, portal):
    page = new_page()
    someone = person(page, "antoine.kervella")
    for path in ("/connexion/", "/information/2024-02-tiers-payant/", "/no/such/page/"):
        page.goto(portal.url + path)
        axe(page, dark=True)
    someone.types_password()
    page.wait_for_url("**/connexion/code/")
    axe(page, dark=True)
    someone.types_code("000")
    axe(page, dark=True)
    page.goto(f"{portal.url}/connexion/code/aide/")
    axe(page, dark=True)
    someone.signs_in()
    for path in (INCIDENT, "/espace/", "/espace/donnees/", "/incidents/"):
        page.goto(portal.url + path)
        axe(page, dark=True)


def test_axe_finds_nothing_on_the_page_of_a_closed_door(person, new_page, axe, portal):
    page = new_page()
    person(page, "bianca.santoni").signs_in()
    assert page.goto(f"{portal.url}/admin/").status == 403
    axe(page, dark=True)


def test_the_public_notice_tells_a_visitor_without_naming_anybody(page, portal, cast_anew):
    page.goto(portal.url)
    page.get_by_role("link", name=re.compile("Lire l'information")).click()
    text = page.inner_text("body")
    assert "Viamedis" in text
    assert "Almerys" in text
    assert "Kervella" not in text


def test_someone_elses_page_cannot_be_asked_for(person, page, portal):
    person(page, "bianca.santoni").signs_in()
    for path in ("/incidents/unknown/", "/incidents/1/", "/espace/1/", "/admin/members/member/1/"):
        assert page.goto(portal.url + path).status in (403, 404), path


def test_the_back_button_shows_nothing_after_signing_out(person, page, portal):
    person(page, "bianca.santoni").signs_in()
    page.goto(f"{portal.url}/espace/")
    page.get_by_role("button", name="Me déconnecter").click()
    page.wait_for_url("**/connexion/**")
    page.go_back()
    assert "Bonjour" not in page.inner_text("body")


def test_nothing_at_rest_holds_a_code_a_phone_in_logs_or_a_nir(person, new_page, portal, twilio):
    for identifiant in ("antoine.kervella", "bianca.santoni", "gilles.perrin"):
        person(new_page(), identifiant).signs_in()
    at_rest = portal.dump()
    codes = [re.match(r"\d{6}", request.body).group() for request in twilio.requests]
    assert len(codes) == 3
    for where, text in at_rest.items():
        for code in codes:
            assert not re.search(rf"(?<!\d){code}(?!\d)", text), (where, code)
        assert "178067512345644" not in text
    for request in twilio.requests:
        assert request.to not in at_rest["logs"] + at_rest["redis"]


def test_while_the_database_is_away_a_french_page_says_so_and_nothing_is_lost(person, page, portal):
    someone = person(page, "bianca.santoni")
    someone.types_password()
    page.wait_for_url("**/connexion/code/")
    code = someone.reads_code()
    with portal.database_away():
        answer = page.goto(f"{portal.url}/connexion/code/")
        assert answer.status == 503
        assert answer.headers["retry-after"]
        assert "Traceback" not in page.content()
        assert page.locator("html[lang=fr]").count() == 1
        assert page.goto(f"{portal.url}/sante/pret/").status == 503
        assert page.goto(f"{portal.url}/sante/vivant/").status == 200
    page.goto(f"{portal.url}/connexion/code/")
    someone.types_code(code)
    page.wait_for_url("**/incidents/**")
