"""The authenticator app of a member: set up, confirmed by a first code, removed."""

from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from members import authenticator, codes
from members.forms import CodeForm
from members.stepup import StepUpForm, is_fresh
from members.views.access import member_required
from members.views.passkeys import after_removal
from members.views.signin import refusal_message, too_many, wait_message


@require_http_methods(["GET", "HEAD", "POST"])
@member_required
def app(request):
    """What the app is, and its first step; or since when there is one."""
    device = authenticator.of(request.user)
    form = StepUpForm(request, request.POST if request.method == "POST" else None)
    if request.method == "POST" and not device and form.is_valid():
        try:
            authenticator.start(request)
        except authenticator.AlreadyThere:  # confirmed elsewhere meanwhile
            return redirect("app")
        return redirect("app_confirm")
    return render(request, "members/authenticator/app.html", {"form": form, "device": device})


@require_http_methods(["GET", "HEAD", "POST"])
@member_required
def confirm(request):
    """The secret, to scan or to type, and the first code."""
    if not is_fresh(request):
        return redirect("app")
    try:
        device = authenticator.under_way(request)
    except authenticator.NothingUnderWay:
        return redirect("app")
    form = CodeForm(request.POST if request.method == "POST" else None, from_app=True)
    form.fields["code"].widget.attrs["autofocus"] = False  # a phone would scroll past the drawing
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            authenticator.confirm(device, form.cleaned_data["code"], request=request)
        except authenticator.NothingUnderWay:
            return redirect("app")
        except codes.WaitUntil as refusal:
            form.add_error("code", wait_message(refusal))
            return too_many(_setup_page(request, device, form, status=429), refusal)
        except codes.CodeRefused as refusal:
            form.add_error("code", refusal_message(refusal, from_app=True))
        else:
            messages.success(request, _("Votre application est prête."))
            return redirect("app")
    return _setup_page(request, device, form, status)


def _setup_page(request, device, form, status):
    context = {
        "form": form,
        "qr_code": authenticator.qr_code(device),
        "key": authenticator.key_in_groups(device),
        "address": device.config_url,
    }
    return render(request, "members/authenticator/confirm.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@member_required
def remove(request):
    device = authenticator.of(request.user)
    if device is None:
        return redirect("app")
    form = StepUpForm(request, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        authenticator.remove(request.user, request=request)
        return after_removal(request, device, "app")
    opened_this = request.user.otp_device == device
    context = {"form": form, "opened_this": opened_this}
    return render(request, "members/authenticator/remove.html", context)
