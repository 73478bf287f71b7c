"""Support and incident staff in a browser: from the door to what a member then reads."""

import json
import re

import pytest
from django.contrib.auth.models import Permission

from incidents import notices
from incidents.models import Incident, NoticeVersion
from members.models import Member, User
from tests.cast import nobody_left_to_inform

pytestmark = pytest.mark.browser
NEW_WORDS = "Le numéro de contrat a aussi été vérifié par Almerys."


def press(page, name):
    page.get_by_role("button", name=name).or_(page.get_by_role("link", name=name)).first.click()


def test_support_finds_a_member_and_reveals_a_nir_against_a_reason(person, page, portal):
    agent = person(page, "support")
    agent.signs_in_to_work()
    page.goto(f"{portal.url}/admin/members/member/?q=kerv")
    page.get_by_role("link", name="10000001").click()
    agent.sees("Aurélie", "TA-SOCLE", "1 78 •• •• ••• ••• ••")
    page.get_by_role("link", name="Afficher en entier").click()
    press(page, "Afficher et enregistrer")
    assert "178067512345644" not in page.inner_text("body")
    page.get_by_role("textbox").fill("Double de dossier signalé par la caisse.")
    press(page, "Afficher et enregistrer")
    agent.sees("178067512345644")
    [(details,)] = portal.sql(
        "SELECT details FROM members_auditevent WHERE action = 'nir.revealed'"
    )
    assert details["reason"] == "Double de dossier signalé par la caisse."


WIDTHS = (320, 1280)


def overflow(page):
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")


@pytest.fixture
def under_way(portal):
    """A correction by the author that waits for its approval; what the test leaves is taken back."""
    with portal.orm():
        author = User.objects.get(identifiant="auteur")
        first = NoticeVersion.objects.get(number=1)
        version = notices.revise(first, author=author)
        version.headline = first.headline.replace("Attaque", "Attaques")
        version.change_note = "Le titre est corrigé."
        version.save()
        notices.submit(version, by=author)
        rows = {
            "member": Member.objects.get(number="10000001").pk,
            "incident": version.incident_id,
            "target": version.incident.targets.first().pk,
            "version": version.pk,
        }
    yield rows
    with portal.orm():
        notices.withdraw(version, by=author, reason="Essai terminé")


# Who opens what: a page of the admin is read by the role that works on it.
DESKS = {
    "support": (
        "/admin/",
        "/admin/members/member/",
        "/admin/members/member/?q=kerv",
        "/admin/members/member/{member}/change/",
        "/admin/members/member/{member}/nir/",
        "/admin/members/auditevent/",
    ),
    "auteur": (
        "/admin/incidents/incident/{incident}/change/",
        "/admin/incidents/target/{target}/change/",
        "/admin/incidents/target/{target}/affirmations/",
        "/admin/incidents/noticeversion/add/",
    ),
    "approbateur": (
        "/admin/incidents/noticeversion/",
        "/admin/incidents/noticeversion/{version}/change/",
        "/admin/incidents/noticeversion/{version}/publier/",
        "/admin/incidents/noticeversion/{version}/apercu/",
        "/admin/incidents/noticeversion/{version}/apercu/?number=10000001",
        "/admin/incidents/incident/{incident}/dossiers/",
        "/admin/incidents/incident/{incident}/dossiers/cnil-initiale/",
        "/admin/incidents/incident/{incident}/dossiers/cloture/",
        "/admin/incidents/incident/registre/",
    ),
}


@pytest.mark.parametrize("role", DESKS)
def test_axe_finds_nothing_on_a_desk_in_light_and_dark_and_nothing_overflows(
    person, new_page, axe, portal, under_way, role
):
    page = new_page()
    person(page, role).signs_in_to_work()
    for path in DESKS[role]:
        assert page.goto(portal.url + path.format(**under_way)).status == 200, path
        axe(page, preload=False, dark=True)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            assert overflow(page) <= 0, (path, width)


def test_the_approver_reads_what_differs_before_he_confirms(person, page, portal, under_way):
    approver = person(page, "approbateur")
    approver.signs_in_to_work()
    page.goto(f"{portal.url}/admin/incidents/noticeversion/{under_way['version']}/publier/")
    approver.sees("2 différences avec la version 1", "Plainte déposée", "02 61 91 00 00")
    assert page.locator("ins").first.inner_text() == "Attaques"
    assert page.locator("del").first.inner_text() == "Attaque"


def test_support_does_not_write_incidents(person, page, portal):
    agent = person(page, "support")
    agent.signs_in_to_work()
    assert page.goto(f"{portal.url}/admin/incidents/incident/add/").status == 403


def test_a_correction_goes_from_its_author_to_every_member(person, new_page, portal):
    member = person(new_page(), "bianca.santoni")
    member.signs_in()
    press(member.page, re.compile("pris connaissance"))
    member.page.wait_for_url("**/espace/")
    press(member.page, "Me déconnecter")

    author = person(new_page(), "auteur")
    author.signs_in_to_work()
    [(first,)] = portal.sql("SELECT id FROM incidents_noticeversion WHERE number = 1")
    author.page.goto(f"{portal.url}/admin/incidents/noticeversion/{first}/change/")
    press(author.page, "Nouvelle version à partir de celle-ci")
    author.page.get_by_label("Motif").fill("Almerys précise la période de l'attaque.")
    author.page.get_by_role("button").last.click()
    author.page.wait_for_url(re.compile(r"/noticeversion/\d+/change/"))
    draft = author.page.url
    author.page.get_by_label("Ce qui a changé").fill(NEW_WORDS)
    author.page.get_by_label("Changement important").check()
    author.page.get_by_role("button", name="Enregistrer", exact=True).click()
    author.page.goto(draft)
    press(author.page, "Voir comme un lecteur")
    author.page.get_by_label("Numéro d'adhérent").fill("10000001")
    author.page.get_by_role("button").last.click()
    author.sees("Antoine Kervella", NEW_WORDS)
    author.page.goto(draft)
    press(author.page, "Soumettre")
    author.page.get_by_role("button").last.click()
    author.page.goto(draft)
    assert author.page.get_by_role("link", name="Approuver et publier").count() == 0
    assert author.page.goto(draft.replace("change/", "publier/")).status == 403

    approver = person(new_page(), "approbateur")
    approver.signs_in_to_work()
    approver.page.goto(draft)
    press(approver.page, "Approuver et publier")
    approver.page.get_by_role("button").last.click()
    approver.sees("La version est publiée.")

    member.signs_in()
    assert "/incidents/" in member.page.url
    [(number,)] = portal.sql("SELECT max(number) FROM incidents_noticeversion")
    member.sees(f"Version {number}", NEW_WORDS)
    press(member.page, re.compile("pris connaissance"))
    member.page.wait_for_url("**/espace/")

    with portal.orm():
        nobody_left_to_inform(Incident.objects.get())
    approver.page.goto(f"{portal.url}/admin/incidents/incident/1/change/")
    press(approver.page, "Clore")
    approver.page.get_by_role("button").last.click()
    approver.sees("L'incident est clos.")
    other = person(new_page(), "gilles.perrin")
    other.signs_in()
    assert other.page.url == f"{portal.url}/espace/"


def test_the_commands_answer_for_the_cast(portal):
    family = json.loads(
        portal.manage("exposure", "2024-02-tiers-payant", "--member", "10000001", "--json")
    )
    assert [person["state"] for person in family["persons"]] == ["confirmee"] * 4
    everybody = json.loads(portal.manage("exposure", "2024-02-tiers-payant", "--json"))
    assert {one["operator"] for one in everybody["operators"]} == {"VIAMEDIS", "ALMERYS"}
    assert "as written" in portal.manage("verify_audit")


REASON = "Rappelé au numéro du dossier, il ne voit plus ses décomptes."


def test_support_sees_a_members_space_read_only_and_leaves_it(person, page, portal, axe):
    agent = person(page, "support")
    agent.signs_in_to_work()
    page.goto(f"{portal.url}/admin/members/member/?q=kerv")
    page.get_by_role("link", name="10000001").click()
    agent.sees("Ce qui ne prouve pas l'identité d'un appelant", "Numéro de sécurité sociale")
    press(page, "Voir son espace")
    axe(page, preload=False)
    page.get_by_label("Motif").fill(REASON)
    page.get_by_role("button", name="Confirmer").click()
    page.wait_for_url("**/espace/")
    agent.sees("Vous lisez l'espace de Antoine Kervella", "Bonjour Antoine Kervella")
    axe(page)
    page.goto(f"{portal.url}/incidents/2024-02-tiers-payant/")
    agent.sees("L'adhérent verra ici le bouton")
    assert not portal.sql("SELECT 1 FROM incidents_acknowledgement")
    assert page.goto(f"{portal.url}/espace/securite/").status == 403
    page.goto(f"{portal.url}/espace/")
    press(page, "Quitter son espace")
    page.wait_for_url("**/admin/members/member/*/change/")
    assert page.goto(f"{portal.url}/espace/").status == 403
    told = portal.sql(
        "SELECT count(*) FROM members_auditevent WHERE action = 'support.page_viewed'"
        " AND user_id <> actor_id"
    )
    assert told[0][0] >= 3


def test_a_colleague_is_welcomed_by_one_and_confirmed_before_he_works(
    person, new_page, portal, axe
):
    with portal.orm():
        for colleague in User.objects.filter(identifiant__in=["support", "approbateur"]):
            colleague.user_permissions.add(
                *Permission.objects.filter(codename__in=["enrol_staff", "view_staffenrolment"])
            )
    welcomer = person(new_page(), "support")
    welcomer.signs_in_to_work("/admin/members/staffenrolment/ouvrir/")
    desk = welcomer.page
    desk.goto(f"{portal.url}/admin/members/staffenrolment/ouvrir/")
    axe(desk, preload=False)
    desk.get_by_label("Identifiant").fill("noe.cariou")
    desk.get_by_label("Nom affiché").fill("Noé Cariou")
    desk.get_by_label("Adresse e-mail").fill("noe@exemple.invalid")
    desk.get_by_label("Assistance", exact=True).check()
    desk.get_by_role("button", name="Créer le code d'arrivée").click()
    ticket = desk.locator("strong code").inner_text()

    page = new_page(viewport={"width": 320, "height": 700}, java_script_enabled=False)
    page.goto(f"{portal.url}/equipe/arrivee/")
    axe(page)
    page.get_by_label("Identifiant").fill("noe.cariou")
    page.get_by_label("Code d'arrivée").fill(ticket.lower())
    page.get_by_role("button", name="Continuer").click()
    page.wait_for_url("**/equipe/arrivee/compte/")
    axe(page)
    noe = person(page, "noe.cariou")
    page.get_by_label("Nouveau mot de passe").fill("sept casiers bien amarrés")
    page.get_by_label("Le même").fill("sept casiers bien amarrés")
    page.get_by_label(re.compile("^Code")).fill(noe.shows_code())
    page.get_by_role("button", name="Enregistrer").click()
    noe.sees("Presque terminé")

    other = person(new_page(), "approbateur")
    other.signs_in_to_work("/admin/members/staffenrolment/")
    desk = other.page
    desk.goto(f"{portal.url}/admin/members/staffenrolment/")
    desk.get_by_role("link", name="noe.cariou").click()
    press(desk, "Confirmer")
    axe(desk, preload=False)
    desk.get_by_role("button", name="Je confirme").click()
    other.sees("Le compte est ouvert.")
    page.goto(f"{portal.url}/connexion/")
    page.get_by_label("Identifiant").fill("noe.cariou")
    page.get_by_label("Mot de passe").fill("sept casiers bien amarrés")
    page.get_by_role("button", name="Continuer").click()
    page.wait_for_url("**/connexion/code/")
