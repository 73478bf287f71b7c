"""« Je n'ai plus ce numéro »: a password and one proof more lead to a new number, never to the space."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from members import contacts, letters, saved_codes
from members.mail.memory import outbox as mailbox
from members.models import (
    AuditEvent,
    LetterCode,
    PhoneChange,
    Recovery,
    RecoveryCode,
    Session,
    SmsDevice,
    Throttle,
    User,
)
from members.models.contact import Proof
from members.models.recovery import LetterPurpose
from members.sms import memory
from tests.members.conftest import PASSWORD, make_member
from tests.members.steps import link_in_mail, read_code, signs_in, type_password, wrong
from tests.members.test_codes import at_once

OLD, NEW = "+33612345678", "+33698765432"
HELP, PHONE, CODE, RESEND = (
    "/connexion/code/aide/",
    "/connexion/code/aide/telephone/",
    "/connexion/code/aide/telephone/code/",
    "/connexion/code/aide/telephone/renvoyer/",
)
REFUSED = "Ce code n'est pas le bon, ou il ne sert plus."
LETTER = "7KPMC-QXD9H"


@pytest.fixture
def saved(claire):
    """The eight codes that Claire printed."""
    return saved_codes.make(claire.user, request=None)


@pytest.fixture
def letter(claire):
    """The letter that Claire holds."""
    return LetterCode.objects.create(
        member=claire,
        purpose=LetterPurpose.RECOVERY,
        digest=letters._digest(claire.pk, LetterPurpose.RECOVERY, letters.plain(LETTER)),
        expires_at=timezone.now() + timedelta(days=21),
    )


@pytest.fixture
def vouched(claire, hugo):
    """Two agents have confirmed who Claire is."""
    second = User.objects.create(identifiant="ines", is_staff=True)
    row = Recovery.objects.create(
        user=claire.user,
        reason="Rappelée au numéro de son employeur",
        started_by=hugo,
        expires_at=timezone.now() + timedelta(days=1),
    )
    assert Recovery.objects.approve(row, second)
    return row


@pytest.fixture
def half_way(client, claire, django_capture_on_commit_callbacks):
    """Claire's password was typed here: `half_way(path, **fields)` posts, and messages leave."""
    with django_capture_on_commit_callbacks(execute=True):
        type_password(client)
    memory.outbox.clear()
    mailbox.clear()

    def post(path, **fields):
        with django_capture_on_commit_callbacks(execute=True):
            return client.post(path, fields)

    return post


@pytest.fixture
def proven(half_way, saved):
    mailbox.clear()
    half_way(HELP, way="saved", code=saved[0])
    return half_way


def body(response):
    return response.content.decode().replace("&#x27;", "'")


def events(prefix="recovery."):
    return list(
        AuditEvent.objects.filter(action__startswith=prefix)
        .order_by("id")
        .values_list("action", flat=True)
    )


# From a lost phone to a new one


def test_with_a_saved_code(client, claire, saved, half_way, django_capture_on_commit_callbacks):
    assert "J'ai un code de secours" in body(client.get(HELP))
    assert half_way(HELP, way="saved", code=saved[0].lower())["Location"] == PHONE
    assert half_way(PHONE, phone="06 98 76 54 32")["Location"] == CODE
    assert memory.outbox[-1].to == NEW
    done = half_way(CODE, code=read_code())
    assert "Votre nouveau téléphone est confirmé" in body(done)
    assert client.get("/espace/").status_code == 302, "it never signs in"
    assert not Session.objects.filter(user__isnull=False).exists()
    assert not AuditEvent.objects.filter(action="signin.completed").exists()
    change = PhoneChange.objects.get()
    assert (change.proof, change.new_phone) == (Proof.SAVED_CODE, NEW)
    assert change.serves_from - change.confirmed_at == timedelta(days=3)
    assert saved_codes.left(claire.user) == 7
    with time_machine.travel(change.serves_from + timedelta(seconds=1)):
        with django_capture_on_commit_callbacks(execute=True):
            assert contacts.apply_due() == 1
        visitor = Client()
        assert (
            signs_in(visitor, django_capture_on_commit_callbacks)["Location"].split("?")[0]
            == "/espace/"
        )
        assert memory.outbox[-1].to == NEW


def test_with_a_code_received_by_letter(claire, letter, half_way):
    assert half_way(HELP, way="letter", code="7kpmc qxd9h")["Location"] == PHONE
    half_way(PHONE, phone=NEW)
    half_way(CODE, code=read_code())
    assert PhoneChange.objects.waiting().get().proof == Proof.LETTER
    letter.refresh_from_db()
    assert letter.used_at


def test_with_the_word_of_two_agents(vouched, half_way):
    assert half_way(HELP, way="agents")["Location"] == PHONE
    half_way(PHONE, phone=NEW)
    vouched.refresh_from_db()
    assert not vouched.ended_at, "until a phone is confirmed, their word stands"
    half_way(CODE, code=read_code())
    assert PhoneChange.objects.waiting().get().proof == Proof.TWO_AGENTS
    vouched.refresh_from_db()
    assert vouched.ended_at


@pytest.mark.parametrize("who", ["hugo", "ines"])
@pytest.mark.parametrize("change", [{"suspended_at": timezone.now()}, {"is_active": False}])
def test_the_word_of_an_agent_who_was_shut_out_since_counts_no_more(vouched, half_way, who, change):
    User.objects.filter(identifiant=who).update(**change)
    assert half_way(HELP, way="agents").status_code == 200
    assert half_way(PHONE, phone=NEW)["Location"] != CODE
    assert not PhoneChange.objects.exists()


def test_nor_when_he_is_shut_out_before_the_new_phone_answers(vouched, half_way):
    half_way(HELP, way="agents")
    half_way(PHONE, phone=NEW)
    User.objects.filter(identifiant="ines").update(suspended_at=timezone.now())
    half_way(CODE, code=read_code())
    assert not PhoneChange.objects.waiting().exists()


def test_the_email_and_the_old_phone_are_told_at_once_and_again_at_the_end(claire, proven):
    assert (mailbox[-1].to, mailbox[-1].subject) == (
        claire.email,
        "Une récupération de votre espace est en cours",
    )
    assert memory.outbox[-1].to == OLD
    assert "quelqu'un demande à remplacer ce téléphone" in memory.outbox[-1].body
    proven(PHONE, phone=NEW)
    proven(CODE, code=read_code())
    assert "/contact/telephone/annuler/" in mailbox[-1].body
    assert memory.outbox[-1].to == OLD
    assert events() == ["recovery.started"]
    assert events("phone.") == ["phone.change_requested", "phone.change_confirmed"]


def test_the_link_of_the_email_stops_it(claire, proven, client):
    proven(PHONE, phone=NEW)
    proven(CODE, code=read_code())
    client.post(link_in_mail("telephone/annuler"))
    with time_machine.travel(timezone.now() + timedelta(days=4)):
        assert contacts.apply_due() == 0
    claire.refresh_from_db()
    assert claire.phone == OLD


def test_not_me_stops_it_in_the_middle(client, claire, proven, vouched):
    Client().post(link_in_mail("alerte"))
    assert proven(PHONE, phone=NEW)["Location"] == "/connexion/?motif=changed"
    assert not Recovery.objects.open().exists()
    assert not RecoveryCode.objects.exists()


def test_the_old_phone_still_signs_in_meanwhile(claire, proven, django_capture_on_commit_callbacks):
    proven(PHONE, phone=NEW)
    proven(CODE, code=read_code())
    visitor = Client()
    signs_in(visitor, django_capture_on_commit_callbacks)
    assert memory.outbox[-1].to == OLD
    assert "Un changement est en cours" in body(visitor.get("/espace/securite/telephone/"))


def test_after_a_hundred_wrong_codes_it_is_the_way_back(claire, saved, half_way):
    SmsDevice.objects.update(failures=100, failures_in_a_row=100, last_failure_at=timezone.now())
    half_way(HELP, way="saved", code=saved[0])
    half_way(PHONE, phone=NEW)
    assert "confirmé" in body(half_way(CODE, code=read_code()))
    with time_machine.travel(timezone.now() + timedelta(days=3, seconds=1)):
        contacts.apply_due()
    assert SmsDevice.objects.get().failures_in_a_row == 0


# Who may not


def test_without_a_right_password_the_page_explains_and_leads_to_the_sign_in(client, db, saved):
    page = body(client.get(HELP))
    assert "Appelez le numéro de téléphone de votre contrat" in page
    assert 'href="/connexion/"' in page
    assert "J'ai un code de secours" not in page
    assert "<form" not in page.split("<main")[1]
    assert client.post(HELP, {"way": "saved", "code": saved[0]})["Location"] == "/connexion/"
    assert RecoveryCode.objects.left().count() == 8


@pytest.mark.parametrize("path", [PHONE, CODE])
def test_without_a_right_password_nothing_further_opens(client, db, path):
    assert client.get(path)["Location"] == "/connexion/"
    assert client.post(path, {"phone": NEW, "code": "123456"})["Location"] == "/connexion/"
    assert client.post(RESEND)["Location"] == "/connexion/"


@pytest.mark.parametrize("path", [PHONE, CODE])
def test_with_the_password_alone_nothing_further_opens(client, half_way, path):
    assert client.get(path)["Location"] == HELP
    assert half_way(path, phone=NEW, code="123456")["Location"] == HELP
    assert half_way(RESEND)["Location"] == HELP
    assert not memory.outbox


def test_the_half_way_session_opens_nothing_else(client, proven):
    for path in ("/espace/", "/espace/securite/telephone/", "/admin/", "/espace/donnees/"):
        assert client.get(path).status_code == 302
        assert client.get(path)["Location"].split("?")[0] in ("/connexion/", "/admin/login/")


def test_what_was_shown_does_not_outlive_its_sign_in(
    client, proven, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        type_password(client)
    assert client.get(PHONE)["Location"] == HELP


def test_what_was_shown_is_not_found_again_once_signed_in(
    client, proven, django_capture_on_commit_callbacks
):
    signed = signs_in(client, django_capture_on_commit_callbacks)
    assert signed.status_code == 302
    assert client.get(PHONE)["Location"] in ("/connexion/", "/espace/")
    assert not PhoneChange.objects.exists()


def test_it_ends_ten_minutes_after_the_proof(client, saved, half_way):
    with time_machine.travel(timezone.now() + timedelta(minutes=9)) as clock:
        half_way(HELP, way="saved", code=saved[0])
        clock.shift(timedelta(minutes=9))
        assert client.get(PHONE).status_code == 200
        clock.shift(timedelta(minutes=2))
        assert "/connexion/" in client.get(PHONE)["Location"]
        assert client.get(PHONE)["Location"] != HELP


def test_a_proof_gives_the_half_way_session_a_new_key(client, saved, half_way):
    before = client.cookies["session"].value
    half_way(HELP, way="saved", code=saved[0])
    assert client.cookies["session"].value != before
    stranger = Client()
    stranger.cookies["session"] = before
    assert stranger.get(PHONE)["Location"] == "/connexion/"


def test_a_change_of_the_account_ends_it(client, claire, proven):
    claire.user.set_password("une autre marée haute")
    claire.user.save()
    assert client.get(PHONE)["Location"] == "/connexion/?motif=changed"


def test_staff_are_told_to_come_and_offered_nothing(client, hugo):
    type_password(client, "hugo")
    assert "<form" not in body(client.get(HELP)).split("<main")[1]
    assert client.post(HELP, {"way": "agents"})["Location"] == "/connexion/"


def test_who_is_signed_in_already_is_offered_nothing(
    client, claire, saved, django_capture_on_commit_callbacks
):
    signs_in(client, django_capture_on_commit_callbacks)
    assert "J'ai un code de secours" not in body(client.get(HELP))
    assert client.post(HELP, {"way": "saved", "code": saved[0]}).status_code == 302
    assert RecoveryCode.objects.left().count() == 8


# Proofs that are none


def test_wrong_used_and_foreign_codes_get_the_same_words(client, claire, saved, half_way):
    other = make_member("hugues", phone="+33612345679", nir="178067512345644")
    foreign = saved_codes.make(other.user, request=None)[0]
    saved_codes.use(claire.user, saved[1])
    pages = set()
    for typed in ("AAAA-BBBB-CCCC-DDDD", saved[1], foreign, LETTER):
        page = half_way(HELP, way="saved", code=typed)
        assert page.status_code == 200
        assert typed in body(page), "what was typed is not lost"
        pages.add(re.sub(r'value="[^"]{30,}"', "", body(page).replace(typed, "")))
    assert len(pages) == 1
    assert REFUSED in pages.pop()
    assert events() == ["recovery.failed"] * 4
    assert not mailbox


def test_without_any_code_or_letter_the_words_are_the_same(half_way):
    assert REFUSED in body(half_way(HELP, way="saved", code="AAAA-BBBB-CCCC-DDDD"))
    assert REFUSED in body(half_way(HELP, way="letter", code=LETTER))


def test_ten_wrong_codes_then_waits_that_double_and_end(settings, saved, half_way):
    for _ in range(10):
        assert half_way(HELP, way="saved", code="AAAA-BBBB-CCCC-DDDD").status_code == 200
    refused = half_way(HELP, way="saved", code=saved[0])
    assert refused.status_code == 429
    assert int(refused["Retry-After"]) <= 31
    assert "Réessayez à partir de" in body(refused)
    assert RecoveryCode.objects.left().count() == 8, "not looked at"
    with time_machine.travel(timezone.now() + timedelta(seconds=31)):
        assert half_way(HELP, way="saved", code="AAAA-BBBB-CCCC-DDDD").status_code == 200
        assert int(half_way(HELP, way="letter", code=LETTER)["Retry-After"]) > 31
    with time_machine.travel(timezone.now() + timedelta(seconds=31 + 61)):
        assert half_way(HELP, way="saved", code=saved[0])["Location"] == PHONE


def test_a_right_code_costs_no_try(saved, half_way, django_capture_on_commit_callbacks):
    for code in saved[:3]:
        assert half_way(HELP, way="saved", code=code)["Location"] == PHONE
    assert set(Throttle.objects.filter(allowed=10, doubling=1).values_list("count", flat=True)) <= {
        0,
        1,
    }


def test_five_wrong_tries_end_a_letter(letter, half_way):
    for _ in range(5):
        half_way(HELP, way="letter", code="AAAA-AAAA-AAAA")
    assert REFUSED in body(half_way(HELP, way="letter", code=LETTER))


def test_a_letter_serves_once(letter, half_way):
    half_way(HELP, way="letter", code=LETTER)
    assert REFUSED in body(half_way(HELP, way="letter", code=LETTER))


@pytest.mark.parametrize(
    "change",
    [
        {"expires_at": timezone.now() - timedelta(days=1)},
        {"cancelled_at": timezone.now()},
        {"purpose": LetterPurpose.ACTIVATION},
    ],
)
def test_an_old_a_cancelled_and_an_activation_letter_show_nothing(letter, half_way, change):
    LetterCode.objects.update(**change)
    assert REFUSED in body(half_way(HELP, way="letter", code=LETTER))


@pytest.mark.parametrize("state", ["one agent", "expired", "ended", "none", "another member"])
def test_anything_less_than_two_agents_is_not_enough(half_way, vouched, state):
    match state:
        case "one agent":
            Recovery.objects.update(approved_by=None, approved_at=None)
        case "expired":
            Recovery.objects.update(expires_at=timezone.now())
        case "ended":
            Recovery.objects.update(ended_at=timezone.now())
        case "none":
            Recovery.objects.all().delete()
        case "another member":
            other = make_member("hugues", phone="+33612345679", nir="178067512345644")
            Recovery.objects.update(user=other.user)
    page = half_way(HELP, way="agents")
    assert "n'ont pas encore confirmé votre identité" in body(page)
    assert not mailbox


def test_the_word_of_two_agents_serves_one_phone(client, vouched, half_way):
    half_way(HELP, way="agents")
    half_way(PHONE, phone=NEW)
    Recovery.objects.update(ended_at=timezone.now())  # it served in another browser
    assert half_way(CODE, code=read_code())["Location"] == PHONE
    assert not PhoneChange.objects.waiting().exists()


@pytest.mark.parametrize("way", ["saved", "letter"])
@pytest.mark.parametrize("typed", ["", " ", "\0", "é" * 10_000, "АВСЕ", "<b>", "A" * 65])
def test_odd_codes_end_beside_the_field(half_way, saved, way, typed):
    page = half_way(HELP, way=way, code=typed)
    assert page.status_code == 200
    assert "field--error" in body(page)


@pytest.mark.parametrize("way", ["", "autre", "\0", "x" * 10_000])
def test_an_unknown_way_shows_the_page_again(half_way, way):
    assert "J'ai un code de secours" in body(half_way(HELP, way=way))


# The new number


def test_after_too_many_texts_the_code_of_an_earlier_number_confirms_no_later_one(
    client, settings, proven
):
    settings.LIMITS = {**settings.LIMITS, "SENDS_PER_PHONE_HOUR": 1}
    proven(PHONE, phone=NEW)
    code = read_code()
    assert proven(PHONE, phone="06 98 76 54 41").status_code == 429
    assert proven(CODE, code=code)["Location"] == PHONE
    assert not PhoneChange.objects.waiting().exists()


def test_the_code_of_one_number_confirms_no_other_whatever_the_session_says(client, proven):
    proven(PHONE, phone=NEW)
    code, earlier = read_code(), client.session["confirmation"]
    proven(PHONE, phone="06 98 76 54 41")
    session = client.session
    session["confirmation"] = earlier  # written late by a request that ran beside
    session.save()
    assert "ne peut plus servir" in body(proven(CODE, code=code))
    assert not PhoneChange.objects.waiting().exists()


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("", "Saisissez votre nouveau numéro"),
        ("06 12 34 56 78", "C'est déjà votre téléphone"),
        ("+44 7911 123456", "téléphone mobile de France"),
        ("0" * 10_000, "pas reconnu"),
        ("06\0", "pas reconnu"),
    ],
)
def test_a_number_that_cannot_serve_is_refused_beside_the_field(proven, typed, sentence):
    memory.outbox.clear()
    page = proven(PHONE, phone=typed)
    assert page.status_code == 200
    assert sentence in body(page)
    assert not memory.outbox


def test_a_wrong_code_confirms_nothing_and_may_be_sent_again(client, proven):
    proven(PHONE, phone=NEW)
    code = read_code()
    assert "Il vous reste 4 essais" in body(proven(CODE, code=wrong(code)))
    with time_machine.travel(timezone.now() + timedelta(seconds=31)):
        assert proven(RESEND)["Location"] == CODE
        assert read_code() == code
        assert "confirmé" in body(proven(CODE, code=code))


def test_another_number_may_be_given_before_the_code(proven):
    proven(PHONE, phone="06 98 76 54 33")
    proven(PHONE, phone=NEW)
    proven(CODE, code=read_code())
    assert PhoneChange.objects.waiting().get().new_phone == NEW
    assert PhoneChange.objects.count() == 2


def test_while_a_change_waits_it_says_so_and_takes_no_code(client, claire, saved, half_way):
    change = contacts.open_phone(claire.user, NEW, Proof.LETTER, request=None)
    contacts.confirm_phone(change, request=None)
    assert "Un changement est déjà en cours" in body(client.get(HELP))
    assert "Un changement est déjà en cours" in body(half_way(HELP, way="saved", code=saved[0]))
    assert RecoveryCode.objects.left().count() == 8


def test_looking_at_the_pages_changes_nothing(client, proven):
    proven(PHONE, phone=NEW)
    sent = len(memory.outbox)
    for path in (HELP, PHONE, CODE):
        client.get(path)
        client.head(path)
    assert len(memory.outbox) == sent
    assert PhoneChange.objects.count() == 1
    assert RecoveryCode.objects.left().count() == 7


# Races


@pytest.mark.django_db(transaction=True)
def test_of_ten_browsers_with_one_saved_code_one_goes_on():
    claire = make_member()
    code = saved_codes.make(claire.user, request=None)[0]
    browsers = [Client() for _ in range(5)]
    for browser in browsers:
        Throttle.objects.all().delete()
        assert type_password(browser, password=PASSWORD)["Location"] == "/connexion/code/"
    Throttle.objects.all().delete()
    outcomes = at_once(5, lambda: browsers.pop().post(HELP, {"way": "saved", "code": code}))
    assert sorted(answer.status_code for answer in outcomes) == [200, 200, 200, 200, 302]
