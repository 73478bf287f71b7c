"""A new colleague: a ticket, his own password and app, then the word of somebody who saw him.

Nobody enrols himself, and nobody chooses or sees the password or the app of another. Who made the ticket
could use it: somebody else confirms. Until then his account opens nothing.
(NIST SP 800-63B-4 §4.1; signin.md §1)
"""

from datetime import timedelta

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone
from django.utils.crypto import constant_time_compare, get_random_string, salted_hmac
from django_otp.plugins.otp_totp.models import TOTPDevice

from members import alerts, audit, codes, passwords, throttle
from members.addresses import client_address, counted_address
from members.limits import limit
from members.models import Passkey, StaffEnrolment, User

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # without look-alikes
LENGTH = 12  # 58 bits
SESSION_KEY = "enrolment"


class TicketRefused(Exception):
    """Unknown, wrong, used, given up or expired: nobody outside learns which."""


@transaction.atomic
def open_account(identifiant: str, name: str, email: str, roles, *, request) -> tuple[User, str]:
    """A staff account that opens nothing yet, and its ticket, told once.

    Raises ValidationError on a wrong or taken identifiant.
    """
    user = User(
        identifiant=User.objects.normalize_identifiant(identifiant),
        name=name,
        email=email,
        is_staff=True,
        is_active=False,
    )
    user.set_unusable_password()
    user.full_clean(exclude=["password"])
    user.save()
    user.groups.set(roles)
    ticket = _new_ticket(user, request)
    audit.record(
        "staff.invited", user=user, request=request, roles=sorted(role.name for role in roles)
    )
    return user, ticket


@transaction.atomic
def renew(user: User, *, request) -> str:
    """Another ticket for a colleague who lost his app or let the first one expire.

    His password and his app are forgotten and his account closes until he is confirmed again. He is told
    by e-mail, for a colleague who asked for nothing must know. Raises PermissionDenied.
    """
    if not may_renew(user, request.user):
        raise PermissionDenied
    StaffEnrolment.objects.filter(user=user, confirmed_at__isnull=True).update(
        cancelled_at=timezone.now()
    )
    user.set_unusable_password()
    user.is_active = False
    user.save(update_fields=["password", "is_active"])
    TOTPDevice.objects.filter(user=user).delete()
    Passkey.objects.filter(user=user).switch_off()
    ticket = _new_ticket(user, request)
    audit.record("staff.invited_again", user=user, request=request)
    alerts.tell(user, "staff_renewed", by=_named(request.user))
    return ticket


def may_renew(user: User, by: User) -> bool:
    """Nobody renews himself, and only an equal who may do everything: his account would be at hand."""
    return user != by and (by.is_superuser or not user.is_superuser)


def _new_ticket(user: User, request) -> str:
    ticket = get_random_string(LENGTH, ALPHABET)
    StaffEnrolment.objects.create(
        user=user,
        digest=_digest(ticket),
        made_by=request.user,
        expires_at=timezone.now() + timedelta(seconds=limit("ENROLMENT_LIFETIME")),
    )
    return f"{ticket[:4]}-{ticket[4:8]}-{ticket[8:]}"


def _digest(ticket: str) -> str:
    return salted_hmac("members.enrolment", ticket, algorithm="sha256").hexdigest()


def begin(request, identifiant: str, ticket: str) -> None:
    """Notes in this browser that its holder has the ticket. Raises TicketRefused or throttle.Throttled."""
    identifiant = User.objects.normalize_identifiant(identifiant)
    throttle.reserve(throttle.Hit(throttle.LINKS_ADDRESS, counted_address(client_address(request))))
    typed = "".join(sign for sign in ticket.upper() if sign.isalnum())  # whatever was put between
    enrolment = (
        StaffEnrolment.objects.alive()
        .select_related("user")
        .filter(user__identifiant=identifiant)
        .order_by("-pk")
        .first()
    )
    expected = enrolment.digest if enrolment else _digest("")
    claimed = enrolment is not None and StaffEnrolment.objects.claim(enrolment)
    if not constant_time_compare(_digest(typed), expected) or not claimed:
        audit.record("staff.ticket_refused", user=enrolment and enrolment.user, request=request)
        raise TicketRefused
    request.session.flush()
    request.session[SESSION_KEY] = enrolment.pk


def current(request) -> StaffEnrolment:
    """The enrolment under way in this browser. Raises TicketRefused."""
    pk = request.session.get(SESSION_KEY)
    found = StaffEnrolment.objects.select_related("user").filter(
        pk=pk, used_at__isnull=True, cancelled_at__isnull=True, expires_at__gt=timezone.now()
    )
    enrolment = found.first() if pk else None
    if enrolment is None:
        raise TicketRefused
    return enrolment


def device_of(enrolment: StaffEnrolment) -> TOTPDevice:
    """The app being set up: one secret for the whole enrolment."""
    device, _created = TOTPDevice.objects.get_or_create(
        user=enrolment.user, confirmed=False, defaults={"name": "totp"}
    )
    return device


def finish(request, enrolment: StaffEnrolment, password: str, code: str) -> None:
    """His password and his app are set; somebody else must confirm him now.

    Raises a codes.CodeRefused, gate.Busy, or TicketRefused when the ticket was used meanwhile.
    """
    user, device = enrolment.user, device_of(enrolment)
    codes.check_totp(user, device, code)
    encoded = passwords.encode(password)
    with transaction.atomic():
        if not StaffEnrolment.objects.use(enrolment):
            raise TicketRefused
        user.password = encoded
        user.save(update_fields=["password"])
        TOTPDevice.objects.filter(pk=device.pk).update(confirmed=True)
        audit.record("staff.enrolled", user=user, request=request)
    request.session.flush()


@transaction.atomic
def confirm(enrolment: StaffEnrolment, *, request) -> bool:
    """« I saw this person »: the account opens, and its holder is told by e-mail.

    False when it cannot be said any more, by himself, or by who made the ticket.
    """
    if not StaffEnrolment.objects.confirm(enrolment, request.user):
        return False
    User.objects.filter(pk=enrolment.user_id).update(is_active=True)
    audit.record("staff.confirmed", user=enrolment.user, request=request)
    alerts.tell(enrolment.user, "staff_confirmed", by=_named(request.user))
    return True


def _named(agent: User) -> str:
    return agent.name or agent.identifiant
