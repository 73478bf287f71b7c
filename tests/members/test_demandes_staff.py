"""The queue of staff: one agent holds a demande, two decide above an amount, one of two at once wins."""

import re
from datetime import date, timedelta

import pytest
from django.contrib.auth.models import Permission
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice

from members.demandes import asked, deciding, drafts, following, queue
from members.demandes.family import Impossible
from members.demandes.steps import Overtaken
from members.mail.memory import outbox as mailbox
from members.models import (
    AuditEvent,
    AyantDroit,
    CannedAnswer,
    Decompte,
    Demande,
    DemandeMessage,
    User,
)
from members.models.demande import DemandeKind, State
from members.models.demande_detail import LeavingReason
from members.nir import masked
from portal import checks, roles
from tests.members.conftest import make_member
from tests.members.papers import deposited, draft, paper
from tests.members.steps import said
from tests.signing import sign_in

pytestmark = pytest.mark.usefixtures("private_files")

QUEUE = "/admin/members/demande/"
SUPPORT = ("view_demande", "view_demandedocument", "handle_demande", "pay_demande", "view_member")
NIR = "105079205011880"


def agent(identifiant, *rights):
    user, _created = User.objects.get_or_create(
        identifiant=identifiant, defaults={"is_staff": True, "name": identifiant.capitalize()}
    )
    user.user_permissions.set(Permission.objects.filter(codename__in=rights or SUPPORT))
    TOTPDevice.objects.get_or_create(user=user, defaults={"name": "totp", "confirmed": True})
    return User.objects.get(pk=user.pk)


@pytest.fixture
def hugo(hugo):
    return agent("hugo")


@pytest.fixture
def ines(db):
    return agent("ines")


def desk(client, user):
    return sign_in(client, user, TOTPDevice.objects.get(user=user))


@pytest.fixture
def browser(client, hugo):
    return desk(client, hugo)


@pytest.fixture
def waiting(claire, covered, glasses):
    return deposited(claire, glasses)


@pytest.fixture
def held(waiting, hugo):
    deciding.take(waiting, by=hugo)
    return waiting


def do(browser, demande, act, follow=True, **typed):
    address = reverse(f"admin:members_demande_{act}", args=[demande.pk])
    return browser.post(
        address, {f"{act}-{name}": value for name, value in typed.items()}, follow=follow
    )


# From one end to the other


def test_an_agent_takes_asks_grants_and_marks_paid(browser, waiting, claire):
    do(browser, waiting, "prendre")
    CannedAnswer.objects.create(title="Ordonnance", text="Envoyez-nous l'ordonnance.")
    canned = CannedAnswer.objects.get().pk
    page = do(browser, waiting, "demander-une-piece", canned=canned, text="Recto et verso.")
    assert "la pièce lui est demandée" in said(page)
    assert DemandeMessage.objects.get().body == "Envoyez-nous l'ordonnance.\n\nRecto et verso."
    do(browser, waiting, "continuer")
    do(browser, waiting, "accepter", cents="30", text="Selon vos garanties.")
    waiting.refresh_from_db()
    assert (waiting.state, waiting.granted_cents) == (State.ACCEPTED, 3000)
    Decompte.objects.create(
        member=claire, number="D-77", paid_on=timezone.localdate(), payee="adherent"
    )
    do(browser, waiting, "payer", paid_on=timezone.localdate().isoformat(), number="D-77")
    waiting.refresh_from_db()
    assert (waiting.state, waiting.decompte.number) == (State.PAID, "D-77")
    assert [event.state for event in waiting.events.all()] == [
        State.SUBMITTED,
        State.TAKEN,
        State.AWAITING,
        State.TAKEN,
        State.ACCEPTED,
        State.PAID,
    ]
    acts = AuditEvent.objects.filter(action__startswith="demande.").order_by("pk")
    assert list(acts.values_list("action", flat=True)) == [
        "demande.deposited",
        "demande.taken",
        "demande.document_asked",
        "demande.resumed",
        "demande.accepted",
        "demande.paid",
    ]
    assert "Optique" not in str(list(acts.values_list("details", flat=True)))


def test_the_member_is_told_of_each_step_that_is_his_to_know_and_of_no_other(
    claire, covered, glasses, hugo, ines, django_capture_on_commit_callbacks
):
    def mails(act, *args, **told) -> int:
        before = len(mailbox)
        with django_capture_on_commit_callbacks(execute=True):
            act(*args, **told)
        return len(mailbox) - before

    demande = draft(claire, glasses, cents=90_000)
    assert mails(drafts.deposit, demande, by=claire.user) == 1
    assert mails(deciding.take, demande, by=hugo) == 1
    assert mails(deciding.put_back, demande, by=hugo) == 0
    assert mails(deciding.take, demande, by=hugo) == 1
    assert mails(deciding.ask, demande, "L'ordonnance ?", by=hugo) == 1
    assert mails(deciding.resume, demande, by=hugo) == 0
    assert mails(deciding.answer, demande, "Merci.", by=hugo) == 1
    assert mails(deciding.accept, demande, cents=80_000, by=hugo) == 0
    assert mails(deciding.confirm, demande, by=ines, **shown(demande)) == 1
    assert mails(deciding.pay, demande, timezone.localdate(), by=hugo) == 1
    assert len({mail.body for mail in mailbox}) == 1  # one sentence for all of them


@pytest.mark.parametrize(
    ("act", "typed", "sentence"),
    [
        ("refuser", {}, "Écrivez un texte"),
        ("demander-une-piece", {"text": "   "}, "Écrivez un texte"),
        ("refuser", {"text": "NIR 1 81 09 13 001 042 17"}, "N'écrivez pas de numéro"),
        ("refuser", {"canned": "999"}, "Sélectionnez un choix valide"),
        ("accepter", {"cents": "45,51"}, "plus que ce que l'adhérent a payé"),
        ("accepter", {"cents": "x"}, "Indiquez un montant"),
        ("accepter", {}, "Indiquez un montant"),
    ],
)
def test_a_bad_form_is_refused_beside_its_field_and_changes_nothing(
    browser, held, act, typed, sentence
):
    page = do(browser, held, act, **typed)
    assert page.status_code == 200
    assert sentence in said(page)
    held.refresh_from_db()
    assert held.state == State.TAKEN


@pytest.mark.parametrize("paid_on", ["2020-01-01", "2100-01-01", "x", ""])
def test_a_day_of_payment_is_after_the_decision_and_not_to_come(browser, held, hugo, paid_on):
    deciding.accept(held, cents=100, by=hugo)
    do(browser, held, "payer", paid_on=paid_on)
    held.refresh_from_db()
    assert held.state == State.ACCEPTED


def test_a_decompte_of_somebody_else_is_none(browser, held, hugo):
    paul = make_member("paul", phone="", nir="178067512345644")
    Decompte.objects.create(member=paul, number="D-9", paid_on=date(2026, 1, 1), payee="adherent")
    deciding.accept(held, cents=100, by=hugo)
    page = do(browser, held, "payer", paid_on=timezone.localdate().isoformat(), number="D-9")
    assert "n'a pas de décompte de ce numéro" in said(page)


# Two people


@pytest.fixture
def dear(claire, covered, glasses, hugo):
    demande = deposited(claire, glasses, cents=90_000)
    deciding.take(demande, by=hugo)
    return demande


def shown(demande):
    """What the page of a second agent holds of the proposal, and sends with his act."""
    return {"cents": demande.granted_cents, "proposed_at": demande.state_at.isoformat()}


def test_above_the_amount_another_agent_confirms(client, browser, dear, hugo, ines):
    do(browser, dear, "accepter", cents="500,01")
    dear.refresh_from_db()
    assert dear.state == State.CHECKING
    page = said(do(browser, dear, "confirmer"))
    assert "Cet acte n'est plus possible" in page
    with pytest.raises(deciding.SamePerson):
        deciding.confirm(dear, cents=50_001, proposed_at=dear.state_at, by=hugo)
    do(desk(client, ines), dear, "confirmer", **shown(dear))
    dear.refresh_from_db()
    assert dear.state == State.ACCEPTED
    assert (dear.proposed_by, dear.decided_by) == (hugo, ines)


def test_up_to_the_amount_one_agent_is_enough(dear, hugo):
    deciding.accept(dear, cents=50_000, by=hugo)
    assert dear.state == State.ACCEPTED


def test_the_member_reads_that_it_is_under_way_while_two_decide(client, dear, hugo, claire):
    deciding.accept(dear, cents=80_000, text="Bonne nouvelle", by=hugo)
    page = said(sign_in(client, claire.user).get(f"/espace/demandes/{dear.pk}/"))
    assert "En cours" in page
    for word in ("confirmer", "800,00", "Bonne nouvelle"):
        assert word not in page


def test_the_second_agent_sends_it_back(dear, hugo, ines):
    deciding.accept(dear, cents=80_000, by=hugo)
    deciding.send_back(dear, by=ines)
    assert (dear.state, dear.granted_cents, dear.assigned_to) == (State.TAKEN, None, hugo)


@pytest.mark.parametrize("proposer", ["nobody", "himself"])
def test_the_database_refuses_that_one_person_grants_alone_above_the_amount(dear, hugo, proposer):
    with pytest.raises(IntegrityError), transaction.atomic():
        Demande.objects.filter(pk=dear.pk).update(
            state=State.ACCEPTED,
            granted_cents=50_001,
            two_people_above=50_000,
            decided_by=hugo,
            decided_at=timezone.now(),
            proposed_by=hugo if proposer == "himself" else None,
        )


@pytest.mark.parametrize("anew", [90_000, 80_000])
def test_a_proposal_made_anew_since_the_page_was_read_is_not_confirmed(
    client, dear, hugo, ines, anew
):
    deciding.accept(dear, cents=80_000, text="Votre forfait", by=hugo)
    browser = desk(client, ines)
    page = browser.get(f"{QUEUE}{dear.pk}/change/").content.decode()
    told = shown(dear)
    for name, value in told.items():
        assert re.search(
            rf'type="hidden" name="confirmer-{name}" value="{re.escape(str(value))}"', page
        )
    deciding.send_back(dear, by=hugo)
    deciding.accept(dear, cents=anew, text="Autre chose", by=hugo)
    for stale in (told, {}, {"cents": "x"}, {"cents": anew, "proposed_at": "hier"}):
        do(browser, dear, "confirmer", **stale)
        dear.refresh_from_db()
        assert dear.state == State.CHECKING
    do(browser, dear, "confirmer", **shown(dear))
    dear.refresh_from_db()
    assert (dear.state, dear.granted_cents) == (State.ACCEPTED, anew)


def test_what_was_proposed_goes_with_a_demande_that_is_given_up(client, dear, hugo, claire):
    deciding.accept(dear, cents=80_000, text="Bonne nouvelle", by=hugo)
    following.withdraw(dear, by=claire.user)
    assert (dear.state, dear.granted_cents, dear.proposed_by) == (State.WITHDRAWN, None, None)
    page = said(sign_in(client, claire.user).get(f"/espace/demandes/{dear.pk}/"))
    assert "Bonne nouvelle" not in page


@pytest.mark.parametrize(("cents", "wrong"), [(-1, 1), (2**31, 1), (0, 0), (50_000, 0)])
def test_an_amount_that_no_row_could_hold_is_no_setting(settings, cents, wrong):
    settings.REQUESTS_TWO_PEOPLE_CENTS = cents
    assert len(checks.two_people_above_an_amount(None)) == wrong


# At once


@pytest.mark.django_db(transaction=True)
def test_of_two_agents_who_take_at_once_one_has_it(waiting, hugo, ines, together):
    raised = together(
        lambda: deciding.take(Demande.objects.get(pk=waiting.pk), by=hugo),
        lambda: deciding.take(Demande.objects.get(pk=waiting.pk), by=ines),
    )
    assert sorted(raised) == ["", "Overtaken"]
    assert waiting.events.filter(state=State.TAKEN).count() == 1


@pytest.mark.django_db(transaction=True)
def test_granted_and_given_up_at_once_is_one_of_both(held, hugo, claire, together):
    raised = together(
        lambda: deciding.accept(Demande.objects.get(pk=held.pk), cents=100, by=hugo),
        lambda: following.withdraw(Demande.objects.get(pk=held.pk), by=claire.user),
    )
    assert sorted(raised) == ["", "Overtaken"]


def test_only_who_holds_it_decides(client, held, ines):
    for act in (deciding.accept, deciding.refuse, deciding.ask):
        told = {"cents": 1} if act is deciding.accept else {"text": "Non"}
        with pytest.raises(Overtaken):
            act(held, by=ines, **told)
    page = said(do(desk(client, ines), held, "refuser", text="Non"))
    assert "Cet acte n'est plus possible" in page
    do(client, held, "reprendre-a-un-collegue")
    do(client, held, "refuser", text="La facture n'est pas lisible.")
    held.refresh_from_db()
    assert (held.state, held.decided_by) == (State.REFUSED, ines)


def test_the_page_says_so_to_who_comes_second(browser, held, monkeypatch):
    def overtaken(*args, **kwargs):
        raise Overtaken

    monkeypatch.setattr(deciding, "refuse", overtaken)
    page = do(browser, held, "refuser", text="Trop tard")
    assert "vient d'agir avant vous" in said(page)


# Rights and doors


def test_each_act_needs_its_right(client, held, hugo):
    looks = agent("hugo", "view_demande")
    browser = desk(client, looks)
    assert browser.get(f"{QUEUE}{held.pk}/change/").status_code == 200
    for act in ("refuser", "payer", "confier", "repondre", "prendre"):
        assert do(browser, held, act, follow=False).status_code == 403
    one = held.documents.get()
    assert browser.get(f"{QUEUE}{held.pk}/pieces/{one.pk}/").status_code == 403
    assert one.name not in said(browser.get(f"{QUEUE}{held.pk}/change/"))


def test_without_the_right_to_look_there_is_nothing(client, held):
    browser = desk(client, agent("paula", "view_member"))
    one = held.documents.get()
    for address in ("", f"{held.pk}/change/", f"{held.pk}/pieces/{one.pk}/"):
        assert browser.get(QUEUE + address).status_code == 403
    assert do(browser, held, "prendre", follow=False).status_code == 403


def test_an_act_is_a_post(browser, held):
    assert browser.get(f"{QUEUE}{held.pk}/refuser/").status_code == 405


def test_a_draft_is_its_members_alone(browser, claire, glasses):
    mine = draft(claire, glasses)
    one = mine.documents.get()
    assert browser.get(f"{QUEUE}{mine.pk}/change/").status_code == 404
    assert browser.get(f"{QUEUE}{mine.pk}/pieces/{one.pk}/").status_code == 404
    assert do(browser, mine, "repondre", text="Bonjour").status_code == 404
    assert mine.reference not in said(browser.get(QUEUE, {"q": claire.number}))


def test_a_document_is_shown_with_safe_headers_and_told_in_the_trail(browser, held, claire):
    one = held.documents.get()
    response = browser.get(f"{QUEUE}{held.pk}/pieces/{one.pk}/")
    assert b"".join(response.streaming_content) == b"paper"
    assert response["Content-Type"] == "image/png"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response["Content-Security-Policy"]
    assert AuditEvent.objects.get(action="demande.document_read").user == claire.user
    one.content_type = "application/pdf"
    one.save()
    response = browser.get(f"{QUEUE}{held.pk}/pieces/{one.pk}/")
    b"".join(response.streaming_content)
    assert response["Content-Disposition"].startswith("attachment")


def test_a_lead_gives_a_demande_to_an_agent_who_may_handle_it(client, held, ines):
    ines.groups.add(roles._sync(roles.SUPPORT, roles.ROLES[roles.SUPPORT]))
    lead = agent("lea.lead", *SUPPORT, "assign_demande")
    browser = desk(client, lead)
    do(browser, held, "confier", agent=str(lead.pk))  # holds no role: no choice
    held.refresh_from_db()
    assert held.assigned_to != lead
    do(browser, held, "confier", agent=str(ines.pk))
    held.refresh_from_db()
    assert held.assigned_to == ines


# The queue


def test_the_oldest_come_first_and_the_address_narrows_them(
    browser,
    claire,
    covered,
    glasses,
    hugo,
    waiting,
):
    old = deposited(claire, glasses)
    Demande.objects.filter(pk=old.pk).update(asked_at=timezone.now() - timedelta(days=20))
    deciding.take(old, by=hugo)
    page = browser.get(QUEUE)
    assert [one.pk for one in page.context["found"]] == [old.pk, waiting.pk]
    for query, found in (
        ({"qui": "moi"}, [old.pk]),
        ({"qui": "personne"}, [waiting.pk]),
        ({"age": "15"}, [old.pk]),
        ({"etat": "en_cours"}, [old.pk]),
        ({"etat": "payee"}, []),
        ({"nature": "retrait"}, []),
        ({"q": old.reference.lower()}, [old.pk]),
        ({"q": claire.number}, [old.pk, waiting.pk]),
        ({"etat": "<>"}, [old.pk, waiting.pk]),
        ({"apres": str(old.pk)}, [waiting.pk]),
        ({"q": "\0"}, [old.pk, waiting.pk]),
        ({"q": "D-999999999999999999"}, []),
    ):
        assert [one.pk for one in browser.get(QUEUE, query).context["found"]] == found, query


def test_the_first_page_of_who_may_see_them_says_how_many_wait(client, held):
    words = "Ouvrir la file, les plus anciennes d'abord"
    assert words in said(desk(client, agent("hugo")).get("/admin/"))
    assert words not in said(desk(client, agent("paula", "view_member")).get("/admin/"))


def test_the_queue_costs_the_same_with_one_or_many(
    browser,
    claire,
    covered,
    glasses,
    waiting,
    hugo,
    monkeypatch,
    django_assert_num_queries,
):
    for _ in range(5):
        following.write(deposited(claire, glasses), "Où en est-elle ?", by=claire.user)
    browser.get(QUEUE)
    # session · device · rights of the agent and of his groups · the page · how many wait
    with django_assert_num_queries(6):
        page = browser.get(QUEUE)
    assert said(page).count("message non lu") == 5
    monkeypatch.setattr(queue, "PAGE", 4)
    first = browser.get(QUEUE)
    rest = browser.get(first.context["more"])
    seen = [*first.context["found"], *rest.context["found"]]
    assert [one.pk for one in seen] == sorted(Demande.objects.values_list("pk", flat=True))


def test_others_that_may_ask_the_same_are_shown_beside_it(browser, held, claire, glasses):
    page = f"{QUEUE}{held.pk}/change/"
    draft(claire, glasses)
    other = draft(claire, glasses, document=False, cents=100)
    paper(other, "autre.png")
    drafts.deposit(other, by=claire.user)
    assert "à vérifier" not in said(browser.get(page))
    same_care = draft(claire, glasses, document=False)
    paper(same_care, "photo.png")
    drafts.deposit(same_care, by=claire.user)
    same_paper = deposited(claire, glasses, cents=200)
    theirs = make_member("paul", phone="", nir="178067512345644")
    text = said(browser.get(page))
    assert "à vérifier" in text
    for one in (same_care, same_paper):
        assert one.reference in text
    assert other.reference not in text
    assert theirs.number not in text


def test_one_row_that_lacks_what_it_asks_does_not_close_the_queue(browser, waiting):
    waiting.care.paid_cents = None
    waiting.care.save()
    assert waiting.reference in said(browser.get(QUEUE))


def test_one_demande_costs_the_same_whatever_was_said_of_it(
    browser, held, hugo, django_assert_max_num_queries
):
    for number in range(10):
        deciding.answer(held, f"Message {number}", by=hugo)
        paper(held, f"{number}.png")
    browser.get(f"{QUEUE}{held.pk}/change/")
    # session · device · rights (2) · demande · what it asks · domain · messages · documents · steps ·
    # canned answers of four forms · others like it
    with django_assert_max_num_queries(15):
        browser.get(f"{QUEUE}{held.pk}/change/")


def test_a_message_is_read_by_who_handles_and_not_by_who_looks(client, held, claire):
    following.write(held, "Bonjour", by=claire.user)
    desk(client, agent("paula", "view_demande")).get(f"{QUEUE}{held.pk}/change/")
    assert DemandeMessage.objects.get().read_at is None
    desk(client, agent("ines")).get(f"{QUEUE}{held.pk}/change/")
    assert DemandeMessage.objects.get().read_at is None  # Hugo holds it
    desk(client, agent("hugo")).get(f"{QUEUE}{held.pk}/change/")
    assert DemandeMessage.objects.get().read_at
    following.write(held, "Encore", by=claire.user)
    deciding.put_back(held, by=agent("hugo"))
    desk(client, agent("ines")).get(f"{QUEUE}{held.pk}/change/")
    assert not DemandeMessage.objects.filter(read_at=None).exists()


# Ayants droit and corrections


def relative(days: int) -> date:
    return timezone.localdate() + timedelta(days=days)


def asks(member, kind, **columns):
    demande = drafts.begin(member, kind)
    number = columns.pop("nir", "")
    for name, value in columns.items():
        setattr(demande.detail, name, value)
    if number:
        demande.detail.set_nir(number)
    demande.detail.save()
    paper(demande)
    drafts.deposit(demande, by=member.user)
    return demande


def joins(member, **changes):
    columns = {
        "link": "enfant",
        "birth_name": "Vasseur",
        "first_names": "Noé",
        "birth_date": relative(-40),
        "since": relative(-40),
    }
    return asks(member, DemandeKind.JOINING, **columns | changes)


def test_a_child_declared_and_accepted_is_an_ayant_droit(claire, covered, hugo):
    demande = joins(claire, nir=NIR)
    deciding.take(demande, by=hugo)
    deciding.accept(demande, by=hugo)
    noe = AyantDroit.objects.get()
    assert (noe.first_names, noe.link, noe.start, noe.end) == ("Noé", "enfant", relative(-40), None)
    assert (noe.reference, noe.nir) == (f"P-{demande.pk}", NIR)
    demande.joining.refresh_from_db()
    assert not demande.joining.nir_sealed  # it served
    assert (
        AuditEvent.objects.get(action="ayantdroit.joined").details["person"].endswith(str(noe.pk))
    )


def test_his_number_goes_with_a_demande_that_is_given_up(claire, covered):
    demande = joins(claire, nir=NIR)
    following.withdraw(demande, by=claire.user)
    demande.joining.refresh_from_db()
    assert not demande.joining.nir_sealed


def test_his_number_is_masked_on_both_sides_and_gone_once_refused(client, claire, covered, hugo):
    demande = joins(claire, nir=NIR)
    deciding.take(demande, by=hugo)
    pages = said(sign_in(client, claire.user).get(f"/espace/demandes/{demande.pk}/"))
    client.logout()
    pages += said(desk(client, hugo).get(f"{QUEUE}{demande.pk}/change/"))
    assert pages.count(masked(NIR)) == 2
    assert NIR not in pages
    deciding.refuse(demande, "L'acte manque.", by=hugo)
    demande.joining.refresh_from_db()
    assert not demande.joining.nir_sealed


def test_a_rule_of_the_file_is_said_to_the_agent_and_nothing_is_written(
    browser,
    claire,
    covered,
    hugo,
    lea,
):
    demande = joins(claire)
    deciding.take(demande, by=hugo)
    demande.joining.birth_date = lea.birth_date  # the feed brought her meanwhile
    demande.joining.save()
    page = said(do(browser, demande, "accepter"))
    assert "rangs différents" in page
    demande.refresh_from_db()
    assert demande.state == State.TAKEN
    assert AyantDroit.objects.get() == lea


def test_nobody_joins_outside_the_adhesions_of_the_member(claire, covered, hugo):
    covered.end = relative(10)
    covered.save()
    demande = joins(claire)
    deciding.take(demande, by=hugo)
    with pytest.raises(Impossible, match="pas d'adhésion"):
        deciding.accept(demande, by=hugo)


@pytest.mark.django_db(transaction=True)
def test_the_same_child_declared_twice_joins_once(claire, covered, hugo, together):
    demandes = [joins(claire), joins(claire)]
    for demande in demandes:
        deciding.take(demande, by=hugo)
    raised = together(
        *(
            lambda pk=one.pk: deciding.accept(Demande.objects.get(pk=pk), by=hugo)
            for one in demandes
        )
    )
    assert sorted(raised) == ["", "Impossible"]
    assert AyantDroit.objects.count() == 1


def test_who_leaves_is_covered_until_the_last_day(claire, covered, hugo, lea):
    demande = asks(
        claire,
        DemandeKind.LEAVING,
        ayant_droit=lea,
        reason=LeavingReason.OWN_COVER,
        last_day=relative(30),
    )
    deciding.take(demande, by=hugo)
    deciding.accept(demande, by=hugo)
    lea.refresh_from_db()
    assert lea.end == relative(30)


def test_who_left_meanwhile_does_not_come_back(claire, covered, hugo, lea):
    demande = asks(
        claire,
        DemandeKind.LEAVING,
        ayant_droit=lea,
        reason=LeavingReason.OTHER,
        last_day=relative(30),
    )
    deciding.take(demande, by=hugo)
    AyantDroit.objects.filter(pk=lea.pk).update(end=relative(-1))
    with pytest.raises(Impossible):
        deciding.accept(demande, by=hugo)
    lea.refresh_from_db()
    assert lea.end == relative(-1)


@pytest.mark.parametrize(
    ("kind", "typed"),
    [
        ("ajout", {"link": "voisin"}),
        ("ajout", {"nir": "123"}),
        ("ajout", {"birth_date": "2100-01-01"}),
        ("ajout", {"since": "1990-01-01"}),
        ("retrait", {"person": "x"}),
        ("retrait", {"last_day": "demain"}),
        ("rectification", {"right": "1 81 09 13 001 042 17"}),
        ("rectification", {"wrong": "x" * 501}),
        ("rectification", {"wrong": "\0"}),
    ],
)
def test_each_form_says_what_is_wrong_and_keeps_a_draft(client, claire, covered, kind, typed):
    page = sign_in(client, claire.user).post(f"/espace/demandes/nouvelle/{kind}/", typed)
    assert page.status_code == 200
    assert set(typed) <= set(page.context["form"].errors)
    assert Demande.objects.get().is_draft


def test_a_number_typed_is_sealed_and_never_written_back(client, claire, covered):
    browser = sign_in(client, claire.user)
    page = browser.post("/espace/demandes/nouvelle/ajout/", {"nir": NIR})
    demande = Demande.objects.get()
    assert demande.joining.nir == NIR
    assert NIR not in said(page)
    browser.post(f"/espace/demandes/{demande.pk}/modifier/", {"nir": ""})
    demande.joining.refresh_from_db()
    assert demande.joining.nir == NIR  # left empty, it stays


def test_the_rank_is_asked_where_somebody_of_the_family_is_born_that_day(client, claire, lea):
    browser = sign_in(client, claire.user)
    page = said(browser.get("/espace/demandes/nouvelle/ajout/"))
    assert "Rang de naissance" not in page
    told = {
        "link": "enfant",
        "birth_name": "Vasseur",
        "first_names": "Zoé",
        "birth_date": lea.birth_date.isoformat(),
        "since": relative(-1).isoformat(),
    }
    page = said(browser.post("/espace/demandes/nouvelle/ajout/", told))
    assert "est né ce jour-là : indiquez le rang." in page
    demande = Demande.objects.get()
    address = f"/espace/demandes/{demande.pk}/modifier/"
    assert "Rang de naissance" in said(browser.get(address))
    for typed, sentence in (("1", "changez le rang"), ("0", "Indiquez un chiffre de 1 à 9.")):
        assert sentence in said(browser.post(address, told | {"birth_rank": typed}))
    assert browser.post(address, told | {"birth_rank": "2"}).status_code == 302
    demande.joining.refresh_from_db()
    assert demande.joining.birth_rank == 2


def test_a_number_given_with_a_draft_is_told_masked_kept_and_taken_back(client, claire, covered):
    demande = drafts.begin(claire, DemandeKind.JOINING)
    address = f"/espace/demandes/{demande.pk}/modifier/"
    browser = sign_in(client, claire.user)
    assert "Déjà donné" not in said(browser.get(address))
    for typed, is_kept in (({"nir": NIR}, True), ({}, True), ({"forgets_nir": "on"}, False)):
        browser.post(address, typed)
        demande.joining.refresh_from_db()
        assert bool(demande.joining.nir_sealed) == is_kept
        page = said(browser.get(address))
        assert (f"Déjà donné : {masked(NIR)}." in page) == is_kept
        assert ("Ne plus donner ce numéro" in page) == is_kept
        assert NIR not in page


def test_keys_rotate_under_numbers_that_wait(claire, covered, settings):
    from django.core.management import call_command

    from members.management.commands.new_field_key import Fernet

    demande = joins(claire, nir=NIR)
    before = demande.joining.nir_sealed
    settings.FIELD_ENCRYPTION_KEYS = [
        Fernet.generate_key().decode(),
        *settings.FIELD_ENCRYPTION_KEYS,
    ]
    call_command("rotate_field_keys", verbosity=0)
    demande.joining.refresh_from_db()
    assert demande.joining.nir_sealed != before
    assert demande.joining.nir == NIR


def test_a_correction_is_answered_within_a_month_and_the_day_is_shown(
    client, browser, claire, covered, hugo
):
    demande = drafts.begin(claire, DemandeKind.CORRECTION)
    demande.correction.about, demande.correction.wrong = "nom", "Vaseur"
    demande.correction.right = "Vasseur"
    demande.correction.save()
    drafts.deposit(demande, by=claire.user)  # no document is needed
    assert 28 <= (demande.due_on - timezone.localdate()).days <= 31
    assert "avant le" in said(browser.get(QUEUE))
    Demande.objects.filter(pk=demande.pk).update(due_on=relative(-1))
    assert "en retard" in said(browser.get(QUEUE))
    deciding.take(demande, by=hugo)
    deciding.accept(demande, text="Votre nom est corrigé.", by=hugo)
    client.logout()
    page = said(sign_in(client, claire.user).get(f"/espace/demandes/{demande.pk}/"))
    assert "Votre nom est corrigé." in page


@pytest.mark.parametrize("kind", DemandeKind)
def test_every_kind_has_its_form_its_words_and_its_row(kind, claire):
    demande = drafts.begin(claire, kind)
    assert demande.detail.demande == demande
    form = asked.form_of(demande)
    assert set(form.typed(demande.detail)) <= set(form.base_fields)
