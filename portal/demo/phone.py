"""The demo phone: a page with the texts of the in-process gateway, in a demonstration only."""

import time

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django_otp.oath import TOTP
from django_otp.plugins.otp_totp.models import TOTPDevice

from members import phones
from members.mail.memory import outbox as mailbox
from members.sms import memory


@login_not_required
@require_safe
def phone(request):
    if not settings.DEMO:
        raise Http404
    messages = [
        {
            "to": phones.masked(sent.to),
            "body": sent.body,
            "sent_at": sent.at,
            "user": sent.user,
            "is_call": sent.channel == "call",
        }
        for sent in reversed(list(memory.outbox))
    ]
    devices = TOTPDevice.objects.filter(confirmed=True, user__is_staff=True).select_related("user")
    staff_codes = [_staff_code(device) for device in devices.order_by("user__identifiant")]
    context = {
        "messages": messages,
        "mails": list(reversed(mailbox)),
        "staff_codes": staff_codes,
    }
    return render(request, "demo/phone.html", context)


def _staff_code(device: TOTPDevice) -> dict:
    """What this person's authenticator app shows now."""
    now = time.time()
    totp = TOTP(device.bin_key, device.step, device.t0, device.digits, device.drift)
    totp.time = now
    return {
        "identifiant": device.user.identifiant,
        "code": f"{totp.token():0{device.digits}}",
        "seconds_left": device.step - int(now - device.t0) % device.step,
    }
