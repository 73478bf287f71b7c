"""What support does for a member: each act against a reason, each one event of the trail.

An agent never sees nor sets a code, a password or a seed, and what leaked never identifies a caller.
"""

from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice

from members import (
    alerts,
    audit,
    browsers,
    codes,
    contacts,
    protection,
    sessions,
    signin,
    throttle,
)
from members.limits import limit
from members.models import AuditEvent, KnownBrowser, Passkey, Recovery, SmsDevice, User


class NotPossible(Exception):
    """The act makes no sense for this account now; nothing was done."""


@transaction.atomic
def unlock(user: User, *, reason: str, request) -> None:
    """Forgets the failures that make `user` wait, wherever he comes from: passwords, codes, texts and links
    asked for."""
    rules = (
        (throttle.TOTP, str(user.pk)),
        (throttle.RECOVERY, str(user.pk)),
        (throttle.SENDS_PHONE_HOUR, user.phone),
        (throttle.SENDS_PHONE_DAY, user.phone),
        (throttle.SENDS_PHONE_HOUR, codes.typed_numbers_of(user.pk)),
        (throttle.SENDS_PHONE_DAY, codes.typed_numbers_of(user.pk)),
        (throttle.LINKS_ACCOUNT, user.identifiant),
        (throttle.LINKS_ACCOUNT, contacts.links_of(user)),
    )
    throttle.forget(
        *(throttle.Hit(rule, subject) for rule, subject in rules), *_hits_of_passwords(user)
    )
    device = SmsDevice.objects.filter(user=user).first()
    if device:
        device.forget_failures()
    TOTPDevice.objects.filter(user=user).update(
        throttling_failure_count=0, throttling_failure_timestamp=None
    )
    audit.record("support.unlocked", user=user, request=request, reason=reason)


def _hits_of_passwords(user: User) -> set[throttle.Hit]:
    """What his wrong passwords counted against, but the addresses themselves: others share those."""
    since = timezone.now() - timedelta(seconds=limit("PASSWORD_WINDOW"))
    failures = AuditEvent.objects.filter(user=user, action="signin.password_failed", at__gt=since)
    hits = set()
    for address in failures.values_list("address", flat=True).distinct().order_by():
        hits.update(signin.password_hits(user.identifiant, address, ""))
    for digest in KnownBrowser.objects.filter(user=user).values_list("digest", flat=True):
        hits.update(signin.password_hits(user.identifiant, "", digest))
    hits.add(throttle.Hit(throttle.PASSWORD_ACCOUNT, user.identifiant))
    return {hit for hit in hits if hit.rule != throttle.PASSWORD_ADDRESS}


@transaction.atomic
def block(user: User, *, reason: str, request) -> None:
    """Suspends the account, ends its sessions and gives up what waits to change it: nothing of that comes
    back with the account. Raises NotPossible when it is suspended already."""
    now = timezone.now()
    if not User.objects.filter(pk=user.pk, suspended_at__isnull=True).update(suspended_at=now):
        raise NotPossible
    user.move_on()
    sessions.end_all(user)
    protection.end_under_way(user)
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


@transaction.atomic
def switch_off_factors(user: User, *, reason: str, request) -> None:
    """For a lost device: no passkey and no app of `user` opens any more, every session ends, no browser is
    known, and he is told. His password and a text remain.

    Raises NotPossible when he has neither key nor app; and without phone on file, where nothing but his
    mailbox would be left.
    """
    if not user.phone:
        raise NotPossible
    passkeys = Passkey.objects.live().filter(user=user).switch_off()
    devices = TOTPDevice.objects.filter(user=user)
    apps, _by_model = devices.filter(confirmed=True).delete()
    if not (passkeys or apps):
        raise NotPossible
    devices.delete()  # begun and never confirmed: it opened nothing
    sessions.end_all(user)
    browsers.forget_all(user)
    audit.record(
        "support.factors_switched_off",
        user=user,
        request=request,
        reason=reason,
        passkeys=passkeys,
        apps=apps,
    )
    alerts.tell(user, "factor_removed")  # not from where: that would be the agent's desk


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
    serves 72 hours later. Raises NotPossible for who started it, when it ended, or when who started it
    may not sign in any more."""
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
