"""First sign-in: showing who one is, choosing a password, confirming a phone, in.

Open to anybody: who comes here has no account yet. What is under way is in his session.
"""

from functools import wraps

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from members import codes, letters, links, phones, signin
from members.activation import asking, steps
from members.activation.asking import Channel
from members.forms import CodeForm, FirstPasswordForm, LetterForm, MemberNumberForm, MobileForm
from members.gate import Busy
from members.models.link import LinkPurpose
from members.sms.breaker import is_disturbed
from members.throttle import Throttled
from members.views.links import dead
from members.views.signin import busy, refusal_message, seconds_until, too_many, wait_message

REASONS = {
    "expired": gettext_lazy("Votre demande a expiré. Recommencez, cela prend une minute."),
    "changed": gettext_lazy("Votre dossier vient de changer. Recommencez."),
}
DEAD_CODE = gettext_lazy("Ce code ne peut plus servir. Demandez-en un autre.")


def _for_visitors(view):
    """Whoever is signed in has an account already: he is led to it."""

    @login_not_required
    @wraps(view)
    def open_to_visitors(request, *args, **kwargs):
        if request.user.is_authenticated:
            return redirect(signin.landing(request, ""))
        try:
            return view(request, *args, **kwargs)
        except steps.ActivationLost as lost:
            known = {"motif": lost.reason} if lost.reason in REASONS else None
            return redirect(reverse("activation", query=known))
        except steps.OutOfOrder as order:
            return redirect(order.needed)
        except Busy:
            return busy(request.path)

    return open_to_visitors


@require_safe
@_for_visitors
def start(request):
    notice = REASONS.get(request.GET.get("motif"), "")
    return render(request, "members/activation/start.html", {"notice": notice})


# ----------------------------------------------------------------------------------- who is there


@require_http_methods(["GET", "HEAD", "POST"])
@_for_visitors
def letter(request):
    """The same answer for a wrong code, a dead letter and a number that nobody has."""
    form = LetterForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        typed = form.cleaned_data
        try:
            asking.show_letter(request, typed["number"], typed["code"])
            return redirect("activation_password")
        except letters.LetterRefused:
            form.add_error(
                None,
                _("Ce numéro et ce code ne vont pas ensemble, ou le code ne sert plus."),
            )
        except Throttled as refusal:
            return _throttled(request, "members/activation/letter.html", {"form": form}, refusal)
    return render(request, "members/activation/letter.html", {"form": form})


@require_http_methods(["GET", "HEAD", "POST"])
@_for_visitors
def ask(request):
    """The same answer for every number, known or not, whatever is on file."""
    form = MemberNumberForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        by_text = request.POST.get("channel") == Channel.TEXT
        channel = Channel.TEXT if by_text else Channel.EMAIL
        try:
            asking.ask(request, form.cleaned_data["number"], channel)
        except Throttled as refusal:
            return _throttled(request, "members/activation/ask.html", {"form": form}, refusal)
        if by_text:
            return redirect("activation_code")
        return render(request, "members/activation/asked.html")
    return render(request, "members/activation/ask.html", {"form": form})


@require_http_methods(["GET", "HEAD", "POST"])
@_for_visitors
def asked_code(request):
    """The same page whether a text was sent or not."""
    form = CodeForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            asking.show_code(request, form.cleaned_data["code"])
            return redirect("activation_password")
        except Throttled as refusal:
            return _throttled(request, *_asked_page(request, form), refusal, field="code")
        except codes.DeadCode:
            form.add_error("code", DEAD_CODE)
        except codes.CodeRefused as refusal:
            form.add_error("code", refusal_message(refusal))
    return render(request, *_asked_page(request, form))


def _asked_page(request, form):
    context = {"form": form, "challenge": asking.asked(request), "sms_disturbed": is_disturbed()}
    return "members/activation/code.html", context


@require_http_methods(["GET", "HEAD", "POST"])
@_for_visitors
def link(request, token):
    """A GET shows a button; only a POST begins."""
    try:
        found = links.find(token, LinkPurpose.ACTIVATION)
        if request.method == "POST":
            asking.follow(request, found)
            return redirect("activation_password")
    except links.DeadLink:
        return dead(request)
    return render(request, "members/activation/link.html")


# ---------------------------------------------------------------------------- password and phone


@require_http_methods(["GET", "HEAD", "POST"])
@_for_visitors
def password(request):
    step, member = steps.under_way(request)
    page = "members/activation/password.html"
    identifiant = steps.proposed_identifiant(member)
    form = FirstPasswordForm(member, request.POST or None, initial={"identifiant": identifiant})
    context = {
        "form": form,
        "kept_identifiant": identifiant if member.user else "",
        "asks_phone": step.proof != steps.Proof.TEXT,
    }
    if request.method == "POST" and form.is_valid():
        typed = form.cleaned_data
        try:
            inside = steps.choose(request, typed.get("identifiant", ""), typed["new_password"])
            return redirect(inside or "activation_phone")
        except steps.IdentifiantTaken:
            form.add_error(
                "identifiant", _("Cet identifiant est déjà pris. Choisissez-en un autre.")
            )
        except Throttled as refusal:
            return _throttled(request, page, context, refusal)
    return render(request, page, context)


@require_http_methods(["GET", "HEAD", "POST"])
@_for_visitors
def phone(request):
    """Says where the code will go, or asks for a mobile; a POST sends it."""
    _step, member = steps.with_password(request)
    form = None if member.phone else MobileForm(request.POST or None)
    context = {"form": form, "masked_phone": member.phone_masked, "wait": ""}
    page = "members/activation/phone.html"
    if request.method == "POST" and (form is None or form.is_valid()):
        try:
            steps.send_code(request, form.cleaned_data["phone"] if form else "")
            return redirect("activation_phone_code")
        except Throttled as refusal:
            context["wait"] = wait_message(refusal)
            return too_many(render(request, page, context, status=429), refusal)
    return render(request, page, context)


@require_http_methods(["GET", "HEAD", "POST"])
@_for_visitors
def phone_code(request):
    form = CodeForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            return redirect(steps.confirm(request, form.cleaned_data["code"]))
        except steps.IdentifiantTaken:
            messages.warning(
                request, _("Cet identifiant vient d'être pris. Choisissez-en un autre.")
            )
            return redirect("activation_password")
        except Throttled as refusal:
            return _throttled(request, *_phone_code_page(request, form), refusal, field="code")
        except codes.DeadCode:
            messages.warning(request, DEAD_CODE)
            return redirect("activation_phone")
        except codes.CodeRefused as refusal:
            form.add_error("code", refusal_message(refusal))
    return render(request, *_phone_code_page(request, form))


def _phone_code_page(request, form):
    challenge = steps.waiting(request)
    context = {
        "form": form,
        "challenge": challenge,
        "masked_phone": phones.masked(challenge.phone),
        "resend_in": seconds_until(codes.resend_at(challenge)),
        "sms_disturbed": is_disturbed(),
    }
    return "members/activation/phone_code.html", context


@require_POST
@_for_visitors
def resend(request):
    try:
        steps.resend(request)
    except Throttled as refusal:
        messages.warning(request, wait_message(refusal))
    except codes.DeadCode:
        messages.warning(request, _("Ce code arrive à sa fin. Demandez-en un autre."))
    else:
        messages.success(request, _("Le même code vous est envoyé à nouveau."))
    return redirect("activation_phone_code")


def _throttled(request, page, context, refusal, field=None):
    context["form"].add_error(field, wait_message(refusal))
    return too_many(render(request, page, context, status=429), refusal)
