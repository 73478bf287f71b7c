"""`manage.py enrol_staff`: the only way in for a person of the staff."""

import getpass
import re

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django_otp.plugins.otp_totp.models import TOTPDevice

from members.models import AuditEvent, User
from tests.members.conftest import PASSWORD
from tests.signing import sign_in


@pytest.fixture
def types(monkeypatch):
    """`types("a", "b")`: what the holder answers when a password is asked, in order."""

    def answers(*words):
        left = list(words)
        monkeypatch.setattr(getpass, "getpass", lambda prompt: left.pop(0))

    return answers


def test_who_is_enrolled_signs_in_with_the_printed_app_and_may_do_nothing_yet(db, types, capsys):
    types(PASSWORD, PASSWORD)
    call_command("enrol_staff", "Ines.Le-Goff", name="Inès Le Goff")
    ines = User.objects.get()
    assert (ines.identifiant, ines.name) == ("ines.le-goff", "Inès Le Goff")
    assert (ines.is_staff, ines.is_superuser) == (True, False)
    assert ines.check_password(PASSWORD)
    assert not ines.get_all_permissions()
    device = TOTPDevice.objects.get(user=ines)
    printed = capsys.readouterr().out
    assert device.config_url in printed
    assert not re.search(re.escape(PASSWORD), printed)
    browser = sign_in(Client(), ines, device)
    assert browser.get("/admin/").status_code == 200
    assert browser.get("/admin/members/member/").status_code == 403


def test_the_first_administrator_is_one_and_the_trail_says_so(db, types):
    types(PASSWORD, PASSWORD)
    call_command("enrol_staff", "ines", superuser=True)
    ines = User.objects.get()
    assert ines.is_superuser
    event = AuditEvent.objects.get()
    assert (event.action, event.user, event.details) == (
        "staff.enrolled",
        ines,
        {"superuser": True},
    )


@pytest.mark.parametrize(
    ("identifiant", "words", "why"),
    [
        ("ines", (PASSWORD, PASSWORD + "!"), "differ"),
        ("ines", ("court", "court"), "."),
        ("Inès !", (PASSWORD, PASSWORD), "Lettres minuscules"),
    ],
)
def test_what_is_refused_leaves_nothing_behind(db, types, identifiant, words, why):
    types(*words)
    with pytest.raises(CommandError, match=why):
        call_command("enrol_staff", identifiant)
    assert not User.objects.exists()
    assert not TOTPDevice.objects.exists()
    assert not AuditEvent.objects.exists()


def test_nobody_is_enrolled_twice(hugo, types):
    types(PASSWORD, PASSWORD)
    with pytest.raises(CommandError, match="hugo has an account already"):
        call_command("enrol_staff", "HUGO")
