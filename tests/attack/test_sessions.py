"""Cookies planted, stolen, worn out or doubled; and what one member asks of another."""

import re

import pytest

from members.models import Passkey, User
from tests.attack.stranger import CSRF, SESSION, at_once
from tests.attack.town import NEW_PASSWORD, NIR, PASSWORD, type_code, type_password

# ------------------------------------------------------------------------------------- fixation


@pytest.mark.parametrize("planted", ["a" * 32, "0", "..%2F", "%00", "x" * 5000])
def test_a_key_that_somebody_made_up_is_never_taken_up(town, verdict, planted):
    victim = town.stranger(cookies={SESSION: planted})
    town.inside(town.citizen(), victim)
    thief = town.stranger(cookies={SESSION: planted})
    verdict(1, (victim.cookies[SESSION] == planted) + thief.is_inside())


def test_a_half_way_key_planted_before_the_password_opens_nothing_after(town, verdict):
    thief, _code = town.half_way(town.citizen())
    victim = town.stranger(cookies=dict(thief.cookies))
    town.inside(town.citizen(), victim)
    verdict(2, thief.is_inside() + (thief.get("/connexion/code/").status == 200))


def test_the_key_before_the_code_opens_nothing_after_it(town, verdict):
    citizen = town.citizen()
    browser, code = town.half_way(citizen)
    thief = browser.copy()
    type_code(browser, code)
    assert browser.is_inside()
    again = type_code(thief, code)
    verdict(2, thief.is_inside() + (again.status == 302 and not again.to_sign_in()))


def test_a_csrf_token_planted_before_the_code_is_refused_after_it(town, verdict):
    planted = "A" * 32
    browser = town.stranger(cookies={CSRF: planted})
    town.inside(town.citizen(), browser)
    assert browser.cookies[CSRF] != planted
    body = f"csrfmiddlewaretoken={planted}".encode()
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = browser.send("POST", "/deconnexion/", body, kind)
    verdict(1, int(answer.status != 403))
    assert browser.is_inside()


def test_a_reset_link_opened_in_a_planted_session_leaves_the_thief_outside(town, verdict):
    citizen = town.citizen()
    half_way, code = town.half_way(citizen)
    thieves = [town.inside(citizen), half_way]
    for thief in thieves:
        victim = town.stranger(cookies=dict(thief.cookies))
        assert victim.get("/connexion/").status in (200, 302)
    link = town.asks_reset(citizen)
    victim = town.stranger(cookies=dict(thieves[0].cookies))
    fields = {"new_password": NEW_PASSWORD, "new_password_again": NEW_PASSWORD}
    assert victim.post(link, fields).location.startswith("/connexion/")
    inside = sum(browser.is_inside() for browser in (*thieves, victim))
    type_code(half_way, code)
    verdict(4, inside + half_way.is_inside())


def test_a_key_is_dead_after_signing_out(town, verdict):
    browser = town.inside(town.citizen())
    thief = browser.copy()
    answer = browser.post("/deconnexion/")
    assert '"cache"' in answer.header("Clear-Site-Data")
    verdict(2, thief.is_inside() + browser.is_inside())


def test_a_stolen_known_browser_does_not_replace_the_code(town, verdict):
    citizen = town.citizen()
    browser = town.inside(citizen)
    kept = {name: v for name, v in browser.cookies.items() if name.startswith("browser-")}
    assert kept
    thief = town.stranger(cookies=kept)
    assert type_password(thief, citizen.identifiant).location == "/connexion/code/"
    verdict(1, int(thief.is_inside()))


@pytest.mark.parametrize("first", [0, 1])
def test_a_double_click_on_the_code_leaves_its_member_inside(town, verdict, first):
    browser, code = town.half_way(town.citizen())
    copies = [browser.copy(), browser.copy()]
    answers = at_once([lambda c=c: type_code(c, code) for c in copies])
    for answer in (answers[first], answers[1 - first]):  # one browser takes both, in either order
        browser.keep(answer)
    verdict(2, int(not browser.is_inside()))


def test_a_double_click_on_the_password_leaves_one_way_on(town, verdict):
    citizen = town.citizen()
    browser = town.stranger()
    browser.token()
    copies = [browser.copy(), browser.copy()]
    answers = at_once([lambda c=c: type_password(c, citizen.identifiant) for c in copies])
    for answer in answers:
        browser.keep(answer)
    verdict(2, int(browser.get("/connexion/code/").status != 200))


# ------------------------------------------------------------------------------------- crossing


@pytest.fixture(scope="module")
def bianca(town):
    return town.citizen()


@pytest.fixture(scope="module")
def her_browser(town, bianca):
    return town.inside(bianca)


@pytest.fixture(scope="module")
def antoine(town):
    return town.citizen()


@pytest.fixture(scope="module")
def his_browser(town, antoine):
    return town.inside(antoine)


def test_a_member_ends_no_session_of_another(town, verdict, bianca, her_browser, his_browser):
    town.inside(bianca)  # elsewhere: her own page offers to end it
    page = her_browser.get("/espace/securite/sessions/").said
    [key] = re.findall(r'name="session" value="([^"]+)"', page)
    his_browser.post("/espace/securite/sessions/", {"session": key})
    his_browser.post("/espace/securite/sessions/", {"others": "1"})
    page = her_browser.get("/espace/securite/sessions/").said
    verdict(2, int(key not in page) + (not her_browser.is_inside()))


def test_a_member_forgets_no_browser_of_another(verdict, her_browser, his_browser):
    page = her_browser.get("/espace/securite/sessions/").said
    known = re.findall(r'name="browser" value="([^"]+)"', page)
    assert known
    for pk in known:
        his_browser.post("/espace/securite/sessions/", {"browser": pk})
    after = her_browser.get("/espace/securite/sessions/").said
    verdict(len(known), len(known) - len(re.findall(r'name="browser" value="([^"]+)"', after)))


def test_a_member_neither_sees_nor_touches_the_keys_of_another(
    town, verdict, bianca, her_browser, his_browser
):
    with town.portal.orm():
        user = User.objects.get(identifiant=bianca.identifiant)
        key = Passkey.objects.create(
            user=user, name="Téléphone de Bianca", credential_id="AAAA", public_key=b"1"
        )
    assert "Téléphone de Bianca" in her_browser.get("/espace/securite/cles/").said
    answers = [his_browser.get("/espace/securite/cles/")]
    for act in ("renommer", "retirer"):
        for side in ("/espace/securite", "/equipe"):
            path = f"{side}/cles/{key.pk}/{act}/"
            answers += [his_browser.get(path), his_browser.post(path, {"name": "À moi"})]
    seen = sum("Téléphone de Bianca" in answer.said for answer in answers)
    acted = sum(answer.status not in (403, 404) for answer in answers[1:])
    verdict(len(answers), seen + acted)
    assert "Téléphone de Bianca" in her_browser.get("/espace/securite/cles/").said


def test_the_code_of_one_opens_nothing_for_another(town, verdict):
    first, his_code = town.half_way(town.citizen())
    second, her_code = town.half_way(town.citizen())
    swapped = [(first.copy(), her_code), (second.copy(), his_code)]
    for browser, code in swapped:
        type_code(browser, code)
    verdict(2, sum(browser.is_inside() for browser, _code in swapped))


def test_the_code_of_one_browser_opens_nothing_in_another_of_the_same_member(town, verdict):
    citizen = town.citizen()
    first, first_code = town.half_way(citizen)
    second, second_code = town.half_way(citizen)
    assert first_code != second_code
    type_code(second, first_code)
    type_code(first, second_code)
    verdict(2, first.is_inside() + second.is_inside())


def test_a_saved_code_of_one_serves_no_other(town, verdict, his_browser, bianca):
    codes = town.saved_codes_of(his_browser)
    browser, _code = town.half_way(bianca)
    answers = [
        browser.post("/connexion/code/aide/", {"way": "saved", "code": code}) for code in codes[:3]
    ]
    further = browser.get("/connexion/code/aide/telephone/").status == 200
    verdict(3, sum(answer.status == 302 for answer in answers) + further)


def test_a_member_gives_up_no_change_of_another(town, verdict, bianca, her_browser, his_browser):
    asked = {"email": "bianca.nouvelle@exemple.invalid", "present_password": PASSWORD}
    assert her_browser.post("/espace/securite/email/", asked).status == 302
    for place in ("email", "telephone"):
        his_browser.post(f"/espace/securite/{place}/annuler/", {"user": "1", "change": "1"})
    waits = "Annuler ce changement" in her_browser.get("/espace/securite/email/").said
    verdict(2, int(not waits))
    her_browser.post("/espace/securite/email/annuler/")
    assert "Annuler ce changement" not in her_browser.get("/espace/securite/email/").said


def test_no_page_of_a_member_names_another(verdict, bianca, his_browser):
    pages = ["", "donnees/", "securite/", "securite/activite/", "securite/sessions/"]
    pages = [f"/espace/{page}" for page in pages] + ["/incidents/"]
    texts = [his_browser.get(f"{page}?user=1&member={bianca.number}&id=1").said for page in pages]
    words = (bianca.number, bianca.email, bianca.identifiant, bianca.phone, NIR)
    told = [(page, w) for page, text in zip(pages, texts, strict=True) for w in words if w in text]
    assert "Maud Corre" in texts[0]
    verdict(len(pages), len(told), what=told)


def test_what_one_has_seen_acknowledges_nothing_for_another(town, verdict):
    her, his = (town.inside(town.citizen()) for _ in range(2))
    reference = re.search(r"/incidents/([\w-]+)/", her.get("/incidents/").said)[1]
    page = her.get(f"/incidents/{reference}/").said
    fields = dict(re.findall(r'name="(version|empreinte)" value="([^"]*)"', page))
    assert set(fields) == {"version", "empreinte"}
    answer = his.post(f"/incidents/{reference}/lu/", fields)
    verdict(1, int(answer.location == "/espace/"))
