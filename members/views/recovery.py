"""« Je n'ai plus ce numéro »: open to a browser where a right password was typed, and to no other."""

from django.contrib.auth.decorators import login_not_required
from django.db import InterfaceError, OperationalError
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from members import codes, confirmation, contacts, recovery, signin
from members.forms import CodeForm, LongCodeForm, NewPhoneForm
from members.models.challenge import Purpose
from members.throttle import Throttled
from members.views.confirmation import card, refused, send_again
from members.views.signin import back_to_start, too_many, wait_message

# The ways, each with the name of its field's label and what looks at what was typed.
WAYS = {
    "saved": (gettext_lazy("Code de secours"), recovery.show_saved_code),
    "letter": (gettext_lazy("Code reçu par courrier"), recovery.show_letter_code),
}


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def no_phone(request):
    """Explains; after a right password, offers the ways on."""
    try:
        user = recovery.holder(request)
        waiting = contacts.waiting_phone(user)
        if request.method == "POST" and not waiting:
            return _look_at_proof(request)
    except signin.PendingLost as lost:
        if request.method == "POST":
            return back_to_start(request, lost)
        return render(request, "members/recovery/explained.html")
    except (OperationalError, InterfaceError):
        if request.method == "POST":
            raise
        return render(request, "members/recovery/explained.html")  # open to all, database or not
    return _ways_page(request, _forms(), waiting)


def _look_at_proof(request):
    way = request.POST.get("way")
    if way == "agents":
        return _look_at_agents(request)
    if way not in WAYS:
        return _ways_page(request, _forms())
    forms = _forms(way, request.POST)
    form = forms[way]
    if form.is_valid():
        _label, show = WAYS[way]
        try:
            show(request, form.cleaned_data["code"])
            return redirect("recovery_phone")
        except recovery.ProofRefused:
            form.add_error("code", _("Ce code n'est pas le bon, ou il ne sert plus."))
        except Throttled as refusal:
            form.add_error("code", wait_message(refusal))
            return too_many(_ways_page(request, forms, wrong=form, status=429), refusal)
    return _ways_page(request, forms, wrong=form)


def _look_at_agents(request):
    try:
        recovery.show_agents(request)
        return redirect("recovery_phone")
    except recovery.NotVouched:
        notice = _("Deux conseillers n'ont pas encore confirmé votre identité. Appelez-nous.")
    except Throttled as refusal:
        notice = wait_message(refusal)
        return too_many(_ways_page(request, _forms(), notice=notice, status=429), refusal)
    return _ways_page(request, _forms(), notice=notice)


def _forms(bound: str = "", data=None) -> dict[str, LongCodeForm]:
    """One form for each way; the typed one is bound. Their ids differ, their fields' names do not."""
    return {
        way: LongCodeForm(label, data if way == bound else None, auto_id=f"id_{way}_%s")
        for way, (label, _show) in WAYS.items()
    }


def _ways_page(request, forms, waiting=None, *, wrong=None, notice="", status=200):
    context = {"forms": forms, "waiting": waiting, "wrong": wrong, "notice": notice}
    return render(request, "members/recovery/ways.html", context, status=status)


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def phone(request):
    try:
        user, _kept = recovery.shown(request)
        form = NewPhoneForm(user.phone, request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            recovery.ask_phone(request, form.cleaned_data["phone"])
            return redirect("recovery_code")
    except signin.PendingLost as lost:
        return back_to_start(request, lost)
    except (recovery.NothingShown, contacts.ChangeUnderWay):
        return redirect("signin_no_phone")
    except Throttled as refusal:
        form.add_error(None, wait_message(refusal))
        return too_many(_phone_page(request, form, status=429), refusal)
    return _phone_page(request, form)


def _phone_page(request, form, status=200):
    return render(request, "members/recovery/phone.html", {"form": form}, status=status)


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def code(request):
    form = CodeForm(request.POST if request.method == "POST" else None)
    try:
        change = recovery.asked(request)
        if not (request.method == "POST" and form.is_valid()):
            return _code_page(request, change, form)
        return _check_code(request, change, form)
    except signin.PendingLost as lost:
        return back_to_start(request, lost)
    except recovery.NothingShown:
        return redirect("signin_no_phone")
    except (confirmation.NothingAsked, contacts.ChangeOver):
        return redirect("recovery_phone")


def _check_code(request, change, form):
    try:
        done = recovery.check_code(request, form.cleaned_data["code"])
    except codes.WaitUntil as refusal:
        refused(form, refusal)
        return too_many(_code_page(request, change, form, status=429), refusal)
    except (codes.CodeRefused, confirmation.NothingAsked) as refusal:
        refused(form, refusal)
        return _code_page(request, change, form)
    return render(request, "members/recovery/done.html", {"change": done})


def _code_page(request, change, form, status=200):
    context = {"card": card(request, Purpose.NEW_PHONE, change.new_phone, form), "form": form}
    return render(request, "members/recovery/code.html", context, status=status)


@login_not_required
@require_POST
def resend(request):
    try:
        recovery.asked(request)
        send_again(request, Purpose.NEW_PHONE, recovery.send_code)
    except signin.PendingLost as lost:
        return back_to_start(request, lost)
    except recovery.NothingShown:
        return redirect("signin_no_phone")
    except confirmation.NothingAsked:
        return redirect("recovery_phone")
    return redirect("recovery_code")
