"""What support sees of a member, and what nobody sees."""

import re
from datetime import UTC, date, datetime, timedelta
from html import unescape

import pytest
import time_machine
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.utils import timezone
from django.utils.html import strip_tags
from django_otp.plugins.otp_totp.models import TOTPDevice

from members import audit
from members.admin.member import MemberAdmin
from members.admin.user import UserAdmin
from members.mail.memory import outbox as mailbox
from members.models import (
    Adhesion,
    AuditEvent,
    AyantDroit,
    Challenge,
    Delegation,
    Member,
    Operator,
    SmsDevice,
    SmsMessage,
    User,
)
from tests.members.steps import link_in_mail, signs_in, type_password
from tests.signing import sign_in

NIR = "281091300104217"
REASON = {"reason": "Contrôle d'un double de dossier signalé par la caisse."}


@pytest.fixture
def support(client, hugo):
    """Hugo at work, with the rights to look and to reveal a NIR."""
    names = ["view_member", "view_ayantdroit", "view_adhesion", "reveal_nir"]
    names += ["view_smsmessage", "view_auditevent"]
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
        "Connexion",
        "accepté par le prestataire",
    ):
        assert shown in text
    assert "2 81 •• •• ••• ••• ••" in text
    assert NIR not in text
    assert "612345678" not in text.replace(" ", "")


@pytest.fixture
def page_of(support, page):
    def read() -> str:
        """The words of the page, one space between two."""
        html = support.get(page).content.decode().replace("<", " <")
        return " ".join(unescape(strip_tags(html)).split())

    return read


def test_the_top_of_the_page_says_the_state_of_the_account_in_french(page_of, covered):
    user = covered.member.user
    assert "Dernière connexion jamais Dernier SMS aucun" in page_of()
    challenge = Challenge.objects.create(
        user=user, purpose="signin", expires_at=timezone.now() + timedelta(minutes=5)
    )
    with time_machine.travel(datetime(2026, 2, 3, 8, 15, tzinfo=UTC)):
        audit.record("signin.completed", user=user)
        SmsMessage.objects.create(
            user=user, challenge=challenge, state="undelivered", problem="handset_off"
        )
    SmsDevice.objects.filter(user=user).update(flagged_at=timezone.now(), flag="number_invalid")
    text = page_of()
    assert "Compte ouvert" in text
    assert "Téléphone de connexion 06 •• •• •• 78 numéro inexistant" in text
    assert "Dernière connexion 03/02/2026 09:15" in text
    assert "Dernier SMS non remis le 03/02/2026 09:15 téléphone éteint ou hors réseau" in text
    for code in ("signin.", "undelivered", "handset_off", "number_invalid"):
        assert code not in text
    User.objects.filter(pk=user.pk).update(suspended_at=datetime(2026, 2, 4, tzinfo=UTC))
    assert "Compte suspendu depuis le 04/02/2026" in page_of()


@pytest.mark.parametrize(
    ("right", "words"),
    [
        (
            "view_smsmessage",
            {"Dernier SMS", "SMS envoyés", "téléphone éteint", "numéro inexistant"},
        ),
        (
            "view_auditevent",
            {"Dernière connexion", "Connexions et actes sensibles", "203.0.113.77"},
        ),
    ],
)
def test_texts_and_trail_are_for_who_may_see_them(page_of, covered, hugo, right, words):
    user = covered.member.user
    type_password(Client(REMOTE_ADDR="203.0.113.77"))
    SmsMessage.objects.create(
        user=user, notice="blocked", state="undelivered", problem="handset_off"
    )
    SmsDevice.objects.filter(user=user).update(flagged_at=timezone.now(), flag="number_invalid")
    text = page_of()
    assert not [one for one in words if one not in text]
    hugo.user_permissions.remove(Permission.objects.get(codename=right))
    text = page_of()
    assert not [one for one in words if one in text]
    assert "06 •• •• •• 78" in text


def test_a_member_without_account_has_a_page_too(support, covered):
    former = Member.objects.create(
        number="C200",
        birth_name="Orsini",
        first_names="César",
        birth_date=date(1980, 6, 2),
        nir_absence="efface",
    )
    text = support.get(f"/admin/members/member/{former.pk}/change/").content.decode()
    assert "aucun compte" in text
    assert "aucun\u00a0: connexion impossible" in text


def test_a_list_that_waits_for_a_search_does_not_look_empty(support, covered):
    waiting = support.get("/admin/members/member/").content.decode()
    assert "Cherchez un numéro ou un nom." in waiting
    assert "0 " not in strip_tags(waiting)
    assert "Tout afficher" not in waiting
    found = support.get("/admin/members/member/", {"q": "vass"}).content.decode()
    assert "1 adhérent" in found
    nothing = support.get("/admin/members/member/", {"q": "inconnue"}).content.decode()
    assert "Rien ne correspond à «\u00a0inconnue\u00a0»." in nothing


def test_the_trail_reads_in_french_and_is_found_by_action(editor, claire):
    audit.record("signin.locked", user=claire.user)
    audit.record("signin.completed", user=claire.user)
    rows = editor.get("/admin/members/auditevent/", {"action": "signin.locked"})
    listed = rows.content.decode().partition('id="result_list"')[2].partition("</table>")[0]
    assert "Codes bloqués après trop d&#x27;erreurs" in listed
    assert "Connexion" not in listed
    event = AuditEvent.objects.get(action="signin.locked")
    one = editor.get(f"/admin/members/auditevent/{event.pk}/change/").content.decode()
    assert "Codes bloqués" in one


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
        "plan": contract.plan_id,
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


def test_what_changes_a_contract_or_its_delegations_is_in_the_trail_without_its_values(
    client, hugo, contract
):
    names = ["change_contract", "add_delegation", "change_operator", "add_operator"]
    hugo.user_permissions.set(Permission.objects.filter(codename__in=[*names, "delete_operator"]))
    browser = sign_in(client, hugo, TOTPDevice.objects.get(user=hugo))
    browser.post("/admin/members/operator/add/", {"code": "OXANTIS", "name": "Oxantis"})
    operator = Operator.objects.get()
    browser.post(f"/admin/members/operator/{operator.pk}/change/", {"code": "OXA", "name": "Oxa"})
    browser.post(f"/admin/members/operator/{operator.pk}/change/", {"code": "OXA", "name": "Oxa"})
    browser.post(f"/admin/members/operator/{operator.pk}/delete/", {"post": "yes"})
    told = AuditEvent.objects.filter(action__startswith="record.").order_by("pk")
    assert [event.action for event in told] == [
        "record.added",
        "record.changed",
        "record.deleted",
    ]
    assert {(event.details["model"], event.details["row"]) for event in told} == {
        ("members.operator", operator.pk)
    }
    assert told[1].details["what"] == [{"changed": {"fields": ["Code", "Nom"]}}]
    assert told[1].actor == hugo


def test_the_trail_of_an_inline_names_its_kind_and_no_value(client, hugo, contract):
    names = ["view_contract", "change_contract", "add_delegation", "view_delegation"]
    hugo.user_permissions.set(Permission.objects.filter(codename__in=names))
    browser = sign_in(client, hugo, TOTPDevice.objects.get(user=hugo))
    operator = Operator.objects.create(code="VIAMEDIS", name="Viamedis")
    browser.post(
        f"/admin/members/contract/{contract.pk}/change/",
        {
            "number": contract.number,
            "kind": contract.kind,
            "employer": contract.employer_id or "",
            "plan": contract.plan_id,
            "phone": contract.phone,
            "start": contract.start,
            "delegations-TOTAL_FORMS": 1,
            "delegations-INITIAL_FORMS": 0,
            "delegations-0-operator": operator.pk,
            "delegations-0-start": "2024-01-01",
            "delegations-0-categories": ["NIR"],
        },
    )
    event = AuditEvent.objects.get(action="record.changed")
    assert event.details["what"] == [{"added": {"name": "délégation"}}]


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
        "email": member.email,
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


# The trail of what staff change


def account(user, **changes):
    """What the page of an account posts: as it is, but for `changes`."""
    posted = {"name": user.name, "email": user.email, "is_active": "on"}
    return {name: value for name, value in (posted | changes).items() if value is not None}


def events(*actions):
    found = AuditEvent.objects.filter(action__in=actions).order_by("pk")
    return [(event.action, event.user, event.actor) for event in found]


ACCOUNT = ("account.suspended", "account.closed", "account.reopened")
SUSPENDED = {"suspended_at_0": "01/02/2026", "suspended_at_1": "10:00:00"}


@pytest.fixture
def ines(db):
    return User.objects.create(identifiant="ines", is_staff=True)


def test_suspending_closing_and_reopening_a_colleague_are_in_the_trail(editor, hugo, ines):
    url = f"/admin/members/user/{ines.pk}/change/"
    moves = [
        (SUSPENDED, "account.suspended"),
        ({}, "account.reopened"),
        ({"is_active": None}, "account.closed"),
        ({}, "account.reopened"),
    ]
    for changes, _action in moves:
        assert editor.post(url, account(ines, **changes)).status_code == 302
    assert events(*ACCOUNT) == [(action, ines, hugo) for _changes, action in moves]


def test_what_was_bound_to_a_closed_account_does_not_come_back_with_it(editor, ines):
    url, before = f"/admin/members/user/{ines.pk}/change/", ines.state_fingerprint()
    editor.post(url, account(ines, is_active=None))
    editor.post(url, account(ines))
    ines.refresh_from_db()
    assert ines.may_sign_in
    assert ines.state_fingerprint() != before


def test_an_account_is_not_reopened_while_something_else_keeps_it_shut(editor, ines):
    url = f"/admin/members/user/{ines.pk}/change/"
    editor.post(url, account(ines, is_active=None, **SUSPENDED))
    editor.post(url, account(ines, **SUSPENDED))
    assert [action for action, *_who in events(*ACCOUNT)] == ["account.closed", "account.suspended"]


def test_a_members_account_is_not_closed_here_but_by_support_with_a_reason(editor, claire):
    editor.post(
        f"/admin/members/user/{claire.user_id}/change/", account(claire.user, is_active=None)
    )
    assert User.objects.get(pk=claire.user_id).is_active


def test_nobody_changes_his_own_account_here(editor, hugo):
    assert editor.post(f"/admin/members/user/{hugo.pk}/change/", account(hugo)).status_code == 403


def test_saving_an_account_as_it_is_tells_the_trail_nothing(editor, claire):
    before = AuditEvent.objects.count()
    url = f"/admin/members/user/{claire.user_id}/change/"
    assert editor.post(url, account(claire.user)).status_code == 302
    assert AuditEvent.objects.count() == before


def test_the_roles_given_to_an_agent_and_taken_from_him_are_in_the_trail(editor, hugo, ines):
    writing, support = (Group.objects.create(name=name) for name in ("Rédaction", "Assistance"))
    ines.groups.add(writing)
    url = f"/admin/members/user/{ines.pk}/change/"
    editor.post(url, account(ines, groups=[support.pk]))
    event = AuditEvent.objects.get(action="staff.roles_changed")
    assert (event.user, event.actor) == (ines, hugo)
    assert event.details == {"given": ["Assistance"], "taken": ["Rédaction"]}


def test_an_address_of_a_colleague_changed_by_another_is_told_to_the_old_one(
    editor, ines, django_capture_on_commit_callbacks
):
    User.objects.filter(pk=ines.pk).update(email="ines@mutuelle.invalid")
    ines.refresh_from_db()
    url = f"/admin/members/user/{ines.pk}/change/"
    mailbox.clear()
    with django_capture_on_commit_callbacks(execute=True):
        editor.post(url, account(ines, email="paul@ailleurs.invalid"))
    assert [mail.to for mail in mailbox] == ["ines@mutuelle.invalid"]
    assert "Hugo Lantier a changé" in mailbox[0].body
    event = AuditEvent.objects.get(action="staff.changed")
    assert (event.user, event.details) == (ines, {"fields": ["email"]})


@pytest.fixture
def clerk(client, hugo):
    """Hugo, who may write in the files of members."""
    names = ["view_member", "change_member"]
    hugo.user_permissions.set(Permission.objects.filter(codename__in=names))
    return sign_in(client, hugo, TOTPDevice.objects.get(user=hugo))


@pytest.fixture
def readdressed(clerk, claire, django_capture_on_commit_callbacks):
    """Claire's file, where an agent wrote another e-mail address."""

    def write():
        mailbox.clear()
        with django_capture_on_commit_callbacks(execute=True):
            url = f"/admin/members/member/{claire.pk}/change/"
            assert clerk.post(url, identity(claire, email="autre@x.invalid")).status_code == 302
        return Member.objects.get()

    return write


def test_an_address_that_an_agent_writes_is_told_to_the_old_one_which_may_take_it_back(
    readdressed, claire, django_capture_on_commit_callbacks
):
    assert readdressed().email == "autre@x.invalid"
    assert [mail.to for mail in mailbox] == ["claire@exemple.invalid"]
    assert SmsMessage.objects.get().notice == "email_changed"
    assert AuditEvent.objects.get(action="email.changed").details["email"] == "a•••@x.invalid"
    with django_capture_on_commit_callbacks(execute=True):
        Client().post(link_in_mail("email/annuler"))
    assert Member.objects.get().email == "claire@exemple.invalid"


def test_so_is_that_of_a_member_without_account(readdressed, claire):
    Member.objects.filter(pk=claire.pk).update(user=None)
    assert readdressed().email == "autre@x.invalid"
    assert [mail.to for mail in mailbox] == ["claire@exemple.invalid"]
    assert "Un agent de la mutuelle a changé" in mailbox[0].body


def test_a_replaced_nir_is_in_the_trail_without_any_of_its_digits(editor, hugo, claire):
    url = f"/admin/members/member/{claire.pk}/change/"
    editor.post(url, identity(claire, new_nir="178067512345644"))
    event = AuditEvent.objects.get(action="nir.replaced")
    assert (event.user, event.actor) == (claire.user, hugo)
    assert event.details == {"person": f"member/{claire.pk}", "known_before": True}


def test_the_nir_that_we_know_already_is_not_a_replacement(editor, claire):
    editor.post(f"/admin/members/member/{claire.pk}/change/", identity(claire, new_nir=NIR))
    assert not AuditEvent.objects.filter(action="nir.replaced").exists()


def test_a_changed_identity_names_the_fields_and_not_what_they_hold(editor, claire):
    url = f"/admin/members/member/{claire.pk}/change/"
    editor.post(url, identity(claire, birth_name="Vasseur-Roy"))
    event = AuditEvent.objects.get(action="person.changed")
    person = f"member/{claire.pk}"
    assert event.details == {"person": person, "fields": ["birth_name"], "rows": {}}


def test_an_ended_adhesion_is_in_the_trail(editor, covered):
    rows = {
        "adhesions-TOTAL_FORMS": 1,
        "adhesions-INITIAL_FORMS": 1,
        "adhesions-0-id": covered.pk,
        "adhesions-0-member": covered.member_id,
        "adhesions-0-contract": covered.contract_id,
        "adhesions-0-start": "01/01/2019",
        "adhesions-0-end": "31/12/2025",
    }
    url = f"/admin/members/member/{covered.member_id}/change/"
    assert editor.post(url, identity(covered.member, **rows)).status_code == 302
    event = AuditEvent.objects.get(action="person.changed")
    assert (event.details["fields"], event.details["rows"]) == ([], {"adhesion": 1})


def test_no_page_deletes_an_adhesion(editor, covered):
    rows = {
        "adhesions-TOTAL_FORMS": 1,
        "adhesions-INITIAL_FORMS": 1,
        "adhesions-0-id": covered.pk,
        "adhesions-0-member": covered.member_id,
        "adhesions-0-contract": covered.contract_id,
        "adhesions-0-start": "01/01/2019",
        "adhesions-0-DELETE": "on",
    }
    url = f"/admin/members/member/{covered.member_id}/change/"
    editor.post(url, identity(covered.member, **rows))
    assert Adhesion.objects.filter(pk=covered.pk).exists()
    assert "adhesions-0-DELETE" not in editor.get(url).content.decode()


def test_there_is_no_second_password_door(editor):
    for path in ("/admin/password_change/", "/admin/password_change/done/"):
        assert editor.get(path).status_code == 404
        assert editor.post(path, {"old_password": "x"}).status_code == 404
    assert "password_change" not in editor.get("/admin/").content.decode()
