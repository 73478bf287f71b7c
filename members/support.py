"""What support does for a member: each act against a reason, each one event of the trail.

An agent never sees nor sets a code, a password or a seed, and what leaked never identifies a caller.
"""

from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from members import alerts, audit, sessions, throttle
from members.limits import limit
from members.models import Recovery, SmsDevice, User


class NotPossible(Exception):
    """The act makes no sense for this account now; nothing was done."""


@transaction.atomic
def unlock(user: User, *, reason: str, request) -> None:
    """Forgets the failures that make `user` wait: passwords, codes, texts asked for."""
    rules = (
        (throttle.PASSWORD_ACCOUNT, user.identifiant),
        (throttle.TOTP, str(user.pk)),
        (throttle.SENDS_PHONE_HOUR, user.phone),
        (throttle.SENDS_PHONE_DAY, user.phone),
        (throttle.LINKS_ACCOUNT, user.identifiant),
    )
    throttle.forget(*(throttle.Hit(rule, subject) for rule, subject in rules))
    device = SmsDevice.objects.filter(user=user).first()
    if device:
        device.forget_failures()
    audit.record("support.unlocked", user=user, request=request, reason=reason)


@transaction.atomic
def block(user: User, *, reason: str, request) -> None:
    """Suspends the account and ends its sessions. Raises NotPossible when it is suspended already."""
    now = timezone.now()
    if not User.objects.filter(pk=user.pk, suspended_at__isnull=True).update(suspended_at=now):
        raise NotPossible
    user.move_on()
    sessions.end_all(user)
    audit.record("account.suspended", user=user, request=request, reason=reason)


@transaction.atomic
def unblock(user: User, *, reason: str, request) -> None:
    """Opens a suspended account again. Raises NotPossible when it is not suspended."""
    if not User.objects.filter(pk=user.pk, suspended_at__isnull=False).update(suspended_at=None):
        raise NotPossible
    user.move_on()
    audit.record("account.reopened", user=user, request=request, reason=reason)


@transaction.atomic
def end_sessions(user: User, *, reason: str, request) -> int:
    """Ends every session of `user`; how many."""
    count = sessions.end_all(user)
    audit.record("support.sessions_ended", user=user, request=request, reason=reason, count=count)
    return count


def start_recovery(user: User, *, reason: str, request) -> Recovery:
    """The first agent's word that a caller is `user` and lost his phone. His member is told at once.

    Raises NotPossible while another one stands.
    """
    now = timezone.now()
    Recovery.objects.filter(user=user, ended_at__isnull=True, expires_at__lte=now).update(
        ended_at=now
    )
    try:
        with transaction.atomic():
            recovery = Recovery.objects.create(
                user=user,
                reason=reason,
                started_by=request.user,
                started_at=now,
                expires_at=now + timedelta(seconds=limit("RECOVERY_LIFETIME")),
            )
            audit.record("support.recovery_started", user=user, request=request, reason=reason)
            alerts.tell(user, "recovery_started")
    except IntegrityError:
        raise NotPossible from None
    return recovery


@transaction.atomic
def approve_recovery(recovery: Recovery, *, reason: str, request) -> None:
    """The second agent's word, who checked by himself: the member may name another phone, and that one
    serves 72 hours later. Raises NotPossible for who started it, or when it ended."""
    if not Recovery.objects.approve(recovery, request.user):
        raise NotPossible
    audit.record("support.recovery_approved", user=recovery.user, request=request, reason=reason)


@transaction.atomic
def end_recovery(recovery: Recovery, *, reason: str, request) -> None:
    """Gives a recovery up. Raises NotPossible when it ended before."""
    if not Recovery.objects.end(recovery):
        raise NotPossible
    audit.record("support.recovery_ended", user=recovery.user, request=request, reason=reason)


def standing_recovery(user: User) -> Recovery | None:
    return Recovery.objects.open().filter(user=user).select_related("started_by").first()
