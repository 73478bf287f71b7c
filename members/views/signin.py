from datetime import datetime
from math import ceil

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST

from members import codes, sessions, signin
from members.addresses import client_address, counted_address
from members.days import from_hour
from members.forms import CodeForm, PasswordForm, SignInForm
from members.gate import Busy
from members.limits import limit
from members.models import Challenge
from members.models.sms import Channel, SmsState
from members.next_page import safe_next
from members.sms.breaker import is_disturbed
from members.sms.gateway import offers_calls
from members.throttle import Throttled

# Why a browser is back at the first page: shown once, from the address, so that no session is needed.
REASONS = {
    "expired": gettext_lazy("Votre demande a expiré. Recommencez, cela prend une minute."),
    "changed": gettext_lazy("Votre compte vient de changer. Connectez-vous à nouveau."),
    "password": gettext_lazy("Votre nouveau mot de passe est enregistré. Connectez-vous."),
    "factor": gettext_lazy("Ce moyen de connexion est retiré. Connectez-vous à nouveau."),
    "none": "",
}


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request):
    if request.method == "POST":
        return _check_password(request)
    asked = safe_next(request.GET.get("next", ""), request)
    if request.COOKIES.get(settings.SESSION_COOKIE_NAME) and request.user.is_authenticated:
        return HttpResponseRedirect(signin.landing(request, asked))
    if request.COOKIES.get(settings.SESSION_COOKIE_NAME) and sessions.sleeper(request):
        form = PasswordForm(initial={"next": asked})
        return render(request, "members/reopen.html", {"form": form})
    form = SignInForm(initial={"next": asked})
    return _sign_in_page(request, form, notice=REASONS.get(request.GET.get("motif"), ""))


def _check_password(request):
    form = SignInForm(request.POST)
    if not form.is_valid():
        return _sign_in_page(request, form)
    typed = form.cleaned_data
    try:
        signin.begin(
            request, typed["identifiant"], typed["password"], safe_next(typed["next"], request)
        )
    except signin.PasswordRefused:
        form.add_error(None, _("Identifiant ou mot de passe incorrect. Vérifiez votre saisie."))
        return _sign_in_page(request, form)
    except Throttled as refusal:
        form.add_error(None, wait_message(refusal))
        return too_many(_sign_in_page(request, form, status=429), refusal)
    except Busy:
        return busy(reverse("signin"))
    return redirect("signin_code")


@login_not_required
@require_POST
def reopen(request):
    form = PasswordForm(request.POST)
    if not form.is_valid():
        return render(request, "members/reopen.html", {"form": form})
    typed = form.cleaned_data
    try:
        where = signin.reopen(request, typed["password"], safe_next(typed["next"], request))
    except signin.PendingLost as lost:
        return back_to_start(request, lost)
    except signin.PasswordRefused:
        form.add_error("password", _("Ce mot de passe n'est pas le bon."))
        return render(request, "members/reopen.html", {"form": form})
    except Throttled as refusal:
        form.add_error(None, wait_message(refusal))
        page = render(request, "members/reopen.html", {"form": form}, status=429)
        return too_many(page, refusal)
    except Busy:
        return busy(reverse("signin"))
    return HttpResponseRedirect(where)


def _sign_in_page(request, form, status=200, notice=""):
    return render(
        request,
        "members/sign_in.html",
        {
            "form": form,
            "sms_disturbed": is_disturbed(),
            "notice": notice,
            "passkey_host": settings.PUBLIC_HOST,
        },
        status=status,
    )


def busy(retry_url: str) -> HttpResponse:
    """« Occupé »: comes back to `retry_url` by itself."""
    seconds = limit("GATE_RETRY_AFTER")
    page = render_to_string("busy.html", {"retry_after": seconds, "retry_url": retry_url})
    return HttpResponse(page, status=503, headers={"Retry-After": str(seconds)})


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def code(request):
    try:
        step = signin.pending(request)
        if request.method == "POST":
            return _check_code(request, step)
        return _code_page(request, step, _code_form(step))
    except signin.PendingLost as lost:
        return back_to_start(request, lost)


def _code_form(step, data=None) -> CodeForm:
    return CodeForm(data, from_app=step.challenge_id is None)


def _check_code(request, step):
    form = _code_form(step, request.POST)
    if not form.is_valid():
        return _code_page(request, step, form)
    try:
        return HttpResponseRedirect(signin.confirm(request, form.cleaned_data["code"]))
    except codes.WaitUntil as refusal:
        form.add_error("code", wait_message(refusal))
        return too_many(_code_page(request, step, form, status=429), refusal)
    except codes.CodeRefused as refusal:
        form.add_error("code", refusal_message(refusal, from_app=step.challenge_id is None))
        return _code_page(request, step, form)


def refusal_message(refusal: codes.CodeRefused, *, from_app: bool = False) -> str:
    match refusal:
        case codes.WrongCode() if from_app:
            return _("Ce code n'est pas le bon.")
        case codes.WrongCode(attempts_left=0):
            return _(
                "Ce code n'est pas le bon. Recommencez la connexion pour en recevoir un autre."
            )
        case codes.WrongCode(attempts_left=left):
            return ngettext(
                "Ce code n'est pas le bon. Il vous reste %(count)d essai.",
                "Ce code n'est pas le bon. Il vous reste %(count)d essais.",
                left,
            ) % {"count": left}
        case codes.UsedCode():
            return _("Ce code a déjà servi. Attendez que votre application affiche le suivant.")
        case codes.TooManyFailures():
            return _("Trop de codes faux. Appelez-nous pour retrouver l'accès à votre espace.")
        case codes.Crowded():
            return _("Ce code est déjà en cours de vérification. Réessayez.")
        case _:
            return _(
                "Ce code ne peut plus servir. Recommencez la connexion pour en recevoir un autre."
            )


def _code_page(request, step, form, status=200):
    if step.challenge_id is None:
        user = signin.pending_account(step)
        context = {
            "form": form,
            "kind": "totp",
            "sms_disturbed": is_disturbed(),
            "may_be_texted": signin.may_be_texted(user),
        }
    else:
        challenge = signin.pending_challenge(step)
        context = {
            "form": form,
            "kind": "sms",
            "masked_phone": challenge.user.member.phone_masked,
            "reference": challenge.reference,
            "expires_at": challenge.expires_at,
            "resend_in": seconds_until(codes.resend_at(challenge)),
            "delivery": delivery_of(challenge),
            "attempts_left": max(limit("CODE_ATTEMPTS") - challenge.attempts, 0),
            "sms_disturbed": is_disturbed(),
            "offers_calls": offers_calls(),
        }
    return render(request, "members/code.html", context, status=status)


def seconds_until(at: datetime | None) -> int | None:
    """Whole seconds, rounded up; 0 once `at` is past, None without it."""
    return None if at is None else max(ceil((at - timezone.now()).total_seconds()), 0)


def delivery_of(challenge: Challenge) -> str:
    """What the member may know of his text: queued, sent, delivered, late or failed."""
    match challenge.text_state:
        case SmsState.DELIVERED:
            return "delivered"
        case SmsState.ACCEPTED | SmsState.SENT:
            return "sent"
        case SmsState.FAILED | SmsState.UNDELIVERED | SmsState.EXPIRED | SmsState.CANCELLED:
            return "failed"
    late = (timezone.now() - challenge.last_send_at).total_seconds() > 10
    return "late" if late or challenge.text_problem else "queued"


@login_not_required
@require_POST
def text_instead(request):
    """« Recevoir plutôt un SMS »: for a member whose app is not at hand."""
    try:
        signin.ask_text(request)
    except signin.PendingLost as lost:
        return back_to_start(request, lost)
    except Throttled as refusal:
        messages.warning(request, wait_message(refusal))
    return redirect("signin_code")


@login_not_required
@require_POST
def resend(request):
    return _send_again(request, Channel.TEXT, _("Le même code vous est envoyé à nouveau."))


@login_not_required
@require_POST
def call(request):
    """The same code, spoken: for who reads no text, or gets none."""
    if not offers_calls():
        raise Http404
    return _send_again(request, Channel.CALL, _("Nous vous appelons. Préparez de quoi écrire."))


def _send_again(request, channel: Channel, done: str):
    try:
        step = signin.pending(request)
        if step.challenge_id is None:
            return redirect("signin_code")
        challenge = signin.pending_challenge(step)
    except signin.PendingLost as lost:
        return back_to_start(request, lost)
    try:
        codes.resend(challenge, counted_address(client_address(request)), channel)
    except Throttled as refusal:
        messages.warning(request, wait_message(refusal))
    except codes.DeadCode:
        messages.warning(request, _("Ce code arrive à sa fin. Recommencez la connexion."))
    else:
        messages.success(request, done)
    return redirect("signin_code")


@login_not_required
@require_POST
def sign_out(request):
    signin.sign_out(request)
    response = redirect("signin")
    response["Clear-Site-Data"] = '"cache", "storage"'
    return response


def back_to_start(request, lost: signin.PendingLost):
    if request.user.is_authenticated:
        return HttpResponseRedirect(signin.landing(request, ""))
    return HttpResponseRedirect(
        reverse("signin", query=None if lost.reason == "none" else {"motif": lost.reason})
    )


def wait_message(refusal: Throttled) -> str:
    """What was asked too often, and from when it may be asked again."""
    sentences = {
        "tries": _("Trop d'essais. Réessayez %(from_hour)s."),
        "texts": _(
            "Nous ne pouvons pas vous envoyer de code tout de suite. Réessayez %(from_hour)s."
        ),
        "links": _("Trop de liens demandés. Réessayez %(from_hour)s."),
        "demandes": _("Vous avez déposé beaucoup de demandes. Réessayez %(from_hour)s."),
        "messages": _("Vous avez écrit beaucoup de messages. Réessayez %(from_hour)s."),
        "documents": _("Vous avez envoyé beaucoup de documents. Réessayez %(from_hour)s."),
    }
    return sentences[refusal.counts] % {"from_hour": from_hour(refusal.until)}


def too_many(response, refusal: Throttled):
    response["Retry-After"] = str(refusal.seconds)
    return response
