"""Twilio, through its own library: the only module that knows its names, codes and errors."""

import logging
import ssl
from uuid import UUID

import requests
from django.conf import settings
from django.http import QueryDict
from django.urls import reverse
from requests.adapters import HTTPAdapter
from twilio.base.exceptions import TwilioException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client
from twilio.twiml.voice_response import VoiceResponse
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from members.models.sms import Channel, SmsState
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

log = logging.getLogger(__name__)

CONNECT_TIMEOUT = 2.0
READ_TIMEOUT = 5.0
RINGING = 30  # seconds
CONNECTIONS = 32  # kept open: more than the threads of a worker, or calls would dial each time

# The one table of Twilio's numbers: HTTP statuses, and the codes of https://www.twilio.com/docs/api/errors.
# The first column is for the answer to a call; the second also for what a receipt says later.
_MEANINGS: dict[int, tuple[type[SmsError], Problem]] = {
    429: (Busy, Problem.BUSY),
    20429: (Busy, Problem.BUSY),
    503: (Overloaded, Problem.BUSY),
    20503: (Overloaded, Problem.BUSY),
    500: (Uncertain, Problem.NO_ANSWER),
    502: (Uncertain, Problem.NO_ANSWER),
    504: (Uncertain, Problem.NO_ANSWER),
    21211: (Rejected, Problem.NUMBER_INVALID),
    21614: (Rejected, Problem.NOT_A_MOBILE),
    21635: (Rejected, Problem.NOT_A_MOBILE),
    21408: (Rejected, Problem.REGION_CLOSED),
    21612: (Rejected, Problem.REGION_CLOSED),
    21610: (Rejected, Problem.STOPPED),
    21212: (SenderFault, Problem.SENDER),
    21606: (SenderFault, Problem.SENDER),
    21611: (SenderFault, Problem.SENDER),
    21703: (SenderFault, Problem.SENDER),
    30001: (SenderFault, Problem.SENDER),
    401: (AccountFault, Problem.ACCOUNT),
    404: (AccountFault, Problem.ACCOUNT),
    20003: (AccountFault, Problem.ACCOUNT),
    20005: (AccountFault, Problem.ACCOUNT),
    20404: (AccountFault, Problem.ACCOUNT),
    30002: (AccountFault, Problem.ACCOUNT),
    30003: (Rejected, Problem.HANDSET_OFF),
    30005: (Rejected, Problem.NUMBER_INVALID),
    30006: (Rejected, Problem.NOT_A_MOBILE),
    30007: (Rejected, Problem.FILTERED),
    30008: (Rejected, Problem.LOST),
    30036: (Rejected, Problem.HANDSET_OFF),
}

_CALL_STATES = {
    "completed": SmsState.DELIVERED,
    "busy": SmsState.UNDELIVERED,
    "no-answer": SmsState.UNDELIVERED,
    "failed": SmsState.FAILED,
    "canceled": SmsState.FAILED,
}

_STATES = {
    "queued": SmsState.ACCEPTED,
    "accepted": SmsState.ACCEPTED,
    "scheduled": SmsState.ACCEPTED,
    "sending": SmsState.ACCEPTED,
    "sent": SmsState.SENT,
    "delivered": SmsState.DELIVERED,
    "read": SmsState.DELIVERED,
    "undelivered": SmsState.UNDELIVERED,
    "failed": SmsState.FAILED,
    "canceled": SmsState.FAILED,
}

# TLS errors that can only come before the request is written. Any other may come after it.
_HANDSHAKE_REASONS = {
    "NO_CIPHERS_AVAILABLE",
    "SSLV3_ALERT_HANDSHAKE_FAILURE",
    "TLSV1_ALERT_PROTOCOL_VERSION",
    "UNSUPPORTED_PROTOCOL",
    "WRONG_VERSION_NUMBER",
}


class TwilioGateway:
    """Made once per process by `get_gateway`, so that its connections are kept."""

    def __init__(self):
        http_client = TwilioHttpClient(timeout=READ_TIMEOUT)
        for scheme in ("https://", "http://"):
            http_client.session.mount(scheme, _Adapter(pool_maxsize=CONNECTIONS))
        self._client = Client(
            settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN, http_client=http_client
        )
        if settings.TWILIO_BASE_URL:
            self._client.api.base_url = settings.TWILIO_BASE_URL
        if settings.TWILIO_MESSAGING_SERVICE_SID:
            self._sender = {"messaging_service_sid": settings.TWILIO_MESSAGING_SERVICE_SID}
        else:
            self._sender = {"from_": settings.TWILIO_FROM}

    @property
    def can_call(self) -> bool:
        return bool(settings.TWILIO_VOICE_FROM)

    def send(self, text: Text) -> str:
        post = self._call if text.channel == Channel.CALL else self._text
        try:
            created = post(text)
        except TwilioException as error:
            # « from None » here and below: Twilio's words repeat the number.
            raise _refusal(error) from None
        except requests.RequestException as error:
            raise (Unreachable() if _never_left(error) else Uncertain()) from None
        except ValueError:  # accepted, with an answer that is no JSON
            raise Uncertain from None
        return created.sid or ""

    def _text(self, text: Text):
        return self._client.messages.create(
            to=text.to,
            body=text.body,
            validity_period=text.lifetime,
            status_callback=callback_url(text.id),
            **self._sender,
        )

    def _call(self, text: Text):
        """The words go along with the call: no address of ours, and none of Twilio's, holds a code."""
        spoken = VoiceResponse()
        for _time in range(3):
            spoken.say(text.body, language="fr-FR")
            spoken.pause(length=1)
        return self._client.calls.create(
            to=text.to,
            from_=settings.TWILIO_VOICE_FROM,
            twiml=str(spoken),
            timeout=RINGING,
            status_callback=callback_url(text.id),
            status_callback_event=["completed"],
        )


class _Adapter(HTTPAdapter):
    """Gives up sooner on a connection than on an answer; the library knows one timeout only."""

    def send(self, request, timeout=None, **options):
        return super().send(request, timeout=(CONNECT_TIMEOUT, timeout), **options)


def _refusal(error: TwilioException) -> SmsError:
    status, code = getattr(error, "status", None) or 0, _number(getattr(error, "code", None))
    kind, problem = _MEANINGS.get(code) or _MEANINGS.get(status) or (None, None)
    if kind is None and 400 <= status < 500:
        log.error("Twilio refused a text with HTTP %s, code %s.", status, code)
        return Rejected(Problem.REFUSED)
    return kind(problem) if kind else Uncertain()


def _never_left(error: requests.RequestException) -> bool:
    """Whether the connection failed before anything of the request was written."""
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    reason = getattr(reason, "original_error", reason)  # when a proxy stands in between
    if isinstance(reason, ConnectTimeoutError | NewConnectionError):
        return True
    tls = reason.args[0] if isinstance(error, requests.exceptions.SSLError) and reason else None
    return isinstance(tls, ssl.SSLCertVerificationError) or (
        isinstance(tls, ssl.SSLError) and tls.reason in _HANDSHAKE_REASONS
    )


def _number(code) -> int:
    try:
        return int(code)
    except (TypeError, ValueError):
        return 0


# ------------------------------------------------------------------------------------- receipts


def callback_url(message_id: UUID) -> str:
    """Where Twilio tells what became of a text: also the address that it signs."""
    return settings.PUBLIC_URL + reverse("sms_receipt", args=[message_id])


def is_genuine(message_id: UUID, fields: QueryDict, signature: str) -> bool:
    """Whether Twilio signed these fields, every one as it came, for this text.

    Two tokens are good while one replaces the other.
    """
    tokens = (settings.TWILIO_AUTH_TOKEN, settings.TWILIO_AUTH_TOKEN_PREVIOUS)
    url = callback_url(message_id)
    return any(
        RequestValidator(token).validate(url, fields, signature) for token in tokens if token
    )


def read_receipt(fields: QueryDict) -> Receipt | None:
    """A receipt in our words, or None when it says nothing that we follow."""
    state = _STATES.get(fields.get("MessageStatus", "")) or _CALL_STATES.get(
        fields.get("CallStatus", "")
    )
    if state is None:
        return None
    kind, problem = _MEANINGS.get(_number(fields.get("ErrorCode")), (None, None))
    if kind in (AccountFault, SenderFault):
        log.error("Twilio could not carry a text: %s.", problem.label)
    is_bad = state in (SmsState.UNDELIVERED, SmsState.FAILED)
    return Receipt(
        state=state,
        provider_id=(fields.get("MessageSid") or fields.get("CallSid", ""))[:64],
        problem=(problem or Problem.LOST) if is_bad else None,
    )
