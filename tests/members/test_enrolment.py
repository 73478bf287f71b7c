"""A new colleague: his ticket, his own password and app, then the word of somebody who saw him."""

from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import Group, Permission
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice

from members.mail.memory import outbox
from members.models import AuditEvent, StaffEnrolment, User
from tests.members.conftest import PASSWORD
from tests.members.steps import link_in_mail, type_password
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
def paul(db):
    """The second administrator: who made a ticket does not confirm it."""
    return administrator("paul")


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


def renew(client):
    pk = StaffEnrolment.objects.latest("pk").pk
    return client.post(f"/admin/members/staffenrolment/{pk}/renouveler/")


def test_from_the_ticket_to_the_first_sign_in(luc, paul):
    assert "Presque terminé" in finish(luc).content.decode()
    user = User.objects.get(identifiant="luc.moreau")
    assert not user.may_sign_in
    assert "incorrect" in type_password(Client(), "luc.moreau", NEW).content.decode()
    confirm(paul)
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


def test_nobody_confirms_himself(luc):
    finish(luc)
    user = User.objects.get(identifiant="luc.moreau")
    user.user_permissions.set(Permission.objects.filter(codename="enrol_staff"))
    User.objects.filter(pk=user.pk).update(is_active=True)
    user.refresh_from_db()
    himself = sign_in(Client(), user, TOTPDevice.objects.get(user=user))
    confirm(himself)
    assert StaffEnrolment.objects.get().confirmed_by is None


def test_a_confirmation_before_the_ticket_was_used_opens_nothing(ticket, paul):
    confirm(paul)
    assert not User.objects.get(identifiant="luc.moreau").is_active


def test_who_made_the_ticket_does_not_confirm_it(luc, odile):
    finish(luc)
    pk = StaffEnrolment.objects.get().pk
    assert "/confirmer/" not in odile.get(f"/admin/members/staffenrolment/{pk}/change/").text
    page = odile.post(f"/admin/members/staffenrolment/{pk}/confirmer/", follow=True)
    assert "Demandez à un collègue" in page.text
    assert not User.objects.get(identifiant="luc.moreau").is_active


def test_the_database_refuses_it_too(luc, odile):
    finish(luc)
    mine = StaffEnrolment.objects.filter(made_by__identifiant="odile")
    maker = User.objects.get(identifiant="odile")
    with (
        pytest.raises(IntegrityError, match="staffenrolment_confirmed_by_another_than_its_maker"),
        transaction.atomic(),
    ):
        mine.update(confirmed_by=maker, confirmed_at=timezone.now())


def test_nobody_takes_a_colleague_over_alone_nor_in_silence(
    luc, odile, paul, django_capture_on_commit_callbacks
):
    finish(luc)
    outbox.clear()
    with django_capture_on_commit_callbacks(execute=True):
        confirm(paul)
        ticket = renew(odile).context["ticket"]
        thief = Client()
        show(thief, ticket)
        finish(thief, password="odile choisit ce mot de passe")
        confirm(odile)
    assert not User.objects.get(identifiant="luc.moreau").is_active
    assert [(mail.to, mail.subject) for mail in outbox] == [
        ("luc@exemple.invalid", "Votre accès de travail est ouvert"),
        ("luc@exemple.invalid", "Votre accès de travail recommence"),
    ]
    assert "odile a recommencé votre arrivée" in outbox[-1].body


def test_who_is_told_of_a_renewal_he_did_not_ask_for_stops_it_and_gets_no_link(
    luc, odile, paul, django_capture_on_commit_callbacks
):
    finish(luc)
    with django_capture_on_commit_callbacks(execute=True):
        confirm(paul)
        ticket = renew(odile).context["ticket"]
    path = link_in_mail("alerte")
    assert "Un collègue recommence" in Client().get(path).text
    with django_capture_on_commit_callbacks(execute=True):
        assert "Prévenez un collègue" in Client().post(path).text
    assert "mot-de-passe/nouveau" not in outbox[-1].body
    assert "Prévenez un collègue" in outbox[-1].body
    assert "incorrect" in show(Client(), ticket).content.decode()


def test_who_may_do_everything_is_renewed_by_an_equal_alone(luc, odile, paul):
    finish(luc)
    confirm(paul)
    User.objects.filter(identifiant="luc.moreau").update(is_superuser=True)
    assert renew(odile).status_code == 403
    assert User.objects.get(identifiant="luc.moreau").may_sign_in
    User.objects.filter(identifiant="odile").update(is_superuser=True)
    assert "ticket" in renew(odile).context


def test_the_box_of_an_open_account_opens_none_before_it_is_confirmed(luc, paul):
    finish(luc)
    user = User.objects.get(identifiant="luc.moreau")
    editor = User.objects.get(identifiant="paul")
    editor.user_permissions.add(Permission.objects.get(codename="change_user"))
    url = f"/admin/members/user/{user.pk}/change/"
    typed = {"name": "Luc", "email": user.email, "is_active": "on"}
    assert paul.post(url, typed).status_code == 302
    assert not User.objects.get(pk=user.pk).is_active
    confirm(paul)
    assert paul.post(url, {**typed, "is_active": ""}).status_code == 302
    assert not User.objects.get(pk=user.pk).is_active
    assert paul.post(url, typed).status_code == 302
    assert User.objects.get(pk=user.pk).may_sign_in


def test_a_lost_app_starts_everything_again(luc, odile, paul):
    finish(luc)
    confirm(paul)
    pk = StaffEnrolment.objects.get().pk
    again = odile.post(f"/admin/members/staffenrolment/{pk}/renouveler/").context["ticket"]
    user = User.objects.get(identifiant="luc.moreau")
    assert not user.is_active
    assert not user.has_usable_password()
    assert not TOTPDevice.objects.filter(user=user).exists()
    browser = Client()
    show(browser, again)
    finish(browser)
    confirm(paul)
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
