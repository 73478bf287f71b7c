"""« Mes demandes », from a draft to the mutual: nothing typed is lost, nothing is anybody else's."""

import contextlib
import errno
import re
from datetime import date, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
import time_machine
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from members import documents, money, mydata_sections, preferences, retention
from members.demandes import asked, deciding, drafts
from members.demandes.steps import Overtaken
from members.mail.memory import outbox as mailbox
from members.models import (
    Demande,
    DemandeDocument,
    DemandeEvent,
    DemandeMessage,
    Mail,
)
from members.models.demande import MOVES, DemandeKind, State, one_month_after
from members.models.member import HIMSELF
from members.models.written_once import WrittenOnce
from tests.members.conftest import make_member
from tests.members.papers import deposited, draft, paper, photo, yesterday
from tests.members.steps import said
from tests.signing import sign_in

pytestmark = pytest.mark.usefixtures("private_files")

LIST = "/espace/demandes/"
NEW = "/espace/demandes/nouvelle/soins/"


@pytest.fixture
def browser(client, claire, covered):
    return sign_in(client, claire.user)


def care(glasses, **typed) -> dict:
    told = {"person": HIMSELF, "care_on": yesterday(), "domain": glasses.pk, "paid": "45,50"}
    return told | typed


# A draft


def test_three_plain_pages_hand_a_demande_in(
    browser, glasses, claire, django_capture_on_commit_callbacks
):
    page = browser.post(NEW, care(glasses), follow=True)
    demande = Demande.objects.get()
    assert page.redirect_chain[-1][0] == f"{LIST}{demande.pk}/pieces/"
    page = browser.post(f"{LIST}{demande.pk}/pieces/", {"documents": photo()}, follow=True)
    assert "facture.png" in said(page)
    page = browser.get(f"{LIST}{demande.pk}/envoyer/")
    assert "Optique" in said(page)
    assert "45,50\u00a0€" in said(page)
    with django_capture_on_commit_callbacks(execute=True):
        page = browser.post(f"{LIST}{demande.pk}/envoyer/", follow=True)
    assert "Votre demande est déposée." in said(page)
    demande.refresh_from_db()
    assert demande.state == State.SUBMITTED
    assert [event.state for event in demande.events.all()] == [State.SUBMITTED]


def test_what_was_typed_right_is_kept_and_what_was_wrong_is_shown_again(browser, glasses):
    page = browser.post(NEW, care(glasses, paid="quarante", care_on="31/02/2026"))
    assert page.status_code == 200
    text = said(page)
    assert 'value="quarante"' in text
    assert 'value="31/02/2026"' in text
    assert "Indiquez un montant, par exemple 45,50." in text
    demande = Demande.objects.get()
    assert (demande.care.domain, demande.care.for_member) == (glasses, True)
    assert (demande.care.paid_cents, demande.care.care_on) == (None, None)
    assert f'action="{LIST}{demande.pk}/modifier/"' in text  # what follows goes to the same draft
    browser.post(f"{LIST}{demande.pk}/modifier/", care(glasses))
    demande.refresh_from_db()
    assert Demande.objects.count() == 1
    assert Demande.objects.get().care.paid_cents == 4550


def test_a_draft_is_left_taken_up_again_and_deleted_with_its_files(
    browser, claire, glasses, django_capture_on_commit_callbacks
):
    demande = draft(claire, glasses)
    kept = demande.documents.get().file.name
    assert "À terminer" in said(browser.get(LIST))
    page = browser.get(f"{LIST}{demande.pk}/", follow=True)
    assert 'value="45,50"' in said(page)
    with django_capture_on_commit_callbacks(execute=True):
        browser.post(f"{LIST}{demande.pk}/supprimer/")
    assert not Demande.objects.exists()
    assert not default_storage.exists(kept)


def test_drafts_nobody_touched_for_thirty_days_go_with_their_files_and_others_stay(
    claire, covered, glasses
):
    old, sent = draft(claire, glasses), deposited(claire, glasses)
    kept = old.documents.get().file.name
    with time_machine.travel(timezone.now() + timedelta(days=29)):
        assert retention.purge() == 0
    with time_machine.travel(timezone.now() + timedelta(days=31)):
        young = draft(claire, glasses)
        assert retention.purge() == 1
    assert set(Demande.objects.all()) == {sent, young}
    assert not default_storage.exists(kept)


def test_continue_clicked_twice_begins_one_draft(browser, glasses):
    key = re.search(r'name="key" value="([^"]+)"', browser.get(NEW).content.decode())[1]
    told = care(glasses, key=key)
    for _ in range(2):
        page = browser.post(NEW, told)
    demande = Demande.objects.get()
    assert page.url == reverse("demande_documents", args=[demande.pk])
    paper(demande)
    drafts.deposit(demande, by=demande.member.user)
    page = browser.post(NEW, told)  # the page of before, out of the browser's history
    assert page.url == reverse("demande", args=[demande.pk])
    browser.post(NEW, care(glasses, key="x"))
    browser.post(NEW, care(glasses))
    assert Demande.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_two_clicks_on_continue_at_the_same_instant_begin_one_draft(claire, together):
    key = uuid4()

    def click():
        drafts.begin(claire, DemandeKind.CARE, key)

    assert together(click, click) == ["", ""]
    assert Demande.objects.count() == 1


def test_ten_drafts_are_enough(browser, claire, glasses, settings):
    settings.LIMITS = settings.LIMITS | {"DEMANDE_DRAFTS": 1}
    draft(claire, glasses)
    page = browser.post(NEW, care(glasses), follow=True)
    assert "Trop de brouillons vous attendent" in said(page)
    assert Demande.objects.count() == 1


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"care_on": "2100-01-01"}, "Ce jour n'est pas encore venu."),
        ({"care_on": "2020-01-01"}, "Ces soins datent de plus de deux ans"),
        ({"person": "999"}, "Choisissez dans la liste."),
        ({"domain": "x"}, "Choisissez dans la liste."),
        ({"paid": "0"}, "Ce montant n'est pas possible."),
        ({"paid": "100000,01"}, "Ce montant n'est pas possible."),
        ({"paid": "-5"}, "Indiquez un montant"),
        ({"paid": "٤٥"}, "Indiquez un montant"),
        ({"paid": "1,234"}, "Indiquez un montant"),
        ({"paid": ""}, "Indiquez un montant"),
        ({"paid": "\0"}, "null"),
    ],
)
def test_a_bad_value_is_said_beside_its_field(browser, glasses, typed, sentence):
    page = browser.post(NEW, care(glasses, **typed))
    assert page.status_code == 200
    assert sentence in said(page) or "field__error" in said(page)


def test_only_who_was_covered_on_the_day_of_the_care_is_taken(browser, glasses, lea):
    lea.end = timezone.localdate() - timedelta(days=10)
    lea.save()
    page = browser.post(NEW, care(glasses, person=lea.pk))
    assert "n'était pas couverte par votre contrat" in said(page)
    day = timezone.localdate() - timedelta(days=10)
    page = browser.post(NEW, care(glasses, person=lea.pk, care_on=day))
    assert page.status_code == 302


def test_an_ayant_droit_of_somebody_else_is_no_choice(browser, glasses, lea):
    other = make_member("paul", phone="", nir="178067512345644")
    lea.member = other
    lea.save()
    page = browser.post(NEW, care(glasses, person=lea.pk))
    assert "Choisissez dans la liste." in said(page)


@given(st.integers(min_value=0, max_value=10**9 - 1), st.sampled_from([",", "."]))
def test_an_amount_typed_with_either_mark_is_read_to_the_cent(cents, mark):
    whole, rest = divmod(cents, 100)
    assert money.cents(f"{whole}{mark}{rest:02}") == cents
    assert money.cents(money.euros(cents)) == cents


@pytest.mark.parametrize(
    ("typed", "cents"),
    [
        ("45", 4500),
        (" 45 € ", 4500),
        ("45,5", 4550),
        ("45€50", 4550),
        ("45 € 50", 4550),
        ("1 045.50€", 104_550),
        ("12 345 678", 1_234_567_800),
    ],
)
def test_an_amount_is_read_as_people_write_it(typed, cents):
    assert money.cents(typed) == cents


@pytest.mark.parametrize(
    "typed", ["45 50", "45€5", "€45", "4€5€", "45,50€50", "1 0455", "1045 500", "1,000.00", "٣"]
)
def test_an_amount_that_may_be_read_in_two_ways_is_none(typed):
    with pytest.raises(ValueError, match="not an amount"):
        money.cents(typed)


@given(st.text())
def test_whatever_is_typed_is_an_amount_or_refused(text):
    with contextlib.suppress(ValueError):
        assert money.cents(text) >= 0


@given(st.dates(min_value=date(2020, 1, 1), max_value=date(2100, 1, 1)))
def test_a_month_ends_on_the_same_day_of_the_next_one_or_its_last(day):
    due = one_month_after(day)
    assert (due.year * 12 + due.month) - (day.year * 12 + day.month) == 1
    assert due.day == day.day or (due + timedelta(days=1)).day == 1


# Documents


def test_a_refused_document_takes_nothing_else_away(browser, claire, glasses):
    demande = draft(claire, glasses)
    address = f"{LIST}{demande.pk}/pieces/"
    bad = SimpleUploadedFile("page.html", b"<script>", "image/png")
    page = browser.post(address, {"documents": [photo("ordonnance.png"), bad]})
    assert "page.html" in said(page)
    assert "facture.png" in said(page)
    assert demande.documents.count() == 1  # neither of the two, as the page says


def test_six_documents_are_one_too_many_and_the_same_one_counts_once(browser, claire, glasses):
    demande = draft(claire, glasses, document=False)
    address = f"{LIST}{demande.pk}/pieces/"
    browser.post(address, {"documents": [photo(), photo("copie.png")]})
    assert demande.documents.count() == 1
    for number in range(4):
        paper(demande, f"{number}.png")
    page = browser.post(address, {"documents": photo("sixieme.png", "black")})
    assert "5 documents au plus" in said(page)
    page = browser.post(address, {"documents": photo("encore.png")}, follow=True)
    assert "déjà joints" in said(page)
    assert demande.documents.count() == 5


def test_three_documents_sent_twice_are_three(browser, claire, glasses):
    demande = draft(claire, glasses, document=False)
    for sentence in ("Vos documents sont joints.", "Ces documents étaient déjà joints."):
        three = [photo(f"{colour}.png", colour) for colour in ("red", "green", "blue")]
        page = browser.post(f"{LIST}{demande.pk}/pieces/", {"documents": three}, follow=True)
        assert sentence in said(page)
    assert demande.documents.count() == 3


def test_documents_weigh_no_more_together_than_is_allowed(browser, claire, glasses, monkeypatch):
    demande = draft(claire, glasses, document=False)
    paper(demande)
    monkeypatch.setattr(documents, "TOGETHER", photo().size + 4)  # 5 bytes are there already
    page = browser.post(f"{LIST}{demande.pk}/pieces/", {"documents": photo()})
    assert "15 Mo ensemble" in said(page)
    assert demande.documents.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_forms_at_once_do_not_pass_the_limit(claire, covered, glasses, together):
    demande = draft(claire, glasses)
    for number in range(3):
        paper(demande, f"{number}.png")

    def sends(colour):
        drafts.attach(Demande.objects.get(pk=demande.pk), [photo(colour=colour)], by=claire.user)

    raised = together(lambda: sends("red"), lambda: sends("blue"))
    assert sorted(raised) == ["", "Refused"]
    assert demande.documents.count() == 5


def test_a_form_with_files_needs_the_token_of_its_page(claire, covered, glasses):
    demande = draft(claire, glasses)
    browser = sign_in(Client(enforce_csrf_checks=True), claire.user)
    answer = browser.post(f"{LIST}{demande.pk}/pieces/", {"documents": photo()})
    assert answer.status_code == 403
    assert demande.documents.count() == 1


def test_a_form_without_a_file_says_so(browser, claire, glasses):
    demande = draft(claire, glasses)
    page = browser.post(f"{LIST}{demande.pk}/pieces/", {})
    assert "Choisissez au moins un document." in said(page)


def test_no_file_stays_on_disk_without_its_row(claire, glasses, monkeypatch, tmp_path):
    demande = draft(claire, glasses, document=False)

    def fails(*args, **kwargs):
        raise RuntimeError

    monkeypatch.setattr(DemandeDocument.objects, "bulk_create", fails)
    with pytest.raises(RuntimeError):
        drafts.attach(demande, [photo()], by=claire.user)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_disk_that_fills_up_keeps_no_half_of_a_file(claire, glasses, monkeypatch, tmp_path):
    demande = draft(claire, glasses, document=False)

    def half(self, *args):
        yield b"half a bill"
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ContentFile, "chunks", half)
    with pytest.raises(OSError, match="No space"):
        drafts.attach(demande, [photo()], by=claire.user)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_document_is_given_to_its_owner_as_a_file_to_keep(browser, claire, glasses):
    demande = draft(claire, glasses)
    one = demande.documents.get()
    response = browser.get(f"{LIST}{demande.pk}/pieces/{one.pk}/")
    assert b"".join(response.streaming_content) == b"paper"
    assert response["Content-Disposition"].startswith("attachment")
    assert "sandbox" in response["Content-Security-Policy"]


def test_a_document_leaves_a_draft_and_nothing_else(
    browser, claire, glasses, django_capture_on_commit_callbacks
):
    mine, sent = draft(claire, glasses), deposited(claire, glasses)
    for demande in (mine, sent):
        one = demande.documents.get()
        with django_capture_on_commit_callbacks(execute=True):
            browser.post(f"{LIST}{demande.pk}/pieces/{one.pk}/retirer/")
    assert not mine.documents.exists()
    assert sent.documents.exists()


# Handing in


def test_a_draft_handed_in_twice_is_one_demande(claire, covered, glasses):
    demande = draft(claire, glasses)
    drafts.deposit(demande, by=claire.user)
    with pytest.raises(Overtaken):
        drafts.deposit(demande, by=claire.user)
    assert demande.events.count() == 1


def test_what_is_handed_in_is_judged_as_it_stands_and_not_as_it_was_read(claire, covered, glasses):
    demande = draft(claire, glasses)
    assert asked.is_whole(demande)  # what a page read a moment ago
    elsewhere = Demande.objects.get(pk=demande.pk)
    form = asked.form_of(elsewhere, {"person": "", "care_on": "x", "domain": "", "paid": ""})
    form.is_valid()
    drafts.keep(elsewhere, form)
    with pytest.raises(drafts.Incomplete):
        drafts.deposit(demande, by=claire.user)
    assert Demande.objects.get().is_draft


@pytest.mark.django_db(transaction=True)
def test_emptied_and_handed_in_at_once_is_one_of_both(claire, covered, glasses, together):
    demande = draft(claire, glasses)
    mine, elsewhere = (Demande.objects.get(pk=demande.pk) for _ in range(2))
    assert asked.is_whole(mine)
    form = asked.form_of(elsewhere, {"paid": ""})
    form.is_valid()
    raised = together(
        lambda: drafts.deposit(mine, by=claire.user), lambda: drafts.keep(elsewhere, form)
    )
    assert sorted(raised) in (["", "Overtaken"], ["", "Incomplete"])
    now = Demande.objects.get()
    assert now.is_draft != asked.is_whole(now)


@pytest.mark.django_db(transaction=True)
def test_of_two_clicks_at_the_same_instant_one_hands_in(claire, covered, glasses, together):
    demande = draft(claire, glasses)

    def click():
        drafts.deposit(Demande.objects.get(pk=demande.pk), by=claire.user)

    assert sorted(together(click, click)) == ["", "Overtaken"]
    assert demande.events.count() == 1


def test_a_demande_without_its_document_goes_back_to_that_page(browser, claire, glasses):
    demande = draft(claire, glasses, document=False)
    page = browser.post(f"{LIST}{demande.pk}/envoyer/", follow=True)
    assert "Joignez d'abord un document." in said(page)
    assert Demande.objects.get().is_draft


def test_what_is_not_right_any_more_is_not_handed_in(browser, claire, glasses, covered):
    demande = draft(claire, glasses)
    covered.end = timezone.localdate() - timedelta(days=5)
    covered.save()
    page = browser.post(f"{LIST}{demande.pk}/envoyer/", follow=True)
    assert "Il manque encore quelque chose" in said(page)
    with pytest.raises(drafts.Incomplete):
        drafts.deposit(demande, by=claire.user)


def test_a_day_takes_so_many_demandes_and_says_until_when(browser, claire, glasses, settings):
    settings.LIMITS = settings.LIMITS | {"DEMANDES_PER_DAY": 1}
    deposited(claire, glasses)
    second = draft(claire, glasses)
    page = browser.post(f"{LIST}{second.pk}/envoyer/")
    assert page.status_code == 429
    assert "Vous avez déposé beaucoup de demandes." in said(page)
    assert Demande.objects.get(pk=second.pk).is_draft
    assert second.documents.exists()


def test_the_e_mail_says_that_it_moved_and_nothing_of_what_it_is(
    claire, covered, glasses, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        deposited(claire, glasses)
    mail = mailbox[-1]
    told = mail.subject + mail.body
    assert "Votre demande du" in told
    for word in ("Optique", "remboursement", "45", "soins", "D-0"):
        assert word not in re.sub(r"\d+ \w+ \d{4}", "", told)


def test_who_does_not_want_these_e_mails_gets_none(claire, covered, glasses, rf):
    request = rf.get("/")
    request.user = claire.user
    preferences.choose(claire, set(), request=request)
    deposited(claire, glasses)
    assert not Mail.objects.exists()


# Once it is handed in


def test_the_last_page_promises_an_e_mail_to_who_wants_it(browser, claire, glasses, rf):
    address = f"{LIST}{draft(claire, glasses).pk}/envoyer/"
    assert "un e‑mail vous prévient" in said(browser.get(address))
    request = rf.post("/")
    request.user = claire.user
    preferences.choose(claire, set(), request=request)
    assert "un e‑mail vous prévient" not in said(browser.get(address))


@pytest.mark.parametrize("kind", DemandeKind)
def test_a_member_reads_no_word_of_the_trade(browser, claire, kind):
    demande = drafts.begin(claire, kind)
    pages = [
        LIST,
        reverse("demande_begin", args=[kind]),
        reverse("demande_edit", args=[demande.pk]),
    ]
    for address in [*pages, reverse("demande_documents", args=[demande.pk])]:
        page = said(browser.get(address)).lower()
        for word in ("ayant droit", "ayants droit", "pièce", "acquittée"):
            assert word not in page, address


def test_the_list_tells_each_state_and_what_is_awaited(browser, claire, glasses, hugo):
    demande = deposited(claire, glasses)
    deciding.take(demande, by=hugo)
    deciding.ask(demande, "Il manque l'ordonnance.", by=hugo)
    page = said(browser.get(LIST))
    assert "Document demandé" in page
    assert "Nous attendons un document de votre part." in page
    assert "Un message vous attend." in page
    assert "Ce qui vous attend" in said(browser.get("/espace/"))
    deciding.resume(demande, by=hugo)
    browser.get(f"{LIST}{demande.pk}/")
    assert "Ce qui vous attend" not in said(browser.get("/espace/"))


def test_the_awaited_document_sends_the_demande_on(browser, claire, glasses, hugo):
    demande = deposited(claire, glasses)
    deciding.take(demande, by=hugo)
    deciding.ask(demande, "Il manque l'ordonnance.", by=hugo)
    page = browser.post(f"{LIST}{demande.pk}/pieces/", {"documents": photo()}, follow=True)
    assert "votre demande avance" in said(page)
    demande.refresh_from_db()
    assert (demande.state, demande.assigned_to) == (State.TAKEN, hugo)
    assert browser.get(f"{LIST}{demande.pk}/pieces/").status_code == 302


def test_a_message_is_new_once_and_read_ever_after(browser, claire, glasses, hugo):
    demande = deposited(claire, glasses)
    deciding.answer(demande, "Bonjour, une question.", by=hugo)
    assert "nouveau" in said(browser.get(f"{LIST}{demande.pk}/"))
    assert "nouveau" not in said(browser.get(f"{LIST}{demande.pk}/"))
    assert "Un message vous attend." not in said(browser.get(LIST))


def test_a_message_goes_to_the_mutual_and_is_limited(browser, claire, glasses, settings):
    settings.LIMITS = settings.LIMITS | {"DEMANDE_MESSAGES_PER_HOUR": 1}
    demande = deposited(claire, glasses)
    address = f"{LIST}{demande.pk}/message/"
    browser.post(address, {"body": "<b>Bonjour</b>"})
    page = browser.post(address, {"body": "Et encore ceci"})
    assert page.status_code == 429
    assert "Et encore ceci" in said(page)  # not lost
    assert b"&lt;b&gt;Bonjour" in page.content
    assert DemandeMessage.objects.get().from_staff is False


@pytest.mark.parametrize("body", ["", "   ", "x" * 2001, "\0", "Mon numéro : 2/75/03/2A/350/102"])
def test_a_bad_message_is_said_beside_its_field(browser, claire, glasses, body):
    demande = deposited(claire, glasses)
    page = browser.post(f"{LIST}{demande.pk}/message/", {"body": body})
    assert page.status_code == 200
    assert "field__error" in said(page)
    assert not DemandeMessage.objects.exists()


def test_it_is_given_up_while_nobody_has_decided_and_not_after(browser, claire, glasses, hugo):
    first, second = deposited(claire, glasses), deposited(claire, glasses)
    browser.post(f"{LIST}{first.pk}/abandonner/")
    first.refresh_from_db()
    assert first.state == State.WITHDRAWN
    deciding.take(second, by=hugo)
    deciding.refuse(second, "La facture est illisible.", by=hugo)
    page = browser.post(f"{LIST}{second.pk}/abandonner/", follow=True)
    assert "ne peut plus être abandonnée" in said(page)
    assert "La facture est illisible." in said(page)


def test_pages_cost_the_same_however_many_demandes_there_are(
    browser, claire, glasses, hugo, django_assert_num_queries
):
    for _ in range(5):
        deciding.answer(deposited(claire, glasses), "Bonjour", by=hugo)
    with django_assert_num_queries(2):  # session with its account · demandes
        browser.get(LIST)
    demande = Demande.objects.first()
    browser.get(f"{LIST}{demande.pk}/")
    # session · demande · its steps · what it asks · its domain · messages · documents
    with django_assert_num_queries(7):
        browser.get(f"{LIST}{demande.pk}/")


# Doors


def addresses(demande):
    one = demande.documents.get()
    yield "get", reverse("demande", args=[demande.pk])
    yield "get", reverse("demande_edit", args=[demande.pk])
    yield "post", reverse("demande_edit", args=[demande.pk])
    yield "post", reverse("demande_documents", args=[demande.pk])
    yield "get", reverse("demande_document", args=[demande.pk, one.pk])
    yield "post", reverse("demande_document_remove", args=[demande.pk, one.pk])
    yield "post", reverse("demande_send", args=[demande.pk])
    yield "post", reverse("demande_delete", args=[demande.pk])
    yield "post", reverse("demande_write", args=[demande.pk])
    yield "post", reverse("demande_withdraw", args=[demande.pk])


def test_somebody_elses_demande_does_not_exist(client, claire, covered, glasses):
    theirs = [draft(claire, glasses), deposited(claire, glasses)]
    paul = make_member("paul", phone="", nir="178067512345644")
    browser = sign_in(client, paul.user)
    own = Demande.objects.create(member=paul, kind=DemandeKind.CARE)
    for demande in theirs:
        for method, address in addresses(demande):
            assert getattr(browser, method)(address).status_code == 404, address
        one = demande.documents.get()  # his own number, somebody else's document
        assert browser.get(f"{LIST}{own.pk}/pieces/{one.pk}/").status_code == 404
        assert browser.post(f"{LIST}{own.pk}/pieces/{one.pk}/retirer/").status_code == 404
    assert DemandeDocument.objects.count() == 2


def test_a_get_changes_nothing(browser, claire, glasses):
    demande = deposited(claire, glasses)
    for name in ("demande_delete", "demande_write"):
        assert browser.get(reverse(name, args=[demande.pk])).status_code == 405
    browser.get(reverse("demande_withdraw", args=[demande.pk]))
    demande.refresh_from_db()
    assert demande.state == State.SUBMITTED


def test_an_agent_in_the_space_of_a_member_sees_neither_documents_nor_messages_and_does_nothing(
    client, claire, covered, glasses, hugo
):
    from django.contrib.auth.models import Permission

    from tests.members.conftest import TOTPDevice

    unfinished = draft(claire, glasses)
    demande = deposited(claire, glasses)
    deciding.answer(demande, "Message entre elle et nous", by=hugo)
    hugo.user_permissions.set(
        Permission.objects.filter(codename__in=["view_as_member", "view_member"])
    )
    browser = sign_in(client, hugo, TOTPDevice.objects.get(user=hugo))
    browser.post(
        f"/admin/members/member/{claire.pk}/voir-son-espace/", {"reason": "Il m'appelle à ce sujet"}
    )
    assert "À terminer" not in said(browser.get(LIST))
    assert browser.get(f"{LIST}{unfinished.pk}/").status_code == 404
    page = said(browser.get(f"{LIST}{demande.pk}/"))
    assert "facture.png" not in page
    assert "Message entre elle et nous" not in page
    assert DemandeMessage.objects.get().read_at is None
    for method, address in addresses(demande):
        if (method, address) != ("get", f"{LIST}{demande.pk}/"):
            assert getattr(browser, method)(address).status_code == 403, address
    assert browser.get(NEW).status_code == 403


@pytest.mark.parametrize("number", ["0", "9" * 30])
def test_a_number_that_no_row_can_have_is_no_demande(browser, claire, glasses, number):
    assert browser.get(f"{LIST}{number}/").status_code == 404
    assert browser.get(f"{LIST}{draft(claire, glasses).pk}/pieces/{number}/").status_code == 404
    page = browser.post(NEW, care(glasses, person=number, domain=number))
    assert "domain" in page.context["form"].errors


def test_an_unknown_kind_is_no_page(browser):
    assert browser.get("/espace/demandes/nouvelle/autre/").status_code == 404


# What the database keeps


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "autre"},
        {"kind": "autre"},
        {"state": State.TAKEN},  # held by nobody
        {"state": State.REFUSED, "answer": "non"},  # decided by nobody
        {"asked_at": None},
        {"state": State.PAID, "paid_on": date(2026, 1, 1)},
        {"paid_on": date(2026, 1, 1)},
    ],
)
def test_the_database_refuses_what_cannot_be(claire, covered, glasses, changes):
    demande = deposited(claire, glasses)
    with pytest.raises(IntegrityError), transaction.atomic():
        Demande.objects.filter(pk=demande.pk).update(**changes)


def test_a_step_is_written_once(claire, covered, glasses):
    event = deposited(claire, glasses).events.get()
    with pytest.raises(WrittenOnce):
        event.delete()
    for sql in (
        "UPDATE members_demandeevent SET state = 'payee'",
        "DELETE FROM members_demandeevent",
    ):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)
    assert DemandeEvent.objects.get().state == State.SUBMITTED


def test_no_move_leads_back_to_a_draft_nor_out_of_an_end():
    ends = set(State) - set().union(*MOVES.values())
    assert State.DRAFT not in MOVES
    assert ends == {State.REFUSED, State.PAID, State.WITHDRAWN}


def test_a_move_that_the_table_does_not_hold_is_not_made(claire, covered, glasses):
    demande = deposited(claire, glasses)
    here = Demande.objects.filter(pk=demande.pk)
    for to in (State.ACCEPTED, State.REFUSED, State.PAID, State.AWAITING, State.CHECKING):
        assert not here.move(to)
    assert here.get().state == State.SUBMITTED


def test_a_copy_of_ones_data_says_what_was_granted(claire, covered, glasses, hugo):
    demande = deposited(claire, glasses)
    deciding.take(demande, by=hugo)
    deciding.accept(demande, cents=3000, by=hugo)
    assert mydata_sections.demandes(claire, False)[0]["Montant accordé"] == money.euros(3000)


def test_a_copy_of_ones_data_holds_demandes_at_the_same_cost_and_no_number_in_clear(
    claire, covered, glasses, hugo, django_assert_num_queries
):
    for _ in range(3):
        deciding.answer(deposited(claire, glasses), "Bonjour", by=hugo)
    draft(claire, glasses)
    with django_assert_num_queries(3):  # demandes with what they ask · documents · messages
        told = mydata_sections.demandes(claire, False)
    assert [one["État"] for one in told] == ["brouillon", "déposée", "déposée", "déposée"]
    asked = told[0]["Ce qui est demandé"]
    assert (asked["Type de soins"], asked["Montant payé"]) == ("Optique", Decimal("45.5"))
    assert asked["Pour l'adhérent"] is True
    assert told[1]["Ce qui est demandé"]["Type de soins"] == "Optique"
    assert told[1]["Messages"][0]["Texte"] == "Bonjour"
    assert told[1]["Documents"] == ["facture.png"]
