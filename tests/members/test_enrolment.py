"""A new colleague: his ticket, his own password and app, then the word of somebody who saw him."""

from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.utils import timezone
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice

from members.models import AuditEvent, StaffEnrolment, User
from tests.members.conftest import PASSWORD
from tests.members.steps import type_password
from tests.signing import sign_in

OPEN = "/admin/members/staffenrolment/ouvrir/"
NEW = "quatre bouées rouges au large"


def administrator(identifiant):
    user = User.objects.create(identifiant=identifiant, is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(codename__in=["enrol_staff", "view_staffenrolment", "view_user"])
    )
    return sign_in(Client(), user, TOTPDevice.objects.create(user=user, confirmed=True))


@pytest.fixture
def odile(db):
    return administrator("odile")


@pytest.fixture
def support(db):
    return Group.objects.create(name="Assistance")


@pytest.fixture
def ticket(odile, support):
    answer = odile.post(
        OPEN,
        {
            "identifiant": "Luc.Moreau",
            "name": "Luc Moreau",
            "email": "luc@exemple.invalid",
            "roles": [support.pk],
        },
    )
    return answer.context["ticket"]


@pytest.fixture
def luc(ticket):
    """Luc's browser, past his ticket."""
    client = Client()
    assert show(client, ticket)["Location"] == "/equipe/arrivee/compte/"
    return client


def show(client, ticket, identifiant="luc.moreau"):
    return client.post("/equipe/arrivee/", {"identifiant": identifiant, "ticket": ticket})


def code_of(user):
    device = TOTPDevice.objects.get(user__identifiant=user)
    return f"{totp(device.bin_key, t0=0):06}"


def finish(client, code=None, password=NEW):
    client.get("/equipe/arrivee/compte/")
    typed = {"new_password": password, "new_password_again": password}
    return client.post("/equipe/arrivee/compte/", {**typed, "code": code or code_of("luc.moreau")})


def confirm(client):
    pk = StaffEnrolment.objects.latest("pk").pk
    return client.post(f"/admin/members/staffenrolment/{pk}/confirmer/")


def test_from_the_ticket_to_the_first_sign_in(luc, odile):
    assert "Presque terminé" in finish(luc).content.decode()
    user = User.objects.get(identifiant="luc.moreau")
    assert not user.may_sign_in
    assert "incorrect" in type_password(Client(), "luc.moreau", NEW).content.decode()
    confirm(odile)
    assert type_password(Client(), "luc.moreau", NEW)["Location"] == "/connexion/code/"
    told = AuditEvent.objects.filter(action__startswith="staff.").order_by("id")
    assert [event.action for event in told] == [
        "staff.invited",
        "staff.enrolled",
        "staff.confirmed",
    ]


def test_the_ticket_is_told_once_and_kept_as_a_digest(ticket):
    enrolment = StaffEnrolment.objects.get()
    assert len(ticket.replace("-", "")) == 12
    assert ticket.replace("-", "") not in str(vars(enrolment))


@pytest.mark.parametrize("change", [str.lower, lambda ticket: ticket.replace("-", " ")])
def test_it_is_typed_in_any_case_and_with_any_separator(ticket, change):
    assert show(Client(), change(ticket)).status_code == 302


def test_five_wrong_tickets_kill_it(ticket):
    for _ in range(5):
        assert "incorrect" in show(Client(), "AAAA-BBBB-CCCC").content.decode()
    assert "incorrect" in show(Client(), ticket).content.decode()


def test_an_unknown_name_reads_the_same_sentence(ticket):
    known, unknown = (show(Client(), "AAAA", name) for name in ("luc.moreau", "nobody"))
    assert known.status_code == unknown.status_code == 200
    assert "Identifiant ou code d&#x27;arrivée incorrect." in unknown.content.decode()


def test_it_lives_an_hour(ticket):
    with time_machine.travel(timezone.now() + timedelta(minutes=61)):
        assert "incorrect" in show(Client(), ticket).content.decode()


def test_it_serves_once(luc, ticket):
    finish(luc)
    assert "incorrect" in show(Client(), ticket).content.decode()
    assert luc.get("/equipe/arrivee/compte/").status_code == 302


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"password": "court"}, "12 caractères"),
        ({"code": "000000"}, "pas le bon"),
        ({"code": "abc"}, "6 chiffres"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_kept(luc, typed, sentence):
    assert sentence in finish(luc, **typed).content.decode()
    assert not StaffEnrolment.objects.get().used_at
    assert "Presque terminé" in finish(luc).content.decode()


def test_nobody_confirms_himself(luc, odile):
    finish(luc)
    user = User.objects.get(identifiant="luc.moreau")
    user.user_permissions.set(Permission.objects.filter(codename="enrol_staff"))
    User.objects.filter(pk=user.pk).update(is_active=True)
    user.refresh_from_db()
    himself = sign_in(Client(), user, TOTPDevice.objects.get(user=user))
    confirm(himself)
    assert StaffEnrolment.objects.get().confirmed_by is None


def test_a_confirmation_before_the_ticket_was_used_opens_nothing(ticket, odile):
    confirm(odile)
    assert not User.objects.get(identifiant="luc.moreau").is_active


def test_a_lost_app_starts_everything_again(luc, odile):
    finish(luc)
    confirm(odile)
    pk = StaffEnrolment.objects.get().pk
    again = odile.post(f"/admin/members/staffenrolment/{pk}/renouveler/").context["ticket"]
    user = User.objects.get(identifiant="luc.moreau")
    assert not user.is_active
    assert not user.has_usable_password()
    assert not TOTPDevice.objects.filter(user=user).exists()
    browser = Client()
    show(browser, again)
    finish(browser)
    confirm(odile)
    assert User.objects.get(pk=user.pk).may_sign_in


def test_the_right_is_needed_for_each_step(luc, db):
    finish(luc)
    other = User.objects.create(identifiant="paul", is_staff=True)
    client = sign_in(Client(), other, TOTPDevice.objects.create(user=other, confirmed=True))
    assert client.get(OPEN).status_code == 403
    assert confirm(client).status_code == 403


def test_a_taken_or_odd_identifiant_is_said_beside_the_field(odile, support):
    for identifiant in ("odile", "é", "a b"):
        page = odile.post(
            OPEN,
            {"identifiant": identifiant, "name": "X", "email": "x@y.fr", "roles": [support.pk]},
        )
        assert "errorlist" in page.content.decode()
    assert User.objects.count() == 1


def test_no_page_of_it_holds_a_seed_or_a_password(luc, odile):
    finish(luc)
    device = TOTPDevice.objects.get(user__identifiant="luc.moreau")
    pk = StaffEnrolment.objects.get().pk
    for path in ("", f"{pk}/change/", f"{pk}/confirmer/"):
        page = odile.get(f"/admin/members/staffenrolment/{path}").content.decode()
        assert device.key not in page
        assert PASSWORD not in page
