"""The pages of the reach ledger: each act by POST, by who may, and lists that cost the same for anybody."""

from html import unescape

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from incidents import reach
from incidents.admin import reach as pages
from incidents.models import Incident, Reach
from members.models import AuditEvent, Job, Member
from tests.cast import nobody_left_to_inform
from tests.incidents.test_reach import posted, publish_again, row_of, state_of


@pytest.fixture(autouse=True)
def private_folder(settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path)


def at(name, *args):
    return reverse(f"admin:incidents_incident_{name}", args=args)


def text(response) -> str:
    return unescape(response.content.decode())


# To read


def test_the_page_says_who_is_left_and_how_far_the_others_are(
    as_staff, cast, ledger, version, django_assert_num_queries
):
    browser = as_staff(cast.approbateur)
    posted(row_of(ledger, cast.cesar), version)
    browser.get(at("reach", ledger.pk))
    # session with account · device · rights (2) · incident · figures (8) ·
    # last filling · version in force · whether it is outdated (3)
    with django_assert_num_queries(18):
        page = text(browser.get(at("reach", ledger.pk)))
    assert "8 personnes</a> à informer" in page
    assert page.count("<polyline") == 1
    for state in ("courrier envoyé", "rien encore", "injoignable"):
        assert state in page
    assert "Imprimer les courriers" not in page


def test_a_large_ledger_of_before_the_version_in_force_says_nobody_is_left_to_nobody(
    as_staff, cast, ledger, monkeypatch
):
    nobody_left_to_inform(ledger)
    reach.fill(ledger)
    monkeypatch.setattr(reach, "COUNTED_AT_ONCE", 8)
    browser, done = as_staff(cast.approbateur), "Chaque personne concernée est informée"
    assert done in text(browser.get(at("reach", ledger.pk)))
    publish_again(cast, ledger, material=True)
    page = text(browser.get(at("reach", ledger.pk)))
    assert done not in page
    assert "Le registre date d'avant ce qui est en vigueur : actualisez-le" in page


def test_before_any_filling_the_page_asks_for_one(as_staff, cast, february_2024):
    page = text(as_staff(cast.auteur).get(at("reach", february_2024.pk)))
    assert "Le registre n'est pas encore rempli." in page
    assert "Actualiser le registre" in page


def test_lists_go_by_state_and_page_by_page_without_counting(
    as_staff, cast, ledger, version, monkeypatch, django_assert_num_queries
):
    monkeypatch.setattr(pages, "PAGE", 4)
    posted(row_of(ledger, cast.cesar), version)
    browser = as_staff(cast.approbateur)
    address, seen, calls = at("reach_people", ledger.pk), [], 0
    browser.get(address)
    while address:
        # session with account · device · rights (2) · incident · those that are
        # enough · people
        with django_assert_num_queries(7):
            response = browser.get(address)
        seen += [row.pk for row in response.context["rows"]]
        following, calls = response.context["following"], calls + 1
        address = following and f"{at('reach_people', ledger.pk)}?{following}"
    assert calls == 2
    assert len(seen) == len(set(seen)) == 8
    posted_list = browser.get(at("reach_people", ledger.pk), {"etat": "courrier"})
    assert [row.person for row in posted_list.context["rows"]] == [cast.cesar]


FOUND = {
    "10000003": ["César Orsini"],
    "10000007": ["Gwenaëlle Garnier", "Émile Garnier"],
    "garn": ["Gwenaëlle Garnier", "Émile Garnier"],
    "KERV": ["Antoine Kervella", "Aurélie Kervella"],
    "aurélie  kerv": ["Aurélie Kervella"],
    "%%": [],
    "1000": [],
}


def test_people_are_found_by_whole_number_or_beginning_of_name(as_staff, cast, ledger):
    browser = as_staff(cast.approbateur)
    for sought, found in FOUND.items():
        rows = browser.post(at("reach_search", ledger.pk), {"who": sought}).context["rows"]
        assert [row.person.full_name for row in rows] == found, sought
    events = AuditEvent.objects.filter(action="incident.reach_searched").order_by("pk")
    assert [event.details["count"] for event in events] == [len(one) for one in FOUND.values()]
    assert not [event for event in events if "erv" in str(event.details)]
    assert all(event.actor == cast.approbateur for event in events)


def test_no_name_is_sought_by_an_address(as_staff, cast, ledger):
    browser = as_staff(cast.approbateur)
    assert browser.get(at("reach_search", ledger.pk), {"who": "garn"}).status_code == 405
    page = browser.get(at("reach_people", ledger.pk), {"q": "garn"})
    assert len(page.context["rows"]) == 9
    for refused in ("", "g", "g\0n", "g" * 61):
        page = browser.post(at("reach_search", ledger.pk), {"who": refused})
        assert page.context["rows"] == []
        assert "errorlist" in text(page)
    assert not AuditEvent.objects.filter(action="incident.reach_searched").exists()


def test_the_page_of_a_member_says_what_was_sent_to_him_and_by_which_channel(
    as_staff, cast, ledger, version
):
    posted(row_of(ledger, cast.cesar), version)
    address = reverse("admin:members_member_change", args=[cast.cesar.pk])
    page = text(as_staff(cast.support).get(address))
    assert "E‑mails et courriers à cet adhérent" in page
    for said in ("César Orsini", "Courrier", "Imprimé"):
        assert f"<td>{said}</td>" in page


def test_an_odd_address_shows_a_list_all_the_same(as_staff, cast, ledger):
    browser = as_staff(cast.approbateur)
    for asked in ("etat=x", "apres=x", "apres=" + "9" * 30, "apres=²", "etat=%00"):
        assert browser.get(f"{at('reach_people', ledger.pk)}?{asked}").status_code == 200, asked


def test_a_person_of_another_incident_is_not_found(as_staff, cast, ledger):
    another = Incident.objects.create(
        reference="2026-01-essai",
        title="Essai",
        detected_on="2026-01-10",
        created_by=cast.auteur,
        dpo_name="Le délégué",
        dpo_email="dpo@mutuelle.example",
    )
    row = row_of(ledger, cast.cesar)
    browser = as_staff(cast.courriers)
    assert browser.get(at("reach_person", another.pk, row.pk)).status_code == 404
    assert browser.post(at("reach_again", another.pk, row.pk)).status_code == 404


# To act

ACTS = {
    "reach_refresh": {"auteur", "courriers"},
    "reach_mails": {"auteur"},
    "reach_letters": {"courriers"},
    "reach_returns": {"courriers"},
    "reach_excuse": {"courriers"},
    "reach_employers": {"auteur"},
}


@pytest.mark.parametrize("who", ["auteur", "approbateur", "courriers", "support"])
def test_each_act_is_for_its_role_and_for_no_other(as_staff, cast, ledger, who):
    browser = as_staff(getattr(cast, who))
    for act, may in ACTS.items():
        status = browser.post(at(act, ledger.pk), {}).status_code
        assert (status == 403) == (who not in may), act
    row = row_of(ledger, cast.cesar)
    for act in ("reach_person", "reach_again"):
        status = browser.post(at(act, ledger.pk, row.pk), {}).status_code
        assert (status == 403) == (who != "courriers"), act


def test_nothing_is_done_by_a_get(as_staff, cast, ledger):
    browser = as_staff(cast.courriers)
    row = row_of(ledger, cast.cesar)
    assert browser.get(at("reach_refresh", ledger.pk)).status_code == 405
    assert browser.get(at("reach_again", ledger.pk, row.pk)).status_code == 405
    for act in ("reach_letters", "reach_returns", "reach_excuse"):
        assert browser.get(at(act, ledger.pk)).status_code == 200
    assert not Job.objects.exists()


def test_after_the_closing_letters_still_come_back_and_nothing_else_begins(
    as_staff, cast, ledger, version
):
    letter = posted(row_of(ledger, cast.cesar), version)
    nobody_left_to_inform(ledger)
    Incident.objects.filter(pk=ledger.pk).update(state="closed", closed_at=timezone.now())
    for who, act in (
        (cast.courriers, "reach_refresh"),
        (cast.auteur, "reach_mails"),
        (cast.auteur, "reach_employers"),
    ):
        assert as_staff(who).post(at(act, ledger.pk), {}).status_code == 404
    browser = as_staff(cast.courriers)
    browser.post(at("reach_returns", ledger.pk), {"references": letter.reference})
    letter.refresh_from_db()
    assert letter.state == "returned"
    page = text(browser.get(at("reach", ledger.pk)))
    assert "Imprimer les courriers" in page
    assert "Actualiser le registre" not in page


def test_letters_are_asked_for_and_read_from_the_page_of_their_job(
    as_staff, cast, ledger, django_capture_on_commit_callbacks
):
    browser = as_staff(cast.courriers)
    with django_capture_on_commit_callbacks(execute=True):
        answer = browser.post(at("reach_letters", ledger.pk), {"who": "new", "unread_days": "14"})
    job = Job.objects.get()
    assert answer.url == reverse("admin:job", args=[job.pk])
    page = text(browser.get(answer.url))
    assert "courriers-001.pdf" in page
    file = browser.get(reverse("admin:job_file", args=[job.pk, job.files.first().pk]))
    assert b"".join(file.streaming_content).startswith(b"%PDF")
    assert as_staff(cast.auteur).get(answer.url).status_code == 404


def test_a_second_choice_of_letters_is_not_swallowed(as_staff, cast, ledger):
    browser = as_staff(cast.courriers)
    browser.post(at("reach_letters", ledger.pk), {"who": "new", "unread_days": "14"})
    answer = browser.post(
        at("reach_letters", ledger.pk), {"who": "again", "unread_days": "14"}, follow=True
    )
    assert "une impression d'un autre choix est en cours" in text(answer)
    assert Job.objects.get().parameters["again"] is False


def test_a_wrong_number_of_days_is_told_beside_its_field(as_staff, cast, ledger):
    page = text(
        as_staff(cast.courriers).post(
            at("reach_letters", ledger.pk), {"who": "new", "unread_days": "-1"}
        )
    )
    assert 'value="-1"' in page
    assert 'aria-invalid="true"' in page
    assert not Job.objects.exists()


def test_returns_are_typed_or_in_a_file_and_what_is_refused_stays(as_staff, cast, ledger, version):
    paulin = Member.objects.get(number="10000010")
    one = posted(row_of(ledger, cast.cesar), version)
    two = posted(row_of(ledger, paulin), version)
    browser = as_staff(cast.courriers)
    file = SimpleUploadedFile(
        "retours.csv", f"référence;nom\n{reach.grouped(two.reference)};Roche\n".encode()
    )
    page = text(
        browser.post(at("reach_returns", ledger.pk), {"references": one.reference, "file": file})
    )
    assert "2 courriers revenus sont enregistrés." in page
    assert "1 ligne refusée" in page
    assert ">\r\nréférence;nom</textarea>" in page or ">\nréférence;nom</textarea>" in page
    assert state_of(ledger, cast.cesar) == state_of(ledger, paulin) == "courrier_revenu"


def test_a_file_that_is_no_list_is_refused_in_words(as_staff, cast, ledger):
    browser = as_staff(cast.courriers)
    for content in (b"\xff\xfe\x00", b"x" * (pages.WEIGHT + 1), b""):
        file = SimpleUploadedFile("retours.csv", content)
        answer = browser.post(at("reach_returns", ledger.pk), {"file": file})
        assert answer.status_code == 200
        assert "errorlist" in text(answer)


def test_no_file_is_taken_from_whoever_may_not_import_returns(client, as_staff, cast, ledger):
    file = SimpleUploadedFile("retours.csv", b"x")
    assert client.post(at("reach_returns", ledger.pk), {"file": file}).status_code == 302
    assert as_staff(cast.auteur).post(at("reach_returns", ledger.pk)).status_code == 403
    assert not AuditEvent.objects.filter(action="incident.letters_returned").exists()


def test_a_person_is_declared_unreachable_with_a_proof_and_again_reachable(as_staff, cast, ledger):
    row = row_of(ledger, cast.cesar)
    address = at("reach_person", ledger.pk, row.pk)
    browser = as_staff(cast.courriers)
    refused = text(browser.post(address, {"reason": "decede", "note": "NIR 1800620123456"}))
    assert "N'écrivez ni NIR" in refused
    assert Reach.objects.get(pk=row.pk).unreachable == ""
    answer = browser.post(address, {"reason": "decede", "note": "Acte de décès reçu"})
    assert answer.url == address
    page = text(browser.get(address))
    assert "personne décédée" in page
    assert "Acte de décès reçu" in page
    browser.post(at("reach_again", ledger.pk, row.pk))
    assert state_of(ledger, cast.cesar) == "rien"
    events = AuditEvent.objects.filter(action__contains="reachable")
    assert not [event for event in events if "décès" in str(event.details)]


def test_those_without_address_are_declared_at_once(as_staff, cast, ledger):
    Member.objects.filter(pk=cast.cesar.pk).update(address="")
    browser = as_staff(cast.courriers)
    said = {"reason": "sans_adresse", "note": "Fichier des adresses relu"}
    page = text(browser.post(at("reach_excuse", ledger.pk), said, follow=True))
    assert "1 personne est déclarée injoignable." in page
    assert state_of(ledger, cast.cesar) == "injoignable"
    forged = {"reason": "decede", "note": "Tous décédés, dit-on"}
    assert browser.post(at("reach_excuse", ledger.pk), forged).status_code == 200
    assert Reach.objects.exclude(unreachable="").count() == 1


# Closing


def test_an_approver_reads_how_many_are_left_and_finds_the_list(as_staff, cast, ledger):
    browser = as_staff(cast.approbateur)
    page = text(browser.post(at("close", ledger.pk), follow=True))
    assert "9 personnes ne sont ni informées, ni déclarées injoignables." in page
    assert at("reach_people", ledger.pk) in page
    ledger.refresh_from_db()
    assert not ledger.is_closed
    nobody_left_to_inform(ledger)
    browser.post(at("close", ledger.pk))
    ledger.refresh_from_db()
    assert ledger.is_closed


def test_a_ledger_never_filled_is_asked_for_first(as_staff, cast, february_2024):
    page = text(as_staff(cast.approbateur).post(at("close", february_2024.pk), follow=True))
    assert "Actualisez d'abord le registre" in page


def test_nobody_lists_what_he_may_not_see(as_staff, cast, ledger):
    cast.approbateur.groups.clear()
    browser = as_staff(cast.approbateur)
    for name in ("reach", "reach_people"):
        assert browser.get(at(name, ledger.pk)).status_code == 403
