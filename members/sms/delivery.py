"""The life of a text after its row is written: claim, send, learn what became of it.

Every move is one conditional update along `SmsState.can_become`; a caller that moves no row does
nothing. So any number of workers and sweepers may hold the same id, and a crash at any line leaves
a row that the sweep picks up. A try is counted when it is claimed, before the call: a worker killed
in between has perhaps sent, and no text is ever sent by more than two such calls.
"""

import logging
import random
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from members import audit, phones, retention
from members.limits import limit
from members.models import Challenge, SmsDevice, SmsMessage
from members.models.challenge import phone_digest
from members.models.sms import Channel, SmsState
from members.sms import routing, words
from members.sms.gateway import NotSent, Problem, Receipt, Rejected, Text, Uncertain

log = logging.getLogger(__name__)

MOST_SENDS = 2
RETRY_AFTER = timedelta(seconds=3)
RECEIPT_WAIT = timedelta(seconds=4)
STUCK_AFTER = timedelta(seconds=15)  # longer than `routing.send` ever takes
WAKE_UP_LATE = timedelta(seconds=2)  # the task had this long to come
CLOCK_SKEW = timedelta(seconds=1)  # between the machine that wrote the row and this one
SWEEP_BATCH = 500
NOTICE_LIFETIME = 14_400  # seconds after which the provider gives a notice up
NOTICE_KEPT_TRYING = timedelta(hours=24)
KEPT_FOR = timedelta(days=90)


# ---------------------------------------------------------------------------------------- sending


def deliver(message_id: UUID | str) -> None:
    """Sends this text if it still waits and its code lives long enough. Safe to call many times.

    Holds no transaction during the network call, and never raises for what a provider answers.
    """
    message = _waiting(message_id)
    if message is None or _is_over(message) or not _claim(message):
        return
    try:
        route, provider_id = routing.send(_written(message))
    except Rejected as error:
        _fail(message, error.problem)
    except Uncertain as error:
        _give_back(message, error.problem, after=RECEIPT_WAIT, may_be_sent=True)
    except NotSent as error:
        _give_back(message, error.problem, after=RETRY_AFTER, may_be_sent=False)
    else:
        _accept(message, route, provider_id)


def _written(message: SmsMessage) -> Text:
    """What goes out. A code is derived here, between claim and call, and forgotten on return."""
    text = partial(Text, id=message.pk, to=_destination(message), user=str(message.user or ""))
    challenge = message.challenge
    if challenge is None:
        return text(body=words.notice(message.notice), lifetime=NOTICE_LIFETIME)
    left = (challenge.expires_at - timezone.now()).total_seconds()
    lifetime = max(1, min(int(left) - 30, 180))
    if message.channel == Channel.CALL:
        body = words.spoken_code(purpose=challenge.purpose, code=challenge.code())
        return text(body=body, lifetime=lifetime, channel=Channel.CALL)
    body = words.one_time_code(
        purpose=challenge.purpose,
        code=challenge.code(),
        reference=challenge.reference,
        seconds_left=left,
    )
    return text(body=body, lifetime=lifetime)


def _destination(message: SmsMessage) -> str:
    return message.challenge.destination if message.challenge else message.user.phone


def _waiting(message_id: UUID | str) -> SmsMessage | None:
    return (
        SmsMessage.objects.filter(pk=message_id)
        .filter(_due(timezone.now()))
        .select_related("challenge__user__member", "user__member")
        .first()
    )


def _due(now: datetime) -> Q:
    return Q(tries__lt=MOST_SENDS) & (
        Q(state=SmsState.QUEUED, not_before__lte=now + CLOCK_SKEW)
        | Q(state=SmsState.UNKNOWN, not_before__lte=now)
    )


def _dies_too_soon(now: datetime) -> datetime:
    """A code that dies before this moment is not worth a text: 60 s, of the 300 it lives."""
    return now + timedelta(seconds=min(60, limit("CODE_LIFETIME") / 5))


def _is_over(message: SmsMessage) -> bool:
    """Ends a text that must not be sent any more; True when there is nothing left to send."""
    problem = _end_of_notice(message) if message.challenge is None else _end_of_code(message)
    if problem is None:
        return False
    if message.state == SmsState.UNKNOWN:
        # Only a receipt is awaited now, until the sweep ends the text with its code.
        _mine(message).update(not_before=_dies_at(message))
    elif problem == Problem.CODE_DEAD:
        _move(message, SmsState.EXPIRED, problem=problem)
    else:
        _move(message, SmsState.CANCELLED, problem=problem)
    return True


def _end_of_code(message: SmsMessage) -> Problem | None:
    challenge = message.challenge
    if challenge.used_at is not None:
        return Problem.CODE_USED
    if challenge.expires_at < _dies_too_soon(timezone.now()):
        return Problem.CODE_DEAD
    if message.user and not message.user.may_sign_in:
        return Problem.ACCOUNT_CLOSED
    phone = challenge.destination
    if not phone or not constant_time_compare(phone_digest(phone), challenge.phone_digest):
        return Problem.PHONE_CHANGED
    return None


def _end_of_notice(message: SmsMessage) -> Problem | None:
    if message.created_at < timezone.now() - NOTICE_KEPT_TRYING:
        return Problem.CODE_DEAD
    return None if message.user.phone else Problem.PHONE_CHANGED


def _dies_at(message: SmsMessage) -> datetime:
    if message.challenge is None:
        return message.created_at + NOTICE_KEPT_TRYING
    return message.challenge.expires_at


def _claim(message: SmsMessage) -> bool:
    """Takes the text for this caller alone, and counts the call it is about to make.

    The condition on the challenge is a subquery and no join: with a join Django would move the
    state inside a subquery too, where PostgreSQL does not look again after waiting for another
    claim, and both would send.
    """
    now = timezone.now()
    mine = _mine(message)
    if message.challenge_id:
        alive = Challenge.objects.filter(
            pk=message.challenge_id, used_at__isnull=True, expires_at__gte=_dies_too_soon(now)
        )
        mine = mine.filter(challenge_id__in=alive.values("pk"))
    claimed = mine.update(state=SmsState.SENDING, state_at=now, tries=F("tries") + 1, problem="")
    message.state, message.state_at, message.tries = SmsState.SENDING, now, message.tries + 1
    return bool(claimed)


# ----------------------------------------------------------------------------------------- moving


def _mine(message: SmsMessage):
    """The row, as long as nobody moved it since this caller read or claimed it."""
    return SmsMessage.objects.filter(pk=message.pk, state=message.state, state_at=message.state_at)


def _move(message: SmsMessage, state: SmsState, **changes) -> bool:
    """One allowed move of the text as this caller knew it; False when somebody else moved it."""
    return SmsState(message.state).can_become(state) and bool(
        _mine(message).update(state=state, state_at=timezone.now(), **changes)
    )


def _accept(message: SmsMessage, route: str, provider_id: str) -> None:
    with transaction.atomic():
        accepted = SmsMessage.objects.filter(
            pk=message.pk, state__in=SmsState.before(SmsState.ACCEPTED)
        ).update(
            state=SmsState.ACCEPTED,
            state_at=timezone.now(),
            route=route,
            provider_id=provider_id,
            problem="",
        )
        if accepted:
            _record_sent(message, route)
            return
    # A receipt came before this answer, and knows more: only the references are added.
    SmsMessage.objects.filter(pk=message.pk, route="").update(route=route, provider_id=provider_id)


def _fail(message: SmsMessage, problem: Problem) -> None:
    with transaction.atomic():
        if _move(message, SmsState.FAILED, problem=problem):
            _record_failure(message, problem)


def _give_back(
    message: SmsMessage, problem: Problem, *, after: timedelta, may_be_sent: bool
) -> None:
    """Releases a claimed text for a later try."""
    changes = {"problem": problem, "not_before": timezone.now() + after}
    if not may_be_sent:
        changes["tries"] = F("tries") - 1
    # What a first call left uncertain stays so, whatever the second one answered.
    is_uncertain = may_be_sent or message.tries > 1
    _move(message, SmsState.UNKNOWN if is_uncertain else SmsState.QUEUED, **changes)


def _record_sent(message: SmsMessage, route: str) -> None:
    phone = _destination(message)
    audit.record(
        "signin.code_sent" if message.challenge_id else "sms.notice_sent",
        user=message.user,
        text=str(message.pk),
        phone=phones.masked(phone) if phone else "",
        route=route,
        channel=message.channel,
    )


def _record_failure(message: SmsMessage, problem: str) -> None:
    """Tells the trail, and flags the device when the number is at fault and still the member's."""
    phone = _destination(message)
    audit.record(
        "sms.failed",
        user=message.user,
        text=str(message.pk),
        phone=phones.masked(phone) if phone else "",
        problem=str(problem),
    )
    told = message.challenge.phone_digest if message.challenge else phone_digest(phone)
    same_phone = (
        message.user
        and message.user.phone
        and constant_time_compare(phone_digest(message.user.phone), told)
    )
    if same_phone and problem and Problem(problem).is_the_numbers_fault:
        SmsDevice.objects.filter(user=message.user).update(flagged_at=timezone.now(), flag=problem)


# --------------------------------------------------------------------------------------- receipts


def record_receipt(message_id: UUID, receipt: Receipt) -> bool:
    """Applies what the provider says about a text; False when it changes nothing.

    Early, late, repeated and reversed receipts are all in order: a move happens only where the
    table allows it. Bad news about the first of two sends does not end a text whose second was
    accepted.
    """
    while True:
        message = (
            SmsMessage.objects.select_related("challenge__user__member", "user__member")
            .filter(pk=message_id)
            .first()
        )
        if message is None or not SmsState(message.state).can_become(receipt.state):
            return False
        is_bad = receipt.state in (SmsState.FAILED, SmsState.UNDELIVERED)
        if is_bad and message.provider_id not in ("", receipt.provider_id):
            return False
        with transaction.atomic():
            if _apply(message, receipt):
                if is_bad:
                    _record_failure(message, receipt.problem or "")
                elif message.state in (SmsState.SENDING, SmsState.UNKNOWN):
                    _record_sent(message, message.route)
                return True
        # Somebody moved the text between the two statements. It can only move forward: look again.


def _apply(message: SmsMessage, receipt: Receipt) -> bool:
    changes = {"problem": receipt.problem or ""}
    if not message.provider_id:
        changes["provider_id"] = receipt.provider_id
    return _move(message, receipt.state, **changes)


# ------------------------------------------------------------------------------------------ sweep


def sweep(each: Callable[[Callable, Iterable], object] = map) -> int:
    """Picks up what a dead broker or worker left; returns how many texts it took in hand.

    `each` maps `deliver` over the ids: the built-in one by one, an executor's many at a time.
    """
    now = timezone.now()
    _expire(now)
    SmsMessage.objects.filter(state=SmsState.SENDING, state_at__lt=now - STUCK_AFTER).update(
        state=SmsState.UNKNOWN, state_at=now, not_before=now, problem=Problem.NO_ANSWER
    )
    its_task_is_late = Q(state=SmsState.UNKNOWN) | Q(created_at__lt=now - WAKE_UP_LATE)
    ids = list(
        SmsMessage.objects.filter(_due(now), its_task_is_late)
        .order_by("not_before")
        .values_list("pk", flat=True)[:SWEEP_BATCH]
    )
    random.shuffle(ids)  # several sweepers then begin at different ends
    for _ in each(_deliver_swept, ids):
        pass
    return len(ids)


def _deliver_swept(message_id: UUID) -> None:
    """One text that cannot be handled never keeps the others waiting."""
    try:
        deliver(message_id)
    except Exception:
        log.exception("The text %s could not be handled.", message_id)


def _expire(now: datetime) -> None:
    """Ends what waits for a code that is dead, or dies too soon to be worth a text; and old notices."""
    old_notice = Q(challenge__isnull=True, created_at__lt=now - NOTICE_KEPT_TRYING)
    dead = Challenge.objects.filter(expires_at__lt=_dies_too_soon(now)).values("pk")
    SmsMessage.objects.filter(Q(challenge_id__in=dead) | old_notice, state=SmsState.QUEUED).update(
        state=SmsState.EXPIRED, state_at=now, problem=Problem.CODE_DEAD
    )
    # An uncertain text may still get its receipt: it ends with its code, not before.
    dead = Challenge.objects.filter(expires_at__lte=now).values("pk")
    SmsMessage.objects.filter(Q(challenge_id__in=dead) | old_notice, state=SmsState.UNKNOWN).update(
        state=SmsState.EXPIRED, state_at=now
    )


def purge() -> int:
    """Deletes the requests for a code and the notices older than 90 days; how many requests."""
    before = timezone.now() - KEPT_FOR
    SmsMessage.objects.filter(challenge__isnull=True, created_at__lt=before).delete()
    return retention.oldest(Challenge.objects.all(), "created_at", before)
