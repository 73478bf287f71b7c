from django.contrib.auth.middleware import AuthenticationMiddleware
from django_otp.middleware import OTPMiddleware


class ClosedPagesMiddleware:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)


class AccountMiddleware(AuthenticationMiddleware):
    pass


class DeviceMiddleware(OTPMiddleware):
    pass
