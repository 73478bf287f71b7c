"""« Ce n'est pas moi »: everything closes at once, and the way back starts. (signin.md §2)"""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice

from members import alerts, audit, bank, browsers, contacts, links, sessions
from members.limits import limit
from members.models import (
    BankAccount,
    EmailChange,
    LetterCode,
    Member,
    OneTimeLink,
    Passkey,
    PhoneChange,
    Recovery,
    RecoveryCode,
    StaffEnrolment,
    User,
)
from members.models.link import LinkPurpose
from members.models.recovery import LetterPurpose


@transaction.atomic
def protect(link: OneTimeLink, *, request) -> bool:
    """Follows a « ce n'est pas moi » link; whether the phone of before serves again. Raises links.DeadLink.

    Ends every session, kills the password, forgets browsers, cancels changes and recoveries under way,
    restores the phone, the bank account and the e-mail address that this link was sent to, ends such links
    sent to another address meanwhile, and switches off the factors and saved codes made within
    CANCEL_LIFETIME seconds, then e-mails a link to choose a new password. A colleague gets none: his
    arrival starts again.
    """
    links.use(link)
    user = link.user
    recently = timezone.now() - timedelta(seconds=limit("CANCEL_LIFETIME"))
    user.set_unusable_password()
    user.save(update_fields=["password"])
    user.move_on()
    sessions.end_all(user)
    browsers.forget_all(user)
    end_under_way(user)
    if hasattr(user, "member"):  # a change may have begun to serve in this very instant
        user.member.refresh_from_db(fields=["email", "phone"])
    RecoveryCode.objects.filter(user=user, made_at__gt=recently).delete()  # who made them has them
    contacts.restore_email(user, recently, pressed=link)
    phone_restored = contacts.restore_phone(user, recently)
    bank_restored = bank.restore(user, since=recently)
    Passkey.objects.filter(user=user, created_at__gt=recently).switch_off()
    TOTPDevice.objects.filter(user=user, created_at__gt=recently, user__is_staff=False).delete()
    StaffEnrolment.objects.filter(
        user=user, confirmed_at__isnull=True, cancelled_at__isnull=True
    ).update(cancelled_at=timezone.now())
    audit.record("account.protected", user=user, request=request)
    # only now: the link is bound to the account as it is from here on
    reset = None if user.is_staff else links.make(user, LinkPurpose.RESET)
    restored = {"bank_restored": bank_restored, "phone_restored": phone_restored}
    alerts.tell(user, "blocked", link=reset, **restored)
    return phone_restored


def end_under_way(user: User) -> None:
    """Gives up what waits for `user`: changes of phone, e-mail address and bank account, and what vouches
    for a new phone, by agents or by letter. In the caller's transaction."""
    now = timezone.now()
    own = Member.objects.filter(user=user)
    PhoneChange.objects.open().filter(user=user).update(cancelled_at=now)
    EmailChange.objects.open().filter(user=user).update(cancelled_at=now)
    BankAccount.objects.open().filter(member__in=own).update(cancelled_at=now)
    Recovery.objects.filter(user=user, ended_at__isnull=True).update(ended_at=now)
    LetterCode.objects.filter(member__in=own, purpose=LetterPurpose.RECOVERY).cancel()
