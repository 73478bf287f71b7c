"""One-time codes: asked for, sent again, checked. (signin.md §1; NIST SP 800-63B-4 §3.1.3.2)

Checking is three statements, each right whatever happens at the same time: *claim* an attempt, compare
in constant time, *consume* the challenge. Failures are counted on the account's device: no new code
resets them.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

import django_otp
from django.db import transaction
from django.db.models import F, OuterRef, Subquery
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from members import audit, tasks, throttle
from members.limits import limit
from members.models import Challenge, SmsDevice, SmsMessage
from members.models.challenge import Purpose, binding_digest, phone_digest

CLAIM_ROUNDS = 4
LIFE_TO_SEND = 60  # seconds a code must still live to be worth a text


class CodeRefused(Exception):
    """A code that does not open. Subclasses say why."""


class WrongCode(CodeRefused):
    def __init__(self, attempts_left: int):
        super().__init__(attempts_left)
        self.attempts_left = attempts_left


class WaitUntil(CodeRefused, throttle.Throttled):
    """Not looked at, not counted: too many failures before."""


class DeadCode(CodeRefused):
    """Expired, used, or out of attempts: another challenge is needed."""


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
        throttle.reserve(*_send_hits(destination, address), *refunds)
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


def send(challenge: Challenge) -> SmsMessage:
    """Queues one text with the code of `challenge`; a task is woken once the transaction commits."""
    message = SmsMessage.objects.create(user_id=challenge.user_id, challenge=challenge)
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


def resend(challenge: Challenge, address: str) -> None:
    """Sends the same code again. Raises WaitUntil, DeadCode or throttle.Throttled; never sends twice.

    The row is moved on as it was read: of many requests at once, one sends.
    """
    now, at = timezone.now(), resend_at(challenge)
    if at is None or not challenge.is_alive:
        raise DeadCode
    if at > now:
        raise WaitUntil(at)
    throttle.reserve(*_send_hits(challenge.destination, address))
    with transaction.atomic():
        moved = Challenge.objects.filter(
            pk=challenge.pk, sends=challenge.sends, used_at__isnull=True
        ).update(sends=F("sends") + 1, last_send_at=now)
        if not moved:
            raise WaitUntil(now + timedelta(seconds=limit("RESEND_SECOND_WAIT")))
        send(challenge)


def _send_hits(phone: str, address: str) -> list[throttle.Hit]:
    return [
        throttle.Hit(throttle.SENDS_PHONE_HOUR, phone),
        throttle.Hit(throttle.SENDS_PHONE_DAY, phone),
        throttle.Hit(throttle.SENDS_ADDRESS, address),
        throttle.global_hit(),
    ]


def waiting(challenge_id: int, binding: str) -> Challenge | None:
    """The challenge of this browser, with its account and its device. One statement."""
    return _of_this_browser(challenge_id, binding).first()


def shown(challenge_id: int, binding: str) -> Challenge | None:
    """As `waiting`, with the `text_state` and the `text_problem` of its last text for the page."""
    text = SmsMessage.objects.filter(challenge=OuterRef("pk")).order_by("-created_at")
    return (
        _of_this_browser(challenge_id, binding)
        .annotate(
            text_state=Subquery(text.values("state")[:1]),
            text_problem=Subquery(text.values("problem")[:1]),
        )
        .first()
    )


def _of_this_browser(challenge_id: int, binding: str):
    return Challenge.objects.select_related("user__member", "user__sms_device").filter(
        pk=challenge_id, binding=binding_digest(binding)
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
        device = challenge.user.sms_device if challenge.user else None
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


def check_totp(user, device, code: str) -> None:
    """Passes when the authenticator app of `user` shows `code`. Raises WrongCode or WaitUntil.

    django-otp locks the device and accepts each code once; our counter bounds the tries.
    """
    hit = throttle.Hit(throttle.TOTP, str(user.pk))
    try:
        throttle.reserve(hit)
    except throttle.Throttled as refusal:
        raise WaitUntil(refusal.until) from None
    if not django_otp.verify_token(user, device.persistent_id, code):
        raise WrongCode(attempts_left=0)
    throttle.reserve(hit.refunded())


def record_failure(request, user, refusal: CodeRefused) -> None:
    action = "signin.locked" if isinstance(refusal, TooManyFailures) else "signin.code_failed"
    audit.record(action, user=user, request=request, reason=type(refusal).__name__)
