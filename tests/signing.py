"""Opening a session in tests, through the same door as the portal: both factors, no short cut in rights."""

import django_otp
from django.contrib.auth import login
from django.http import HttpRequest

from members.models import SmsDevice
from members.sessions import SessionStore
from members.signin import BACKEND


def sign_in(client, user, device=None):
    """Gives `client` a session of `user` verified by `device` (his SMS device unless said)."""
    if device is None:
        device, _created = SmsDevice.objects.get_or_create(user=user, defaults={"name": "sms"})
    request = HttpRequest()
    request.session = SessionStore()
    login(request, user, backend=BACKEND)
    request.user = user
    django_otp.login(request, device)
    request.session.save()
    client.cookies[_cookie_name()] = request.session.session_key
    return client


def _cookie_name():
    from django.conf import settings

    return settings.SESSION_COOKIE_NAME
