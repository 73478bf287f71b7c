"""A code asked for in the middle of something else than a sign-in: to show that a phone is at hand.

The browser's session keeps the challenge's secret; the code, its limits and its texts are those of
`members.codes`.
"""

import secrets

from members import codes
from members.addresses import client_address, counted_address
from members.models import Challenge, SmsDevice, User

SESSION_KEY = "confirmation"


class NothingAsked(Exception):
    """No code is under way in this browser for this purpose, or it ended."""


def begin(request, user: User, purpose: str, *, phone: str = "") -> Challenge:
    """Sends a code to `phone`, or to that of the profile. Raises throttle.Throttled."""
    SmsDevice.objects.get_or_create(user=user, defaults={"name": "sms"})
    binding = secrets.token_urlsafe(16)
    address = counted_address(client_address(request))
    challenge = codes.request(user, binding, address, purpose=purpose, phone=phone)
    request.session[SESSION_KEY] = {
        "purpose": str(purpose),
        "challenge": challenge.pk,
        "binding": binding,
    }
    return challenge


def waiting(request, purpose: str) -> Challenge:
    """The challenge under way, for its page. Raises NothingAsked."""
    kept = request.session.get(SESSION_KEY) or {}
    if kept.get("purpose") != purpose:
        raise NothingAsked
    challenge = codes.shown(kept["challenge"], kept["binding"])
    if challenge is None or not challenge.is_alive:
        raise NothingAsked
    return challenge


def resend(request, purpose: str) -> None:
    """Raises NothingAsked, codes.WaitUntil, codes.DeadCode or throttle.Throttled."""
    codes.resend(waiting(request, purpose), counted_address(client_address(request)))


def check(request, purpose: str, code: str, *, phone: str = "") -> Challenge:
    """The challenge that `code` opened, used up. Raises NothingAsked or a codes.CodeRefused.

    `phone`: the number that the code must have been sent to, where one was typed.

    Call it outside a transaction, as `codes.check`.
    """
    kept = request.session.get(SESSION_KEY) or {}
    if kept.get("purpose") != purpose:
        raise NothingAsked
    try:
        challenge = codes.check(kept["challenge"], kept["binding"], code)
    except codes.CodeRefused as refusal:
        codes.record_failure(request, User(pk=_holder(kept)), refusal, kept["binding"])
        raise
    del request.session[SESSION_KEY]
    if challenge.phone != phone:  # another number was typed since, in this browser or beside it
        raise NothingAsked
    return challenge


def _holder(kept: dict) -> int | None:
    return Challenge.objects.filter(pk=kept["challenge"]).values_list("user", flat=True).first()
