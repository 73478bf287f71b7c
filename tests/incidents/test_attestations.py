"""Attestations: what was shown, one code for the same words, nothing personal to whoever checks it."""

import re
from html import unescape
from io import BytesIO
from threading import Barrier, Thread

import pypdf
import pytest
import time_machine
from django.db import connection, connections
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from incidents import (
    attestation_pages,
    attestations,
    banners,
    lifecycle,
    notices,
)
from incidents.models import Acknowledgement, Attestation, NoticeVersion
from members.letters import SEPARATORS
from members.models import AuditEvent, Member, User
from members.models.written_once import WrittenOnce
from tests.cast import nobody_left_to_inform
from tests.incidents.test_notices import draft, submitted  # noqa: F401 - fixtures

REFERENCE = "2024-02-tiers-payant"
INCIDENT = f"/incidents/{REFERENCE}/"
PAGE = f"{INCIDENT}attestation/"
PDF = f"{INCIDENT}attestation.pdf"
CHECK = "/attestations/"
UNKNOWN = "Nous ne connaissons pas ce code."
NAMES = ("Kervella", "Aurélie", "Apolline", "Adèle", "Antoine")


def text(response) -> str:
    return unescape(response.content.decode()).replace("\u00a0", " ")


def words(pdf: bytes) -> str:
    pages = pypdf.PdfReader(BytesIO(pdf)).pages
    return " ".join(" ".join(page.extract_text() for page in pages).replace("\u00a0", " ").split())


@pytest.fixture
def antoine(as_member, cast, february_2024):
    """His browser, once he was shown the incident and said that he had read it."""
    browser = as_member(cast.antoine)
    browser.get(INCIDENT)
    browser.post(f"{INCIDENT}lu/", {"version": 1})
    return browser


@pytest.fixture
def document(antoine):
    """The attestation that Antoine asked for, and its code as printed."""
    antoine.post(PAGE)
    return Attestation.objects.get(), code_on(antoine.get(PAGE))


def code_on(page) -> str:
    return re.search(r'class="secret">([^<]+)<', text(page))[1]


def checked(client, code):
    return client.post(CHECK, {"code": code})


# The document


def test_it_says_what_was_shown_to_whom_and_when(antoine, february_2024):
    antoine.post(PAGE)
    answer = antoine.get(PDF)
    assert answer["Content-Type"] == "application/pdf"
    assert answer["Cache-Control"] == "no-store"
    assert f'filename="attestation-{REFERENCE}.pdf"' in answer["Content-Disposition"]
    said, row = words(answer.content), Acknowledgement.objects.get()
    version = february_2024.versions.get()
    for person in row.shown["persons"]:
        assert person["name"] in said
    assert "La Mutuelle du Rivage atteste avoir informé Antoine Kervella" in said
    assert "Viamedis : exposition confirmée. Viamedis ne gérait plus ce contrat" in said
    assert "Couverture du 1er janvier 2019 au 31 décembre 2023." in said
    assert "Numéro de sécurité sociale" in said
    assert "Lecture confirmée le" in said
    assert attestations.grouped(version.digest) in said
    assert "dpo@mutuelle-du-rivage.example" in said
    assert "178067512345644" not in said
    assert "le jour de cette attestation" not in said  # nothing has changed


def test_the_page_says_the_same_as_the_paper(antoine):
    before = text(antoine.get(PAGE))
    assert "Établir mon attestation" in before
    antoine.post(PAGE)
    page, said = text(antoine.get(PAGE)), words(antoine.get(PDF).content)
    assert code_on(antoine.get(PAGE)) in said
    assert attestations.grouped(Attestation.objects.get().fingerprint) in page
    assert attestations.grouped(Attestation.objects.get().fingerprint) in said
    for person in attestations.Document.of(Attestation.objects.get().content).people:
        for place in person.places:
            assert place.reason in page
            assert place.reason in said


def test_the_paper_has_a_title_a_language_tags_and_the_same_bytes_each_time(antoine):
    antoine.post(PAGE)
    first = antoine.get(PDF).content
    with time_machine.travel("2031-01-01", tick=False):
        row = Attestation.objects.select_related("member__user", "version").get()
        known = attestations.draft(row.member, REFERENCE)
        assert attestation_pages.pdf(row, known.code) == first
    pdf = pypdf.PdfReader(BytesIO(first))
    root = pdf.trailer["/Root"]
    assert pdf.metadata.title == "Attestation d'information et d'exposition"
    assert root["/Lang"] == "fr-FR"
    assert root["/MarkInfo"]["/Marked"]
    tags = [one.get_object()["/S"] for one in root["/StructTreeRoot"]["/K"][0].get_object()["/K"]]
    assert tags[0] == "/H1"
    assert {"/H2", "/H3", "/P", "/L", "/Figure"} <= set(tags)
    assert all("/StructParents" in page for page in pdf.pages)
    boxes = {(float(page.mediabox.width), float(page.mediabox.height)) for page in pdf.pages}
    assert [tuple(map(round, box)) for box in boxes] == [(595, 842)]


def test_a_long_family_runs_over_pages_and_keeps_every_word(antoine, cast):
    for number in range(12):
        cast.antoine.ayants_droit.create(
            reference=f"9{number}",
            link="enfant",
            first_names=f"Enfant{chr(97 + number)}",
            birth_name="Kervella",
            birth_date=f"20{number + 2:02}-05-05",
            nir_absence="en_attente",
            start="2019-01-01",
        )
    antoine.post(PAGE)
    said = words(antoine.get(PDF).content)
    assert "Nos registres ont changé depuis." in said
    assert all(f"Enfant{chr(97 + number)} Kervella" in said for number in range(12))
    assert re.search(r"page (\d) sur \1$", said.rsplit("Empreinte", 1)[-1])


def test_what_is_known_today_is_told_beside_what_was_shown(antoine, cast):
    cast.antoine.ayants_droit.filter(first_names="Adèle").update(start="2024-06-01")
    page = text(antoine.get(PAGE))
    assert "Nos registres ont changé depuis. Voici ce qu'ils disent." in page
    shown, today = page.split("Ce que nous savons aujourd'hui")
    assert "exposition écartée" not in shown.lower()
    assert "exposition écartée" in today.lower()


def test_a_later_version_is_named_even_when_it_changes_nothing(antoine, cast, submitted):  # noqa: F811
    notices.publish(submitted, by=cast.approbateur)
    page = text(antoine.get(PAGE))
    assert "selon la version 1" in page
    assert re.search(r"La version 2, publiée le [^,]+, ne change pas ces réponses\.", page)
    antoine.get(INCIDENT)  # now he was shown it, and has not confirmed it
    page = text(antoine.get(PAGE))
    assert "selon la version 2" in page
    assert "Lecture pas encore confirmée." in page
    assert "Lecture confirmée le" in page  # version 1


@pytest.mark.parametrize(
    ("of_version", "of_registers"), [(True, False), (False, True), (True, True)]
)
def test_what_changed_the_answers_is_named_and_nothing_else(
    antoine,
    cast,
    submitted,  # noqa: F811
    of_version,
    of_registers,
):
    if of_version:
        lifecycle.record_claim(
            submitted.incident.targets.first(),
            category="NIR",
            state="non_exposee",
            source="Lettre",
            stated_on=timezone.localdate(),
        )
    notices.publish(submitted, by=cast.approbateur)
    if of_registers:
        cast.antoine.ayants_droit.filter(first_names="Adèle").update(start="2024-06-01")
    since = attestations.draft(cast.antoine, REFERENCE).document.since
    assert (" change ces réponses." in since) == of_version
    assert (" ne change pas ces réponses." in since) != of_version
    assert ("Nos registres ont changé depuis." in since) == of_registers


def test_it_counts_whoever_was_shown_and_whoever_is_covered_today(antoine, cast):
    child = cast.antoine.ayants_droit.get(first_names="Adèle")
    cast.antoine.ayants_droit.filter(pk=child.pk).update(member=cast.bianca)
    child.pk, child.reference, child.first_names = None, "99", "Anatole"
    child.save(force_insert=True)
    document = attestations.draft(cast.antoine, REFERENCE).document
    assert len(document.people) == len(document.today) == 4
    assert document.count == 5


def test_a_notice_that_was_withdrawn_leaves_its_proof(antoine, cast, february_2024):
    notices.withdraw(february_2024.versions.get(), by=cast.approbateur, reason="Erreur")
    page = text(antoine.get(PAGE))
    assert "retirée le" in page
    assert "Cette information a été retirée depuis." in page


def test_the_page_costs_eight_statements(antoine, django_assert_num_queries):
    # session and account; what he was shown; the words shown; the version in force; the member's rows;
    # his ayants droit's rows; the contract to call; the attestation of these words
    with django_assert_num_queries(8):
        antoine.get(PAGE)


# One code for the same words


def test_asking_again_for_the_same_words_gives_the_same_document(antoine):
    antoine.post(PAGE)
    first = Attestation.objects.get(), code_on(antoine.get(PAGE)), antoine.get(PDF).content
    antoine.post(PAGE)
    assert (
        Attestation.objects.get(),
        code_on(antoine.get(PAGE)),
        antoine.get(PDF).content,
    ) == first
    event = AuditEvent.objects.get(action="attestation.issued")
    assert event.details == {
        "incident": REFERENCE,
        "version": 1,
        "attestation": first[0].pk,
        "fingerprint": first[0].fingerprint,
    }


def test_other_words_make_another_document_and_the_first_one_stays(antoine, cast, document):
    row, code = document
    cast.antoine.ayants_droit.filter(first_names="Adèle").update(start="2024-06-01")
    assert "Établir mon attestation" in text(antoine.get(PAGE))
    antoine.post(PAGE)
    assert Attestation.objects.count() == 2
    assert code_on(antoine.get(PAGE)) != code
    assert attestations.grouped(row.fingerprint) in text(checked(Client(), code))


def test_a_get_issues_nothing(antoine):
    assert antoine.get(PDF).url == PAGE
    antoine.get(PAGE)
    antoine.head(PAGE)
    assert not Attestation.objects.exists()


def test_no_column_holds_the_code(document):
    _row, code = document
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            rows = str(cursor.fetchall()).upper()
            assert code not in rows, table
            assert code.replace("-", "") not in rows, table


@pytest.mark.django_db(transaction=True)
def test_two_tabs_at_once_issue_one_document_and_one_event(as_member, cast, february_2024):
    as_member(cast.antoine).get(INCIDENT)
    known, barrier, issued = attestations.draft(cast.antoine, REFERENCE), Barrier(2), []

    def ask():
        barrier.wait()
        issued.append(attestations.issue(known).pk)
        connections.close_all()

    tabs = [Thread(target=ask) for _tab in range(2)]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join()
    assert issued == [Attestation.objects.get().pk] * 2
    assert AuditEvent.objects.filter(action="attestation.issued").count() == 1


def test_an_attestation_is_written_once(document):
    row, _code = document
    row.people = 1
    for change in (row.save, row.delete, Attestation.objects.all().delete):
        with pytest.raises(WrittenOnce):
            change()


# The code


@given(
    st.integers(1, 2**40),
    st.integers(1, 2**40),
    st.text("0123456789abcdef", min_size=64, max_size=64),
)
def test_a_code_has_sixty_bits_no_look_alike_and_is_read_back_however_it_is_typed(
    member, version, seal
):
    code = attestations._code(Member(pk=member), NoticeVersion(pk=version), seal)
    assert len(set(attestations.ALPHABET)) ** len(code) > 2**60
    assert not set(code) & set("0O1ILAEUY2Z5S8B")
    shown = attestations.printed(code)
    assert re.fullmatch(r"[A-Z3-9]{4}(-[A-Z3-9]{4}){3}", shown)
    for typed in (
        shown,
        shown.lower(),
        f" {code} ",
        *(shown.replace("-", one) for one in SEPARATORS),
    ):
        assert attestations.plain(typed) == code
    assert attestations._code(Member(pk=member + 1), NoticeVersion(pk=version), seal) != code


@given(st.text(max_size=60))
def test_whatever_is_typed_is_a_code_or_nothing(typed):
    plain = attestations.plain(typed)
    assert plain == "" or (len(plain) == 16 and set(plain) <= set(attestations.ALPHABET))


# The check


def test_anybody_learns_that_it_is_ours_and_nothing_about_anyone(client, document):
    row, code = document
    client = Client()  # nobody's
    for answer in (checked(client, code), client.get(f"{CHECK}{code}/")):
        page = text(answer)
        assert attestations.grouped(row.fingerprint) in page
        assert REFERENCE in page
        assert "4 personnes" in page
        assert not [name for name in NAMES if name in page]
        assert answer["X-Robots-Tag"] == "noindex, nofollow"
        assert answer["Cache-Control"] == "no-store"
        assert '<meta name="robots" content="noindex, nofollow">' in page
    assert client.get(f"{CHECK}{code}/")["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize(
    "code",
    ["CDFG-HJKM-NPQR-TVWX", "x", "0" * 16, "CDFG", "é" * 16, "\u202e" * 4, "C" * 9_000, "<script>"],
)
def test_a_wrong_code_and_no_code_get_the_same_statements_and_the_same_words(
    client, db, code, django_assert_num_queries
):
    known = text(checked(client, "DCFG-HJKM-NPQR-TVWX"))
    client.get(CHECK)
    # the count of tries; the document
    with django_assert_num_queries(2):
        answer = checked(client, code)
    assert answer.status_code == 200
    assert text(answer) == known
    assert UNKNOWN in known


@pytest.mark.parametrize("code", ["", "   "])
def test_an_empty_field_says_so_beside_it(client, db, code):
    page = text(checked(client, code))
    assert "Saisissez le code de vérification." in page


def test_guesses_are_counted_for_each_address_and_right_codes_are_not(document, settings):
    row, code = document
    settings.LIMITS = settings.LIMITS | {"ATTESTATION_TRIES_PER_ADDRESS": 3}
    guesser = Client(REMOTE_ADDR="198.51.100.7")
    for _right in range(5):
        assert attestations.grouped(row.fingerprint) in text(checked(guesser, code))
    for _wrong in range(3):
        assert UNKNOWN in text(guesser.get(f"{CHECK}DCFG-HJKM-NPQR-TVWX/"))
    for refused_one in (checked(guesser, code), guesser.get(f"{CHECK}{code}/")):
        assert refused_one.status_code == 429
        assert int(refused_one["Retry-After"]) > 0
        assert "Trop d'essais." in text(refused_one)
        assert attestations.grouped(row.fingerprint) not in text(refused_one)
    assert attestations.grouped(row.fingerprint) in text(
        checked(Client(REMOTE_ADDR="198.51.100.8"), code)
    )


def test_a_stolen_database_prints_no_code_without_the_pepper(document, settings):
    _row, code = document
    settings.OTP_PEPPER = "another pepper, as long as it has to be"
    assert UNKNOWN in text(checked(Client(), code))


# Who may have one


def test_what_a_member_was_not_shown_is_not_his(as_member, cast, antoine, february_2024):
    antoine.post(PAGE)
    browser = as_member(cast.bianca)
    for answer in (browser.get(PAGE), browser.get(PDF), browser.post(PAGE)):
        assert answer.status_code == 404
    assert Attestation.objects.get().member == cast.antoine


def test_a_reference_that_is_none_is_not_found_and_lets_no_header_in(antoine):
    for reference in (
        *("inconnu", "..%2f..%2fadmin", "a%0d%0aSet-Cookie:%20session=planted", "%22%3b", "a%00b"),
        "é",
    ):
        for page in ("attestation/", "attestation.pdf"):
            answer = antoine.get(f"/incidents/{reference}/{page}")
            assert answer.status_code in (400, 404), reference
            assert "planted" not in str(answer.cookies) + str(answer.headers)


def test_a_closed_account_opens_nothing_and_its_document_stays_true(antoine, cast, document):
    row, code = document
    User.objects.filter(pk=cast.antoine.user_id).update(is_active=False)
    for answer in (antoine.get(PAGE), antoine.get(PDF), antoine.post(PAGE)):
        assert answer.status_code == 302
        assert answer.url.startswith("/connexion/")
    assert attestations.grouped(row.fingerprint) in text(checked(Client(), code))


def test_staff_have_none_and_a_closed_incident_still_gives_one(
    as_staff, antoine, cast, february_2024
):
    lifecycle.close(nobody_left_to_inform(february_2024), by=cast.approbateur)
    banners.drop()
    assert antoine.post(PAGE).status_code == 302
    assert antoine.get(PDF).status_code == 200
    browser = as_staff(cast.support)
    assert {browser.get(PAGE).status_code, browser.get(PDF).status_code} == {403}


def test_an_agent_who_views_a_space_reads_the_page_and_issues_nothing(
    antoine, as_staff, cast, february_2024
):
    browser = as_staff(cast.support)
    session = browser.session
    session["viewing"] = {"member": cast.antoine.pk, "until": 2**33}
    session.save()
    assert "L'adhérent verra ici" in text(browser.get(PAGE))
    assert browser.post(PAGE).status_code == 403
    assert browser.get(PDF).status_code == 403
    assert not Attestation.objects.exists()


def test_support_finds_which_documents_were_made_and_reads_neither_words_nor_code(
    as_staff, cast, document
):
    row, code = document
    browser = as_staff(cast.support)
    address = "/admin/incidents/attestation/"
    assert "Faites une recherche" in text(browser.get(address))
    seen = []
    for asked in (cast.antoine.number, REFERENCE):
        page = browser.get(address, {"q": asked})
        assert cast.antoine.number in text(page)
        assert "valable" in text(page)
        seen.append(text(page))
    seen.append(text(browser.get(f"{address}{row.pk}/change/")))
    assert attestations.grouped(row.fingerprint) in seen[-1]
    for page in seen:
        assert not [name for name in NAMES if name in page]
        assert code not in page
        assert row.code_digest not in page
    assert browser.post(f"{address}{row.pk}/change/", {"people": 9}).status_code == 403
    notices.withdraw(row.version, by=cast.approbateur, reason="Erreur")
    assert "version retirée depuis" in text(browser.get(address, {"q": REFERENCE}))
    assert as_staff(cast.auteur).get(address).status_code == 403
