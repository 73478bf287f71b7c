"""What we say to Twilio, what its answers mean, and which receipts we believe. Over real HTTP."""

import socket
import ssl
import threading
import time
from dataclasses import replace
from urllib.parse import urlencode

import pytest
import requests
from django.http import QueryDict
from django.urls import reverse
from twilio.request_validator import RequestValidator
from urllib3.exceptions import MaxRetryError, SSLError

from members.models import SmsDevice, SmsMessage
from members.models.sms import Channel, SmsState
from members.sms import twilio as edge
from members.sms.gateway import (
    AccountFault,
    Busy,
    Overloaded,
    Problem,
    Receipt,
    Rejected,
    SenderFault,
    SmsError,
    Text,
    Uncertain,
    Unreachable,
)
from tests.members.routes import queued_text
from tests.services.twilio import Fail, Hang, Refuse, Reset

TOKEN = "tests-only-token"


@pytest.fixture
def account(settings, twilio):
    settings.TWILIO_BASE_URL = twilio.url
    settings.TWILIO_ACCOUNT_SID = twilio.account_sid
    settings.TWILIO_AUTH_TOKEN = twilio.auth_token
    settings.TWILIO_AUTH_TOKEN_PREVIOUS = ""
    settings.TWILIO_FROM = "RIVAGE"
    settings.TWILIO_MESSAGING_SERVICE_SID = ""
    return settings


@pytest.fixture
def gateway(account):
    return edge.TwilioGateway()


@pytest.fixture
def text(claire):
    message = queued_text(claire)
    return Text(id=message.pk, to=claire.phone, body="123456 : votre code à jour", lifetime=170)


# Calls


def test_a_text_carries_its_sender_its_lifetime_and_where_to_answer(gateway, twilio, text):
    reference = gateway.send(text)
    (request,) = twilio.requests
    assert reference == request.sid
    assert request.form == {
        "To": "+33612345678",
        "Body": "123456 : votre code à jour",
        "From": "RIVAGE",
        "ValidityPeriod": "170",
        "StatusCallback": f"http://testserver/sms/{text.id}/statut/",
    }


def test_a_call_speaks_the_code_three_times_in_french_and_no_address_holds_it(
    account, twilio, text
):
    account.TWILIO_VOICE_FROM = "+33123456789"
    call = replace(text, body="Votre code. 1 . 2 . 3 . 4 . 5 . 6", channel=Channel.CALL)
    assert edge.TwilioGateway().send(call) == twilio.requests[0].sid
    (request,) = twilio.requests
    assert request.path.endswith("/Calls.json")
    assert request.twiml.count('<Say language="fr-FR">Votre code. 1 . 2 . 3 . 4 . 5 . 6</Say>') == 3
    assert (request.form["From"], request.form["Timeout"]) == ("+33123456789", "30")
    assert request.form["StatusCallback"].endswith(f"/sms/{text.id}/statut/")
    assert not {"Url", "Body", "ApplicationSid"} & request.form.keys()


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("completed", SmsState.DELIVERED),
        ("no-answer", SmsState.UNDELIVERED),
        ("busy", SmsState.UNDELIVERED),
        ("failed", SmsState.FAILED),
    ],
)
def test_what_became_of_a_call_is_told_in_our_words(status, state):
    fields = QueryDict(f"CallStatus={status}&CallSid=CA1")
    assert edge.read_receipt(fields).state == state
    assert edge.read_receipt(fields).provider_id == "CA1"


def test_without_a_number_that_calls_none_is_offered(account):
    account.TWILIO_VOICE_FROM = ""
    assert not edge.TwilioGateway().can_call


def test_a_messaging_service_goes_before_a_sender(account, twilio, text):
    account.TWILIO_MESSAGING_SERVICE_SID = "MG" + "0" * 32
    edge.TwilioGateway().send(text)
    (request,) = twilio.requests
    assert request.form["MessagingServiceSid"] == "MG" + "0" * 32
    assert "From" not in request.form


@pytest.mark.parametrize(
    ("answer", "error", "problem"),
    [
        (Refuse(20429, status=429), Busy, Problem.BUSY),
        (Fail(429), Busy, Problem.BUSY),
        (Fail(503), Overloaded, Problem.BUSY),
        (Refuse(20503, status=503), Overloaded, Problem.BUSY),
        (Fail(500), Uncertain, Problem.NO_ANSWER),
        (Fail(502), Uncertain, Problem.NO_ANSWER),
        (Fail(504), Uncertain, Problem.NO_ANSWER),
        (Fail(599), Uncertain, Problem.NO_ANSWER),
        (Fail(302), Uncertain, Problem.NO_ANSWER),
        (Reset(), Uncertain, Problem.NO_ANSWER),
        (Refuse(21211), Rejected, Problem.NUMBER_INVALID),
        (Refuse(21614), Rejected, Problem.NOT_A_MOBILE),
        (Refuse(21635), Rejected, Problem.NOT_A_MOBILE),
        (Refuse(21408), Rejected, Problem.REGION_CLOSED),
        (Refuse(21612), Rejected, Problem.REGION_CLOSED),
        (Refuse(21610), Rejected, Problem.STOPPED),
        (Refuse(21611), SenderFault, Problem.SENDER),
        (Refuse(30001), SenderFault, Problem.SENDER),
        (Refuse(20003, status=401), AccountFault, Problem.ACCOUNT),
        (Fail(401), AccountFault, Problem.ACCOUNT),
        (Refuse(20005, status=403), AccountFault, Problem.ACCOUNT),
        (Refuse(30002), AccountFault, Problem.ACCOUNT),
        (Refuse(29999), Rejected, Problem.REFUSED),
    ],
    ids=repr,
)
def test_each_answer_means_one_thing(gateway, twilio, text, answer, error, problem):
    twilio.answer_with(answer)
    with pytest.raises(SmsError) as raised:
        gateway.send(text)
    assert (type(raised.value), raised.value.problem) == (error, problem)
    assert len(twilio.requests) == 1  # the library repeats nothing by itself


def test_a_wrong_token_is_an_account_fault(account, twilio, text):
    account.TWILIO_AUTH_TOKEN = "another"
    with pytest.raises(AccountFault):
        edge.TwilioGateway().send(text)


def test_silence_is_uncertain_and_does_not_last(account, twilio, text, monkeypatch):
    monkeypatch.setattr(edge, "READ_TIMEOUT", 0.2)
    twilio.answer_with(Hang(5))
    with pytest.raises(Uncertain):
        edge.TwilioGateway().send(text)


def test_a_refused_connection_never_left(account, text):
    account.TWILIO_BASE_URL = "http://127.0.0.1:1"
    with pytest.raises(Unreachable):
        edge.TwilioGateway().send(text)


def test_an_unknown_host_never_left(account, text):
    account.TWILIO_BASE_URL = "http://twilio.invalid"
    with pytest.raises(Unreachable):
        edge.TwilioGateway().send(text)


def test_a_connection_that_nobody_answers_never_left(account, text, monkeypatch):
    monkeypatch.setattr(edge, "CONNECT_TIMEOUT", 0.2)
    with socket.socket() as full:  # its queue of connections is full: the next one waits for ever
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        account.TWILIO_BASE_URL = f"http://127.0.0.1:{address[1]}"
        began = time.monotonic()
        with pytest.raises(Unreachable):
            edge.TwilioGateway().send(text)
        assert time.monotonic() - began < edge.READ_TIMEOUT / 2
        for filler in fillers:
            filler.close()


def test_a_server_that_speaks_no_tls_never_got_it(account, twilio, text):
    account.TWILIO_BASE_URL = twilio.url.replace("http://", "https://")
    with pytest.raises(Unreachable):
        edge.TwilioGateway().send(text)
    assert twilio.requests == []


def test_a_broken_connection_before_any_answer_is_uncertain(account, text):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up():
            connection, _ = server.accept()
            connection.recv(100)
            connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        account.TWILIO_BASE_URL = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(Uncertain):
            edge.TwilioGateway().send(text)
        thread.join()


@pytest.mark.parametrize("reason", ["UNEXPECTED_EOF_WHILE_READING", "BAD_RECORD_MAC", None])
def test_a_tls_error_that_may_come_after_the_request_is_uncertain(reason):

    broken = ssl.SSLError(1, "broken")
    broken.reason = reason
    error = requests.exceptions.SSLError(MaxRetryError(None, "/", SSLError(broken)))
    assert not edge._never_left(error)


def test_an_answer_that_is_no_json_is_uncertain(account, text):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer_nonsense():
            connection, _ = server.accept()
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\n<oh/>")
            connection.close()

        thread = threading.Thread(target=answer_nonsense)
        thread.start()
        account.TWILIO_BASE_URL = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(Uncertain):
            edge.TwilioGateway().send(text)
        thread.join()


def test_no_error_repeats_the_number_or_the_code(gateway, twilio, text, caplog):
    for answer in (Refuse(21211), Refuse(29999), Fail(500), Reset()):
        twilio.answer_with(answer)
        with caplog.at_level("DEBUG"), pytest.raises(SmsError) as raised:
            gateway.send(text)
        assert "612345678" not in str(raised.value)
        assert raised.value.__suppress_context__
    assert "612345678" not in caplog.text
    assert "123456" not in caplog.text


def test_many_threads_share_kept_connections(gateway, twilio, text, recwarn):
    threads = [threading.Thread(target=gateway.send, args=[text]) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(twilio.requests) == 20
    assert len({request.sid for request in twilio.requests}) == 20


# Receipts


@pytest.fixture
def sent(account, claire):
    message = queued_text(claire)
    SmsMessage.objects.filter(pk=message.pk).update(state=SmsState.ACCEPTED, provider_id="SM1")
    return message


def form_of(status, **others):
    return {
        "MessageSid": "SM1",
        "SmsSid": "SM1",
        "MessageStatus": status,
        "To": "+33612345678",
        "From": "RIVAGE",
        "AccountSid": "AC1",
        "ErrorMessage": "",  # a blank field is signed like any other
        **others,
    }


def post(client, message_id, form, token=TOKEN, url=None, **headers):
    path = f"/sms/{message_id}/statut/"
    signature = RequestValidator(token).compute_signature(url or "http://testserver" + path, form)
    headers = {"X-Twilio-Signature": signature, **headers}
    return client.post(path, urlencode(form), "application/x-www-form-urlencoded", headers=headers)


def test_its_address_is_the_one_that_twilio_is_given(sent):
    assert reverse("sms_receipt", args=[sent.pk]) == f"/sms/{sent.pk}/statut/"
    assert edge.callback_url(sent.pk) == f"http://testserver/sms/{sent.pk}/statut/"


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("sent", SmsState.SENT),
        ("delivered", SmsState.DELIVERED),
        ("undelivered", SmsState.UNDELIVERED),
        ("failed", SmsState.FAILED),
        ("queued", SmsState.ACCEPTED),
        ("reversed", SmsState.ACCEPTED),
        ("", SmsState.ACCEPTED),
    ],
)
def test_a_signed_receipt_moves_the_text(client, sent, status, state):
    answer = post(client, sent.pk, form_of(status))
    assert (answer.status_code, answer.content) == (204, b"")
    sent.refresh_from_db()
    assert sent.state == state


def test_receipts_need_no_session_no_csrf_token_and_leave_no_cookie(sent, client):
    client.handler.enforce_csrf_checks = True
    answer = post(client, sent.pk, form_of("sent"))
    assert answer.status_code == 204
    assert not answer.cookies


@pytest.mark.parametrize(
    ("code", "problem", "flagged"),
    [
        ("30003", Problem.HANDSET_OFF, False),
        ("30005", Problem.NUMBER_INVALID, True),
        ("30006", Problem.NOT_A_MOBILE, True),
        ("30007", Problem.FILTERED, False),
        ("30008", Problem.LOST, False),
        ("21610", Problem.STOPPED, True),
        ("", Problem.LOST, False),
        ("nonsense", Problem.LOST, False),
    ],
)
def test_a_receipt_says_why_it_failed(client, sent, claire, code, problem, flagged):
    assert post(client, sent.pk, form_of("undelivered", ErrorCode=code)).status_code == 204
    sent.refresh_from_db()
    assert (sent.state, sent.problem) == (SmsState.UNDELIVERED, problem)
    assert bool(SmsDevice.objects.get(user=claire.user).flagged_at) is flagged


def test_two_tokens_are_good_while_one_replaces_the_other(client, sent, account):
    account.TWILIO_AUTH_TOKEN, account.TWILIO_AUTH_TOKEN_PREVIOUS = "new", TOKEN
    assert post(client, sent.pk, form_of("sent"), token="new").status_code == 204
    assert post(client, sent.pk, form_of("delivered")).status_code == 204
    account.TWILIO_AUTH_TOKEN_PREVIOUS = ""
    assert post(client, sent.pk, form_of("delivered")).status_code == 403


def test_a_forged_receipt_is_refused(client, sent):
    assert post(client, sent.pk, form_of("delivered"), token="guess").status_code == 403
    sent.refresh_from_db()
    assert sent.state == SmsState.ACCEPTED


def test_no_token_at_all_opens_nothing(client, sent, account):
    account.TWILIO_AUTH_TOKEN = account.TWILIO_AUTH_TOKEN_PREVIOUS = ""
    assert post(client, sent.pk, form_of("delivered"), token="").status_code == 403


@pytest.mark.parametrize("signature", ["", "é", "x" * 28, "x" * 10_000])
def test_a_signature_of_any_shape_is_refused_politely(client, sent, signature):
    headers = {"X-Twilio-Signature": signature.encode().decode("latin-1")}
    assert post(client, sent.pk, form_of("delivered"), **headers).status_code == 403


def test_a_missing_signature_is_refused(client, sent):
    assert client.post(f"/sms/{sent.pk}/statut/", form_of("delivered")).status_code == 403


def test_a_receipt_signed_for_another_text_is_refused(client, sent, claire):
    other = queued_text(claire)
    url = f"http://testserver/sms/{other.pk}/statut/"
    assert post(client, sent.pk, form_of("delivered"), url=url).status_code == 403


def test_a_receipt_signed_for_another_scheme_is_refused(client, sent, account):
    account.PUBLIC_URL = "https://testserver"
    assert post(client, sent.pk, form_of("delivered")).status_code == 403


def test_an_altered_or_added_field_is_refused(client, sent):
    path = f"/sms/{sent.pk}/statut/"
    form = form_of("undelivered")
    signature = RequestValidator(TOKEN).compute_signature("http://testserver" + path, form)
    for change in ({"MessageStatus": "delivered"}, {"Extra": ""}):
        altered = urlencode({**form, **change})
        answer = client.post(
            path,
            altered,
            "application/x-www-form-urlencoded",
            headers={"X-Twilio-Signature": signature},
        )
        assert answer.status_code == 403


def test_an_unknown_text_is_answered_like_a_known_one(client, account, db):
    answer = post(client, "5b3c2f0e-0000-4000-8000-000000000000", form_of("delivered"))
    assert answer.status_code == 204


def test_a_receipt_costs_what_it_must(client, sent, django_assert_num_queries):
    with django_assert_num_queries(0):
        post(client, sent.pk, form_of("delivered"), token="guess")
    # the text · its move (and a transaction)
    with django_assert_num_queries(4):
        post(client, sent.pk, form_of("sent"))


def test_reading_it_does_nothing(client, sent):
    assert client.get(f"/sms/{sent.pk}/statut/").status_code == 405


def test_odd_values_are_borne(client, sent):
    form = form_of("sent", MessageSid="S" * 5000, ErrorCode="9" * 4000)
    SmsMessage.objects.filter(pk=sent.pk).update(provider_id="")
    assert post(client, sent.pk, form).status_code == 204
    sent.refresh_from_db()
    assert len(sent.provider_id) == 64


def test_a_field_sent_twice_is_signed_twice(client, sent):
    path = f"/sms/{sent.pk}/statut/"
    form = [*form_of("sent").items(), ("MessageStatus", "delivered")]
    body = urlencode(form)
    signature = RequestValidator(TOKEN).compute_signature(
        "http://testserver" + path, QueryDict(body)
    )
    answer = client.post(
        path,
        body,
        "application/x-www-form-urlencoded",
        headers={"X-Twilio-Signature": signature},
    )
    assert answer.status_code == 204


def test_a_receipt_in_our_words():
    assert edge.read_receipt({"MessageStatus": "read", "MessageSid": "SM1"}) == Receipt(
        SmsState.DELIVERED, "SM1"
    )
    assert edge.read_receipt({"MessageStatus": "partially_delivered"}) is None
    assert edge.read_receipt({}) is None
