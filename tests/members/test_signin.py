import re
from datetime import timedelta
from html import unescape

import pytest
import time_machine
from django.http import HttpResponseRedirect
from django.test import RequestFactory
from django.urls import reverse
from django.utils import timezone
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice
from hypothesis import given
from hypothesis import strategies as st

from members import gate
from members.models import AuditEvent, Challenge, Session, SmsMessage
from members.next_page import safe_next
from members.sms import memory
from tests.members.conftest import PASSWORD, make_member
from tests.members.steps import read_code, signs_in, type_code, type_password, wrong

SIGN_IN, CODE, HOME = "/connexion/", "/connexion/code/", "/espace/"
NO_TEXT_NOW = "Nous ne pouvons pas vous envoyer de code tout de suite."


@pytest.fixture
def commits(django_capture_on_commit_callbacks):
    return django_capture_on_commit_callbacks


@pytest.fixture
def at_the_code(client, claire, commits):
    """Claire's browser after the right password."""
    with commits(execute=True):
        type_password(client)
    return client


def events():
    return list(AuditEvent.objects.order_by("id").values_list("action", flat=True))


def stripped(response):
    """A page without what must differ: the CSRF token and the identifiant typed."""
    page = re.sub(rb'name="csrfmiddlewaretoken" value="[^"]+"', b"", response.content)
    return re.sub(rb'value="(claire|nobody|closed|suspended|phoneless|staffless)"', b"", page)


# The whole way


def test_password_then_code_opens_the_espace(client, covered, commits):
    response = type_password(client)
    assert response.status_code == 302
    response = signs_in(client, commits)
    assert response.url == HOME
    assert client.get(HOME).status_code == 200
    assert "signin.completed" in events()


def test_between_password_and_code_the_browser_is_nobody(at_the_code):
    response = at_the_code.get(HOME)
    assert response.url == f"{SIGN_IN}?next={HOME}"
    session = Session.objects.get()
    assert session.user is None


def test_the_session_key_and_the_csrf_token_change_at_each_step(client, claire, commits):
    client.get(SIGN_IN)
    seen = [(None, client.cookies["csrftoken"].value)]
    with commits(execute=True):
        type_password(client)
    seen.append((client.cookies["session"].value, client.cookies["csrftoken"].value))
    type_code(client, read_code())
    seen.append((client.cookies["session"].value, client.cookies["csrftoken"].value))
    assert len({key for key, _token in seen}) == 3
    assert seen[1][1] != seen[2][1]


def test_the_key_of_the_half_way_session_is_dead_after_the_code(at_the_code):
    half_way = at_the_code.cookies["session"].value
    type_code(at_the_code, read_code())
    at_the_code.cookies["session"] = half_way
    assert at_the_code.get(HOME).status_code == 302


def test_a_planted_session_key_is_not_kept(client, claire):
    client.cookies["session"] = "planted0planted0planted0planted0"
    type_password(client)
    assert client.cookies["session"].value != "planted0planted0planted0planted0"


def test_the_page_asked_for_follows_the_sign_in(client, covered, commits):
    with commits(execute=True):
        type_password(client, next="/espace/donnees/")
    assert type_code(client, read_code()).url == "/espace/donnees/"


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "javascript:alert(1)",
        "http:evil",
        "http://testserver/espace/donnees/",
        "/" + "a" * 600,
    ],
)
def test_no_address_leads_to_another_site(client, covered, commits, elsewhere):
    with commits(execute=True):
        type_password(client, next=elsewhere)
    assert type_code(client, read_code()).url == HOME


@pytest.mark.parametrize(
    "odd",
    ["foo", "?x", "#x", ".", "admin:index", "signin", "members.User", "é"],
)
def test_what_is_no_path_leads_to_the_landing_and_the_sign_in_is_kept(
    client, covered, commits, odd
):
    client.get(SIGN_IN, {"next": odd})
    with commits(execute=True):
        type_password(client, next=odd)
    assert type_code(client, read_code()).url == HOME
    assert client.get(HOME).status_code == 200
    assert client.get(SIGN_IN, {"next": odd}).url == HOME


@given(st.text(max_size=60).map(lambda text: f"/{text}"))
def test_no_path_whatever_breaks_the_answer(path):
    request = RequestFactory().get("/")
    HttpResponseRedirect(safe_next(path, request) or HOME)


# What it costs


def test_a_whole_sign_in_costs_at_most_twenty_statements(
    client, warm, covered, commits, django_assert_num_queries
):
    signs_in(client, commits)  # his browser is known from here on
    client.post(reverse("signout"))
    with django_assert_num_queries(0):  # the warm page asks nothing
        client.get(SIGN_IN)
    with commits(), django_assert_num_queries(9):
        # account and its browser · limits · limits given back with those of texts · BEGIN · challenge
        # · text · COMMIT · event · session
        type_password(client)
    challenge = Challenge.objects.latest("pk")
    with django_assert_num_queries(2):  # session · challenge with its account
        client.get(CODE)
    with django_assert_num_queries(6):
        # session · challenge with its account · claim · consumption · event · session under its new key
        # (and nothing to land on: no incident is live)
        type_code(client, challenge.code())
    with django_assert_num_queries(5):
        # session with its account · adhésions · last reimbursements · ayants droit · acknowledgements
        client.get(HOME)


def test_a_new_browser_costs_three_statements_more(
    client, warm, covered, commits, django_assert_num_queries
):
    with commits():
        type_password(client)
    challenge = Challenge.objects.get()
    with commits(), django_assert_num_queries(11):
        # as above · BEGIN · browser · link « ce n'est pas moi » · e-mail · COMMIT
        type_code(client, challenge.code())


# Doors that look alike


@pytest.fixture
def closed_doors(claire):
    make_member("closed", nir="178067512345644", phone="+33612345601", is_active=False)
    make_member(
        "suspended", nir="180062A00403319", phone="+33612345602", suspended_at=timezone.now()
    )
    make_member("phoneless", nir="105079205011880", phone="")


def test_unknown_wrong_closed_suspended_and_phoneless_answer_with_the_same_bytes(
    client, closed_doors
):
    answers = {}
    for identifiant, password in [
        ("claire", "not her password"),
        ("nobody", PASSWORD),
        ("closed", PASSWORD),
        ("suspended", PASSWORD),
        ("phoneless", PASSWORD),
    ]:
        client.cookies.clear()
        response = type_password(client, identifiant, password)
        answers[identifiant] = (
            response.status_code,
            stripped(response),
            sorted(response.cookies),
            sorted(response.headers),
        )
    assert len({str(answer) for answer in answers.values()}) == 1
    assert b"incorrect" in answers["nobody"][1]
    assert not memory.outbox


def test_staff_without_authenticator_app_do_not_get_in(client, hugo):
    TOTPDevice.objects.all().delete()
    assert type_password(client, "hugo").status_code == 200


def test_the_password_is_never_written_back_into_the_page(client, claire):
    response = type_password(client, "claire", "a password to keep secret")
    assert b"a password to keep secret" not in response.content
    assert b'value="claire"' in response.content


def test_five_wrong_passwords_then_even_the_right_one_waits(client, claire):
    for _ in range(5):
        assert type_password(client, "claire", "wrong").status_code == 200
    response = type_password(client)
    assert response.status_code == 429
    assert 0 < int(response["Retry-After"]) <= 31
    assert "Trop d'essais. Réessayez" in unescape(response.content.decode())


def test_right_passwords_are_not_counted_against_anyone(client, claire, settings):
    settings.LIMITS = {**settings.LIMITS, "SENDS_PER_PHONE_HOUR": 50, "SENDS_PER_PHONE_DAY": 50}
    for _ in range(12):
        assert type_password(client).status_code == 302


def test_when_the_texts_are_spent_the_page_says_when_to_come_back(client, claire):
    for _ in range(5):
        assert type_password(client).status_code == 302
    response = type_password(client)
    assert response.status_code == 429
    assert SmsMessage.objects.count() == 5
    page = unescape(response.content.decode())
    assert NO_TEXT_NOW in page
    assert "Trop d'essais" not in page


def test_when_the_texts_of_the_day_are_spent_the_page_names_tomorrow(client, claire, settings):
    settings.LIMITS = {**settings.LIMITS, "SENDS_PER_PHONE_HOUR": 50, "SENDS_PER_PHONE_DAY": 2}
    with time_machine.travel("2024-07-01T12:04:30Z", tick=False):
        for _ in range(2):
            type_password(client)
        page = unescape(type_password(client).content.decode())
    assert f"{NO_TEXT_NOW} Réessayez demain à partir de 14\u00a0h\u00a005." in page


def test_a_full_gate_answers_503_and_counts_nothing(client, claire, settings):
    settings.LIMITS = {**settings.LIMITS, "GATE_WAIT_MS": 1}
    with gate.password_gate.passage():
        response = type_password(client)
    assert response.status_code == 503
    assert int(response["Retry-After"]) > 0
    assert b'http-equiv="refresh"' in response.content
    assert type_password(client).status_code == 302


# The code


def test_a_wrong_code_says_how_many_tries_are_left(at_the_code):
    response = type_code(at_the_code, wrong(read_code()))
    assert "Il vous reste 4 essais" in response.content.decode()
    assert "signin.code_failed" in events()


def test_the_last_wrong_code_says_to_start_again(at_the_code):
    for _ in range(5):
        response = type_code(at_the_code, wrong(read_code()))
    assert "Recommencez la connexion pour en recevoir un autre." in response.content.decode()


def test_a_refused_code_leaves_its_field_empty(at_the_code):
    for typed in (wrong(read_code()), "12345"):
        assert typed not in type_code(at_the_code, typed).content.decode()


@pytest.mark.parametrize(
    "typed", ["{0}", " {0} ", "{1} {2}", "{1}-{2}", "{1}\u00a0{2}", "{1}\u2011{2}", "\t{0}\r\n"]
)
def test_spaces_and_hyphens_around_the_digits_do_not_matter(at_the_code, typed):
    code = read_code()
    response = type_code(at_the_code, typed.format(code, code[:3], code[3:]))
    assert response.status_code == 302


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "12345",
        "1234567",
        "abcdef",
        "١٢٣٤٥٦",
        "１２３４５６",
        "12345\0",
        "9" * 10_000,
        "12.456",
        "+12345",
    ],
)
def test_what_is_not_six_ascii_digits_ends_in_one_polite_error(at_the_code, typed):
    response = type_code(at_the_code, typed)
    assert response.status_code == 200
    assert "Saisissez les 6 chiffres du code." in response.content.decode()
    assert Challenge.objects.get().attempts == 0


def test_a_missing_or_repeated_code_ends_in_the_same_error(at_the_code):
    for data in ({}, {"code": [read_code(), read_code()]}):
        response = at_the_code.post(CODE, data)
        assert "Saisissez les 6 chiffres du code." in response.content.decode()


@pytest.mark.parametrize("field", ["identifiant", "password"])
@pytest.mark.parametrize("value", ["", "\0", "x" * 10_000, "é" * 200, " "])
def test_odd_identifiants_and_passwords_end_in_a_polite_page(client, claire, field, value):
    typed = {"identifiant": "claire", "password": "wrong", field: value}
    response = client.post(SIGN_IN, typed)
    assert response.status_code == 200
    assert not memory.outbox


def test_getting_reloading_or_going_back_sends_nothing(at_the_code):
    for method in (at_the_code.get, at_the_code.head):
        for url in (CODE, SIGN_IN, CODE):
            method(url)
    assert SmsMessage.objects.count() == 1


def test_the_resend_button_sends_the_same_code_once(at_the_code, commits):
    code = read_code()
    with time_machine.travel(timezone.now() + timedelta(seconds=31)), commits(execute=True):
        at_the_code.post(reverse("signin_resend"))
        at_the_code.post(reverse("signin_resend"))
    assert [read_code(), len(memory.outbox)] == [code, 2]


def test_a_resend_asked_too_early_says_when(at_the_code):
    response = at_the_code.post(reverse("signin_resend"), follow=True)
    page = unescape(response.content.decode())
    assert f"{NO_TEXT_NOW} Réessayez" in page
    assert "Trop d'essais" not in page
    assert re.search(r"Nouvel envoi possible dans (30|2\d)\u00a0secondes\.", page)
    assert SmsMessage.objects.count() == 1


def test_the_phone_is_shown_masked_and_the_reference_in_full(at_the_code):
    page = at_the_code.get(CODE).content.decode()
    assert "06 •• •• •• 78" in page
    assert "612345678" not in page.replace(" ", "")
    assert Challenge.objects.get().reference in page
    assert Challenge.objects.get().reference in memory.outbox[-1].body


def test_the_half_way_step_dies_after_ten_minutes(at_the_code):
    with time_machine.travel(timezone.now() + timedelta(seconds=601)):
        assert at_the_code.get(CODE).url == SIGN_IN


@pytest.mark.parametrize("change", ["password", "phone", "suspended"])
def test_the_half_way_step_dies_when_the_account_changes(at_the_code, claire, change):
    if change == "password":
        claire.user.set_password("another long password")
    elif change == "suspended":
        claire.user.suspended_at = timezone.now()
    else:
        claire.phone = "+33698765432"
        claire.save()
    claire.user.save()
    response = type_code(at_the_code, Challenge.objects.get().code())
    assert response.url == f"{SIGN_IN}?motif=changed"
    assert at_the_code.get(HOME).status_code == 302


def test_without_a_sign_in_under_way_the_code_page_leads_to_the_start(client, db):
    assert client.get(CODE).url == SIGN_IN
    assert client.post(CODE, {"code": "123456"}).url == SIGN_IN
    assert client.post(reverse("signin_resend")).url == SIGN_IN


# Staff


def totp_of(user, drift=0):
    device = TOTPDevice.objects.get(user=user)
    return f"{totp(device.bin_key, drift=drift):06}"


def test_staff_sign_in_with_their_app_and_reach_the_admin(client, hugo):
    type_password(client, "hugo")
    assert not memory.outbox
    assert type_code(client, totp_of(hugo)).url == "/admin/"
    assert client.get("/admin/").status_code == 200


def test_one_app_code_opens_one_session(client, hugo):
    type_password(client, "hugo")
    code = totp_of(hugo)
    type_code(client, code)
    client.post(reverse("signout"))
    type_password(client, "hugo")
    response = type_code(client, code)
    assert response.status_code == 200
    assert "Ce code a déjà servi." in response.content.decode()


def test_staff_guessing_app_codes_must_wait(client, hugo, settings):
    settings.LIMITS = {**settings.LIMITS, "TOTP_FAILURES": 3}
    type_password(client, "hugo")
    for _ in range(3):
        assert type_code(client, wrong(totp_of(hugo))).status_code == 200
    assert type_code(client, totp_of(hugo)).status_code == 429


def test_staff_do_not_enter_the_espace_nor_members_the_admin(client, hugo, covered, commits):
    type_password(client, "hugo")
    type_code(client, totp_of(hugo))
    assert client.get(HOME).status_code == 403
    client.post(reverse("signout"))
    signs_in(client, commits)
    assert client.get("/admin/", follow=True).status_code == 403


def test_the_admin_has_no_door_of_its_own(client, db):
    response = client.get("/admin/members/member/", follow=True)
    assert response.redirect_chain[-1][0] == f"{SIGN_IN}?next=/admin/members/member/"


# Leaving


def test_signing_out_ends_the_session_on_the_server(client, covered, commits):
    signs_in(client, commits)
    key = client.cookies["session"].value
    response = client.post(reverse("signout"))
    assert "cache" in response["Clear-Site-Data"]
    client.cookies["session"] = key
    assert client.get(HOME).status_code == 302
    assert events()[-1] == "session.ended"


def test_a_link_does_not_sign_out(client, covered, commits):
    signs_in(client, commits)
    assert client.get(reverse("signout")).status_code == 405
    assert client.get(HOME).status_code == 200


def test_signed_in_pages_are_kept_by_nobody(client, covered, commits):
    signs_in(client, commits)
    assert client.get(HOME)["Cache-Control"] == "no-store"


def test_no_event_holds_a_code_a_password_or_a_phone(client, claire, commits):
    type_password(client, "claire", "a password to keep secret")
    signs_in(client, commits)
    trail = str(list(AuditEvent.objects.values()))
    for secret in (read_code(), PASSWORD, "a password to keep secret", "612345678"):
        assert secret not in trail


# By a call


def test_a_code_that_does_not_come_is_spoken_on_the_phone(at_the_code, claire, commits):
    code = read_code()
    assert "Recevoir le code par un appel" not in at_the_code.get(CODE).content.decode()
    with time_machine.travel(timezone.now() + timedelta(seconds=31)):
        assert "Recevoir le code par un appel" in at_the_code.get(CODE).content.decode()
        with commits(execute=True):
            at_the_code.post("/connexion/code/appeler/")
        assert memory.outbox[-1].channel == "call"
        assert " . ".join(code) in memory.outbox[-1].body
        assert type_code(at_the_code, code)["Location"] == HOME


def test_a_call_waits_and_counts_as_a_text_does(at_the_code, commits):
    with commits(execute=True):
        at_the_code.post("/connexion/code/appeler/")
    assert [sent.channel for sent in memory.outbox] == ["text"]


def test_without_any_way_to_call_the_button_and_its_address_are_not_there(at_the_code, monkeypatch):
    monkeypatch.setattr(memory.MemoryGateway, "can_call", False)
    assert at_the_code.post("/connexion/code/appeler/").status_code == 404
