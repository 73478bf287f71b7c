"""« Mot de passe oublié »: a link to the e-mail on file, once, for thirty minutes. (signin.md §2)

It never signs in and never skips the code. Whether an identifiant is known shows nowhere: the same
page, the same statements, and the link itself is made by whoever sends the e-mail. Staff get none: an
address can be changed by a colleague, an arrival is renewed under the eyes of two.
(docs/decisions/0029-colleagues-are-enrolled-by-two.md)
"""

from django.db import transaction
from django.db.models import OuterRef

from members import alerts, audit, bank, browsers, contacts, links, passwords, sessions, throttle
from members.addresses import client_address, counted_address
from members.models import OneTimeLink, User
from members.models.link import LinkPurpose
from members.models.member import own_factor


def ask(request, identifiant: str) -> None:
    """Queues the e-mail for this account, or one that nobody will get. Raises throttle.Throttled."""
    identifiant = User.objects.normalize_identifiant(identifiant)
    throttle.reserve(
        throttle.Hit(throttle.LINKS_ACCOUNT, identifiant),
        throttle.Hit(throttle.LINKS_ADDRESS, counted_address(client_address(request))),
    )
    users = User.objects.select_related("member").annotate(has_own=own_factor(OuterRef("pk")))
    user = users.filter(identifiant=identifiant).first()
    address = user.mail_address if user and user.may_sign_in and not user.is_staff else ""
    with transaction.atomic():
        # without phone, app or passkey, a new password would open nothing: the account is opened anew
        is_reset = user is None or user.is_staff or user.phone or user.has_own
        kind = "reset" if is_reset else "activation"
        alerts.send(user, kind, to=address)
        audit.record("password.reset_asked", user=user, request=request)


def choose(link: OneTimeLink, password: str, *, request) -> None:
    """Sets the password that the link allows. Every session ends, and no browser is known any more.

    Raises links.DeadLink or gate.Busy.
    """
    user = link.user
    before, after = user.password, passwords.encode(password)
    with transaction.atomic():
        links.use(link)
        if not User.objects.filter(pk=user.pk, password=before).update(password=after):
            raise links.DeadLink  # closed, or changed, since the link was found
        user.password = after
        sessions.end_all(user)
        browsers.forget_all(user)
        audit.record("password.reset", user=user, request=request)
        alerts.tell(user, "password_changed", request=request, **_waiting_phone(user))
        bank.remind(user)


def _waiting_phone(user: User) -> dict:
    """What the e-mail tells of a change of phone that waits, and its way to cancel: who chose this password
    anew may not have asked for it."""
    change = contacts.waiting_phone(user)
    if change is None:
        return {}
    link = links.make(user, LinkPurpose.CANCEL_PHONE, phone_change=change)
    return {"link": link, **contacts.told(change)}
