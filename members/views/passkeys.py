"""Passkeys: signing in with one, and the pages of those that an account keeps.

The same pages serve members and staff, at two addresses, each behind its own guard: `pages`.
"""

import json
from functools import wraps

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import JsonResponse, RawPostDataException
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from members import passkeys, signin
from members.limits import limit
from members.models import Passkey
from members.next_page import safe_next
from members.stepup import StepUpForm, is_fresh
from members.throttle import Throttled
from members.views.signin import too_many, wait_message

NAME = "passkey_name"  # in the session, between the two steps of adding one
NOT_NOW_COOKIE = "cle-plus-tard"


# Signing in: two addresses for static/js/passkeys.js


@login_not_required
@require_POST
def options(request):
    try:
        return JsonResponse(passkeys.sign_in_options(request))
    except Throttled as refusal:
        return _told(wait_message(refusal), refusal)


@login_not_required
@require_POST
def enter(request):
    answer, next_url = _read(request)
    try:
        url = passkeys.sign_in(request, answer, safe_next(next_url, request))
    except Throttled as refusal:
        return _told(wait_message(refusal), refusal)
    except passkeys.CeremonyLost:
        return _told(_("Cette demande a expiré. Appuyez à nouveau sur le bouton."))
    except passkeys.PasskeyRefused:
        return _told(
            _("Cette clé n'ouvre aucun espace ici. Connectez-vous avec votre mot de passe.")
        )
    return JsonResponse({"url": url})


def _read(request) -> tuple[object, str]:
    """The key's answer and the address asked for, as sent: whether they are right is not said here."""
    try:
        sent = json.loads(request.body)
    except (ValueError, RecursionError, RawPostDataException):  # the last one: sent as a form
        sent = None
    if not isinstance(sent, dict):
        return None, ""
    next_url = sent.get("next")
    return sent.get("credential"), next_url if isinstance(next_url, str) else ""


def _told(message: str, refusal: Throttled | None = None) -> JsonResponse:
    response = JsonResponse({"message": message}, status=429 if refusal else 403)
    return too_many(response, refusal) if refusal else response


# The keys of an account


class NameForm(forms.Form):
    name = forms.CharField(
        label=gettext_lazy("Nom de cette clé"),
        max_length=40,
        help_text=gettext_lazy("Pour la reconnaître plus tard. Par exemple : mon téléphone."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={
            "required": gettext_lazy("Donnez un nom à cette clé."),
            "max_length": gettext_lazy("Un nom ne dépasse pas 40 caractères."),
        },
    )

    def clean_name(self):
        return " ".join(self.cleaned_data["name"].split())


class AddForm(StepUpForm, NameForm):
    pass


def pages(guard):
    """The addresses of these pages, each behind `guard`, for `include`."""
    views = [
        ("", keys, "list"),
        ("ajouter/", add, "add"),
        ("ajouter/creer/", create, "create"),
        ("<int:pk>/renommer/", rename, "rename"),
        ("<int:pk>/retirer/", remove, "remove"),
    ]
    return [path(address, guard(view), name=name) for address, view, name in views], "passkeys"


def _here(request, name: str) -> str:
    """The address of one of these pages, on the side (members or staff) of the one asked for."""
    return reverse(f"passkeys:{name}", current_app=request.resolver_match.namespace)


def _own(view):
    """Hands over the key named in the address, if it is a live one of who is signed in; else 404."""

    @wraps(view)
    def with_passkey(request, pk):
        return view(request, get_object_or_404(passkeys.of(request.user), pk=pk))

    return with_passkey


@require_safe
def keys(request):
    return render(
        request,
        "members/passkeys/list.html",
        {"passkeys": passkeys.of(request.user), "most": limit("PASSKEYS_PER_ACCOUNT")},
    )


@require_http_methods(["GET", "HEAD", "POST"])
def add(request):
    """First step: who is there, and the name of the key."""
    form = AddForm(request, request.POST or None)
    if request.method == "POST" and form.is_valid():
        request.session[NAME] = form.cleaned_data["name"]
        return redirect(_here(request, "create"))
    return render(request, "members/passkeys/add.html", {"form": form})


@require_http_methods(["GET", "HEAD", "POST"])
def create(request):
    """Second step: the browser makes the key, and its answer comes back in a form."""
    name = request.session.get(NAME)
    if not name or not is_fresh(request):
        return redirect(_here(request, "add"))
    problem = ""
    if request.method == "POST":
        problem = _add(request, name)
        if not problem:
            del request.session[NAME]
            messages.success(request, _("Votre clé d'accès est prête."))
            return redirect(_here(request, "list"))
    try:
        asked = passkeys.add_options(request)
    except passkeys.TooManyPasskeys:
        messages.warning(request, _("Vous avez le nombre maximal de clés. Retirez-en une d'abord."))
        return redirect(_here(request, "list"))
    context = {"name": name, "options": json.dumps(asked), "problem": problem}
    return render(request, "members/passkeys/create.html", context)


def _add(request, name: str) -> str:
    """Adds the key that was sent; what to tell when it cannot be."""
    try:
        answer = json.loads(request.POST.get("credential", ""))
    except (ValueError, RecursionError):
        answer = None
    try:
        passkeys.add(request, answer, name)
    except passkeys.CeremonyLost:
        return _("Cette demande a expiré. Recommencez.")
    except passkeys.PasskeyRefused as refusal:
        if refusal.reason == "known":
            return _("Cette clé est déjà enregistrée.")
        return _("Cette clé n'a pas pu être enregistrée. Recommencez.")
    return ""


@_own
@require_http_methods(["GET", "HEAD", "POST"])
def rename(request, passkey: Passkey):
    form = NameForm(request.POST or None, initial={"name": passkey.name})
    if request.method == "POST" and form.is_valid():
        passkeys.rename(passkey, form.cleaned_data["name"])
        messages.success(request, _("Le nouveau nom est enregistré."))
        return redirect(_here(request, "list"))
    return render(request, "members/passkeys/rename.html", {"form": form, "passkey": passkey})


@_own
@require_http_methods(["GET", "HEAD", "POST"])
def remove(request, passkey: Passkey):
    form = StepUpForm(request, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        passkeys.remove(passkey, request=request)
        return after_removal(request, passkey, _here(request, "list"))
    opened_this = request.user.otp_device == passkey
    context = {"form": form, "passkey": passkey, "opened_this": opened_this}
    return render(request, "members/passkeys/remove.html", context)


def after_removal(request, device, url: str):
    """To `url`, or to the door for who had come in with what was just removed."""
    if request.user.otp_device == device:
        signin.sign_out(request)
        return redirect(reverse("signin", query={"motif": "factor"}))
    messages.success(request, _("Ce moyen de connexion est retiré."))
    return redirect(url)


# The offer after a sign-in by text


def is_offered(request) -> bool:
    """Whether to propose a passkey here: signed in by text, none kept, not put off in this browser."""
    return bool(request.session.get(signin.MAY_ADD_KEY)) and NOT_NOW_COOKIE not in request.COOKIES


@require_POST
def not_now(request):
    """Puts the offer off for FACTOR_OFFER_REST seconds in this browser."""
    response = redirect(safe_next(request.POST.get("next", ""), request) or "home")
    response.set_cookie(
        NOT_NOW_COOKIE,
        "1",
        max_age=limit("FACTOR_OFFER_REST"),
        secure=settings.HTTPS,
        httponly=True,
        samesite="Lax",
    )
    return response
