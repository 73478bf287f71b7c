"""What support sees of a member, and what nobody sees."""

import re
from datetime import date

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice

from members.admin.member import MemberAdmin
from members.admin.user import UserAdmin
from members.models import AuditEvent, AyantDroit, Delegation, Member, Operator, User
from tests.members.steps import signs_in
from tests.signing import sign_in

NIR = "281091300104217"
REASON = {"reason": "Contrôle d'un double de dossier signalé par la caisse."}


@pytest.fixture
def support(client, hugo):
    """Hugo at work, with the rights to look and to reveal a NIR."""
    names = ["view_member", "view_ayantdroit", "view_adhesion", "reveal_nir", "view_smsmessage"]
    hugo.user_permissions.set(Permission.objects.filter(codename__in=names))
    return sign_in(client, hugo, TOTPDevice.objects.get(user=hugo))


@pytest.fixture
def page(covered):
    return f"/admin/members/member/{covered.member_id}/change/"


@pytest.fixture
def reveal(covered):
    return f"/admin/members/member/{covered.member_id}/nir/"


def test_a_member_is_found_by_number_or_by_the_beginning_of_his_name(support, covered):
    for query in (covered.member.number, "vass", "VASSEUR"):
        assert "Vasseur" in support.get("/admin/members/member/", {"q": query}).content.decode()


def test_never_by_nir(support, covered):
    page = support.get("/admin/members/member/", {"q": NIR}).content.decode()
    assert "Vasseur" not in page


def test_the_list_waits_for_a_search_whatever_the_number_of_members(
    support, covered, django_assert_max_num_queries
):
    with django_assert_max_num_queries(10):
        assert "Vasseur" not in support.get("/admin/members/member/").content.decode()


def test_the_page_of_a_member_shows_his_life_with_us_and_masks_the_rest(
    support, page, covered, django_capture_on_commit_callbacks
):
    signs_in(Client(), django_capture_on_commit_callbacks)
    AyantDroit.objects.create(
        member=covered.member,
        reference="01",
        link="enfant",
        birth_name="Vasseur",
        first_names="Lou",
        birth_date=date(2010, 11, 3),
        start=date(2019, 1, 1),
        nir_absence="en_attente",
    )
    text = support.get(page).content.decode()
    for shown in (
        "C-100",
        "Lou",
        "06 •• •• •• 78",
        "signin.completed",
        "accepté par le prestataire",
    ):
        assert shown in text
    assert "2 81 •• •• ••• ••• ••" in text
    assert NIR not in text
    assert "612345678" not in text.replace(" ", "")


def test_a_nir_is_shown_once_against_a_reason_that_is_kept(support, reveal, covered, hugo):
    assert NIR not in support.get(reveal).content.decode()
    assert NIR in support.post(reveal, REASON).content.decode()
    event = AuditEvent.objects.get(action="nir.revealed")
    assert (event.actor, event.user) == (hugo, covered.member.user)
    assert event.details["reason"] == REASON["reason"]
    assert NIR not in str(event.details)


@pytest.mark.parametrize("reason", ["", "short", " " * 40])
def test_no_reason_no_nir(support, reveal, reason):
    assert NIR not in support.post(reveal, {"reason": reason}).content.decode()
    assert not AuditEvent.objects.filter(action="nir.revealed").exists()


def test_the_right_to_look_is_not_the_right_to_reveal(support, reveal, hugo):
    hugo.user_permissions.remove(Permission.objects.get(codename="reveal_nir"))
    assert support.post(reveal, REASON).status_code == 403


@pytest.fixture
def meanwhile(monkeypatch):
    """`meanwhile(admin, act)`: `act` happens once the page has read its row, before it saves it."""

    def arrange(admin, act):
        save_model = admin.save_model

        def later(self, *args, **kwargs):
            act()
            return save_model(self, *args, **kwargs)

        monkeypatch.setattr(admin, "save_model", later)

    return arrange


def test_saving_an_account_keeps_a_password_and_a_suspension_of_the_moment(
    client, hugo, claire, meanwhile
):
    hugo.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "change_user"]))
    browser = sign_in(client, hugo, TOTPDevice.objects.get(user=hugo))
    now = timezone.now()
    account = User.objects.filter(pk=claire.user_id)
    meanwhile(UserAdmin, lambda: account.update(password="new", is_active=False, suspended_at=now))
    page = {"name": "", "email": "claire@exemple.fr", "is_active": "on"}
    answer = browser.post(f"/admin/members/user/{claire.user_id}/change/", page)
    assert answer.status_code == 302
    saved = account.get()
    assert saved.email == "claire@exemple.fr"
    assert (saved.password, saved.is_active, saved.suspended_at) == ("new", False, now)


def test_saving_a_member_keeps_a_phone_that_he_has_just_changed(client, hugo, covered, meanwhile):
    names = ["view_member", "change_member"]
    hugo.user_permissions.set(Permission.objects.filter(codename__in=names))
    browser = sign_in(client, hugo, TOTPDevice.objects.get(user=hugo))
    member = Member.objects.filter(pk=covered.member_id)
    meanwhile(MemberAdmin, lambda: member.update(phone="+33699999999"))
    was = member.get()
    fields = ("number", "civility", "birth_name", "first_names", "birth_date", "birth_rank")
    page = {name: getattr(was, name) for name in fields}
    page |= {"city": "Brest", "new_nir": "284122B03302108"}
    answer = browser.post(f"/admin/members/member/{was.pk}/change/", page)
    assert answer.status_code == 302
    saved = member.get()
    assert (saved.phone, saved.city, saved.nir) == ("+33699999999", "Brest", "284122B03302108")


def test_a_delegation_is_added_with_what_it_sends(client, hugo, contract):
    names = ["view_contract", "change_contract", "add_delegation", "view_delegation"]
    hugo.user_permissions.set(Permission.objects.filter(codename__in=names))
    browser = sign_in(client, hugo, TOTPDevice.objects.get(user=hugo))
    operator = Operator.objects.create(code="VIAMEDIS", name="Viamedis")
    page = {
        "number": contract.number,
        "kind": contract.kind,
        "employer": contract.employer_id or "",
        "plan": contract.plan,
        "phone": contract.phone,
        "start": contract.start,
        "delegations-TOTAL_FORMS": 1,
        "delegations-INITIAL_FORMS": 0,
        "delegations-0-operator": operator.pk,
        "delegations-0-start": "2024-01-01",
    }
    address = f"/admin/members/contract/{contract.pk}/change/"
    answer = browser.post(address, page)
    assert "Ce champ est obligatoire." in answer.content.decode()
    answer = browser.post(address, page | {"delegations-0-categories": ["NIR", "ETAT_CIVIL"]})
    assert answer.status_code == 302
    assert Delegation.objects.get().categories == {"NIR", "ETAT_CIVIL"}


def test_the_page_of_a_delegation_shows_what_it_sends(client, hugo, contract):
    names = ["view_delegation", "change_delegation"]
    hugo.user_permissions.set(Permission.objects.filter(codename__in=names))
    browser = sign_in(client, hugo, TOTPDevice.objects.get(user=hugo))
    delegation = Delegation.objects.create(
        operator=Operator.objects.create(code="VIAMEDIS", name="Viamedis"),
        contract=contract,
        start=date(2024, 1, 1),
        categories={"NIR", "ETAT_CIVIL"},
    )
    page = browser.get(f"/admin/members/delegation/{delegation.pk}/change/").content.decode()
    ticked = re.findall(r'name="categories" value="(\w+)"[^>]* checked', page)
    assert ticked == ["ETAT_CIVIL", "NIR"]


def test_the_nir_of_an_unknown_person_is_not_an_error(support):
    assert support.get("/admin/members/member/999999/nir/").status_code == 302


def test_support_cannot_change_what_they_only_look_at(support, page):
    assert support.post(page, {"birth_name": "Changed"}).status_code == 403


@pytest.mark.parametrize("model", ["smsdevice", "smsmessage", "auditevent"])
def test_rows_of_machines_are_read_only_even_to_an_administrator(client, hugo, model):
    hugo.is_superuser = True
    hugo.save()
    sign_in(client, hugo, TOTPDevice.objects.get(user=hugo))
    assert client.get(f"/admin/members/{model}/").status_code == 200
    assert client.get(f"/admin/members/{model}/add/").status_code == 403


def test_no_page_offers_a_seed_or_a_password(client, hugo, covered):
    hugo.is_superuser = True
    hugo.save()
    sign_in(client, hugo, TOTPDevice.objects.get(user=hugo))
    assert client.get("/admin/otp_totp/totpdevice/").status_code == 404
    text = client.get(f"/admin/members/user/{covered.member.user_id}/change/").content.decode()
    assert 'name="password"' not in text
    assert "argon2" not in text


@pytest.fixture
def editor(client, hugo):
    hugo.is_superuser = True
    hugo.save()
    return sign_in(client, hugo, TOTPDevice.objects.get(user=hugo))


def identity(member, **changes):
    inlines = {}
    for prefix in ("adhesions", "ayants_droit"):
        inlines |= {f"{prefix}-TOTAL_FORMS": 0, f"{prefix}-INITIAL_FORMS": 0}
    return {
        "number": member.number,
        "civility": "MME",
        "birth_name": member.birth_name,
        "usage_name": "",
        "first_names": member.first_names,
        "birth_date": "14/09/1981",
        "birth_rank": 1,
        "new_nir": "",
        "nir_absence": "",
        **inlines,
        **changes,
    }


def test_saving_without_typing_a_nir_keeps_the_one_we_know(editor, claire):
    url = f"/admin/members/member/{claire.pk}/change/"
    assert editor.post(url, identity(claire, birth_name="Vasseur-Roy")).status_code == 302
    claire.refresh_from_db()
    assert (claire.birth_name, claire.nir) == ("Vasseur-Roy", NIR)


def test_a_wrong_nir_says_so_beside_the_field_and_keeps_what_was_typed(editor, claire):
    url = f"/admin/members/member/{claire.pk}/change/"
    response = editor.post(url, identity(claire, new_nir="281091300104218"))
    assert "Ce NIR n&#x27;est pas valide" in response.content.decode()
    assert "281091300104218" in response.content.decode()


def test_a_right_one_replaces_it(editor, claire):
    url = f"/admin/members/member/{claire.pk}/change/"
    editor.post(url, identity(claire, new_nir="1 78 06 75 123 456 44"))
    assert Member.objects.get().nir == "178067512345644"
