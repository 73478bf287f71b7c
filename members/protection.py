"""« Ce n'est pas moi »: everything closes at once, and the way back starts. (signin.md §2)"""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice

from members import alerts, audit, bank, browsers, links, sessions
from members.limits import limit
from members.models import (
    EmailChange,
    Member,
    OneTimeLink,
    Passkey,
    PhoneChange,
    Recovery,
    RecoveryCode,
    StaffEnrolment,
)
from members.models.link import LinkPurpose


@transaction.atomic
def protect(link: OneTimeLink, *, request) -> None:
    """Follows a « ce n'est pas moi » link. Raises links.DeadLink.

    Ends every session, kills the password, forgets browsers, cancels changes and recoveries under way,
    restores the e-mail address and the bank account, ends such links sent to another address meanwhile,
    and switches off the factors and saved codes made within CANCEL_LIFETIME seconds, then e-mails a link
    to choose a new password. A colleague gets none: his arrival starts again.
    """
    links.use(link)
    user = link.user
    recently = timezone.now() - timedelta(seconds=limit("CANCEL_LIFETIME"))
    user.set_unusable_password()
    user.save(update_fields=["password"])
    user.move_on()
    sessions.end_all(user)
    browsers.forget_all(user)
    PhoneChange.objects.open().filter(user=user).update(cancelled_at=timezone.now())
    Recovery.objects.filter(user=user, ended_at__isnull=True).update(ended_at=timezone.now())
    RecoveryCode.objects.filter(user=user, made_at__gt=recently).delete()  # who made them has them
    _restore_email(user, recently)
    bank_restored = bank.restore(user, since=recently)
    Passkey.objects.filter(user=user, created_at__gt=recently).switch_off()
    TOTPDevice.objects.filter(user=user, created_at__gt=recently, user__is_staff=False).delete()
    StaffEnrolment.objects.filter(
        user=user, confirmed_at__isnull=True, cancelled_at__isnull=True
    ).update(cancelled_at=timezone.now())
    audit.record("account.protected", user=user, request=request)
    # only now: the link is bound to the account as it is from here on
    reset = None if user.is_staff else links.make(user, LinkPurpose.RESET)
    alerts.tell(user, "blocked", link=reset, bank_restored=bank_restored)


def _restore_email(user, recently) -> None:
    changes = EmailChange.objects.filter(user=user, cancelled_at__isnull=True)
    first = changes.filter(confirmed_at__gt=recently).order_by("confirmed_at").first()
    if first and first.old_email:
        Member.objects.filter(user=user).update(email=first.old_email)
        user.member.email = first.old_email
        links.end_not_me(user, since=first.confirmed_at, but_to=first.old_email)
    changes.filter(confirmed_at__isnull=True).update(cancelled_at=timezone.now())
    changes.filter(confirmed_at__gt=recently).update(cancelled_at=timezone.now())
