"""The authenticator app of a member: an application that shows a new code every thirty seconds. (RFC 6238)

It counts once it has shown a first right code. From then on the sign-in asks for it before a text.
"""

from base64 import b32encode
from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django_otp.plugins.otp_totp.models import TOTPDevice

from members import alerts, audit, codes, qr
from members.limits import limit
from members.models import User

SESSION_KEY = "app_setup"  # the device that this session began to set up


class NothingUnderWay(Exception):
    """No app is being set up in this session, or it took too long, or the account has changed."""


class AlreadyThere(Exception):
    """The account has an app; it must be removed first."""


def of(user: User) -> TOTPDevice | None:
    """The app that the sign-in asks for, or None."""
    return TOTPDevice.objects.filter(user=user, confirmed=True).first()


@transaction.atomic
def start(request) -> None:
    """Makes a new secret, in place of one that was never confirmed. Raises AlreadyThere."""
    user = request.user
    if of(user):
        raise AlreadyThere
    TOTPDevice.objects.filter(user=user, confirmed=False).delete()
    device = TOTPDevice.objects.create(user=user, name="application", confirmed=False)
    request.session[SESSION_KEY] = device.pk


def under_way(request) -> TOTPDevice:
    """The app being set up in this session, for APP_SETUP_LIFETIME seconds. Raises NothingUnderWay."""
    user = request.user
    since = timezone.now() - timedelta(seconds=limit("APP_SETUP_LIFETIME"))
    waiting = TOTPDevice.objects.filter(user=user, confirmed=False, created_at__gt=since)
    device = waiting.filter(pk=request.session.get(SESSION_KEY)).first()
    if device is None or of(user):
        raise NothingUnderWay
    device.user = user
    return device


def confirm(device: TOTPDevice, code: str, *, request) -> None:
    """The app showed `code`: it counts from now on. Raises NothingUnderWay or a codes.CodeRefused."""
    user = device.user
    try:
        codes.check_totp(user, device, code)
    except codes.CodeRefused as refusal:
        audit.record("app.code_failed", user=user, request=request, reason=type(refusal).__name__)
        raise
    with transaction.atomic():
        waiting = TOTPDevice.objects.filter(pk=device.pk, confirmed=False)
        if not (User.objects.lock_unchanged(user) and waiting.update(confirmed=True)):
            raise NothingUnderWay  # closed, changed or confirmed meanwhile
        audit.record("app.added", user=user, request=request)
        alerts.tell(user, "factor_added", request=request, name=_("application d'authentification"))


@transaction.atomic
def remove(user: User, *, request) -> None:
    """Forgets the app and tells its holder. The sessions that it opened end; the text remains."""
    deleted, _by_model = TOTPDevice.objects.filter(user=user, confirmed=True).delete()
    if deleted:
        audit.record("app.removed", user=user, request=request)
        alerts.tell(user, "factor_removed", request=request)


def key_in_groups(device: TOTPDevice) -> str:
    """The secret as a person types it into an app: base 32, in groups of four."""
    key = b32encode(device.bin_key).decode().rstrip("=")
    return " ".join(key[start : start + 4] for start in range(0, len(key), 4))


def qr_code(device: TOTPDevice) -> SafeString:
    """The secret as a drawing for the camera of a phone."""
    return qr.svg(device.config_url)
