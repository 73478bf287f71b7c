"""A new password from inside the space: the present one is always asked."""

import threading

import pytest
from django.test import Client

from members import gate, password_change
from members.mail.memory import outbox as mailbox
from members.models import AuditEvent, Session, User
from members.sms import memory
from tests.members.conftest import PASSWORD, make_member
from tests.members.steps import signs_in, type_password
from tests.members.test_codes import at_once

PATH = "/espace/securite/mot-de-passe/"
NEW = "douze goélands sur la jetée"


@pytest.fixture
def inside(client, claire, django_capture_on_commit_callbacks):
    signs_in(client, django_capture_on_commit_callbacks)

    def post(present=PASSWORD, new=NEW, again=NEW):
        fields = {"present_password": present, "new_password": new, "new_password_again": again}
        with django_capture_on_commit_callbacks(execute=True):
            return client.post(PATH, fields)

    return post


def test_this_session_goes_on_and_every_other_one_ends(
    client, claire, inside, django_capture_on_commit_callbacks
):
    other = Client()
    signs_in(other, django_capture_on_commit_callbacks)
    key = client.cookies["session"].value
    assert inside()["Location"] == "/espace/securite/"
    assert "Votre mot de passe a changé" in client.get("/espace/securite/").content.decode()
    assert client.cookies["session"].value != key
    assert Session.objects.filter(user=claire.user).count() == 1
    assert other.get("/espace/").status_code == 302
    assert type_password(Client(), password=NEW)["Location"] == "/connexion/code/"


def test_its_holder_is_told_by_email_and_text(claire, inside):
    inside()
    assert (mailbox[-1].to, mailbox[-1].subject) == (claire.email, "Votre mot de passe a changé")
    assert memory.outbox[-1].to == claire.phone
    assert "le mot de passe de votre espace a changé" in memory.outbox[-1].body
    assert AuditEvent.objects.filter(action="password.changed", user=claire.user).count() == 1


def test_the_present_password_is_asked_even_a_moment_after_the_sign_in(client, inside):
    assert 'name="present_password"' in client.get(PATH).content.decode()
    assert "Saisissez votre mot de passe actuel" in inside(present="").content.decode()


@pytest.mark.parametrize(
    ("present", "new", "again", "sentence"),
    [
        ("pas le bon", NEW, NEW, "Ce mot de passe n'est pas le bon."),
        (PASSWORD, "court", "court", "au moins 12 caractères"),
        (PASSWORD, NEW, NEW + "x", "Les deux saisies sont différentes."),
        (PASSWORD, PASSWORD, PASSWORD, "C'est déjà votre mot de passe."),
        (PASSWORD, "claire-vasseur-1981", "claire-vasseur-1981", "ni nom"),
        (PASSWORD, "\0" * 12, "\0" * 12, "nul"),
        (PASSWORD, "é" * 10_000, "é" * 10_000, "128"),
        ("é" * 10_000, NEW, NEW, "Ce mot de passe n'est pas le bon."),
        ("\0", NEW, NEW, "nul"),
    ],
)
def test_what_does_not_pass_is_said_in_french_and_writes_no_password_back(
    claire, inside, present, new, again, sentence
):
    page = inside(present, new, again)
    assert page.status_code == 200
    assert sentence in page.content.decode().replace("&#x27;", "'")
    assert 'value="' + new not in page.content.decode()
    assert User.objects.get(pk=claire.user.pk).check_password(PASSWORD)


def test_a_typing_error_in_the_new_one_costs_no_try_of_the_present_one(inside):
    inside("pas le bon", "court", "court")
    assert not AuditEvent.objects.filter(action="signin.password_failed").exists()


def test_guessing_the_present_one_from_a_borrowed_session_is_bounded(settings, inside):
    settings.LIMITS = {**settings.LIMITS, "PASSWORD_FAILURES_KNOWN": 2}
    for _ in range(2):
        inside("pas le bon")
    assert "Trop d'essais" in inside().content.decode().replace("&#x27;", "'")


def test_a_busy_gate_says_so_and_changes_nothing(claire, inside, monkeypatch):
    def busy(password):
        raise gate.Busy

    monkeypatch.setattr(password_change.passwords, "encode", busy)
    assert "Beaucoup de monde" in inside().content.decode()
    assert User.objects.get(pk=claire.user.pk).check_password(PASSWORD)


@pytest.mark.django_db(transaction=True)
def test_of_four_changes_at_once_one_is_done(rf, monkeypatch):
    claire = make_member()
    monkeypatch.setattr(password_change, "update_session_auth_hash", lambda request, user: None)
    monkeypatch.setattr(password_change.sessions, "end_all", lambda user, but: 0)

    def change():
        request = rf.post(PATH)
        request.user = User.objects.select_related("member").get(pk=claire.user.pk)
        start.wait(10)
        password_change.change(request, NEW)

    start = threading.Barrier(4)
    outcomes = at_once(4, change)
    assert outcomes.count(None) == 1
    assert set(outcomes) <= {None, password_change.Changed, gate.Busy}
