import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qsl

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from tests.services.twilio import Accept, Fail, Hang, Refuse, Reset, TwilioStandIn

PHONE = "+33600000001"


@pytest.fixture
def send(twilio):
    with_timeout = TwilioHttpClient(timeout=0.5)
    client = Client(twilio.account_sid, twilio.auth_token, http_client=with_timeout)
    client.api.base_url = twilio.url

    def create(callback="http://127.0.0.1:1/sms/"):
        return client.messages.create(
            to=PHONE, from_=twilio.sender, body="123456", status_callback=callback
        )

    yield create
    with_timeout.session.close()


def test_a_text_is_accepted_and_remembered(twilio, send):
    message = send()
    [request] = twilio.wait_for(1)
    assert message.sid == request.sid == twilio.last_to(PHONE).sid
    assert (request.to, request.body, request.authorized) == (PHONE, "123456", True)


@pytest.mark.parametrize(("code", "status"), [(21211, 400), (20429, 429), (20003, 401)])
def test_it_refuses_in_the_words_of_twilio(twilio, send, code, status):
    twilio.answer_with(Refuse(code, status), Accept())
    with pytest.raises(TwilioRestException) as refusal:
        send()
    assert (refusal.value.code, refusal.value.status) == (code, status)
    assert send().sid


def test_wrong_credentials_are_refused(twilio):
    client = Client(twilio.account_sid, "another token", http_client=TwilioHttpClient())
    client.api.base_url = twilio.url
    with pytest.raises(TwilioRestException) as refusal:
        client.messages.create(to=PHONE, from_=twilio.sender, body="123456")
    assert refusal.value.status == 401
    assert not twilio.requests[0].authorized
    client.http_client.session.close()


@pytest.mark.parametrize("answer", [Fail(500), Hang(5), Reset(), Reset(accepted=True)])
def test_it_fails_in_every_way(twilio, send, answer):
    twilio.answer_with(answer)
    with pytest.raises(Exception, match=r"(?i)500|timed out|connection|read"):
        send()
    assert twilio.requests[0].accepted is getattr(answer, "accepted", False)


def test_a_callback_is_signed_over_its_address_and_every_field(twilio, send):
    received = {}

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            received["form"] = self.rfile.read(int(self.headers["Content-Length"])).decode()
            received["signature"] = self.headers["X-Twilio-Signature"]
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.handle_request).start()
        url = f"http://127.0.0.1:{server.server_port}/sms/"
        send(callback=url)
        assert twilio.callback(twilio.requests[0], "delivered") == 204
    fields = dict(parse_qsl(received["form"]))
    assert fields["MessageStatus"] == "delivered"
    assert RequestValidator(TwilioStandIn.auth_token).validate(url, fields, received["signature"])
