"""One-time links sent by e-mail: made, found by their token, used once.

A GET never changes anything: scanners follow links before people do. (signin.md §3.11)
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from members.ids import row_id
from members.limits import limit
from members.models import Mail, OneTimeLink, User
from members.models.link import LinkPurpose

LIFETIMES = {
    LinkPurpose.RESET: "RESET_LIFETIME",
    LinkPurpose.ACTIVATION: "ACTIVATION_LINK_LIFETIME",
    LinkPurpose.CONFIRM_EMAIL: "ACTIVATION_LINK_LIFETIME",
    LinkPurpose.CANCEL_EMAIL: "CANCEL_LIFETIME",
    LinkPurpose.CANCEL_PHONE: "CANCEL_LIFETIME",
    LinkPurpose.CANCEL_BANK: "CANCEL_LIFETIME",
    LinkPurpose.NOT_ME: "CANCEL_LIFETIME",
}
# The address of each: a view of this name takes the token.
VIEWS = {
    LinkPurpose.RESET: "password_reset",
    LinkPurpose.ACTIVATION: "activation_link",
    LinkPurpose.CONFIRM_EMAIL: "email_confirm",
    LinkPurpose.CANCEL_EMAIL: "email_cancel",
    LinkPurpose.CANCEL_PHONE: "phone_cancel",
    LinkPurpose.CANCEL_BANK: "bank_cancel",
    LinkPurpose.NOT_ME: "not_me",
}
# A change of password, phone, status or e-mail address ends these; the others take such a change back.
_BOUND = (LinkPurpose.RESET, LinkPurpose.ACTIVATION, LinkPurpose.CONFIRM_EMAIL)


class DeadLink(Exception):
    """Unknown, altered, used or expired, or its account has changed: nobody outside learns which."""


def make(user: User | None, purpose: str, **about) -> OneTimeLink:
    """A link for `user`. `about`: the `phone_change`, the `email_change` or the `bank_account` that it is
    for, or the `member` who has no account yet."""
    now = timezone.now()
    link = OneTimeLink(
        user=user,
        purpose=purpose,
        created_at=now,
        expires_at=now + timedelta(seconds=limit(LIFETIMES[purpose])),
        **about,
    )
    link.fingerprint = _fingerprint(link) if purpose in _BOUND else ""
    link.save(force_insert=True)
    return link


def url(link: OneTimeLink) -> str:
    """The whole address, on PUBLIC_URL: never on a host that a request named."""
    return settings.PUBLIC_URL + reverse(VIEWS[link.purpose], args=[token(link)])


def token(link: OneTimeLink) -> str:
    return f"{link.pk}-{link.secret()}"


def find(token: str, purpose: str) -> OneTimeLink:
    """The living link of this token, with its account. Raises DeadLink."""
    number, _dash, secret = token.partition("-")
    if (pk := row_id(number)) is None:
        raise DeadLink
    link = (
        OneTimeLink.objects.select_related(
            "user__member", "member__user", "phone_change", "email_change", "bank_account"
        )
        .filter(pk=pk, purpose=purpose)
        .first()
    )
    if link is None or not constant_time_compare(secret, link.secret()) or not link.is_alive:
        raise DeadLink
    if link.fingerprint and not constant_time_compare(link.fingerprint, _fingerprint(link)):
        raise DeadLink
    return link


def use(link: OneTimeLink) -> None:
    """Uses `link` up, in the transaction of what it allows. Raises DeadLink when it was used before."""
    if not OneTimeLink.objects.use(link):
        raise DeadLink


def end_not_me(user: User, *, since: datetime, but_to: str) -> None:
    """Uses up the « ce n'est pas moi » links made from `since` on, but those sent to `but_to`: whoever's
    mailbox served meanwhile must not be able to close an account that its holder has taken back."""
    kept = Mail.objects.filter(user=user, to=but_to, not_me__isnull=False).values("not_me")
    made = OneTimeLink.objects.alive().filter(
        user=user, purpose=LinkPurpose.NOT_ME, created_at__gte=since
    )
    made.exclude(pk__in=kept).update(used_at=timezone.now())


def _fingerprint(link: OneTimeLink) -> str:
    if link.member:
        state = link.member.opening_fingerprint()
    else:
        state = f"{link.user.state_fingerprint()}\0{link.user.mail_address}"
    return salted_hmac("members.links", state, algorithm="sha256").hexdigest()
