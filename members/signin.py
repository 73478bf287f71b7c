"""Signing in: from a right password to a verified session. (signin.md §1)

Between the two steps the browser stays anonymous: its session holds one `Pending` and nothing else.
"""

import secrets
import time
from dataclasses import asdict, dataclass, replace

import django_otp
from django.conf import settings
from django.contrib import auth
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.middleware.csrf import rotate_token
from django.utils.crypto import constant_time_compare
from django.utils.module_loading import import_string
from django_otp.plugins.otp_totp.models import TOTPDevice

from members import alerts, audit, browsers, codes, password_check, sessions, throttle
from members.addresses import client_address, counted_address
from members.gate import password_gate
from members.limits import limit
from members.models import Challenge, Passkey, SmsDevice, User

SESSION_KEY = "pending"
STEPPED_UP = "stepped_up_at"  # when its holder last showed who he is: members.stepup
MAY_ADD_KEY = "may_add_key"  # signed in by text, without any passkey: one is offered
FACTORS = {SmsDevice: "sms", TOTPDevice: "totp", Passkey: "passkey"}
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
    browser: str = ""  # digest by which the account knows this browser, and whether noted today
    is_browser_noted: bool = False

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

    One hash exactly, whoever the identifiant names: a second one only for a right password whose hash
    has an outdated cost. Raises gate.Busy (nothing counted),
    throttle.Throttled (not looked at) or PasswordRefused.
    """
    identifiant = User.objects.normalize_identifiant(identifiant)
    with password_gate.passage():
        read = password_check.named_or_drawn(_accounts, identifiant, **browsers.brought_by(request))
        user = read if read and read.identifiant == identifiant else None
        known = browsers.acquaintance(user)
        hits = password_hits(identifiant, client_address(request), known.digest)
        throttle.reserve(*hits)
        right = password_check.verify(read, password) and user is not None
    factor = _second_factor(user) if right and user.may_sign_in else ""
    if not factor:
        throttle.failed(*hits)
        audit.record("signin.password_failed", user=user, request=request)
        raise PasswordRefused
    binding = secrets.token_urlsafe(16)
    challenge_id = None
    if factor == FACTORS[SmsDevice]:
        address = counted_address(client_address(request))
        challenge_id = codes.request(user, binding, address, refund=hits).pk
    else:
        throttle.reserve(*(hit.refunded() for hit in hits))
    password_check.renew(user, password)
    audit.record("signin.password_accepted", user=user, request=request, factor=factor)
    pending = Pending(
        user_id=user.pk,
        fingerprint=user.state_fingerprint(),
        binding=binding,
        started_at=int(time.time()),
        next=next_url,
        challenge_id=challenge_id,
        browser=known.digest,
        is_browser_noted=known.is_noted,
    )
    request.session.flush()  # a new key: whoever planted the old one gains nothing
    request.session[SESSION_KEY] = asdict(pending)


def knows_password(request, user: User, password: str) -> bool:
    """Whether who sits at this browser knows the password of `user`, signed in or asleep here.

    Counted and recorded as a try at the door is: a borrowed session is no way to guess it. Raises
    gate.Busy or throttle.Throttled.
    """
    with password_gate.passage():
        known = browsers.acquaintance_of(request, user)
        hits = password_hits(user.identifiant, client_address(request), known.digest)
        throttle.reserve(*hits)
        right = password_check.verify(user, password)
    if right:
        throttle.reserve(*(hit.refunded() for hit in hits))
    else:
        throttle.failed(*hits)
        audit.record("signin.password_failed", user=user, request=request)
    return right


def password_hits(identifiant: str, address: str, browser: str) -> list[throttle.Hit]:
    """What a try counts against. A known browser has its own budget: others cannot use it up."""
    if browser:
        return [throttle.Hit(throttle.PASSWORD_KNOWN, f"{identifiant}\0{browser}")]
    counted = counted_address(address)
    return [
        throttle.Hit(throttle.PASSWORD_PAIR, f"{identifiant}\0{counted}"),
        throttle.Hit(throttle.PASSWORD_ACCOUNT, identifiant),
        throttle.Hit(throttle.PASSWORD_ADDRESS, counted),
    ]


# Accounts with their phone, their device for texts, whether they have an app and know this browser
_accounts = password_check.drawing(
    browsers.with_browser(User.objects.select_related("member", "sms_device")).annotate(
        has_app=Exists(TOTPDevice.objects.filter(user=OuterRef("pk"), confirmed=True))
    )
)


def _second_factor(user: User) -> str:
    """What this account is asked after its password: its app where it has one, else a text.

    Empty for who has neither, and for staff without app: no text ever opens the admin.
    """
    if user.has_app:
        return FACTORS[TOTPDevice]
    return FACTORS[SmsDevice] if may_be_texted(user) else ""


def may_be_texted(user: User) -> bool:
    """Whether a text to the phone of the profile is a way in for this account."""
    if user.is_staff or not user.phone:
        return False
    try:
        device = user.sms_device
    except SmsDevice.DoesNotExist:
        device, _created = SmsDevice.objects.get_or_create(user=user, defaults={"name": "sms"})
    return device.confirmed


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
    """The challenge of `step`, not used yet, whose account is still as it was. Raises PendingLost."""
    challenge = codes.shown(step.challenge_id, step.binding)
    if challenge is None or challenge.used_at:
        raise PendingLost("expired")
    _same_account(step, challenge.user)
    return challenge


def pending_account(step: Pending) -> User:
    """The account of `step`, still as it was. Raises PendingLost."""
    user = User.objects.select_related("member", "sms_device").get(pk=step.user_id)
    _same_account(step, user)
    return user


def _same_account(step: Pending, user: User) -> None:
    unchanged = constant_time_compare(step.fingerprint, user.state_fingerprint())
    if user.pk != step.user_id or not user.may_sign_in or not unchanged:
        raise PendingLost("changed")


def ask_text(request) -> None:
    """Sends a code to a member whose app was asked; from then on, that code opens and not the app's.

    Raises PendingLost or throttle.Throttled. Does nothing when a text is what was asked already.
    """
    step = pending(request)
    if step.challenge_id is not None:
        return
    user = pending_account(step)
    if not may_be_texted(user):
        raise PendingLost("changed")
    challenge = codes.request(user, step.binding, counted_address(client_address(request)))
    audit.record("signin.text_chosen", user=user, request=request)
    request.session[SESSION_KEY] = asdict(replace(step, challenge_id=challenge.pk))


def confirm(request, code: str) -> str:
    """Checks the code and signs in; the address to go to. Raises PendingLost or codes.CodeRefused."""
    step = pending(request)
    user, may_add_key = None, False
    try:
        if step.challenge_id is None:
            user = pending_account(step)
            device = TOTPDevice.objects.filter(user=user, confirmed=True).first()
            if device is None:
                raise PendingLost("changed")
            codes.check_totp(user, device, code)
        else:
            challenge = codes.check(step.challenge_id, step.binding, code)
            user, device = challenge.user, challenge.user.sms_device
            may_add_key = not challenge.has_passkey
            _same_account(step, user)
    except codes.CodeRefused as refusal:
        codes.record_failure(request, user or User(pk=step.user_id), refusal, step.binding)
        if isinstance(refusal, codes.WrongCode) and not step.browser:
            _alert_of_failed_codes(request, step)
        raise
    known = browsers.Acquaintance(step.browser, step.is_browser_noted)
    url = complete(request, user, device, step.next, known)
    request.session[MAY_ADD_KEY] = may_add_key
    return url


def _alert_of_failed_codes(request, step: Pending) -> None:
    """Tells who holds the account once it has had more wrong codes than one mistypes, by text or from the
    app, over however many sign-ins; then rests. (ASVS 6.3.5)"""
    try:
        throttle.reserve(throttle.Hit(throttle.FAILED_CODES, str(step.user_id)))
        return
    except throttle.Throttled:
        pass
    try:
        throttle.reserve(throttle.Hit(throttle.TOLD_OF_CODES, str(step.user_id)))
    except throttle.Throttled:
        return
    user = User.objects.select_related("member").get(pk=step.user_id)
    with transaction.atomic():
        alerts.tell(user, "code_failed", request=request)


def complete(
    request,
    user: User,
    device,
    next_url: str,
    known: browsers.Acquaintance | None = None,
    *,
    is_first: bool = False,
) -> str:
    """Opens the session of `user`, verified by `device`: a new key, a new CSRF token, one event.

    A stranger's browser becomes known, and its member is told, unless he has just opened his account
    (`is_first`). `known`: what the password step learnt of this browser, else it is asked here.
    """
    if known is None:
        known = browsers.acquaintance_of(request, user)
    if request.session.is_asleep:
        request.session.flush()  # another sign-in, not the one that fell asleep
    for left_over in (SESSION_KEY, MAY_ADD_KEY):
        request.session.pop(left_over, None)
    auth.login(request, user, backend=BACKEND)  # cycles the session key, rotates the CSRF token
    django_otp.login(request, device)
    sessions.remember(request)
    request.session[STEPPED_UP] = int(time.time())
    if not known.is_noted:
        _meet(request, user, known, quietly=is_first)
    audit.record("signin.completed", user=user, request=request, factor=FACTORS[type(device)])
    return landing(request, next_url)


@transaction.atomic
def _meet(request, user: User, known: browsers.Acquaintance, *, quietly: bool) -> None:
    browsers.remember(request, user, known.digest)
    if not known and not quietly:
        alerts.tell(user, "new_browser", request=request)


def reopen(request, password: str, next_url: str) -> str:
    """Wakes the session asleep in this browser: the password alone, within the absolute age. (signin.md §2;
    NIST SP 800-63B-4 §2.2.3)

    The address to go to. Raises PendingLost when nothing sleeps here, PasswordRefused, gate.Busy or
    throttle.Throttled.
    """
    user = sessions.sleeper(request)
    if user is None:
        raise PendingLost("none")
    if not knows_password(request, user, password):
        raise PasswordRefused
    request.session.wake()
    rotate_token(request)
    request.session[STEPPED_UP] = int(time.time())
    request.user = user
    audit.record("session.reopened", user=user, request=request)
    return next_url or landing(request, "")


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
