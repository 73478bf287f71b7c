"""A stand-in for Twilio's Messages and Calls, over HTTP, that answers what a test tells it to."""

import base64
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from twilio.request_validator import RequestValidator

from tests.services.processes import wait_until


@dataclass(frozen=True)
class Accept:
    """201, with the message's id."""

    delay: float = 0


@dataclass(frozen=True)
class Refuse:
    """An error in Twilio's own JSON, such as 21211, « not a valid phone number »."""

    code: int
    status: int = 400


@dataclass(frozen=True)
class Fail:
    """A bare HTTP failure. `accepted`: the text leaves all the same."""

    status: int = 500
    accepted: bool = False


@dataclass(frozen=True)
class Hang:
    """Silence for some seconds, then the connection closes. `accepted`: the text leaves all the same."""

    seconds: float = 30
    accepted: bool = False


@dataclass(frozen=True)
class Reset:
    """The connection breaks in the middle. `accepted`: the text leaves all the same."""

    accepted: bool = False


Answer = Accept | Refuse | Fail | Hang | Reset


@dataclass(frozen=True)
class SmsRequest:
    """One POST to Messages.json or Calls.json. `accepted`: the member's phone will ring."""

    path: str
    form: dict[str, str]
    authorized: bool
    accepted: bool
    sid: str
    at: float = field(default_factory=time.monotonic)

    @property
    def to(self) -> str:
        return self.form.get("To", "")

    @property
    def body(self) -> str:
        return self.form.get("Body", "")

    @property
    def twiml(self) -> str:
        """What a call says."""
        return self.form.get("Twiml", "")

    @property
    def callback(self) -> str:
        return self.form.get("StatusCallback", "")


class TwilioStandIn:
    account_sid = "AC" + "0" * 32
    auth_token = "tests-only-token"
    sender = "RIVAGE"

    def __init__(self):
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self.reset()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def env(self) -> dict[str, str]:
        """What a portal needs to send its texts here."""
        return {
            "SMS_GATEWAY": "twilio",
            "TWILIO_BASE_URL": self.url,
            "TWILIO_ACCOUNT_SID": self.account_sid,
            "TWILIO_AUTH_TOKEN": self.auth_token,
            "TWILIO_FROM": self.sender,
        }

    def start(self):
        self._thread.start()

    def stop(self):
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def reset(self):
        """Forgets every request, and accepts again."""
        with self._lock:
            self.requests: list[SmsRequest] = []
            self._answers: list[Answer] = [Accept()]

    def answer_with(self, *answers: Answer):
        """One answer for each request to come; the last one stays."""
        with self._lock:
            self._answers = list(answers)

    def wait_for(self, count: int = 1, timeout: float = 10) -> list[SmsRequest]:
        """The requests, once there are `count` of them."""
        wait_until(
            lambda: len(self.requests) >= count, timeout, f"{count} texts, got {self.requests}"
        )
        return list(self.requests)

    def last_to(self, phone: str, timeout: float = 10) -> SmsRequest:
        """The last accepted text to `phone`, once there is one."""

        def found():
            return [text for text in self.requests if text.to == phone and text.accepted]

        return wait_until(found, timeout, f"a text to {phone}")[-1]

    def callback(
        self,
        request: SmsRequest,
        status: str,
        *,
        token: str | None = None,
        error_code: int | None = None,
        url: str | None = None,
        signature: str | None = None,
    ) -> int:
        """Posts a signed status callback; the HTTP status of the answer.

        `url` is where it is posted, where that differs from the address that was signed.
        """
        form = {
            "SmsSid": request.sid,
            "SmsStatus": status,
            "MessageStatus": status,
            "To": request.to,
            "MessageSid": request.sid,
            "AccountSid": self.account_sid,
            "From": self.sender,
            "ApiVersion": "2010-04-01",
        }
        if error_code is not None:
            form["ErrorCode"] = str(error_code)
        if signature is None:
            validator = RequestValidator(token or self.auth_token)
            signature = validator.compute_signature(request.callback, form)
        post = urllib.request.Request(
            url or request.callback,
            data=urllib.parse.urlencode(form).encode(),
            headers={
                "X-Twilio-Signature": signature,
                "Content-Type": "application/x-www-form-urlencoded",
            },
        )
        try:
            with urllib.request.urlopen(post, timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def _handler(self):
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):
                length = int(self.headers.get("Content-Length", 0))
                form = dict(
                    urllib.parse.parse_qsl(self.rfile.read(length).decode(), keep_blank_values=True)
                )
                request, answer = stand_in._receive(self.path, form, self._authorized())
                if not request.authorized and not isinstance(answer, Hang | Reset):
                    self._json(401, {"code": 20003, "status": 401, "message": "Authenticate"})
                elif not self._is_known():
                    self._json(404, {"code": 20404, "status": 404, "message": "Not found"})
                else:
                    self._give(answer, request)

            def _authorized(self) -> bool:
                expected = base64.b64encode(
                    f"{stand_in.account_sid}:{stand_in.auth_token}".encode()
                ).decode()
                return self.headers.get("Authorization") == f"Basic {expected}"

            def _is_known(self) -> bool:
                account = f"/2010-04-01/Accounts/{stand_in.account_sid}"
                return self.path in (f"{account}/Messages.json", f"{account}/Calls.json")

            def _give(self, answer: Answer, request: SmsRequest):
                match answer:
                    case Accept(delay):
                        stand_in._closing.wait(delay)
                        self._json(201, _message(request, stand_in))
                    case Refuse(code, status):
                        self._json(
                            status, {"code": code, "status": status, "message": f"Error {code}"}
                        )
                    case Fail(status):
                        self._json(status, {})
                    case Hang(seconds):
                        stand_in._closing.wait(seconds)
                        self.close_connection = True
                    case Reset():
                        self.wfile.write(b"HTTP/1.1 201 Created\r\nContent-Length: 500\r\n\r\n{")
                        self.close_connection = True

            def _json(self, status: int, content: dict):
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        return Handler

    def _receive(self, path, form, authorized) -> tuple[SmsRequest, Answer]:
        with self._lock:
            answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
            accepted = authorized and getattr(answer, "accepted", isinstance(answer, Accept))
            request = SmsRequest(path, form, authorized, accepted, "SM" + uuid.uuid4().hex)
            self.requests.append(request)
            return request, answer


def _message(request: SmsRequest, stand_in: TwilioStandIn) -> dict:
    now = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S +0000")
    return {
        "sid": request.sid,
        "account_sid": stand_in.account_sid,
        "api_version": "2010-04-01",
        "body": request.body,
        "date_created": now,
        "date_sent": None,
        "date_updated": now,
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "from": request.form.get("From"),
        "messaging_service_sid": request.form.get("MessagingServiceSid"),
        "num_media": "0",
        "num_segments": "1",
        "price": None,
        "price_unit": "USD",
        "status": "queued" if "MessagingServiceSid" not in request.form else "accepted",
        "subresource_uris": {},
        "to": request.to,
        "uri": f"{request.path.removesuffix('.json')}/{request.sid}.json",
    }
