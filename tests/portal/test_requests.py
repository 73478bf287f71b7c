"""Requests that no page of ours makes: refused at the door, whoever sends them, and kept nowhere."""

from wsgiref.util import setup_testing_defaults

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_started
from django.db import close_old_connections
from django.test import Client, RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from portal import charset
from tests.members.conftest import make_member
from tests.signing import sign_in

OTHERS = ["utf-7", "latin-1", "utf-16", "", "nonsense"]
NO_CHARSET = ["charset=hex", "charset=rot13", "charset=undefined", "charset=idna"]
UNREADABLE = ["charset*=utf-8''a%00b", "charset*=utf-7''+2AA-", "charset*=nope''41", "x*=nope''1"]
RECEIPT = "/sms/5f0c8d1e-0000-4000-8000-000000000000/statut/"
FORMS = ["/connexion/", "/connexion/code/", "/deconnexion/", RECEIPT, "/admin/"]


@pytest.fixture
def frank(db):
    """A browser to which an error inside is a page, as in production."""
    return Client(raise_request_exception=False)


@pytest.fixture
def server():
    """A page asked of the WSGI application, as a server asks: Django makes its request from that."""
    application = charset.Unread(WSGIHandler())

    def get(content_type):
        environ = {"PATH_INFO": "/connexion/", "QUERY_STRING": "next=/%41"}
        setup_testing_defaults(environ)
        environ |= {"HTTP_HOST": "testserver", "CONTENT_TYPE": content_type}
        return application(environ, lambda status, headers: None)

    request_started.disconnect(close_old_connections)  # as Django's test client does
    yield get
    request_started.connect(close_old_connections)


def is_refused(response):
    assert response.status_code == 400
    assert '<html lang="fr">' in response.content.decode()
    assert response["Cache-Control"] == "no-store"
    assert "default-src 'none'" in response["Content-Security-Policy"]


# Charsets


def surrogate(name):
    boundary = "limit"
    body = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n+2AA-\r\n'
    return f"{body}--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("path", FORMS)
def test_a_form_in_another_charset_is_a_400(frank, path, name):
    body, kind = surrogate("identifiant")
    is_refused(frank.generic("POST", path, body, f"{kind}; charset={name}"))


@pytest.mark.parametrize("parameters", [*(f"charset={name}" for name in OTHERS), *NO_CHARSET])
def test_so_is_a_page_asked_for_in_another_charset(server, parameters):
    is_refused(server(f"text/plain; {parameters}"))


@pytest.mark.parametrize("parameters", UNREADABLE)
def test_so_is_a_content_type_that_cannot_be_read(server, parameters):
    is_refused(server(f"text/plain; {parameters}"))


@given(st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=60))
def test_no_content_type_whatever_breaks_the_making_of_a_request(text):
    reached = []
    application = charset.Unread(lambda environ, start: reached.append(environ["CONTENT_TYPE"]))
    application({"CONTENT_TYPE": f"text/plain; charset{text}"}, None)
    RequestFactory().get("/?a=%41", CONTENT_TYPE=reached[0])


@pytest.mark.parametrize("name", ["utf-8", "UTF-8", '"utf-8"', "utf8"])
def test_utf_8_by_any_of_its_names_is_read(frank, name):
    body, kind = surrogate("identifiant")
    answer = frank.generic("POST", "/connexion/", body, f"{kind}; charset={name}")
    assert answer.status_code == 200
    assert "Saisissez votre mot de passe." in answer.content.decode()


def test_without_a_charset_utf_8_is_read():
    reached = []
    charset.Utf8Middleware(reached.append)(RequestFactory().post("/", {"a": "é"}))
    assert reached[0].POST["a"] == "é"


# Files


@pytest.fixture
def disk(monkeypatch):
    """What Django would write to the disk."""
    written = []
    handlers = "django.core.files.uploadhandler"
    for place in ("TemporaryUploadedFile", "InMemoryUploadedFile"):
        monkeypatch.setattr(f"{handlers}.{place}", lambda *args, **kwargs: written.append(args))
    return written


def large_file():
    return SimpleUploadedFile("scan.pdf", b"%PDF" + bytes(5_000_000))


@pytest.mark.parametrize("path", ["/connexion/", RECEIPT])
def test_a_file_is_a_400_and_is_written_nowhere(frank, disk, path):
    is_refused(frank.post(path, {"identifiant": "claire", "scan": large_file()}))
    assert not disk


@pytest.mark.parametrize("path", FORMS)
def test_no_form_keeps_a_file(frank, disk, path):
    frank.post(path, {"identifiant": "claire", "code": "123456", "scan": large_file()})
    assert not disk


def test_not_even_of_somebody_who_signed_in(db, disk):
    browser = sign_in(Client(enforce_csrf_checks=True), make_member().user)
    browser.cookies["csrftoken"] = "a" * 32
    is_refused(browser.post("/espace/", {"scan": large_file()}))
    assert not disk


def test_an_empty_file_is_refused_too(frank):
    is_refused(frank.post("/connexion/", {"scan": SimpleUploadedFile("empty.txt", b"")}))


def test_a_form_too_long_is_a_400(frank):
    is_refused(frank.post("/connexion/", {"identifiant": "x" * 300_000}))
