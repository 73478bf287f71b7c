"""A member's own phone, e-mail address and password, changed from inside the space."""

from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from members import codes, confirmation, contacts, password_change
from members.forms import CodeForm, NewEmailFields, NewPasswordFields, NewPhoneFields
from members.gate import Busy
from members.models.challenge import Purpose
from members.stepup import StepUpForm
from members.throttle import Throttled
from members.views.access import member_required
from members.views.confirmation import card, refused, send_again
from members.views.signin import too_many, wait_message

UNDER_WAY = gettext_lazy("Un autre changement est déjà en cours.")


class PhoneForm(StepUpForm, NewPhoneFields):
    """A new phone, from who showed a moment ago who he is."""


class EmailForm(StepUpForm, NewEmailFields):
    """A new address, from who showed a moment ago who he is."""


class ChangePasswordForm(StepUpForm, NewPasswordFields):
    """A new password, from who types the present one."""

    always_asks = True

    def clean(self):
        cleaned = super().clean()
        new = cleaned.get("new_password")
        if new and not self.errors and new == cleaned.get("present_password"):
            self.add_error("new_password", _("C'est déjà votre mot de passe."))
        return cleaned


# ----------------------------------------------------------------------------------------- phone


@require_http_methods(["GET", "HEAD", "POST"])
@member_required
def phone(request):
    waiting = contacts.waiting_phone(request.user)
    is_asked = request.method == "POST" and not waiting and request.member.phone
    form = PhoneForm(request, request.POST if is_asked else None)
    form.present_phone = request.member.phone
    if is_asked and form.is_valid():
        try:
            contacts.ask_phone(request, form.cleaned_data["phone"])
            return redirect("phone_code")
        except contacts.ChangeUnderWay:
            return redirect("phone")
        except Throttled as refusal:
            form.add_error(None, wait_message(refusal))
            return too_many(_phone_page(request, form, waiting, status=429), refusal)
    return _phone_page(request, form, waiting)


def _phone_page(request, form, waiting, status=200):
    context = {"form": form, "waiting": waiting, "member": request.member}
    return render(request, "members/contacts/phone.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@member_required
def phone_code(request):
    """The code of the present phone, then that of the new one."""
    try:
        purpose, number = contacts.stage(request)
    except confirmation.NothingAsked:
        return redirect("phone")
    form = CodeForm(request.POST if request.method == "POST" else None)
    if not (request.method == "POST" and form.is_valid()):
        return _code_page(request, purpose, number, form)
    try:
        change = contacts.check_code(request, form.cleaned_data["code"])
    except contacts.ChangeUnderWay:
        messages.warning(request, UNDER_WAY)
        return redirect("phone")
    except contacts.ChangeOver:
        return redirect("phone")
    except codes.WaitUntil as refusal:
        refused(form, refusal)
        return too_many(_code_page(request, purpose, number, form, status=429), refusal)
    except (codes.CodeRefused, confirmation.NothingAsked) as refusal:
        refused(form, refusal)
        return _code_page(request, purpose, number, form)
    if change is None:
        return _to_the_new_phone(request)
    messages.success(request, _("Votre nouveau téléphone est confirmé."))
    return redirect("phone")


def _to_the_new_phone(request):
    try:
        contacts.send_code(request)
    except Throttled as refusal:
        messages.warning(request, wait_message(refusal))
    return redirect("phone_code")


def _code_page(request, purpose, number, form, status=200):
    context = {
        "is_present": purpose == Purpose.PRESENT_PHONE,
        "card": card(request, purpose, number, form),
        "form": form,
    }
    return render(request, "members/contacts/phone_code.html", context, status=status)


@require_POST
@member_required
def phone_resend(request):
    try:
        purpose, _number = contacts.stage(request)
        send_again(request, purpose, contacts.send_code)
    except confirmation.NothingAsked:
        return redirect("phone")
    return redirect("phone_code")


@require_POST
@member_required
def phone_give_up(request):
    waiting = contacts.waiting_phone(request.user)
    if waiting:
        waiting.user = request.user
        try:
            contacts.cancel_phone(waiting, request=request)
            messages.success(request, _("Le changement est annulé. Votre téléphone reste le même."))
        except contacts.ChangeOver:
            pass  # another page, or the delay, was faster: the next page says how it stands
    return redirect("phone")


# ---------------------------------------------------------------------------------------- e-mail


@require_http_methods(["GET", "HEAD", "POST"])
@member_required
def email(request):
    form = EmailForm(request, request.POST if request.method == "POST" else None)
    form.present_email = request.member.email
    if request.method == "POST" and form.is_valid():
        try:
            contacts.ask_email(request, form.cleaned_data["email"])
            messages.success(request, _("Regardez les e-mails de votre nouvelle adresse."))
            return redirect("email")
        except contacts.ChangeUnderWay:
            form.add_error(None, UNDER_WAY)
        except Throttled as refusal:
            form.add_error(None, wait_message(refusal))
            return too_many(_email_page(request, form, status=429), refusal)
    return _email_page(request, form)


def _email_page(request, form, status=200):
    context = {
        "form": form,
        "open": contacts.open_email(request.user),
        "member": request.member,
    }
    return render(request, "members/contacts/email.html", context, status=status)


@require_POST
@member_required
def email_give_up(request):
    change = contacts.open_email(request.user)
    if change:
        change.user = request.user
        try:
            contacts.cancel_email(change, request=request)
            messages.success(request, _("Le changement est annulé. Votre adresse reste la même."))
        except contacts.ChangeOver:
            pass  # its link was followed meanwhile: the next page says how it stands
    return redirect("email")


# -------------------------------------------------------------------------------------- password


@require_http_methods(["GET", "HEAD", "POST"])
@member_required
def new_password(request):
    form = ChangePasswordForm(request, request.POST if request.method == "POST" else None)
    form.account = request.user
    if request.method == "POST" and form.is_valid():
        try:
            password_change.change(request, form.cleaned_data["new_password"])
            messages.success(request, _("Votre mot de passe a changé."))
            return redirect("security")
        except Busy:
            form.add_error(None, _("Beaucoup de monde en ce moment. Réessayez."))
        except password_change.Changed:
            form.add_error(None, _("Votre mot de passe vient de changer. Recommencez."))
    return render(request, "members/contacts/password.html", {"form": form})
