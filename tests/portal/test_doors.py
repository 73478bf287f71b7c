"""Every address of the portal, and who it opens to. A new one is closed until it is listed here."""

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from members.models import SmsMessage
from tests.members.conftest import make_member
from tests.members.steps import type_password

# Open to anybody, by name. Whoever adds a line says why in the view.
PUBLIC = {
    "signin",
    "signin_code",
    "signin_passkey",  # before anybody is signed in: a key stands for password and text
    "signin_passkey_options",
    "signin_text",
    "signin_resend",
    "signin_call",
    "signin_no_phone",
    "signin_reopen",  # the password of the account whose session sleeps in this browser
    "recovery_phone",  # a half-way session that showed one proof more opens these three
    "recovery_code",
    "recovery_resend",
    "signout",
    "activation",
    "activation_letter",
    "activation_ask",
    "activation_code",
    "activation_link",  # the token of an e-mail opens it
    "activation_password",  # from here on, what this browser has shown opens it
    "activation_phone",
    "activation_phone_code",
    "activation_resend",
    "not_me",  # the token of an e-mail opens it
    "phone_cancel",  # the token of an e-mail opens these four
    "bank_cancel",
    "email_confirm",
    "email_cancel",
    "enrolment",  # the ticket of a new colleague
    "enrolment_finish",
    "password_forgotten",
    "password_reset",  # the token of an e-mail opens it
    "public_notice",
    "card_check",  # who is shown a card has no account: says whether it holds, and names nobody
    "public_list",
    "public_atom",
    "public_json",
    "attestation_check",  # for whoever is handed a document
    "attestation_checked",
    "sms_receipt",
    "live",
    "ready",
    "demo_phone",
    "admin:login",  # leads to the portal's own door
    "admin:jsi18n",  # words of the admin's widgets
}

ARGUMENTS = {
    "int": "1",
    "uuid": "3f1b2c4d-0000-4000-8000-000000000000",
    "slug": "2024-02-tiers-payant",
    "str": "1",
    "path": "1",
}


def addresses(resolver=None, prefix="/", namespace=""):
    for entry in (resolver or get_resolver()).url_patterns:
        if isinstance(entry, URLResolver):
            inner = f"{namespace}{entry.namespace}:" if entry.namespace else namespace
            yield from addresses(entry, prefix + _filled(entry.pattern), inner)
        elif isinstance(entry, URLPattern):
            yield f"{namespace}{entry.name}", prefix + _filled(entry.pattern)


def _filled(pattern):
    if not hasattr(pattern, "converters"):
        return str(pattern).lstrip("^").rstrip("$")
    address = str(pattern)
    for name, converter in pattern.converters.items():
        kind = type(converter).__name__.removesuffix("Converter").lower().replace("string", "str")
        for written in (f"<{kind}:{name}>", f"<{name}>"):
            address = address.replace(written, ARGUMENTS[kind])
    return address


ALL = sorted({address for address in addresses() if "(?P<" not in address[1]})
CLOSED = [address for address in ALL if address[0] not in PUBLIC]


def test_the_list_of_open_addresses_holds_nothing_else():
    assert {name for name, _path in ALL} >= PUBLIC


@pytest.mark.parametrize(("name", "path"), CLOSED)
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_visitor_is_led_to_the_door(client, db, name, path, method):
    response = getattr(client, method)(path)
    assert response.status_code == 302
    assert response.url.split("?")[0] in ("/connexion/", "/admin/login/")


@pytest.mark.parametrize(("name", "path"), CLOSED)
def test_a_password_alone_opens_nothing(client, db, name, path):
    make_member()
    assert type_password(client).status_code == 302
    assert SmsMessage.objects.count() == 1
    response = client.get(path)
    assert response.status_code == 302
    assert response.url.split("?")[0] in ("/connexion/", "/admin/login/")


@pytest.mark.parametrize(
    "path", ["/connexion", "/.env", "/admin/../espace/", "/static/../manage.py"]
)
def test_an_unknown_address_tells_nothing(client, db, path):
    assert client.get(path).status_code in (301, 302, 404)


def test_strict_headers_go_with_every_page(client, db):
    headers = client.get("/connexion/").headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
