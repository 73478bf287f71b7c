"""A new phone or a new e-mail address: wanted by its member, told to the old one, able to be taken back."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.db import IntegrityError
from django.test import Client
from django.utils import timezone

from members import contacts, emails, links
from members.mail.memory import outbox as mailbox
from members.models import (
    AuditEvent,
    EmailChange,
    Member,
    PhoneChange,
    Session,
    SmsDevice,
    SmsMessage,
    Throttle,
    User,
)
from members.models.contact import Proof
from members.models.link import LinkPurpose
from members.sms import memory
from portal.tasks import apply_phone_changes
from tests.members.conftest import PASSWORD, make_member
from tests.members.steps import link_in_mail, read_code, signs_in, type_password, wrong
from tests.members.test_codes import at_once
from tests.signing import sign_in

OLD, NEW, OTHER = "+33612345678", "+33698765432", "+33698765433"
PHONE, CODE, RESEND = (
    "/espace/securite/telephone/",
    "/espace/securite/telephone/code/",
    "/espace/securite/telephone/renvoyer/",
)
GIVE_UP = "/espace/securite/telephone/annuler/"
EMAIL = "/espace/securite/email/"
DAYS = timedelta(days=3)


@pytest.fixture
def inside(client, claire, django_capture_on_commit_callbacks):
    """Claire's browser, signed in a moment ago: `inside(path, **fields)` posts, and messages leave."""
    signs_in(client, django_capture_on_commit_callbacks)
    memory.outbox.clear()
    mailbox.clear()

    def post(path, **fields):
        with django_capture_on_commit_callbacks(execute=True):
            return client.post(path, fields)

    return post


@pytest.fixture
def press(django_capture_on_commit_callbacks):
    """Follows a link of an e-mail in another browser, and presses its button."""

    def pressed(link):
        with django_capture_on_commit_callbacks(execute=True):
            return Client().post(link)

    return pressed


@pytest.fixture
def waiting(inside):
    """Claire's change is confirmed on both phones."""
    inside(PHONE, phone="06 98 76 54 32")
    inside(CODE, code=read_code())
    inside(CODE, code=read_code())
    return PhoneChange.objects.get()


@pytest.fixture
def apply(django_capture_on_commit_callbacks):
    def applied():
        with django_capture_on_commit_callbacks(execute=True):
            return contacts.apply_due()

    return applied


def events(prefix):
    return list(
        AuditEvent.objects.filter(action__startswith=prefix)
        .order_by("id")
        .values_list("action", flat=True)
    )


def later(after=DAYS):
    return time_machine.travel(timezone.now() + after + timedelta(seconds=1))


def body(response):
    return response.content.decode()


# A new phone


def test_from_the_old_phone_to_the_new_one_three_days_later(client, claire, inside, apply):
    assert inside(PHONE, phone="06 98 76 54 32")["Location"] == CODE
    assert memory.outbox[-1].to == OLD
    assert "votre téléphone actuel" in body(client.get(CODE))
    assert inside(CODE, code=read_code())["Location"] == CODE
    assert memory.outbox[-1].to == NEW
    assert "votre nouveau téléphone" in body(client.get(CODE))
    assert inside(CODE, code=read_code())["Location"] == PHONE
    change = PhoneChange.objects.get()
    assert (change.old_phone, change.new_phone, change.proof) == (OLD, NEW, Proof.PRESENT_PHONE)
    assert change.serves_from - change.confirmed_at == DAYS
    assert "Un changement est en cours" in body(client.get(PHONE))
    assert apply() == 0
    with later():
        assert apply() == 1
        assert apply() == 0
    claire.refresh_from_db()
    assert claire.phone == NEW
    assert events("phone.") == [
        "phone.change_requested",
        "phone.change_confirmed",
        "phone.changed",
    ]
    assert NEW not in str(list(AuditEvent.objects.values_list("details", flat=True)))


def test_once_it_is_confirmed_the_old_phone_and_the_email_are_told(claire, waiting):
    mail = mailbox[-1]
    assert (mail.to, mail.subject) == (claire.email, "Votre téléphone de connexion va changer")
    assert "06 •• •• •• 32" in mail.body
    assert re.search(r"à partir du \d+(er)? \w+ \d{4} à \d+\u00a0h\u00a0\d\d\.", mail.body)
    assert "/contact/telephone/annuler/" in mail.body
    notice = memory.outbox[-1]
    assert notice.to == OLD
    assert "dans 3 jours" in notice.body


def test_nobody_is_told_of_a_change_that_was_only_begun(inside):
    inside(PHONE, phone="06 98 76 54 32")
    inside(CODE, code=read_code())
    assert not mailbox
    assert not SmsMessage.objects.exclude(notice="").exists()


def test_the_old_phone_serves_until_the_day_and_not_after(
    claire, waiting, apply, django_capture_on_commit_callbacks
):
    before = Client()
    with later(DAYS - timedelta(minutes=1)):
        apply()
        signs_in(before, django_capture_on_commit_callbacks)
        assert memory.outbox[-1].to == OLD
        assert before.get("/espace/").status_code == 200
    with later():
        apply()
        assert before.get("/espace/").status_code == 302
        assert not Session.objects.filter(user=claire.user).exists()
        signs_in(Client(), django_capture_on_commit_callbacks)
        assert memory.outbox[-1].to == NEW


def test_when_it_serves_the_email_and_the_new_phone_are_told(claire, waiting, apply):
    with later():
        apply()
    assert (mailbox[-1].to, mailbox[-1].subject) == (
        claire.email,
        "Votre téléphone de connexion a changé",
    )
    assert memory.outbox[-1].to == NEW
    assert "arrivent maintenant sur ce téléphone" in memory.outbox[-1].body


def test_a_new_phone_starts_without_the_troubles_of_the_old_one(claire, waiting, apply):
    SmsDevice.objects.update(
        flagged_at=timezone.now(), flag="unreachable", failures=12, failures_in_a_row=100
    )
    with later():
        apply()
    device = SmsDevice.objects.get()
    assert (device.flagged_at, device.flag) == (None, "")
    assert (device.failures, device.failures_in_a_row) == (0, 0)


def test_a_code_asked_on_the_old_phone_just_before_opens_nothing_after(
    claire, waiting, apply, django_capture_on_commit_callbacks
):
    visitor = Client()
    with time_machine.travel(waiting.serves_from - timedelta(seconds=30)) as clock:
        with django_capture_on_commit_callbacks(execute=True):
            type_password(visitor)
        code = read_code()
        clock.shift(31)
        apply()
        answer = visitor.post("/connexion/code/", {"code": code})
        assert answer["Location"] == "/connexion/?motif=changed"


def test_the_task_of_each_minute_applies_what_is_due(settings, waiting, claire):
    entry = settings.CELERY_BEAT_SCHEDULE["apply phone changes"]
    assert (entry["task"], entry["schedule"]) == (apply_phone_changes.name, 60)
    with later():
        apply_phone_changes()
    claire.refresh_from_db()
    assert claire.phone == NEW


def test_the_delay_is_a_setting(settings, inside, apply, claire):
    settings.LIMITS = {**settings.LIMITS, "PHONE_CHANGE_DELAY": 0}
    inside(PHONE, phone=NEW)
    inside(CODE, code=read_code())
    inside(CODE, code=read_code())
    assert apply() == 1
    claire.refresh_from_db()
    assert claire.phone == NEW


def test_a_number_that_staff_changed_meanwhile_is_kept(claire, waiting, apply):
    Member.objects.update(phone=OTHER)
    with later():
        assert apply() == 0
    claire.refresh_from_db()
    waiting.refresh_from_db()
    assert claire.phone == OTHER
    assert waiting.cancelled_at
    assert not waiting.applied_at


def test_a_suspended_account_keeps_its_phone(claire, waiting, apply):
    User.objects.update(suspended_at=timezone.now())
    with later():
        assert apply() == 0
    claire.refresh_from_db()
    assert claire.phone == OLD


def test_a_change_that_cannot_be_applied_keeps_no_other_waiting(
    claire, waiting, apply, monkeypatch, caplog
):
    hugo = make_member("hugues", phone="+33612345679", nir="178067512345644")
    change = contacts.open_phone(hugo.user, OTHER, Proof.SAVED_CODE, request=None)
    contacts.confirm_phone(change, request=None)
    alert = contacts.alerts.tell

    def fails_for_claire(user, *arguments, **options):
        if user == claire.user:
            raise RuntimeError
        alert(user, *arguments, **options)

    monkeypatch.setattr(contacts.alerts, "tell", fails_for_claire)
    with later():
        assert apply() == 1
    claire.refresh_from_db()
    hugo.refresh_from_db()
    assert (claire.phone, hugo.phone) == (OLD, OTHER)
    assert "could not be applied" in caplog.text


# Cancelling


def test_its_member_cancels_it_on_the_page(client, claire, waiting, inside, apply):
    assert inside(GIVE_UP)["Location"] == PHONE
    page = body(client.get(PHONE))
    assert "Le changement est annulé" in page
    assert "Changer de numéro" in page
    assert mailbox[-1].subject == "Un changement a été annulé"
    with later():
        assert apply() == 0
    claire.refresh_from_db()
    assert claire.phone == OLD
    assert events("phone.")[-1] == "phone.change_cancelled"


def test_the_link_of_the_email_cancels_it_without_signing_in(claire, waiting, press, apply):
    link = link_in_mail("telephone/annuler")
    for _ in range(2):  # scanners look at links before people do
        assert "Annuler ce changement" in body(Client().get(link))
    Client().head(link)
    waiting.refresh_from_db()
    assert not waiting.cancelled_at
    assert "Le changement est annulé" in body(press(link))
    assert mailbox[-1].subject == "Un changement a été annulé"
    with later():
        assert apply() == 0
    assert press(link).status_code == 410


def test_the_link_says_so_when_it_comes_too_late(waiting, press, apply):
    link = link_in_mail("telephone/annuler")
    with later():
        apply()
        for answer in (Client().get(link), press(link)):
            assert answer.status_code == 410
            assert "Ce changement est déjà fait" in body(answer)


def test_the_link_says_so_when_the_page_was_faster(waiting, inside, press):
    link = link_in_mail("telephone/annuler")
    inside(GIVE_UP)
    for answer in (Client().get(link), press(link)):
        assert answer.status_code == 410
        assert "Ce changement est déjà annulé" in body(answer)


def test_not_me_cancels_it_too(claire, waiting, press, apply):
    press(link_in_mail("alerte"))
    with later():
        assert apply() == 0
    claire.refresh_from_db()
    assert claire.phone == OLD


def test_giving_up_when_nothing_waits_does_nothing(inside, client):
    assert inside(GIVE_UP)["Location"] == PHONE
    assert not mailbox


# One at a time


def test_while_one_waits_no_other_may_be_asked_for(client, waiting, inside):
    sent = len(memory.outbox)
    answer = inside(PHONE, phone="06 98 76 54 33")
    assert "Un changement est en cours" in body(answer)
    assert len(memory.outbox) == sent
    assert client.get(CODE)["Location"] == PHONE


def test_a_new_request_replaces_one_that_was_never_confirmed(inside):
    for number in ("06 98 76 54 32", "06 98 76 54 33"):
        inside(PHONE, phone=number)
        inside(CODE, code=read_code())
    first, second = PhoneChange.objects.order_by("id")
    assert first.cancelled_at
    inside(CODE, code=read_code())
    assert PhoneChange.objects.waiting().get() == second
    assert second.new_phone == OTHER


def test_the_database_refuses_a_second_open_change(claire):
    PhoneChange.objects.create(user=claire.user, new_phone=NEW, proof=Proof.LETTER)
    with pytest.raises(IntegrityError, match="phonechange_one_open_per_user"):
        PhoneChange.objects.create(user=claire.user, new_phone=OTHER, proof=Proof.LETTER)


def test_a_change_confirmed_in_another_browser_ends_this_one(claire, inside, client):
    inside(PHONE, phone=NEW)
    code = read_code()
    change = contacts.open_phone(claire.user, OTHER, Proof.LETTER, request=None)
    contacts.confirm_phone(change, request=None)
    answer = inside(CODE, code=code)
    assert answer["Location"] == PHONE
    assert "Un autre changement est déjà en cours" in body(client.get(PHONE))
    assert PhoneChange.objects.waiting().get() == change


# Proofs and refusals


def test_without_the_password_of_a_moment_ago_the_form_asks_for_it(client, claire):
    sign_in(client, claire.user)
    assert 'name="present_password"' in body(client.get(PHONE))
    refused = client.post(PHONE, {"phone": "06 98 76 54 32"})
    assert "Saisissez votre mot de passe actuel" in body(refused)
    assert "06 98 76 54 32" in body(refused), "what was typed is not lost"
    wrong_one = client.post(PHONE, {"phone": "0698765432", "present_password": "pas le bon"})
    assert "n&#x27;est pas le bon" in body(wrong_one)
    assert "pas le bon" not in body(wrong_one).replace("n&#x27;est pas le bon", "")
    right = client.post(PHONE, {"phone": "0698765432", "present_password": PASSWORD})
    assert right["Location"] == CODE


def test_a_wrong_code_confirms_nothing_and_says_how_many_tries_are_left(inside, client):
    inside(PHONE, phone=NEW)
    answer = inside(CODE, code=wrong(read_code()))
    assert "Il vous reste 4 essais" in body(answer)
    assert not PhoneChange.objects.exists()


def test_the_code_of_the_present_phone_is_no_code_of_the_new_one(inside):
    inside(PHONE, phone=NEW)
    first = read_code()
    inside(CODE, code=first)
    if first != read_code():
        inside(CODE, code=first)
    assert not PhoneChange.objects.waiting().exists()


def test_the_step_of_the_new_phone_cannot_be_reached_without_the_present_one(client, inside):
    assert client.get(CODE)["Location"] == PHONE
    assert inside(CODE, code="123456")["Location"] == PHONE
    assert inside(RESEND)["Location"] == PHONE
    assert not memory.outbox


def test_a_code_that_expired_is_replaced_by_another_on_demand(client, inside):
    inside(PHONE, phone=NEW)
    old = read_code()
    with time_machine.travel(timezone.now() + timedelta(seconds=301)):
        assert "Demandez-en un" in body(client.get(CODE))
        assert "ne peut plus servir" in body(inside(CODE, code=old))
        assert inside(RESEND)["Location"] == CODE
        assert inside(CODE, code=read_code())["Location"] == CODE
        assert PhoneChange.objects.exists()


def test_the_code_of_one_number_confirms_no_other_whatever_the_session_says(client, inside):
    inside(PHONE, phone=NEW)
    inside(CODE, code=read_code())
    code, earlier = read_code(), client.session["confirmation"]
    inside(PHONE, phone=OTHER)
    inside(CODE, code=read_code())
    session = client.session
    session["confirmation"] = earlier  # written late by a request that ran beside
    session.save()
    inside(CODE, code=code)
    assert not PhoneChange.objects.waiting().exists()


def test_sending_again_sends_the_same_code_and_not_at_once(client, inside):
    inside(PHONE, phone=NEW)
    inside(RESEND)
    assert len(memory.outbox) == 1
    assert "Réessayez à partir de" in body(client.get(CODE))
    with time_machine.travel(timezone.now() + timedelta(seconds=31)):
        code = read_code()
        inside(RESEND)
        assert len(memory.outbox) == 2
        assert read_code() == code


def test_looking_at_the_pages_sends_nothing(client, inside):
    inside(PHONE, phone=NEW)
    for path in (PHONE, CODE, EMAIL, CODE):
        client.get(path)
        client.head(path)
    assert len(memory.outbox) == 1
    assert not mailbox


def test_wrong_codes_of_a_new_phone_say_nothing_about_the_account(inside):
    inside(PHONE, phone=NEW)
    inside(CODE, code=read_code())
    SmsDevice.objects.update(failures_in_a_row=3)
    inside(CODE, code=wrong(read_code()))
    inside(CODE, code=read_code())
    assert SmsDevice.objects.get().failures_in_a_row == 3
    assert PhoneChange.objects.waiting().exists()


def test_texts_to_typed_numbers_are_bounded_for_the_account_whatever_the_numbers(settings, inside):
    Throttle.objects.all().delete()
    settings.LIMITS = {**settings.LIMITS, "SENDS_PER_PHONE_HOUR": 3}
    for number in range(3):
        inside(PHONE, phone=f"06 98 76 54 3{number}")
        inside(CODE, code=read_code())
    assert len({sent.to for sent in memory.outbox} - {OLD}) == 3
    with time_machine.travel(timezone.now() + timedelta(seconds=31)):
        inside(RESEND)
    assert len(memory.outbox) == 6, "the third number has had one text, the account three"


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("", "Saisissez votre nouveau numéro de mobile."),
        ("06 12 34 56 78", "déjà votre téléphone"),
        ("+33 6 12 34 56 78", "déjà votre téléphone"),
        ("01 42 68 53 00", "téléphone mobile de France"),
        ("+44 7911 123456", "téléphone mobile de France"),
        ("+1 900 555 0100", "téléphone mobile de France"),
        ("06 12", "existe pas"),
        ("pas un numéro", "pas reconnu"),
        ("номер", "pas reconnu"),
        ("06\0 98 76 54 32", "pas reconnu"),
        ("6" * 10_000, "pas reconnu"),
        ("é" * 10_000, "pas reconnu"),
    ],
)
def test_a_number_that_cannot_serve_is_refused_beside_the_field(inside, typed, sentence):
    page = inside(PHONE, phone=typed)
    assert page.status_code == 200
    assert sentence in body(page).replace("&#x27;", "'")
    assert not memory.outbox


def test_a_number_typed_with_digits_of_another_script_is_the_same_number(inside):
    assert inside(PHONE, phone="٠٦٩٨٧٦٥٤٣٢")["Location"] == CODE


@pytest.mark.parametrize("typed", ["", "12345", "١٢٣٤٥٦", "12345\0", "9" * 10_000])
def test_odd_codes_end_in_one_polite_error(inside, typed):
    inside(PHONE, phone=NEW)
    assert "Saisissez les 6 chiffres du code." in body(inside(CODE, code=typed))


def test_a_member_without_phone_is_told_to_call(client, claire, inside):
    Member.objects.update(phone="")
    sign_in(client, User.objects.get(pk=claire.user.pk))
    assert "Aucun téléphone dans votre dossier" in body(inside(PHONE, phone=NEW))
    assert not memory.outbox


# Staff


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize(
    "path",
    [
        PHONE,
        CODE,
        EMAIL,
        "/espace/securite/mot-de-passe/",
        "/espace/securite/codes-de-secours/",
    ],
)
def test_staff_have_no_such_pages(client, hugo, path, method):
    sign_in(client, hugo, hugo.totpdevice_set.get())
    assert getattr(client, method)(path).status_code == 403


def test_nobody_reaches_the_change_of_another(client, claire, waiting):
    other = make_member("hugues", phone="+33612345679", nir="178067512345644")
    browser = sign_in(Client(), other.user)
    assert "Un changement est en cours" not in body(browser.get(PHONE))
    browser.post(GIVE_UP)
    waiting.refresh_from_db()
    assert not waiting.cancelled_at


# A new e-mail address


AUTRE = "autre@exemple.invalid"


@pytest.fixture
def asked(inside):
    inside(EMAIL, email=AUTRE)
    return EmailChange.objects.get()


def mail_to(address):
    return next(mail for mail in reversed(mailbox) if mail.to == address)


def link_to(address, part):
    links_ = re.findall(r"https?://[^/\s]+(/\S+)", mail_to(address).body)
    return next(link for link in links_ if part in link)


def test_from_the_old_address_to_the_new_one(client, claire, asked, press):
    assert mail_to(AUTRE).subject == "Confirmer votre adresse e-mail"
    assert mail_to(claire.email).subject == "Votre adresse e-mail va changer"
    confirm = link_to(AUTRE, "confirmer")
    for _ in range(2):
        assert "a•••@exemple.invalid" in body(Client().get(confirm))
    claire.refresh_from_db()
    assert claire.email != AUTRE, "a GET changes nothing"
    mailbox.clear()
    assert "Votre adresse est confirmée" in body(press(confirm))
    claire.refresh_from_db()
    assert claire.email == AUTRE
    assert [(mail.to, mail.subject) for mail in mailbox] == [
        ("claire@exemple.invalid", "Votre adresse e-mail a changé")
    ]
    assert memory.outbox[-1].to == OLD
    assert "l'adresse e-mail de votre espace a changé" in memory.outbox[-1].body
    assert client.get("/espace/").status_code == 200, "her session goes on"
    assert events("email.") == ["email.change_requested", "email.changed"]
    assert press(confirm).status_code == 410


def test_the_link_dies_after_an_hour(claire, asked, press):
    confirm = link_to(AUTRE, "confirmer")
    with time_machine.travel(timezone.now() + timedelta(minutes=61)):
        assert press(confirm).status_code == 410
    claire.refresh_from_db()
    assert claire.email != AUTRE


def test_the_link_dies_with_a_change_of_password(claire, asked, press):
    confirm = link_to(AUTRE, "confirmer")
    claire.user.set_password("une autre marée haute")
    claire.user.save()
    assert press(confirm).status_code == 410


def test_the_old_address_gives_it_up_before(claire, asked, press):
    cancel = link_to(claire.email, "annuler")
    assert "Votre adresse actuelle continuera" in body(Client().get(cancel))
    assert "Le changement est annulé" in body(press(cancel))
    assert press(link_to(AUTRE, "confirmer")).status_code == 410
    assert mailbox[-1].subject == "Un changement a été annulé"


@pytest.mark.parametrize("days", [0, 6])
def test_the_old_address_takes_it_back_for_seven_days(claire, asked, press, days):
    press(link_to(AUTRE, "confirmer"))
    take_back = link_to("claire@exemple.invalid", "email/annuler")
    with time_machine.travel(timezone.now() + timedelta(days=days)):
        assert "servira à nouveau" in body(Client().get(take_back))
        assert "sert à nouveau" in body(press(take_back))
        claire.refresh_from_db()
        assert claire.email == "claire@exemple.invalid"
        assert mailbox[-1].to == "claire@exemple.invalid"
        assert press(take_back).status_code == 410


def test_after_seven_days_it_stays(claire, asked, press):
    press(link_to(AUTRE, "confirmer"))
    take_back = link_to("claire@exemple.invalid", "email/annuler")
    with time_machine.travel(timezone.now() + timedelta(days=7, seconds=1)):
        assert press(take_back).status_code == 410
    claire.refresh_from_db()
    assert claire.email == AUTRE


def test_taking_the_first_change_back_undoes_those_that_came_after(claire, asked, inside, press):
    """Who moved the account to his own address, then further, gains nothing."""
    press(link_to(AUTRE, "confirmer"))
    first = link_to("claire@exemple.invalid", "email/annuler")
    inside(EMAIL, email="encore@exemple.invalid")
    his_way_back = link_to(AUTRE, "email/annuler")
    press(link_to("encore@exemple.invalid", "confirmer"))
    press(first)
    claire.refresh_from_db()
    assert claire.email == "claire@exemple.invalid"
    assert press(his_way_back).status_code == 410
    claire.refresh_from_db()
    assert claire.email == "claire@exemple.invalid"


def test_its_member_gives_it_up_on_the_page(client, claire, asked, inside, press):
    assert "Un changement est en cours" in body(client.get(EMAIL))
    confirm = link_to(AUTRE, "confirmer")
    assert inside(EMAIL + "annuler/")["Location"] == EMAIL
    assert "Votre adresse reste la même" in body(client.get(EMAIL))
    assert press(confirm).status_code == 410


def test_another_request_replaces_the_first(asked, inside, press, claire):
    first = link_to(AUTRE, "confirmer")
    inside(EMAIL, email="encore@exemple.invalid")
    assert press(first).status_code == 410
    assert press(link_to("encore@exemple.invalid", "confirmer")).status_code == 200
    claire.refresh_from_db()
    assert claire.email == "encore@exemple.invalid"


def test_not_me_gives_it_up_too(claire, asked, press):
    confirm = link_to(AUTRE, "confirmer")
    press(link_to(claire.email, "alerte"))
    assert press(confirm).status_code == 410


def test_a_suspended_account_changes_nothing(claire, asked, press):
    confirm = link_to(AUTRE, "confirmer")
    User.objects.update(suspended_at=timezone.now())
    assert press(confirm).status_code == 410
    claire.refresh_from_db()
    assert claire.email != AUTRE


def test_a_member_without_address_gets_his_first(claire, inside, press):
    Member.objects.update(email="")
    inside(EMAIL, email=AUTRE)
    assert [mail.to for mail in mailbox] == [AUTRE]
    press(link_to(AUTRE, "confirmer"))
    claire.refresh_from_db()
    assert claire.email == AUTRE
    assert len(mailbox) == 1


def test_asking_is_bounded_per_account(inside):
    for number in range(5):
        assert inside(EMAIL, email=f"a{number}@exemple.invalid").status_code == 302
    refused = inside(EMAIL, email="a5@exemple.invalid")
    assert refused.status_code == 429
    assert "a5@exemple.invalid" in body(refused)


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("", "Saisissez votre nouvelle adresse e-mail."),
        ("claire@exemple.invalid", "déjà votre adresse"),
        ("CLAIRE@exemple.invalid", "déjà votre adresse"),
        ("pas une adresse", "pas reconnue"),
        ("a@b", "pas reconnue"),
        ("почта", "pas reconnue"),
        ("a\0@exemple.invalid", "pas reconnue"),
        ("a@exemple.invalid\r\nBcc: b@exemple.invalid", "pas reconnue"),
        ("a" * 10_000 + "@exemple.invalid", "254"),
    ],
)
def test_an_address_that_is_none_is_refused_beside_the_field(inside, typed, sentence):
    page = inside(EMAIL, email=typed)
    assert page.status_code == 200
    assert sentence in body(page).replace("&#x27;", "'")
    assert not mailbox


def test_the_form_asks_for_the_password_unless_it_was_given_a_moment_ago(client, claire):
    sign_in(client, claire.user)
    assert 'name="present_password"' in body(client.get(EMAIL))
    assert "Saisissez votre mot de passe actuel" in body(client.post(EMAIL, {"email": AUTRE}))
    assert not EmailChange.objects.exists()


@pytest.mark.parametrize("part", ["telephone/annuler", "email/confirmer", "email/annuler"])
@pytest.mark.parametrize("token", ["1", "1-", "0-" + "a" * 64, "x" * 5000, "%00"])
def test_altered_links_lead_to_the_page_of_dead_links(client, claire, part, token):
    for method in (client.get, client.post):
        page = method(f"/contact/{part}/{token}/")
        assert page.status_code == 410
        assert "Ce lien ne sert plus" in body(page)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("jeanne@exemple.fr", "j•••@exemple.fr"),
        ("j@exemple.fr", "j•••@exemple.fr"),
        ("Jeanne.Marie+mutuelle@sous.exemple.fr", "J•••@sous.exemple.fr"),
        ('"a@b"@exemple.fr', '"•••@exemple.fr'),
    ],
)
def test_a_masked_address_shows_its_first_letter_and_its_domain(address, shown):
    assert emails.masked(address) == shown


# The hub


def test_the_hub_says_how_each_stands(client, claire, waiting, inside):
    inside(EMAIL, email=AUTRE)
    page = body(client.get("/espace/securite/"))
    assert "06 •• •• •• 78" in page
    assert "06 •• •• •• 32" in page
    assert "c•••@exemple.invalid" in page
    assert "a•••@exemple.invalid" in page
    assert claire.email not in page
    assert "Créer mes codes de secours" in page


def test_the_hub_costs_six_statements(client, inside, django_assert_num_queries):
    # session, account and device · change of phone · change of address · codes left
    with django_assert_num_queries(6):
        client.get("/espace/securite/")


def test_the_page_of_the_phone_costs_two_statements(client, inside, django_assert_num_queries):
    # session, account and device · change of phone
    with django_assert_num_queries(2):
        client.get(PHONE)


# Races


def confirmed(member):
    change = contacts.open_phone(member.user, NEW, Proof.PRESENT_PHONE, request=None)
    contacts.confirm_phone(change, request=None)
    return change


@pytest.mark.django_db(transaction=True)
def test_of_ten_appliers_at_once_one_applies():
    claire = make_member()
    confirmed(claire)
    with later():
        outcomes = at_once(10, contacts.apply_due)
    assert sorted(outcomes) == [0] * 9 + [1]
    assert events("phone.").count("phone.changed") == 1
    assert SmsMessage.objects.filter(notice="phone_changed").count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_cancel_and_an_apply_at_once_never_both_win():
    claire = make_member()
    for _ in range(5):
        Member.objects.update(phone=OLD)
        user = User.objects.select_related("member").get(pk=claire.user.pk)
        change = contacts.open_phone(user, NEW, Proof.PRESENT_PHONE, request=None)
        contacts.confirm_phone(change, request=None)
        acts = [
            contacts.apply_due,
            lambda change=change: contacts.cancel_phone(change, request=None),
        ]
        with later():
            at_once(6, lambda acts=acts: acts.pop()() if acts else None)
        change.refresh_from_db()
        claire.refresh_from_db()
        assert bool(change.applied_at) != bool(change.cancelled_at)
        assert (claire.phone == NEW) == bool(change.applied_at)


@pytest.mark.django_db(transaction=True)
def test_of_ten_requests_at_once_one_change_is_open():
    claire = make_member()
    at_once(10, lambda: contacts.open_phone(claire.user, NEW, Proof.LETTER, request=None))
    assert PhoneChange.objects.open().count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_ten_who_follow_the_link_at_once_one_confirms_the_address():
    claire = make_member()
    change = EmailChange.objects.create(user=claire.user, old_email=claire.email, new_email=AUTRE)
    link = links.make(claire.user, LinkPurpose.CONFIRM_EMAIL, email_change=change)
    token = links.token(link)
    found = [links.find(token, LinkPurpose.CONFIRM_EMAIL) for _ in range(10)]
    outcomes = at_once(10, lambda: contacts.confirm_email(found.pop(), request=None))
    assert outcomes.count(None) == 1
    assert outcomes.count(links.DeadLink) == 9
