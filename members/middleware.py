from django.contrib.auth.middleware import AuthenticationMiddleware, LoginRequiredMiddleware
from django.contrib.auth.models import AnonymousUser
from django.db import InterfaceError, OperationalError
from django.http import HttpResponse
from django.template.loader import render_to_string
from django.utils.functional import SimpleLazyObject
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp.middleware import OTPMiddleware

from members import browsers, sessions
from members.throttle import Throttled


class ClosedPagesMiddleware:
    """No page is kept by a browser or a proxy, and no page may use a sensor, unless its view says so."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        browsers.keep_cookie(request, response)
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers.setdefault(
            "Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
        )
        return response

    def process_exception(self, request, exception):
        """The last answer to a limit that a view did not put into words of its own."""
        if isinstance(exception, Throttled):
            response = HttpResponse(render_to_string("429.html"), status=429)
            response["Retry-After"] = str(exception.seconds)
            return response
        return None


class AccountMiddleware(AuthenticationMiddleware):
    """Django's, with the account that came with the session's row: no statement of its own."""

    def process_request(self, request):
        super().process_request(request)
        request.user = SimpleLazyObject(lambda: _account(request))


def _account(request):
    if not hasattr(request, "_cached_user"):
        try:
            request._cached_user = sessions.account_of(request)
        except (OperationalError, InterfaceError):
            if not getattr(request, "open_to_all", False):
                raise
            request.session = sessions.SessionStore()  # nobody's, for whatever asks it next
            request._cached_user = AnonymousUser()
    return request._cached_user


class ClosedByDefaultMiddleware(LoginRequiredMiddleware):
    """Django's, which asks who the visitor is only where the answer matters.

    Health and public pages stay readable while the database is away: to a browser with a session too,
    as nobody's. What a request would change still needs to know who asks.
    """

    def process_view(self, request, view_func, view_args, view_kwargs):
        if not getattr(view_func, "login_required", True):
            request.open_to_all = request.method in ("GET", "HEAD")
            return None
        return super().process_view(request, view_func, view_args, view_kwargs)


class DeviceMiddleware(OTPMiddleware):
    """django-otp's, without a statement when the verifying device came with the session's row.

    A session whose passkey or app was removed meanwhile ends: signed in means both factors.
    """

    def _verify_user_sync(self, request, user):
        if not user.is_authenticated:
            return super()._verify_user_sync(request, user)
        named = request.session.get(DEVICE_ID_SESSION_KEY)
        device = user._state.fields_cache.get("sms_device")
        if device and named == device.persistent_id:
            self._init_user_fields(user)
            user.otp_device = self._finalize_device(request, user, device)
        else:
            user = super()._verify_user_sync(request, user)
        if named and user.otp_device is None:
            request.session.flush()
            return super()._verify_user_sync(request, AnonymousUser())
        return user
