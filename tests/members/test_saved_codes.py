"""Codes that a member prints: made on demand, shown once, each good once."""

import math
import re
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from members import links, protection, saved_codes
from members.mail.memory import outbox as mailbox
from members.models import AuditEvent, RecoveryCode, User
from members.models.link import LinkPurpose
from tests.members.conftest import PASSWORD, make_member
from tests.members.steps import link_in_mail, signs_in
from tests.members.test_codes import at_once
from tests.signing import sign_in

PATH = "/espace/securite/codes-de-secours/"
WRITTEN = r"\b(?:[A-Z2-9]{4}-){3}[A-Z2-9]{4}\b"


@pytest.fixture
def inside(client, claire, django_capture_on_commit_callbacks):
    signs_in(client, django_capture_on_commit_callbacks)

    def post(**fields):
        with django_capture_on_commit_callbacks(execute=True):
            return client.post(PATH, fields)

    return post


def codes_on(page) -> list[str]:
    return re.findall(WRITTEN, page.content.decode())


def test_eight_codes_are_shown_once_and_kept_by_nobody(client, inside):
    page = inside()
    made = codes_on(page)
    assert page.status_code == 200
    assert page["Cache-Control"] == "no-store"
    assert len(set(made)) == 8
    assert not codes_on(client.get(PATH))
    assert "Il vous reste <strong>8 codes</strong>" in client.get(PATH).content.decode()
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            rows = str(cursor.fetchall())
            for code in made:
                assert code not in rows, table
                assert code.replace("-", "") not in rows, table


def test_none_are_made_while_the_account_is_closed(claire, inside, monkeypatch):
    new = saved_codes._new

    def meanwhile():
        user = User.objects.get(pk=claire.user.pk)
        if user.has_usable_password():
            protection.protect(links.make(user, LinkPurpose.NOT_ME), request=None)
        return new()

    monkeypatch.setattr(saved_codes, "_new", meanwhile)
    assert inside()["Location"] == PATH
    assert not RecoveryCode.objects.exists()


def test_their_making_is_told_by_email_and_to_the_trail(claire, inside):
    inside()
    assert (mailbox[-1].to, mailbox[-1].subject) == (
        claire.email,
        "De nouveaux codes de secours ont été créés",
    )
    assert AuditEvent.objects.get(action="codes.made").details == {"count": 8}


def test_looking_at_the_page_makes_none(client, inside):
    client.get(PATH)
    client.head(PATH)
    assert not RecoveryCode.objects.exists()
    assert "Vous n'avez aucun code" in client.get(PATH).content.decode()


def test_the_password_is_asked_unless_it_was_given_a_moment_ago(client, claire):
    sign_in(client, claire.user)
    assert "Saisissez votre mot de passe actuel" in client.post(PATH).content.decode()
    assert not RecoveryCode.objects.exists()
    assert len(codes_on(client.post(PATH, {"present_password": PASSWORD}))) == 8


def test_a_code_holds_at_least_64_bits_and_no_letter_that_looks_like_another():
    assert len(set(saved_codes.LETTERS)) == len(saved_codes.LETTERS)
    assert not set(saved_codes.LETTERS) & set("ILOU01")
    bits = math.log2(len(saved_codes.LETTERS)) * saved_codes.GROUPS * saved_codes.GROUP_LENGTH
    assert bits >= 64


@pytest.mark.parametrize(
    "typed", [str, str.lower, lambda code: code.replace("-", " "), lambda code: f" {code}. "]
)
def test_case_and_separators_do_not_matter(claire, inside, typed):
    code = codes_on(inside())[0]
    assert saved_codes.use(claire.user, typed(code))


def test_a_code_serves_once(claire, inside):
    code = codes_on(inside())[0]
    assert saved_codes.use(claire.user, code)
    assert not saved_codes.use(claire.user, code)
    assert saved_codes.left(claire.user) == 7


def test_new_codes_void_the_earlier_ones(claire, inside):
    old, new = codes_on(inside())[0], codes_on(inside())[0]
    assert not saved_codes.use(claire.user, old)
    assert saved_codes.use(claire.user, new)
    assert RecoveryCode.objects.count() == 8


def test_the_code_of_somebody_else_opens_nothing(claire, inside):
    code = codes_on(inside())[0]
    other = make_member("hugues", phone="+33612345679", nir="178067512345644")
    assert not saved_codes.use(other.user, code)


@pytest.mark.parametrize("typed", ["", "-", "\0", "é" * 10_000, "АВСЕ-КМНО-РТХУ-2345", "٢٣٤٥"])
def test_what_is_no_code_opens_nothing(claire, inside, typed):
    inside()
    assert not saved_codes.use(claire.user, typed)


def test_another_pepper_knows_none_of_them(claire, inside, settings):
    code = codes_on(inside())[0]
    settings.OTP_PEPPER = "another pepper"
    assert not saved_codes.use(claire.user, code)


def test_not_me_voids_codes_made_lately_and_keeps_older_ones(
    client, claire, inside, django_capture_on_commit_callbacks
):
    inside()
    link = link_in_mail("alerte")
    with time_machine.travel(timezone.now() + timedelta(days=6)):
        with django_capture_on_commit_callbacks(execute=True):
            client.post(link)
        assert not RecoveryCode.objects.exists()


def test_not_me_keeps_codes_made_long_ago(
    client, claire, inside, django_capture_on_commit_callbacks
):
    inside()
    RecoveryCode.objects.update(made_at=timezone.now() - timedelta(days=8))
    with django_capture_on_commit_callbacks(execute=True):
        client.post(link_in_mail("alerte"))
    assert RecoveryCode.objects.left().count() == 8


def test_the_page_costs_two_statements(client, inside, django_assert_num_queries):
    # session, account and device · codes left
    with django_assert_num_queries(2):
        client.get(PATH)


@pytest.mark.django_db(transaction=True)
def test_of_twenty_uses_at_once_one_passes():
    claire = make_member()
    code = saved_codes.make(claire.user, request=None)[0]
    assert at_once(20, lambda: saved_codes.use(claire.user, code)).count(True) == 1


@pytest.mark.django_db(transaction=True)
def test_of_five_makers_at_once_one_set_remains():
    claire = make_member()
    made = at_once(5, lambda: saved_codes.make(claire.user, request=None))
    assert RecoveryCode.objects.count() == 8
    good = [codes for codes in made if saved_codes.use(claire.user, codes[0])]
    assert len(good) == 1
