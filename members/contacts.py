"""Changes of phone and of e-mail address: asked, shown to be wanted, told to the old one, taken back.

A phone is confirmed by a code, then waits PHONE_CHANGE_DELAY seconds while the old one serves: a thief who
got that far is seen and stopped before he gains anything. (signin.md §2; decision
docs/decisions/0022-contacts-and-recovery.md)
"""

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from members import alerts, audit, confirmation, delayed, emails, links, phones, sessions, throttle
from members.addresses import client_address, counted_address
from members.days import day, hour
from members.limits import limit
from members.models import EmailChange, Mail, Member, OneTimeLink, PhoneChange, SmsDevice, User
from members.models.challenge import Purpose
from members.models.contact import Proof
from members.models.link import LinkPurpose

# Holds {"phone": typed} until the present phone answers, then {"change": id}.
SESSION_KEY = "phone_change"


class ChangeUnderWay(Exception):
    """Another change of this account is under way: it must end or be cancelled first."""


class ChangeOver(Exception):
    """This change was applied, cancelled or replaced meanwhile: nothing was done."""


# -------------------------------------------------------------------------- phone, from inside


def ask_phone(request, phone: str) -> None:
    """Asks for a code on the present phone, before `phone` may replace it.

    Raises ChangeUnderWay while a confirmed change waits, or throttle.Throttled.
    """
    if waiting_phone(request.user):
        raise ChangeUnderWay
    confirmation.begin(request, request.user, Purpose.PRESENT_PHONE)
    request.session[SESSION_KEY] = {"phone": phone}


def stage(request) -> tuple[Purpose, str]:
    """Which phone must answer now, and its number. Raises confirmation.NothingAsked."""
    kept = request.session.get(SESSION_KEY) or {}
    if "phone" in kept:
        return Purpose.PRESENT_PHONE, request.user.phone
    return Purpose.NEW_PHONE, _of_this_session(request, kept).new_phone


def check_code(request, code: str) -> PhoneChange | None:
    """Takes the code of the present stage: the change once it is confirmed, None while a code on the new
    phone is still wanted.

    Raises confirmation.NothingAsked, codes.CodeRefused, ChangeUnderWay or ChangeOver.
    """
    purpose, phone = stage(request)
    typed = phone if purpose == Purpose.NEW_PHONE else ""
    confirmation.check(request, purpose, code, phone=typed)
    kept = request.session[SESSION_KEY]
    if purpose == Purpose.PRESENT_PHONE:
        change = open_phone(request.user, kept["phone"], Proof.PRESENT_PHONE, request=request)
        request.session[SESSION_KEY] = {"change": change.pk}
        return None
    change = _of_this_session(request, kept)
    confirm_phone(change, request=request)
    del request.session[SESSION_KEY]
    return change


def send_code(request) -> None:
    """Sends a new code for the present stage. Raises confirmation.NothingAsked or throttle.Throttled."""
    purpose, phone = stage(request)
    typed = phone if purpose == Purpose.NEW_PHONE else ""
    confirmation.begin(request, request.user, purpose, phone=typed)


def _of_this_session(request, kept: dict) -> PhoneChange:
    change = (
        PhoneChange.objects.unconfirmed().filter(pk=kept.get("change"), user=request.user).first()
    )
    if change is None:
        raise confirmation.NothingAsked
    change.user = request.user
    return change


# ------------------------------------------------------------------------- phone, whoever asks


def waiting_phone(user: User) -> PhoneChange | None:
    """The change of `user` that is confirmed and does not serve yet."""
    return PhoneChange.objects.waiting().filter(user=user).first()


@transaction.atomic
def open_phone(user: User, phone: str, proof: Proof, *, request) -> PhoneChange:
    """A change that `proof` stands for; it replaces one that was never confirmed. Raises ChangeUnderWay."""
    PhoneChange.objects.unconfirmed().filter(user=user).update(cancelled_at=timezone.now())
    try:
        with transaction.atomic():
            change = PhoneChange.objects.create(
                user=user, old_phone=user.phone, new_phone=phone, proof=proof
            )
    except IntegrityError:  # phonechange_one_open_per_user
        raise ChangeUnderWay from None
    _record("phone.change_requested", change, request, proof=str(proof))
    return change


@transaction.atomic
def confirm_phone(change: PhoneChange, *, request) -> None:
    """The new phone answered: it serves once the delay is over, and the old one and the e-mail address
    are told, with a link to cancel. Raises ChangeOver."""
    delay = timedelta(seconds=limit("PHONE_CHANGE_DELAY"))
    if not PhoneChange.objects.confirm(change, delay):
        raise ChangeOver
    change.refresh_from_db(fields=["confirmed_at", "serves_from"])
    user = change.user
    _record("phone.change_confirmed", change, request, proof=str(change.proof))
    alerts.tell(
        user,
        "phone_change_asked",
        request=request,
        link=links.make(user, LinkPurpose.CANCEL_PHONE, phone_change=change),
        **told(change),
    )


def told(change: PhoneChange) -> dict[str, str]:
    """What an e-mail says of a confirmed change: its masked number, and from when it serves."""
    serves_from = f"{day(change.serves_from)} à {hour(change.serves_from)}"
    return {"phone": change.new_phone_masked, "serves_from": serves_from}


@transaction.atomic
def cancel_phone(change: PhoneChange, *, request, link: OneTimeLink | None = None) -> None:
    """Takes `change` back before it serves. Raises ChangeOver, or links.DeadLink for a link used before."""
    if link:
        links.use(link)
    if not PhoneChange.objects.cancel(change):
        raise ChangeOver
    _record("phone.change_cancelled", change, request, by="link" if link else "member")
    alerts.tell(change.user, "change_cancelled", request=request)


def apply_due() -> int:
    """Puts in force every change whose delay is over; how many. Safe to run in several places at once."""
    due = PhoneChange.objects.due().select_related("user__member").order_by("serves_from")
    return delayed.apply_each(due[: delayed.BATCH], _apply)


@transaction.atomic
def _apply(change: PhoneChange) -> bool:
    """False when another process or a cancel came first, or the account is no longer as it was.

    A number that changed otherwise meanwhile, and a closed account, keep what they have.
    """
    if not PhoneChange.objects.apply(change):
        return False
    user = change.user
    unchanged = Member.objects.filter(user=user, phone=change.old_phone)
    if not (user.may_sign_in and unchanged.update(phone=change.new_phone)):
        PhoneChange.objects.give_up(change)
        _record("phone.change_cancelled", change, None, by="account_changed")
        return False
    user.member.phone = change.new_phone
    SmsDevice.objects.filter(user=user).update(
        flagged_at=None, flag="", failures=0, failures_in_a_row=0, last_failure_at=None
    )
    sessions.end_all(user)
    _record("phone.changed", change, None, proof=str(change.proof))
    alerts.tell(user, "phone_changed", phone=change.new_phone_masked)
    return True


def restore_phone(user: User, since: datetime) -> bool:
    """« Ce n'est pas moi »: the phone of before the changes that began to serve after `since` serves
    again, True if there was one; what was written otherwise since stays. In the caller's transaction."""
    present = before = user.phone
    lately = PhoneChange.objects.filter(user=user, applied_at__gt=since).order_by("-applied_at")
    for change in lately:
        if change.new_phone != before:
            break
        before, first = change.old_phone, change
    if before == present:
        return False
    if not Member.objects.filter(user=user, phone=present).update(phone=before):
        return False
    user.member.phone = before
    SmsDevice.objects.filter(user=user).update(flagged_at=None, flag="")
    first.user = user
    _record("phone.restored", first, None)
    return bool(before)


def _record(action: str, change: PhoneChange, request, **details) -> None:
    audit.record(
        action, user=change.user, request=request, phone=phones.masked(change.new_phone), **details
    )


# ---------------------------------------------------------------------------------------- e-mail


def open_email(user: User) -> EmailChange | None:
    """The change of address that waits for its link to be followed."""
    return EmailChange.objects.open().filter(user=user).first()


def ask_email(request, address: str) -> EmailChange:
    """Sends a link to the new address, and word of it to the present one; replaces an earlier request.

    Raises throttle.Throttled, or ChangeUnderWay when another request came at the same instant.
    """
    user = request.user
    throttle.reserve(
        throttle.Hit(throttle.LINKS_ACCOUNT, links_of(user)),
        throttle.Hit(throttle.LINKS_ADDRESS, counted_address(client_address(request))),
    )
    try:
        with transaction.atomic():
            return _ask_email(request, user, address)
    except IntegrityError:  # emailchange_one_open_per_user
        raise ChangeUnderWay from None


def links_of(user: User) -> str:
    """What requests for a new address count against."""
    return f"email\0{user.pk}"


def _ask_email(request, user: User, address: str) -> EmailChange:
    EmailChange.objects.open().filter(user=user).update(cancelled_at=timezone.now())
    change = EmailChange.objects.create(user=user, old_email=user.mail_address, new_email=address)
    audit.record("email.change_requested", user=user, request=request, email=emails.masked(address))
    confirm = links.make(user, LinkPurpose.CONFIRM_EMAIL, email_change=change)
    alerts.send(user, "confirm_email", to=address, link=confirm)
    if change.old_email:
        alerts.tell(user, "email_change_asked", request=request, link=_way_back(change))
    return change


@transaction.atomic
def confirm_email(link: OneTimeLink, *, request) -> None:
    """The link sent to the new address was followed: it is the account's from now on, and the old one is
    told. Raises links.DeadLink."""
    links.use(link)
    change, user = link.email_change, link.user
    if not user.may_sign_in or not EmailChange.objects.confirm(change):
        raise links.DeadLink
    Member.objects.filter(user=user).update(email=change.new_email)
    user.member.email = change.new_email
    audit.record("email.changed", user=user, request=request, email=emails.masked(change.new_email))
    way_back = _way_back(change) if change.old_email else None
    alerts.tell(user, "email_changed", request=request, to=change.old_email, link=way_back)


@transaction.atomic
def cancel_email(change: EmailChange, *, request, link: OneTimeLink | None = None) -> bool:
    """Gives `change` up; by a link, also once it was done: the old address serves again. True if so.

    What was asked after it is taken back too, and the other address is told. Raises ChangeOver or
    links.DeadLink.
    """
    if link:
        links.use(link)
    if not EmailChange.objects.cancel(change):
        raise ChangeOver
    change.refresh_from_db(fields=["confirmed_at"])
    restores = bool(change.confirmed_at)
    if restores and not link:
        raise ChangeOver  # done meanwhile: only the old address may take it back
    user = change.user
    if restores:
        _take_back(change)
    audit.record(
        "email.change_cancelled",
        user=user,
        request=request,
        by="link" if link else "member",
        restored=restores,
    )
    alerts.tell(user, "change_cancelled", request=request, restored=restores)
    return restores


def restore_email(user: User, since: datetime, *, pressed: OneTimeLink) -> None:
    """« Ce n'est pas moi »: the address that `pressed` was sent to serves again. Changes of before it
    served stay, for the older address to take back. Where we do not know it, the first address that was
    left after `since` serves. In the caller's transaction."""
    done = EmailChange.objects.filter(user=user, cancelled_at__isnull=True, confirmed_at__gt=since)
    done = done.exclude(old_email="").order_by("confirmed_at")
    sent_to = Mail.objects.filter(not_me=pressed).values_list("to", flat=True).first()
    first = done.filter(old_email=sent_to).first()
    if first is None and sent_to != user.mail_address:
        first = done.first()
    if first:
        first.user = user
        _take_back(first, text=False)


def _take_back(change: EmailChange, *, text: bool = True) -> None:
    """The address of before `change` serves again. What came after is cancelled, links in other mailboxes
    end, and these are told: who takes back is not always who should."""
    user = change.user
    served = user.member.email
    since = EmailChange.objects.filter(user=user, asked_at__gte=change.asked_at)
    since.filter(cancelled_at__isnull=True).update(cancelled_at=timezone.now())
    Member.objects.filter(user=user).update(email=change.old_email)
    user.member.email = change.old_email
    links.end_not_me(user, since=change.confirmed_at, but_to=change.old_email)
    alerts.tell(user, "email_taken_back", to=change.new_email, text=text)
    if served not in (change.new_email, change.old_email):
        alerts.tell(user, "email_taken_back", to=served, text=False)


@transaction.atomic
def replace_email(member: Member, address: str, *, request) -> None:
    """An agent writes another address in the file: it serves at once, and the old one is told.

    Where there is an account, the old address may take it back for 7 days, as after `confirm_email`.
    """
    old = Member.objects.select_for_update(of=("self",)).get(pk=member.pk).email
    Member.objects.filter(pk=member.pk).update(email=address)
    masked = emails.masked(address) if address else ""
    person = f"member/{member.pk}"
    audit.record("email.changed", user=member.user, request=request, email=masked, person=person)
    if not old:
        return
    if member.user is None:
        alerts.send(None, "email_replaced", to=old, member=member)
        return
    EmailChange.objects.open().filter(user=member.user).update(cancelled_at=timezone.now())
    change = EmailChange.objects.create(
        user=member.user, old_email=old, new_email=address, confirmed_at=timezone.now()
    )
    alerts.tell(member.user, "email_changed", to=old, link=_way_back(change))


def _way_back(change: EmailChange) -> OneTimeLink:
    return links.make(change.user, LinkPurpose.CANCEL_EMAIL, email_change=change)
