from django.contrib.auth.middleware import AuthenticationMiddleware, LoginRequiredMiddleware
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
        request._cached_user = sessions.account_of(request)
    return request._cached_user


class ClosedByDefaultMiddleware(LoginRequiredMiddleware):
    """Django's, which asks who the visitor is only where the answer matters: health and public pages
    stay readable by a browser with a session while the database is away."""

    def process_view(self, request, view_func, view_args, view_kwargs):
        if not getattr(view_func, "login_required", True):
            return None
        return super().process_view(request, view_func, view_args, view_kwargs)


class DeviceMiddleware(OTPMiddleware):
    """django-otp's, without a statement when the verifying device came with the session's row."""

    def _verify_user_sync(self, request, user):
        if user.is_authenticated:
            device = user._state.fields_cache.get("sms_device")
            if device and request.session.get(DEVICE_ID_SESSION_KEY) == device.persistent_id:
                self._init_user_fields(user)
                user.otp_device = self._finalize_device(request, user, device)
                return user
        return super()._verify_user_sync(request, user)
