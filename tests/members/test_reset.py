"""« Mot de passe oublié »: a side door no weaker than the front door."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from members import contacts, links, protection, reset
from members.mail.memory import outbox
from members.models import (
    AuditEvent,
    KnownBrowser,
    Mail,
    Member,
    Session,
    SmsMessage,
    Throttle,
    User,
)
from members.models.contact import Proof
from members.models.link import LinkPurpose
from tests.members.conftest import PASSWORD, make_member
from tests.members.steps import link_in_mail, signs_in, type_password
from tests.members.test_bank import an_account

ASK = "/mot-de-passe/oublie/"
NEW = "douze goélands sur la jetée"


@pytest.fixture
def ask(client, django_capture_on_commit_callbacks):
    def asked(identifiant="claire"):
        with django_capture_on_commit_callbacks(execute=True):
            return client.post(ASK, {"identifiant": identifiant})

    return asked


@pytest.fixture
def link(claire, ask):
    ask()
    return link_in_mail("mot-de-passe")


def choose(client, link, first=NEW, again=NEW):
    return client.post(link, {"new_password": first, "new_password_again": again})


def test_from_the_forgotten_password_to_the_space(
    client, claire, link, django_capture_on_commit_callbacks
):
    assert client.get(link).status_code == 200
    with django_capture_on_commit_callbacks(execute=True):
        answer = choose(client, link)
    assert answer["Location"] == "/connexion/?motif=password"
    assert (
        "Votre nouveau mot de passe est enregistré"
        in client.get(answer["Location"]).content.decode()
    )
    assert client.get("/espace/").status_code == 302, "the link never signs in"
    with django_capture_on_commit_callbacks(execute=True):
        assert type_password(client, password=NEW)["Location"] == "/connexion/code/"
    assert outbox[-1].subject == "Votre mot de passe a changé"
    assert "changement de téléphone" not in outbox[-1].body
    assert SmsMessage.objects.filter(notice="password_changed").count() == 1
    assert [
        *AuditEvent.objects.filter(action__startswith="password.").values_list("action", flat=True)
    ] == [
        "password.reset",
        "password.reset_asked",
    ]


def test_every_session_ends(client, claire, ask, django_capture_on_commit_callbacks):
    other = Client()
    signs_in(other, django_capture_on_commit_callbacks)
    ask()
    choose(client, link_in_mail("mot-de-passe"))
    assert not Session.objects.filter(user=claire.user).exists()
    assert other.get("/espace/").status_code == 302


def test_looking_at_the_link_changes_nothing_however_often(client, claire, link):
    for method in (client.get, client.head, client.get):
        assert method(link).status_code == 200
    assert User.objects.get(pk=claire.user.pk).check_password(PASSWORD)


def test_the_link_serves_once(client, link):
    choose(client, link)
    assert choose(client, link).status_code == 410
    assert client.get(link).status_code == 410


def test_the_link_dies_after_thirty_minutes(client, link):
    with time_machine.travel(timezone.now() + timedelta(minutes=31)):
        assert choose(client, link).status_code == 410


@pytest.mark.parametrize("change", ["password", "phone", "email", "status"])
def test_the_link_dies_when_the_account_changes(client, claire, link, change):
    match change:
        case "password":
            User.objects.update(password="")
        case "phone":
            Member.objects.update(phone="+33612345670")
        case "email":
            Member.objects.update(email="autre@exemple.invalid")
        case "status":
            User.objects.update(suspended_at=timezone.now())
    assert client.get(link).status_code == 410
    assert choose(client, link).status_code == 410
    assert not User.objects.get(pk=claire.user.pk).check_password(NEW)


def test_the_link_opens_nothing_when_the_account_is_closed_in_the_same_instant(
    client, claire, link, monkeypatch
):
    encode = reset.passwords.encode

    def meanwhile(password):
        user = User.objects.get(pk=claire.user.pk)
        protection.protect(links.make(user, LinkPurpose.NOT_ME), request=None)
        return encode(password)

    monkeypatch.setattr(reset.passwords, "encode", meanwhile)
    assert choose(client, link).status_code == 410
    assert not User.objects.get(pk=claire.user.pk).has_usable_password()


def test_no_browser_is_known_any_more(client, claire, ask, django_capture_on_commit_callbacks):
    signs_in(Client(), django_capture_on_commit_callbacks)
    assert KnownBrowser.objects.live().exists()
    ask()
    choose(client, link_in_mail("mot-de-passe"))
    assert not KnownBrowser.objects.live().exists()


def test_a_change_of_phone_that_waits_is_told_with_its_way_to_cancel(
    client, claire, link, django_capture_on_commit_callbacks
):
    change = contacts.open_phone(claire.user, "+33698765432", Proof.SAVED_CODE, request=None)
    contacts.confirm_phone(change, request=None)
    with django_capture_on_commit_callbacks(execute=True):
        choose(client, link)
    assert outbox[-1].subject == "Votre mot de passe a changé"
    assert "06 •• •• •• 32 servira à partir du" in outbox[-1].body
    with django_capture_on_commit_callbacks(execute=True):
        Client().post(link_in_mail("telephone/annuler"))
    change.refresh_from_db()
    assert change.cancelled_at


def test_so_is_a_change_of_bank_account(claire, client, link, django_capture_on_commit_callbacks):
    account = an_account(claire)
    texts = SmsMessage.objects.count()
    with django_capture_on_commit_callbacks(execute=True):
        choose(client, link)
    assert outbox[-1].subject == "Votre compte bancaire va changer"
    assert account.masked in outbox[-1].body
    assert SmsMessage.objects.count() == texts + 1, "that the password changed, and no more"
    with django_capture_on_commit_callbacks(execute=True):
        Client().post(link_in_mail("contact/compte"))
    account.refresh_from_db()
    assert account.cancelled_at


@pytest.mark.parametrize(
    ("first", "again", "sentence"),
    [
        ("court", "court", "au moins 12 caractères"),
        (NEW, NEW + "x", "Les deux saisies sont différentes."),
        ("claire-vasseur-1981", "claire-vasseur-1981", "ni nom"),
        ("", "", "Choisissez un mot de passe."),
    ],
)
def test_a_bad_password_is_refused_in_french_and_costs_nothing(
    client, link, first, again, sentence
):
    page = choose(client, link, first, again).content.decode()
    assert sentence in page
    assert first == "" or f'value="{first}"' not in page
    assert choose(client, link)["Location"]


def test_unknown_closed_staff_and_known_accounts_get_the_same_answer_at_the_same_cost(claire, hugo):
    closed = make_member("denis", nir="178067512345644", phone="+33612345679")
    User.objects.filter(pk=closed.user.pk).update(is_active=False)
    User.objects.filter(pk=hugo.pk).update(email="hugo@mutuelle.invalid")
    answers = set()
    for identifiant in ("claire", "nobody", "denis", "hugo"):
        visitor = Client()
        visitor.get(ASK)
        cache.clear()
        with CaptureQueriesContext(
            connection,
        ) as asked:
            answer = visitor.post(ASK, {"identifiant": identifiant})
        statements = tuple(re.sub(r"'[^']*'|\d+|NULL|\{[^}]*\}", "?", q["sql"]) for q in asked)
        body = re.sub(rb'value="[^"]{64}"', b"", answer.content)
        answers.add((answer.status_code, body, len(statements)))
    assert len(answers) == 1
    assert {*Mail.objects.values_list("to", flat=True)} == {"claire@exemple.invalid", ""}


def test_no_colleague_gets_a_link_whatever_address_another_gave_him(ask, hugo):
    User.objects.filter(pk=hugo.pk).update(email="paul@ailleurs.invalid")
    assert "Un collègue" in ask("hugo").content.decode()
    assert not outbox


def test_nobody_gets_an_email_for_an_unknown_account(ask, db):
    ask("nobody")
    assert not outbox
    assert Mail.objects.get().state == "sent"


def test_asking_is_bounded_per_account_and_says_when_to_come_back(ask, claire):
    for _ in range(5):
        assert ask().status_code == 200
    refused = ask()
    assert refused.status_code == 429
    assert refused["Retry-After"]
    assert len(outbox) == 5


def test_asking_is_bounded_per_address_whatever_the_accounts(ask, settings, db):
    settings.LIMITS = {**settings.LIMITS, "LINKS_PER_ADDRESS": 3}
    assert [ask(f"somebody{n}").status_code for n in range(4)] == [200, 200, 200, 429]
    assert Throttle.objects.count() == 4


def test_a_member_without_phone_gets_the_link_of_a_first_sign_in(db, ask):
    make_member("paulin", phone="")
    ask("paulin")
    assert Mail.objects.get().kind == "activation"


def test_a_suspended_member_gets_nothing(claire, ask):
    User.objects.filter(pk=claire.user.pk).update(suspended_at=timezone.now())
    ask()
    assert not outbox


@pytest.mark.parametrize("typed", ["", "x" * 65, "\0", "a" * 10_000])
def test_odd_identifiants_end_in_a_polite_page(client, db, typed):
    assert client.post(ASK, {"identifiant": typed}).status_code == 200
