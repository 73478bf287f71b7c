"""Signing in: from a right password to a verified session. (signin.md §1)

Between the two steps the browser stays anonymous: its session holds one `Pending` and nothing else.
"""

import secrets
import time
from dataclasses import asdict, dataclass

import django_otp
from django.conf import settings
from django.contrib import auth
from django.contrib.auth.hashers import make_password
from django.utils.crypto import constant_time_compare
from django.utils.module_loading import import_string
from django_otp.plugins.otp_totp.models import TOTPDevice

from members import audit, codes, sessions, throttle
from members.addresses import client_address, counted_address
from members.gate import password_gate
from members.limits import limit
from members.models import Challenge, SmsDevice, User

SESSION_KEY = "pending"
STEPPED_UP = "stepped_up_at"  # when its holder last showed who he is: members.stepup
BACKEND = "django.contrib.auth.backends.ModelBackend"


@dataclass(frozen=True)
class Pending:
    """Where a browser stands between password and code. Lives PENDING_LIFETIME seconds, and dies when
    the password, the phone or the status of the account changes."""

    user_id: int
    fingerprint: str
    binding: str
    started_at: int
    next: str
    challenge_id: int | None  # None: an authenticator app is asked, no text

    @property
    def is_fresh(self) -> bool:
        return time.time() - self.started_at < limit("PENDING_LIFETIME")


class PasswordRefused(Exception):
    """Unknown, wrong, closed, suspended or without second factor: nobody outside learns which."""


class PendingLost(Exception):
    """No sign-in under way in this browser, or it ended. `reason`: « none », « expired » or « changed »."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


def begin(request, identifiant: str, password: str, next_url: str) -> None:
    """Checks the password and asks for the second factor.

    One hash exactly, whoever the identifiant names. Raises gate.Busy (nothing counted),
    throttle.Throttled (not looked at) or PasswordRefused.
    """
    identifiant = User.objects.normalize_identifiant(identifiant)
    hits = _password_hits(identifiant, client_address(request))
    with password_gate.passage():
        throttle.reserve(*hits)
        user = _account(identifiant)
        right = _has_password(user, password)
    device = _second_factor(user) if right and user.may_sign_in else None
    if device is None:
        audit.record("signin.password_failed", user=user, request=request)
        raise PasswordRefused
    binding = secrets.token_urlsafe(16)
    challenge_id = None
    if isinstance(device, SmsDevice):
        address = counted_address(client_address(request))
        challenge_id = codes.request(user, binding, address, refund=hits).pk
    else:
        throttle.reserve(*(hit.refunded() for hit in hits))
    audit.record("signin.password_accepted", user=user, request=request, factor=_factor(device))
    pending = Pending(
        user_id=user.pk,
        fingerprint=user.state_fingerprint(),
        binding=binding,
        started_at=int(time.time()),
        next=next_url,
        challenge_id=challenge_id,
    )
    request.session.flush()  # a new key: whoever planted the old one gains nothing
    request.session[SESSION_KEY] = asdict(pending)


def knows_password(request, password: str) -> bool:
    """Whether who is signed in here knows his password. Raises gate.Busy or throttle.Throttled.

    Counted and recorded as a try at the door is: a borrowed session is no way to guess it.
    """
    user = request.user
    hits = _password_hits(user.identifiant, client_address(request))
    with password_gate.passage():
        throttle.reserve(*hits)
        right = user.check_password(password)
    if right:
        throttle.reserve(*(hit.refunded() for hit in hits))
    else:
        audit.record("signin.password_failed", user=user, request=request)
    return right


def _password_hits(identifiant: str, address: str) -> list[throttle.Hit]:
    counted = counted_address(address)
    return [
        throttle.Hit(throttle.PASSWORD_PAIR, f"{identifiant}\0{counted}"),
        throttle.Hit(throttle.PASSWORD_ACCOUNT, identifiant),
        throttle.Hit(throttle.PASSWORD_ADDRESS, counted),
    ]


def _account(identifiant: str) -> User | None:
    return (
        User.objects.select_related("member", "sms_device").filter(identifiant=identifiant).first()
    )


def _has_password(user: User | None, password: str) -> bool:
    if user is None:
        make_password(password)  # the same time as for a known account
        return False
    return user.check_password(password)


def _second_factor(user: User):
    """The device that this account must use, or None: staff an authenticator app, members a text."""
    if user.is_staff:
        return TOTPDevice.objects.filter(user=user, confirmed=True).first()
    if not user.phone:
        return None
    try:
        device = user.sms_device
    except SmsDevice.DoesNotExist:
        device, _created = SmsDevice.objects.get_or_create(user=user, defaults={"name": "sms"})
    return device if device.confirmed else None


def _factor(device) -> str:
    return "sms" if isinstance(device, SmsDevice) else "totp"


def pending(request) -> Pending:
    """The sign-in under way in this browser, not checked against the account yet. Raises PendingLost."""
    stored = request.session.get(SESSION_KEY)
    if stored is None:
        raise PendingLost("none")
    step = Pending(**stored)
    if not step.is_fresh:
        raise PendingLost("expired")
    return step


def pending_challenge(step: Pending) -> Challenge:
    """The challenge of `step`, whose account is still as it was. Raises PendingLost."""
    challenge = codes.shown(step.challenge_id, step.binding)
    if challenge is None:
        raise PendingLost("expired")
    _same_account(step, challenge.user)
    return challenge


def pending_staff(step: Pending) -> User:
    """The staff account of `step`, still as it was. Raises PendingLost."""
    user = User.objects.select_related("member").get(pk=step.user_id)
    _same_account(step, user)
    return user


def _same_account(step: Pending, user: User) -> None:
    unchanged = constant_time_compare(step.fingerprint, user.state_fingerprint())
    if user.pk != step.user_id or not user.may_sign_in or not unchanged:
        raise PendingLost("changed")


def confirm(request, code: str) -> str:
    """Checks the code and signs in; the address to go to. Raises PendingLost or codes.CodeRefused."""
    step = pending(request)
    user = None
    try:
        if step.challenge_id is None:
            user = pending_staff(step)
            device = _second_factor(user)
            if device is None:
                raise PendingLost("changed")
            codes.check_totp(user, device, code)
        else:
            challenge = codes.check(step.challenge_id, step.binding, code)
            user, device = challenge.user, challenge.user.sms_device
            _same_account(step, user)
    except codes.CodeRefused as refusal:
        codes.record_failure(request, user or User(pk=step.user_id), refusal)
        raise
    return complete(request, user, device, step.next)


def complete(request, user: User, device, next_url: str) -> str:
    """Opens the session of `user`, verified by `device`: a new key, a new CSRF token, one event."""
    request.session.pop(SESSION_KEY, None)
    auth.login(request, user, backend=BACKEND)  # cycles the session key, rotates the CSRF token
    django_otp.login(request, device)
    sessions.remember(request)
    request.session[STEPPED_UP] = int(time.time())
    audit.record("signin.completed", user=user, request=request, factor=_factor(device))
    return landing(request, next_url)


def landing(request, next_url: str) -> str:
    """Where a signed-in account goes first: staff to the admin, a member where something waits for him."""
    if request.user.is_staff:
        return next_url or settings.STAFF_LANDING
    waiting_for_him = import_string(settings.SIGNIN_LANDING)(request)
    return waiting_for_him or next_url or settings.MEMBER_LANDING


def sign_out(request) -> None:
    if request.user.is_authenticated:
        audit.record("session.ended", user=request.user, request=request)
    auth.logout(request)
