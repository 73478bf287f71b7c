"""The code is sent twice at once: two requests with the same cookies, two answers, one browser."""

import threading
from http.cookies import SimpleCookie

import pytest
from django.db import connection
from django.test import Client

from members import codes
from members.models import Challenge, Session
from tests.members.conftest import make_member
from tests.members.steps import read_code, signs_in, type_code, type_password

SIGN_IN, HOME = "/connexion/", "/espace/"


def copy_of(client):
    copy = Client()
    copy.cookies = SimpleCookie({name: morsel.value for name, morsel in client.cookies.items()})
    return copy


def receives(client, *answers):
    """What a browser does with the cookies of answers, in the order in which they arrive."""
    for answer in answers:
        for name, morsel in answer.cookies.items():
            if morsel["max-age"] == 0:
                client.cookies.pop(name, None)
            else:
                client.cookies[name] = morsel.value


@pytest.fixture
def at_the_code(client, claire, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        type_password(client)
    return client


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_second_click_after_the_first_was_served_leaves_the_browser_signed_in(at_the_code, order):
    code = read_code()
    answers = [type_code(copy_of(at_the_code), code) for _click in range(2)]
    receives(at_the_code, *(answers[rank] for rank in order))
    assert [answer.status_code for answer in answers] == [302, 302]
    assert at_the_code.get(answers[1].url).url == HOME
    assert at_the_code.get(HOME).status_code == 200


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_so_does_a_second_click_served_beside_the_first(client, monkeypatch, order):
    make_member()
    type_password(client)
    real, both, answers = codes.check, threading.Barrier(2), []

    def together(*args):
        both.wait(5)  # both have read the session that only one of them will replace
        return real(*args)

    def click():
        answers.append(type_code(copy_of(client), Challenge.objects.get().code()))
        connection.close()

    monkeypatch.setattr(codes, "check", together)
    clicks = [threading.Thread(target=click) for _click in range(2)]
    for thread in clicks:
        thread.start()
    for thread in clicks:
        thread.join()
    answers.sort(key=lambda answer: answer.url == HOME, reverse=True)
    receives(client, *(answers[rank] for rank in order))
    assert [answer.url for answer in answers] == [HOME, f"{SIGN_IN}?motif=expired"]
    assert client.get(answers[1].url).url == HOME
    assert client.get(HOME).status_code == 200


def test_the_replaced_key_opens_nothing_and_is_never_taken_up_again(at_the_code):
    thief = copy_of(at_the_code)
    replaced = thief.cookies["session"].value
    type_code(at_the_code, read_code())
    assert thief.get(HOME).status_code == 302
    assert thief.get("/connexion/code/").url == SIGN_IN
    assert thief.cookies["session"].value == replaced
    type_password(thief)
    assert thief.cookies["session"].value != replaced


def test_a_session_that_the_request_itself_ends_takes_its_cookie_along(
    client, covered, django_capture_on_commit_callbacks
):
    signs_in(client, django_capture_on_commit_callbacks)
    copy = copy_of(client)
    assert client.post("/deconnexion/").cookies["session"]["max-age"] == 0
    assert not Session.objects.exists()
    assert copy.get(HOME).status_code == 302


def test_a_session_ended_by_a_change_of_the_account_takes_its_cookie_along(
    client, covered, django_capture_on_commit_callbacks
):
    signs_in(client, django_capture_on_commit_callbacks)
    user = covered.member.user
    user.set_password("another long password")
    user.save()
    assert client.get(HOME).cookies["session"]["max-age"] == 0
