"""The bank account where a member is reimbursed: a new one is told at once, and serves days later.

Whoever gets into a space would first lead its money elsewhere: the old account serves for
BANK_CHANGE_DELAY seconds, as the old phone does. (docs/decisions/0042-what-a-member-decides.md)
"""

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from members import alerts, audit, delayed, links
from members.contacts import ChangeOver, ChangeUnderWay
from members.days import day, hour
from members.limits import limit
from members.models import BankAccount, Member, OneTimeLink, User
from members.models.link import LinkPurpose


def serving(member: Member) -> BankAccount | None:
    """The account that is paid today."""
    return BankAccount.objects.serving().filter(member=member).first()


def waiting(member: Member) -> BankAccount | None:
    """The account that will serve once its delay is over."""
    return BankAccount.objects.waiting().filter(member=member).first()


def ask(request, iban: str, holder: str) -> BankAccount:
    """A new account of the signed-in member, who showed a moment ago who he is (members/stepup.py): told
    by e-mail and by text, with a link to cancel. Raises ChangeUnderWay while another one waits."""
    now = timezone.now()
    account = BankAccount(
        member=request.member,
        holder=holder,
        asked_at=now,
        confirmed_at=now,
        serves_from=now + timedelta(seconds=limit("BANK_CHANGE_DELAY")),
    )
    account.set_iban(iban)
    try:
        with transaction.atomic():
            account.save(force_insert=True)
            _tell_asked(account, request)
    except IntegrityError:  # bankaccount_one_open_per_member
        raise ChangeUnderWay from None
    return account


def _tell_asked(account: BankAccount, request) -> None:
    _record("bank.change_requested", account, request)
    _tell(account, request=request)


def _tell(account: BankAccount, **how) -> None:
    user = account.member.user
    alerts.tell(
        user,
        "bank_change_asked",
        link=links.make(user, LinkPurpose.CANCEL_BANK, bank_account=account),
        account=account.masked,
        serves_from=f"{day(account.serves_from)} à {hour(account.serves_from)}",
        **how,
    )


def remind(user: User) -> None:
    """Tells again, by e-mail, of an account that waits, and how to cancel it: who chose a password anew may
    not have asked for it."""
    account = BankAccount.objects.waiting().filter(member__user=user).first()
    if account:
        _tell(account, text=False)


@transaction.atomic
def cancel(account: BankAccount, *, request, link: OneTimeLink | None = None) -> None:
    """Takes `account` back before it serves. Raises ChangeOver, or links.DeadLink for a link used before."""
    if link:
        links.use(link)
    if not BankAccount.objects.cancel(account):
        raise ChangeOver
    _record("bank.change_cancelled", account, request, by="link" if link else "member")
    alerts.tell(account.member.user, "change_cancelled", request=request)


def apply_due() -> int:
    """Puts in force every account whose delay is over; how many. Safe to run in several places at once."""
    due = BankAccount.objects.due().select_related("member__user").order_by("serves_from")
    return delayed.apply_each(due[: delayed.BATCH], _apply)


@transaction.atomic
def _apply(account: BankAccount) -> bool:
    """False when another process or a cancel came first, or the member has no open account any more."""
    user = account.member.user
    if not (user and user.may_sign_in):
        if BankAccount.objects.cancel(account):
            _record("bank.change_cancelled", account, None, by="account_changed")
        return False
    # what waits is locked before what serves, as « ce n'est pas moi » does: neither waits for the other
    if not BankAccount.objects.due().select_for_update().filter(pk=account.pk).first():
        return False
    _end_serving(account.member)
    BankAccount.objects.apply(account)
    _record("bank.changed", account, None)
    alerts.tell(user, "bank_changed", account=account.masked)
    return True


def _end_serving(member: Member) -> None:
    BankAccount.objects.serving().filter(member=member).update(ended_at=timezone.now())


def restore(user: User, since: datetime) -> bool:
    """« Ce n'est pas moi »: what began to serve after `since` ends, True if so, and never comes back; the
    account that served before it serves again. In the caller's transaction."""
    own = BankAccount.objects.filter(member__in=Member.objects.filter(user=user))
    lately = own.filter(applied_at__gt=since, restores__isnull=True)
    if not lately.serving().exists():
        return False
    before = own.filter(applied_at__lte=since, disowned_at__isnull=True)
    before = before.order_by("-applied_at").first()
    now = timezone.now()
    _end_serving(user.member)
    lately.filter(disowned_at__isnull=True).update(disowned_at=now)
    if before is None:
        return True
    again = BankAccount.objects.create(
        member=before.member,
        holder=before.holder,
        iban_sealed=before.iban_sealed,
        iban_start=before.iban_start,
        iban_end=before.iban_end,
        asked_at=now,
        confirmed_at=now,
        serves_from=now,
        applied_at=now,
        restores=before,
    )
    _record("bank.restored", again, None)
    return True


def _record(action: str, account: BankAccount, request, **details) -> None:
    audit.record(
        action, user=account.member.user, request=request, bank_account=account.pk, **details
    )
