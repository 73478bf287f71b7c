"""The demonstration's data: complete, safe to load again, and never mixed with real people."""

import json
from io import StringIO

import pytest
from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.core.management import CommandError, call_command
from django.template import Context, Template
from django.test import override_settings
from django_otp.plugins.otp_totp.models import TOTPDevice

from incidents import banners
from incidents.models import Claim, NoticeVersion
from members.demandes import asked
from members.models import (
    Adhesion,
    AyantDroit,
    CannedAnswer,
    Delegation,
    Demande,
    DemandeEvent,
    DemandeMessage,
    Member,
    User,
)
from portal import roles
from portal.demo import people

pytestmark = pytest.mark.django_db


def demo(*arguments):
    out = StringIO()
    call_command("demo", *arguments, stdout=out)
    return out.getvalue()


def rows():
    models = (Member, AyantDroit, Adhesion, Delegation, User, TOTPDevice, Claim, NoticeVersion)
    models += (CannedAnswer, Demande, DemandeEvent, DemandeMessage)
    return {model.__name__: model.objects.count() for model in models}


def test_loading_again_changes_nothing():
    demo()
    before = rows()
    password = User.objects.get(identifiant="antoine.kervella").password
    demo()
    assert rows() == before
    assert User.objects.get(identifiant="antoine.kervella").password == password


def test_the_incident_is_live_with_one_published_version():
    demo()
    (notice,) = banners.current()
    assert (notice.reference, notice.number) == ("2024-02-tiers-payant", 1)
    version = NoticeVersion.objects.get()
    assert (version.author.identifiant, version.approver.identifiant) == ("auteur", "approbateur")


def test_every_row_is_valid():
    demo()
    for model in (Member, AyantDroit, Adhesion, Delegation, User):
        for row in model.objects.all():
            row.full_clean()


def test_what_was_asked_is_whole_and_stands_at_several_steps():
    demo()
    for one in Demande.objects.all():
        assert asked.facts(one)
        assert asked.is_whole(one)
        assert one.events.last().state == one.state
    assert Demande.objects.values("state").distinct().count() == 3


def test_every_nir_is_valid_and_none_is_readable_in_the_database():
    demo()
    assert Member.objects.get(number="10000001").nir == "178067512345644"
    assert not Member.objects.filter(nir_sealed__contains="178067512345644").exists()


def test_the_accounts_are_told_as_json():
    told = json.loads(demo("--json"))
    assert told["incident"] == "2024-02-tiers-payant"
    accounts = {account["identifiant"]: account for account in told["accounts"]}
    antoine = accounts["antoine.kervella"]
    assert antoine["password"] == people.PASSWORD
    assert antoine["number"] == "10000001"
    assert accounts["approbateur"]["totp_key"]
    assert User.objects.get(identifiant="antoine.kervella").check_password(people.PASSWORD)


def test_the_known_password_would_be_accepted_for_anybody():
    demo()
    for user in User.objects.all():
        validate_password(people.PASSWORD, user)


def test_no_sentence_of_the_notice_is_longer_than_twenty_words():
    demo()
    version = NoticeVersion.objects.get()
    for name in NoticeVersion.TEXTS:
        for sentence in getattr(version, name).replace("\n", " ").split("."):
            assert len(sentence.split()) <= 20, sentence


# Production


@override_settings(DEMO=False)
def test_in_production_passwords_are_random_and_told_once():
    first = json.loads(demo("--json"))["accounts"]
    again = json.loads(demo("--json"))["accounts"]
    passwords = {account["password"] for account in first}
    assert len(passwords) == len(first)
    assert people.PASSWORD not in passwords
    assert {account["password"] for account in again} == {None}
    known = {staff.totp_key for staff in people.STAFF}
    assert not known & set(TOTPDevice.objects.values_list("key", flat=True))
    assert {account["totp_key"] for account in again} == {None}


@override_settings(DEMO=False)
def test_in_production_a_database_with_other_people_is_refused():
    Member.objects.create(
        number="42424242",
        first_names="Vraie",
        birth_name="Personne",
        birth_date="1980-01-01",
        nir_absence="en_attente",
    )
    with pytest.raises(CommandError, match="other members"):
        demo()
    assert not User.objects.exists()


@override_settings(DEMO=False)
def test_in_production_the_sign_in_page_tells_no_account():
    html = Template("{% load demo %}{% demo_accounts %}").render(Context())
    assert html.strip() == ""


def test_the_sign_in_page_tells_the_accounts_without_a_statement(django_assert_num_queries):
    with django_assert_num_queries(0):
        html = Template("{% load demo %}{% demo_accounts %}").render(Context())
    assert "antoine.kervella" in html
    assert people.PASSWORD in html


# Roles


def test_roles_agree_with_the_code():
    group = roles.sync()[0]
    group.permissions.clear()
    call_command("roles", stdout=StringIO())
    assert Group.objects.get(name=roles.SUPPORT).permissions.exists()


def test_nobody_both_writes_and_publishes():
    publishers = {r for r, may in roles.ROLES.items() if "incidents.publish_noticeversion" in may}
    writers = {role for role, may in roles.ROLES.items() if "incidents.add_noticeversion" in may}
    assert publishers.isdisjoint(writers)


def test_a_permission_that_does_not_exist_is_an_error(monkeypatch):
    monkeypatch.setitem(roles.ROLES, roles.SUPPORT, ["members.view_everything"])
    with pytest.raises(roles.UnknownPermission):
        roles.sync()
