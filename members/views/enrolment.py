"""A new colleague at the door: his ticket, then his password and his app."""

from django.contrib.auth.decorators import login_not_required
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from members import authenticator, codes, enrolment
from members.forms import EnrolmentForm, TicketForm
from members.gate import Busy
from members.throttle import Throttled
from members.views.signin import busy, refusal_message, too_many, wait_message


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def ticket(request):
    form = TicketForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            enrolment.begin(request, form.cleaned_data["identifiant"], form.cleaned_data["ticket"])
        except enrolment.TicketRefused:
            form.add_error(None, _("Identifiant ou code d'arrivée incorrect."))
        except Throttled as refusal:
            form.add_error(None, wait_message(refusal))
            return too_many(_page(request, "ticket", form, status=429), refusal)
        else:
            return redirect("enrolment_finish")
    return _page(request, "ticket", form)


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def finish(request):
    try:
        under_way = enrolment.current(request)
        form = EnrolmentForm(under_way.user, request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            typed = form.cleaned_data
            enrolment.finish(request, under_way, typed["new_password"], typed["code"])
            return _page(request, "done")
    except enrolment.TicketRefused:
        return redirect("enrolment")
    except codes.WaitUntil as refusal:
        form.add_error("code", wait_message(refusal))
        return too_many(_setup_page(request, under_way, form, status=429), refusal)
    except codes.CodeRefused as refusal:
        form.add_error("code", refusal_message(refusal, from_app=True))
    except Busy:
        return busy(request.path)
    return _setup_page(request, under_way, form)


def _setup_page(request, under_way, form, status: int = 200):
    device = enrolment.device_of(under_way)
    qr_code, key = authenticator.qr_code(device), authenticator.key_in_groups(device)
    return _page(request, "finish", form, status, qr_code=qr_code, key=key)


def _page(request, name: str, form=None, status: int = 200, **more):
    return render(request, f"members/enrolment/{name}.html", {"form": form, **more}, status=status)
