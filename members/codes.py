"""One-time codes: asked for, sent again, checked. (signin.md §1; NIST SP 800-63B-4 §3.1.3.2)

Checking is three statements, each right whatever happens at the same time: *claim* an attempt, compare
in constant time, *consume* the challenge. Failures are counted on the account's device: no new code
resets them.
"""

import time
from collections.abc import Iterable
from datetime import datetime, timedelta

import django_otp
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Subquery
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django_otp.oath import TOTP
from django_otp.plugins.otp_totp.models import TOTPDevice

from members import audit, tasks, throttle
from members.limits import limit
from members.models import Challenge, Passkey, SmsDevice, SmsMessage
from members.models.challenge import Purpose, binding_digest, phone_digest
from members.models.sms import Channel
from members.prepared import Prepared, Slot

CLAIM_ROUNDS = 4
LIFE_TO_SEND = 60  # seconds a code must still live to be worth a text


class CodeRefused(Exception):
    """A code that does not open. Subclasses say why. `is_last`: it was the last try of its challenge."""

    is_last = False


class WrongCode(CodeRefused):
    def __init__(self, attempts_left: int):
        super().__init__(attempts_left)
        self.attempts_left = attempts_left
        self.is_last = attempts_left == 0


class WaitUntil(CodeRefused, throttle.Throttled):
    """Not looked at, not counted: too many failures before, or a text too soon."""


class DeadCode(CodeRefused):
    """Expired, used, or out of attempts: another challenge is needed."""


class UsedCode(CodeRefused):
    """Of an authenticator app: right, but it has served. The next one opens."""


class TooManyFailures(CodeRefused):
    """So many wrong codes in a row that only another way in, or the mutual, can help."""


class Crowded(CodeRefused):
    """Other requests for the same challenge won every round; nothing was counted for this one."""


def request(
    user,
    binding: str,
    address: str,
    *,
    purpose: Purpose = Purpose.SIGN_IN,
    phone: str = "",
    refund: Iterable[throttle.Hit] = (),
) -> Challenge:
    """A new challenge, its text queued to `phone`, or to the phone of `user`. Raises throttle.Throttled.

    `user` is None for a member who has no account yet; `binding` is the secret of the browser that
    asked. `refund`: hits of the password step to give back in the same statement, now that the password
    turned out to be right.
    """
    destination = phone or user.phone
    refunds = [hit.refunded() for hit in refund]
    try:
        throttle.reserve(*_send_hits(user and user.pk, phone, destination, address), *refunds)
    except throttle.Throttled:
        if refunds:
            throttle.reserve(*refunds)  # too many texts, yet the password was right
        raise
    return issue(user, binding, purpose=purpose, phone=phone)


def issue(user, binding: str, *, purpose: Purpose, phone: str) -> Challenge:
    """The rows of `request`, for a caller that reserved the text himself. With neither phone nor account
    nothing will be sent."""
    destination = phone or (user.phone if user else "")
    now = timezone.now()
    with transaction.atomic():
        challenge = Challenge.objects.create(
            user=user,
            purpose=purpose,
            binding=binding_digest(binding),
            phone_digest=phone_digest(destination),
            phone=phone,
            created_at=now,
            last_send_at=now,
            expires_at=now + timedelta(seconds=limit("CODE_LIFETIME")),
        )
        send(challenge)
    return challenge


def send(challenge: Challenge, channel: Channel = Channel.TEXT) -> SmsMessage:
    """Queues one text, or call, with the code of `challenge`; a task is woken on commit."""
    message = SmsMessage.objects.create(
        user_id=challenge.user_id, challenge=challenge, channel=channel
    )
    transaction.on_commit(lambda: tasks.wake_sender(message.pk), robust=True)
    return message


def resend_at(challenge: Challenge) -> datetime | None:
    """When the same code may be sent again, or None when it would not live long enough."""
    waits = ("RESEND_FIRST_WAIT", "RESEND_SECOND_WAIT", "RESEND_NEXT_WAIT")
    wait = limit(waits[min(challenge.sends, len(waits)) - 1])
    at = challenge.last_send_at + timedelta(seconds=wait)
    worthwhile_until = challenge.expires_at - timedelta(seconds=LIFE_TO_SEND)
    exhausted = challenge.attempts >= limit("CODE_ATTEMPTS")
    return None if exhausted or max(at, timezone.now()) > worthwhile_until else at


def resend(challenge: Challenge, address: str, channel: Channel = Channel.TEXT) -> None:
    """Sends the same code again, or speaks it; never twice.

    Raises WaitUntil, DeadCode or throttle.Throttled.

    The row is moved on as it was read: of many requests at once, one sends.
    """
    now, at = timezone.now(), resend_at(challenge)
    if at is None or not challenge.is_alive:
        raise DeadCode
    if at > now:
        raise WaitUntil(at, counts="texts")
    hits = _send_hits(challenge.user_id, challenge.phone, challenge.destination, address)
    throttle.reserve(*hits)
    with transaction.atomic():
        moved = Challenge.objects.filter(
            pk=challenge.pk, sends=challenge.sends, used_at__isnull=True
        ).update(sends=F("sends") + 1, last_send_at=now)
        if moved:
            send(challenge, channel)
    if not moved:  # another request was faster: nothing was sent for this one
        throttle.reserve(*(hit.refunded() for hit in hits))
        raise WaitUntil(now + timedelta(seconds=limit("RESEND_SECOND_WAIT")), counts="texts")


def _send_hits(
    user_id: int | None, typed_phone: str, destination: str, address: str
) -> list[throttle.Hit]:
    """A number that was typed counts for its account too: nobody spreads texts over many numbers."""
    counted = [destination, typed_numbers_of(user_id)] if typed_phone and user_id else [destination]
    return [
        *(throttle.Hit(throttle.SENDS_PHONE_HOUR, subject) for subject in counted),
        *(throttle.Hit(throttle.SENDS_PHONE_DAY, subject) for subject in counted),
        throttle.Hit(throttle.SENDS_ADDRESS, address),
        throttle.global_hit(),
    ]


def typed_numbers_of(user_id: int) -> str:
    """What texts to numbers that were typed count against, beside each number."""
    return f"account\0{user_id}"


def waiting(challenge_id: int, binding: str) -> Challenge | None:
    """The challenge of this browser, with its account, its device and whether a passkey is kept
    (`has_passkey`). One statement."""
    return _waiting.first(id=challenge_id, binding=binding_digest(binding))


def shown(challenge_id: int, binding: str) -> Challenge | None:
    """As `waiting`, with the `text_state` and the `text_problem` of its last text for the page."""
    return _shown.first(id=challenge_id, binding=binding_digest(binding))


_waiting = Prepared(
    Challenge.objects.select_related("user__member", "user__sms_device")
    .filter(pk=Slot("id"), binding=Slot("binding"))
    .annotate(has_passkey=Exists(Passkey.objects.live().filter(user=OuterRef("user"))))
)
_last_text = SmsMessage.objects.filter(challenge=OuterRef("pk")).order_by("-created_at")
_shown = Prepared(
    _waiting.queryset.annotate(
        text_state=Subquery(_last_text.values("state")[:1]),
        text_problem=Subquery(_last_text.values("problem")[:1]),
    )
)


def wait_until(device: SmsDevice) -> datetime | None:
    """Until when no code of this account is looked at, or None.

    From the CODE_FAILURES_PER_HOUR-th failure on, 30 s doubling to 15 min, never longer: nobody can
    lock a member out for days. Raises TooManyFailures after CODE_FAILURES_IN_A_ROW.
    """
    if device.failures_in_a_row >= limit("CODE_FAILURES_IN_A_ROW"):
        raise TooManyFailures
    beyond = device.failures - limit("CODE_FAILURES_PER_HOUR")
    if beyond < 0 or device.last_failure_at is None:
        return None
    wait = min(limit("WAIT_FIRST") << min(beyond, 30), limit("WAIT_LONGEST"))
    until = device.last_failure_at + timedelta(seconds=wait)
    return until if until > timezone.now() else None


def check(challenge_id: int, binding: str, code: str) -> Challenge:
    """The challenge that `code` opened, used up. Raises a CodeRefused.

    Of many right codes at once, one passes. Call it outside a transaction: the claim must be committed
    before the comparison, so that no rollback gives an attempt back. Failures are counted on the
    account's device; without account, by the caller.
    """
    for _round in range(CLAIM_ROUNDS):
        challenge = waiting(challenge_id, binding)
        if challenge is None or not challenge.is_alive:
            raise DeadCode
        if challenge.attempts >= limit("CODE_ATTEMPTS"):
            raise DeadCode
        holder = challenge.user if Purpose(challenge.purpose).proves_holder else None
        device = holder.sms_device if holder else None
        until = wait_until(device) if device else None
        if until:
            raise WaitUntil(until)
        if Challenge.objects.claim(challenge):
            break
    else:
        raise Crowded
    if not constant_time_compare(code, challenge.code()):
        if device:
            device.count_failure()
        raise WrongCode(limit("CODE_ATTEMPTS") - challenge.attempts - 1)
    if not Challenge.objects.consume(challenge):
        raise DeadCode
    if device and device.failures_in_a_row:
        device.forget_failures()
    return challenge


def check_totp(user, device: TOTPDevice, code: str) -> None:
    """Passes when the authenticator app of `user` shows `code`, or showed it a step (30 s) before or after.

    Raises UsedCode, WrongCode, WaitUntil or TooManyFailures. django-otp locks the device, accepts each
    code once and counts the wrong ones in a row; our counter bounds the tries.
    """
    if device.throttling_failure_count >= limit("CODE_FAILURES_IN_A_ROW"):
        raise TooManyFailures
    hit = throttle.Hit(throttle.TOTP, str(user.pk))
    try:
        throttle.reserve(hit)
    except throttle.Throttled as refusal:
        raise WaitUntil(refusal.until) from None
    if not django_otp.verify_token(user, device.persistent_id, code):
        throttle.failed(hit)
        raise UsedCode if _has_served(device, code) else WrongCode(attempts_left=0)
    throttle.reserve(hit.refunded())


def _has_served(device: TOTPDevice, code: str) -> bool:
    device.refresh_from_db()
    totp = TOTP(device.bin_key, device.step, device.t0, device.digits, device.drift)
    totp.time = time.time()
    return totp.verify(int(code), device.tolerance) and totp.t() <= device.last_t


def record_failure(request, user, refusal: CodeRefused, binding: str) -> None:
    """Every code that was looked at; each other refusal once per sign-in, however often it is asked."""
    reason = type(refusal).__name__
    if not isinstance(refusal, WrongCode):
        try:
            throttle.reserve(throttle.Hit(throttle.REFUSED_CODES, f"{binding}\0{reason}"))
        except throttle.Throttled:
            return
    action = "signin.locked" if isinstance(refusal, TooManyFailures) else "signin.code_failed"
    audit.record(action, user=user, request=request, reason=reason)
