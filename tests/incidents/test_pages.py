"""What members, visitors and staff see of an incident, through the browser's requests."""

import re
from dataclasses import replace
from datetime import date, timedelta
from html import unescape

import pytest
import time_machine
from django.core.cache import cache
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from incidents import banners, cached, lifecycle, notices, pages
from incidents.models import Acknowledgement, Incident
from members.models import AuditEvent, Card, Delegation
from tests.cast import nobody_left_to_inform
from tests.incidents.test_notices import draft, submitted  # noqa: F401 - fixtures

REFERENCE = "2024-02-tiers-payant"
PAGE = f"/incidents/{REFERENCE}/"
READ = f"/incidents/{REFERENCE}/lu/"
PUBLIC = f"/information/{REFERENCE}/"
NEW_INFORMATION = "Cette information a changé"


def text(response) -> str:
    return unescape(response.content.decode())


def acknowledge(client, version=1):
    return client.post(READ, {"version": version})


# The member's page


def test_antoine_reads_what_is_exposed_for_each_of_his_family(as_member, cast, february_2024):
    response = as_member(cast.antoine).get(PAGE)
    page = text(response)
    for name in ("Antoine Kervella", "Aurélie Kervella", "Apolline Kervella", "Adèle Kervella"):
        assert name in page
    assert "Viamedis ne gérait plus ce contrat, mais gardait encore ces données." in page
    assert "Almerys gérait le tiers payant de ce contrat au moment de l'incident." in page
    assert "Données non mentionnées par l'opérateur" in page
    assert "02 61 91 00 10" in page
    assert "178067512345644" not in page


def test_fabien_reads_that_he_is_not_concerned_and_why(as_member, cast, february_2024):
    page = text(as_member(cast.fabien).get(PAGE))
    assert "Cet incident ne touche pas vos données." in page
    assert "La gestion de ce contrat n'a jamais été confiée à Viamedis." in page
    assert "Données exposées" not in page


def without_no_break_spaces(page: str) -> str:
    return page.replace("\u00a0", " ")


def cards(page: str) -> list[str]:
    """The cards of « personne par personne », each as its HTML."""
    return re.findall(r'<article class="card person.*?</article>', page, re.S)


def brief(page: str) -> str:
    """The answer at the top, as words."""
    (section,) = re.findall(r'<section class="card brief".*?</section>', page, re.S)
    return without_no_break_spaces(" ".join(re.sub(r"<[^>]+>", " ", section).split()))


def test_people_with_the_same_answer_share_one_card_that_names_each(as_member, cast, february_2024):
    page = without_no_break_spaces(text(as_member(cast.antoine).get(PAGE)))
    (card,) = cards(page)
    assert "Vous, Aurélie, Apolline et Adèle : les mêmes données" in card
    for name, kind in [
        ("Antoine Kervella", "vous"),
        ("Aurélie Kervella", "conjointe"),
        ("Apolline Kervella", "enfant"),
        ("Adèle Kervella", "enfant"),
    ]:
        assert f'<strong>{name}</strong> <span class="soft">{kind}</span>' in card
    assert card.count("Numéro de sécurité sociale") == 2  # once per operator


def test_one_day_of_difference_makes_a_card_of_his_own(as_member, cast, february_2024):
    cast.antoine.ayants_droit.filter(first_names="Aurélie").update(start="2019-01-02")
    cast.antoine.ayants_droit.filter(first_names="Adèle").update(start="2024-01-01")
    page = without_no_break_spaces(text(as_member(cast.antoine).get(PAGE)))
    together, aurelie, adele = cards(page)
    assert "Vous et Apolline : les mêmes données" in together
    assert "Couverture du 1er janvier 2019 au 31 décembre 2023" in together
    assert "Couverture du 2 janvier 2019 au 31 décembre 2023" in aurelie
    assert "Cette personne n'était pas couverte pendant que Viamedis gérait" in adele
    assert "Une partie de ses données est exposée chez Almerys." in brief(page)


def test_the_answer_at_the_top_names_the_gravest_of_what_is_exposed(as_member, cast, february_2024):
    told = brief(text(as_member(cast.antoine).get(PAGE)))
    assert "Une partie de vos données et des leurs est exposée chez Viamedis et Almerys." in told
    assert "Entre autres : nom, date de naissance, numéro de sécurité sociale ." in told
    assert "J'ai lu, aller à la confirmation" in told


def test_what_was_not_sent_is_not_named_as_exposed_at_the_top(as_member, cast, february_2024):
    Delegation.objects.update(categories=["DATE_NAISSANCE", "GARANTIES_CONTRAT"])
    told = brief(text(as_member(cast.bianca).get(PAGE)))
    assert "Entre autres : date de naissance ." in told


def test_what_is_safe_is_folded_and_what_was_not_stated_never_is(as_member, cast, february_2024):
    Delegation.objects.update(categories=["NIR"])
    page = text(as_member(cast.bianca).get(PAGE))
    folded = re.findall(r'<details class="data.*?</details>', page, re.S)
    titles = [re.search(r"</svg>([^<]+)</h5>", one)[1] for one in folded]
    assert titles == ["Données non exposées (6)", "Données jamais transmises à cet opérateur (6)"]
    unfolded = re.sub(r'<details class="data.*?</details>', "", page, flags=re.S)
    _before, _title, not_stated = unfolded.partition("Données non mentionnées par l'opérateur")
    assert "<li>Numéro de contrat</li>" in not_stated
    assert "Numéro de contrat" not in "".join(folded)


@pytest.mark.parametrize(
    ("who", "chip", "why"),
    [
        (
            "denise",
            "Non concernée",
            "Viamedis a effacé ces données avant l'incident : 30 juin 2022.",
        ),
        ("fabien", "Non concerné", "La gestion de ce contrat n'a jamais été confiée à Viamedis."),
    ],
)
def test_who_is_not_concerned_reads_why_at_the_top_and_no_risk(
    as_member, cast, february_2024, who, chip, why
):
    page = text(as_member(getattr(cast, who)).get(PAGE))
    assert f"Vous {chip} Cet incident ne touche pas vos données. {why}" in brief(page)
    assert "risques" not in page
    assert "Ce qui pourrait arriver" not in page


def test_the_risks_are_told_as_soon_as_one_of_the_family_is_concerned(
    as_member, cast, february_2024
):
    assert 'id="risques"' in text(as_member(cast.antoine).get(PAGE))


def test_dates_that_nobody_gave_are_spoken_of_once_after_what_was_done(
    as_member, cast, february_2024
):
    page = text(as_member(cast.antoine).get(PAGE))
    assert page.count("n'ont pas été communiquées") == 1
    assert "Date non communiquée" not in page
    version = february_2024.versions.get()
    facts = notices.facts_of(version)
    dated = replace(facts.steps[0], done_on=date(2024, 2, 1))
    shown = pages.public(version, replace(facts, steps=(dated, *facts.steps[1:])), [])
    told = unescape(render_to_string("components/timeline.html", {"steps": shown.steps}))
    assert "1er février 2024" in told
    assert "Les dates des autres mesures n'ont pas été communiquées." in told


def test_the_list_says_that_every_incident_is_in_it(as_member, cast, february_2024):
    page = text(as_member(cast.fabien).get("/incidents/"))
    assert "Tous les incidents que nous avons annoncés." in page
    assert "Attaque chez nos opérateurs" in page


def test_the_page_costs_seven_statements_once_shown(
    as_member, cast, february_2024, django_assert_num_queries
):
    browser = as_member(cast.antoine)
    browser.get(PAGE)
    # session and account; version and incident; the member's rows; his ayants droit's rows;
    # what he was shown; the contract to call; the updates of the page
    with django_assert_num_queries(7):
        browser.get(PAGE)


def test_a_showing_is_recorded_once_with_its_content(as_member, cast, february_2024):
    browser = as_member(cast.bianca)
    browser.get(PAGE)
    browser.get(PAGE)
    row = Acknowledgement.objects.get(member=cast.bianca)
    assert row.acknowledged_at is None
    (person,) = row.shown["persons"]
    assert [one["state"] for one in person["operators"]] == ["ecartee", "confirmee"]


def test_a_head_request_shows_nothing_to_anybody(as_member, cast, february_2024):
    assert as_member(cast.bianca).head(PAGE).status_code == 405
    assert not Acknowledgement.objects.exists()


def test_what_is_shown_again_before_reading_replaces_the_showing(as_member, cast, february_2024):
    browser = as_member(cast.bianca)
    browser.get(PAGE)
    first = Acknowledgement.objects.get()
    cast.bianca.adhesions.update(end="2024-01-31")
    browser.get(PAGE)
    second = Acknowledgement.objects.get()
    assert first.fingerprint != second.fingerprint
    acknowledge(browser)
    cast.bianca.adhesions.update(end=None)
    browser.get(PAGE)
    assert Acknowledgement.objects.get().fingerprint == second.fingerprint


# Reading it


def test_reading_is_recorded_once_and_the_espace_follows(as_member, cast, february_2024):
    browser = as_member(cast.antoine)
    browser.get(PAGE)
    assert acknowledge(browser).url == "/espace/"
    read_at = Acknowledgement.objects.get().acknowledged_at
    assert acknowledge(browser).url == "/espace/"
    assert Acknowledgement.objects.get().acknowledged_at == read_at
    event = AuditEvent.objects.get(action="incident.acknowledged")
    assert (event.user, event.details["version"]) == (cast.antoine.user, 1)
    assert event.details["fingerprint"] == Acknowledgement.objects.get().fingerprint


def test_nobody_acknowledges_what_he_was_not_shown(as_member, cast, february_2024):
    assert acknowledge(as_member(cast.antoine)).url == PAGE
    assert not Acknowledgement.objects.exists()


@pytest.mark.parametrize("version", ["", "2", "0", "x", "-1", "1e3", "٣", "9" * 50, "1\0"])
def test_a_version_that_members_never_had_is_not_found(as_member, cast, february_2024, version):
    browser = as_member(cast.antoine)
    browser.get(PAGE)
    assert acknowledge(browser, version).status_code == 404


def test_a_material_version_that_came_meanwhile_is_shown_before_anything_is_recorded(
    as_member,
    cast,
    submitted,  # noqa: F811
):
    browser = as_member(cast.antoine)
    browser.get(PAGE)
    notices.publish(submitted, by=cast.approbateur)
    response = browser.post(READ, {"version": 1}, follow=True)
    assert NEW_INFORMATION in text(response)
    assert "Almerys précise les dates." in text(response)
    assert not Acknowledgement.objects.acknowledged().exists()


def test_reading_an_incident_is_a_post(as_member, cast, february_2024):
    assert as_member(cast.antoine).get(READ).status_code == 405


def test_one_acknowledgement_never_counts_for_another_member(as_member, cast, february_2024):
    as_member(cast.antoine).get(PAGE)
    browser = as_member(cast.bianca)
    assert acknowledge(browser).url == PAGE
    assert not Acknowledgement.objects.filter(member=cast.bianca).exists()


def printed(page: str) -> str:
    """The fingerprint that the form of a page carries."""
    return re.search(r'name="empreinte" value="([0-9a-f]{64})"', page)[1]


def test_one_tab_never_acknowledges_what_another_shows(as_member, cast, february_2024):
    browser = as_member(cast.bianca)
    first = printed(text(browser.get(PAGE)))
    cast.bianca.adhesions.update(start="2023-12-01")
    second = printed(text(browser.get(PAGE)))
    assert first != second
    answer = browser.post(READ, {"version": 1, "empreinte": first}, follow=True)
    assert answer.redirect_chain == [(PAGE, 302)]
    assert NEW_INFORMATION in text(answer)
    assert printed(text(answer)) == second
    assert not Acknowledgement.objects.acknowledged().exists()
    answer = browser.post(READ, {"version": 1, "empreinte": second})
    assert answer.url == "/espace/"
    row = Acknowledgement.objects.acknowledged().get()
    assert row.fingerprint == second
    event = AuditEvent.objects.get(action="incident.acknowledged")
    assert event.details["fingerprint"] == second


@pytest.mark.parametrize("junk", ["x", "0" * 64, "\0", "é" * 5000])
def test_a_fingerprint_of_nothing_acknowledges_nothing(as_member, cast, february_2024, junk):
    browser = as_member(cast.bianca)
    browser.get(PAGE)
    assert browser.post(READ, {"version": 1, "empreinte": junk}).url == PAGE
    assert not Acknowledgement.objects.acknowledged().exists()


# Who may see what


def test_a_draft_never_leaks(as_member, client, cast, february_2024):
    secret = Incident.objects.create(
        reference="secret", title="Secret", detected_on="2026-01-01", created_by=cast.auteur
    )
    notices.start(secret, author=cast.auteur, headline="Titre secret", public_summary="Secret")
    assert client.get("/information/secret/").status_code == 404
    browser = as_member(cast.antoine)
    assert browser.get("/incidents/secret/").status_code == 404
    assert browser.post("/incidents/secret/lu/", {"version": 1}).status_code == 404
    for address in ("/incidents/", "/espace/", PAGE):
        assert "ecret" not in text(browser.get(address)).replace("secrétariat", "")


@pytest.mark.parametrize("address", ["/incidents/", PAGE])
def test_staff_are_not_members(as_staff, cast, february_2024, address):
    assert as_staff(cast.support).get(address).status_code == 403


@pytest.mark.parametrize("address", ["/incidents/", PAGE])
def test_a_visitor_is_asked_to_sign_in(client, cast, february_2024, address):
    response = client.get(address)
    assert response.status_code == 302
    assert response.url.startswith("/connexion/")


def test_an_unknown_reference_is_not_found(as_member, client, cast, february_2024):
    assert as_member(cast.antoine).get("/incidents/inconnu/").status_code == 404
    assert client.get("/information/inconnu/").status_code == 404


def test_a_closed_incident_stays_readable_and_interrupts_nobody(as_member, cast, february_2024, rf):
    browser = as_member(cast.antoine)
    lifecycle.close(nobody_left_to_inform(february_2024), by=cast.approbateur)
    banners.drop()
    assert browser.get(PAGE).status_code == 200
    assert browser.get(PUBLIC).status_code == 200
    assert "Clos" in text(browser.get("/incidents/"))
    assert landing(rf, cast.antoine) == ""


# The public notice


def test_the_public_notice_names_nobody(client, cast, february_2024):
    page = text(client.get(PUBLIC))
    assert "Attaque chez nos opérateurs" in page
    assert "Kervella" not in page
    assert "TA-SOCLE" not in page


def test_the_public_notice_asks_only_visitors_to_sign_in(as_member, client, cast, february_2024):
    invitation, own_page = "Connectez-vous : nous vous dirons", f'href="{PAGE}"'
    page = without_no_break_spaces(text(client.get(PUBLIC)))
    assert (invitation in page, own_page in page) == (True, False)
    page = without_no_break_spaces(text(as_member(cast.antoine).get(PUBLIC)))
    assert (invitation in page, own_page in page) == (False, True)


def test_the_public_notice_leads_staff_to_no_page_of_members(as_staff, cast, february_2024):
    page = without_no_break_spaces(text(as_staff(cast.support).get(PUBLIC)))
    assert "Connectez-vous : nous vous dirons" not in page
    assert f'href="{PAGE}"' not in page


def test_visitors_see_the_notice_without_any_statement_once_warm(
    client, cast, february_2024, django_assert_num_queries
):
    client.get(PUBLIC)
    client.get(reverse("signin"))
    with django_assert_num_queries(0):
        client.get(PUBLIC)
    with django_assert_num_queries(0):
        response = client.get(reverse("signin"))
    assert "Connectez-vous pour savoir si vous êtes concerné." in text(response)


def test_a_dead_cache_costs_a_statement_and_never_the_page(
    client, cast, february_2024, monkeypatch, caplog
):
    def dead(*args, **kwargs):
        raise ConnectionError("cache away")

    monkeypatch.setattr(cached, "_ask_from", 0.0)  # the rest that begins here ends with this test
    for name in ("get", "set", "delete"):
        monkeypatch.setattr(type(cache._connections[cache._alias]), name, dead)
    assert client.get(PUBLIC).status_code == 200
    banners.drop()
    assert [notice.reference for notice in banners.current()] == [REFERENCE]


# What waits after a sign-in


def landing(rf, member) -> str:
    request = rf.get("/connexion/")
    request.user = member.user
    return banners.landing(request)


def test_the_first_sign_in_lands_on_the_incident_and_the_next_on_the_espace(
    as_member, cast, february_2024, rf
):
    assert landing(rf, cast.antoine) == PAGE
    browser = as_member(cast.antoine)
    browser.get(PAGE)
    acknowledge(browser)
    assert landing(rf, cast.antoine) == ""
    assert landing(rf, cast.bianca) == PAGE


def test_a_correction_interrupts_only_when_it_is_material(as_member, cast, submitted, rf):  # noqa: F811
    browser = as_member(cast.antoine)
    browser.get(PAGE)
    acknowledge(browser)
    notices.publish(submitted, by=cast.approbateur)
    banners.drop()
    assert landing(rf, cast.antoine) == PAGE
    browser.get(PAGE)
    acknowledge(browser, 2)
    correction = notices.revise(submitted, author=cast.auteur)
    correction.material, correction.change_note = False, "Une faute de frappe."
    correction.save()
    notices.submit(correction, by=cast.auteur)
    notices.publish(correction, by=cast.approbateur)
    banners.drop()
    assert landing(rf, cast.antoine) == ""
    assert landing(rf, cast.bianca) == PAGE
    # reading the correction counts for the material version that it corrects
    browser = as_member(cast.bianca)
    browser.get(PAGE)
    acknowledge(browser, 3)
    assert landing(rf, cast.bianca) == ""


def correct(version, cast, *, material):
    """Another version, published, that is important or is not."""
    correction = notices.revise(version, author=cast.auteur)
    correction.material, correction.change_note = material, "Une précision."
    correction.save()
    notices.submit(correction, by=cast.auteur)
    notices.publish(correction, by=cast.approbateur)
    banners.drop()
    return correction


def test_a_correction_that_is_not_material_is_read_everywhere(as_member, cast, february_2024, rf):
    browser = as_member(cast.antoine)
    browser.get(PAGE)
    acknowledge(browser)
    correct(notices.latest(february_2024), cast, material=False)
    assert landing(rf, cast.antoine) == ""
    assert "Vous n'avez pas encore pris connaissance" not in text(browser.get("/espace/"))
    assert "Pas encore lu" not in text(browser.get("/incidents/"))
    page = text(browser.get(PAGE))
    assert "Vous avez pris connaissance de la version 1" in page
    assert 'name="empreinte"' not in page


def test_a_material_correction_is_unread_everywhere(as_member, cast, february_2024, rf):
    browser = as_member(cast.antoine)
    browser.get(PAGE)
    acknowledge(browser)
    correct(notices.latest(february_2024), cast, material=True)
    assert landing(rf, cast.antoine) == PAGE
    assert "Vous n'avez pas encore pris connaissance" in text(browser.get("/espace/"))
    assert "Pas encore lu" in text(browser.get("/incidents/"))
    page = text(browser.get(PAGE))
    assert "Vous avez pris connaissance" not in page
    assert 'name="empreinte"' in page


def test_landing_costs_one_statement_with_an_incident_and_none_without(
    cast, february_2024, rf, django_assert_num_queries
):
    banners.current()
    with django_assert_num_queries(1):  # what he has acknowledged
        landing(rf, cast.antoine)
    lifecycle.close(nobody_left_to_inform(february_2024), by=cast.approbateur)
    banners.drop()
    banners.current()
    with django_assert_num_queries(0):
        landing(rf, cast.antoine)


def test_publishing_is_seen_at_once(cast, submitted, django_capture_on_commit_callbacks):  # noqa: F811
    assert [notice.number for notice in banners.current()] == [1]
    with django_capture_on_commit_callbacks(execute=True):
        notices.publish(submitted, by=cast.approbateur)
    assert [notice.number for notice in banners.current()] == [2]


def test_the_home_page_leads_back_discreetly(as_member, cast, february_2024):
    browser = as_member(cast.antoine)
    assert "Vous n'avez pas encore pris connaissance" in text(browser.get("/espace/"))
    browser.get(PAGE)
    acknowledge(browser)
    home = text(browser.get("/espace/"))
    assert "Vous n'avez pas encore pris connaissance" not in home
    assert "Relire" in home
    assert "Version 1, lue le" in home


def test_the_tags_of_the_home_page_cost_one_statement(
    as_member, cast, february_2024, django_assert_num_queries
):
    browser = as_member(cast.antoine)
    browser.get("/espace/")
    # session and account; adhésions; last reimbursements; ayants droit; acknowledgements, for both tags
    with django_assert_num_queries(5):
        browser.get("/espace/")


# On the tiers payant card


def test_the_card_warns_beside_the_domains_that_a_live_incident_slows(
    as_member, cast, february_2024, django_assert_num_queries
):
    browser = as_member(cast.antoine)
    page = text(browser.get("/espace/carte/"))
    assert page.count("Ralenti.") == 2
    assert "L'opticien peut attendre un accord" in page
    with django_assert_num_queries(7):
        # session with its account; what he acknowledged; adhésions; ayants droit; delegations; domains
        # of the card; cards
        browser.get("/espace/carte/")


def test_a_stopped_tiers_payant_is_told_beside_a_slowed_one_and_after_the_end_of_the_notice(
    as_member,
    cast,
    draft,  # noqa: F811
):
    optics = draft.incident.services.get(domain__code="OPTI")
    for label, state in (("Prise en charge", "stopped"), ("Devis", "slowed")):
        draft.incident.services.create(label=label, domain=optics.domain, state=state)
    draft.change_note = "L'optique est interrompue."
    draft.expires_at = timezone.now() + timedelta(hours=1)
    draft.save()
    notices.submit(draft, by=cast.auteur)
    notices.publish(draft, by=cast.approbateur)
    for later in (timedelta(), timedelta(hours=2)):
        with time_machine.travel(timezone.now() + later):
            banners.drop()
            told = banners.disturbances()[optics.domain.label]
            assert (told.state, told.label) == ("stopped", "Interrompu")
    assert "Interrompu." in text(as_member(cast.antoine).get("/espace/carte/"))


def test_a_closed_incident_warns_of_nothing(as_member, cast, february_2024):
    browser = as_member(cast.antoine)
    lifecycle.close(nobody_left_to_inform(february_2024), by=cast.approbateur)
    banners.drop()
    page = text(browser.get("/espace/carte/"))
    assert "OPTI" in page
    assert "Ralenti" not in page


def test_a_card_of_the_past_stays_as_it_was_issued(as_member, cast, february_2024):
    browser = as_member(cast.antoine)
    browser.get("/espace/carte/")
    cast.antoine.ayants_droit.filter(link="conjoint").update(birth_rank=3)
    browser.get("/espace/carte/")
    past = Card.objects.get(number=1)
    assert "Ralenti" not in text(browser.get(f"/espace/carte/{past.code}/"))
