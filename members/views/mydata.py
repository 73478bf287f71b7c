"""« Mes données »: a copy to take away, and what a member may ask of us about them."""

from django import forms
from django.conf import settings
from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from members import cover, files, kept, mydata
from members.stepup import StepUpForm
from members.views.access import member_or_viewer, member_required

REFRESH = 5  # seconds


class AskForm(StepUpForm):
    """Asks for a copy, from who showed a moment ago who he is."""

    in_full = forms.BooleanField(
        label=gettext_lazy("Écrire les numéros de sécurité sociale en entier"),
        required=False,
        help_text=gettext_lazy("Le vôtre, et ceux de vos enfants mineurs. Sinon ils sont masqués."),
    )


class TakeForm(StepUpForm):
    """Takes a copy, from who types his password: a screen left open gives a whole life away."""

    always_asks = True


@require_http_methods(["GET", "HEAD", "POST"])
@member_required
def copy(request):
    """Asks for a copy, or says how far it is: the page then comes again by itself, unless told to stay."""
    form = AskForm(request, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            mydata.ask(request, in_full=form.cleaned_data["in_full"])
            return redirect("data_copy")
        except mydata.TooMany:
            form.add_error(
                None,
                _("Vous avez demandé %(most)d copies depuis hier. Réessayez demain.")
                % {"most": mydata.MOST_A_DAY},
            )
    return _copy_page(request, ask=form)


def _copy_page(request, *, ask=None, take=None, status=200):
    job = mydata.latest(request.member)
    made = mydata.ready(job)
    stays = "fixe" in request.GET
    context = {
        "job": job,
        "made": made,
        "until": mydata.until(made) if made else None,
        "days": mydata.KEPT.days,
        "ask": ask or AskForm(request),
        "take": take or TakeForm(request),
        "again": "autre" in request.GET or (ask is not None and ask.is_bound),
        "stays": stays,
        "seconds": REFRESH,
    }
    response = render(request, "members/mydata/page.html", context, status=status)
    if job and job.is_active and not stays and request.method == "GET":
        response["Refresh"] = str(REFRESH)
    return response


@require_POST
@member_required
def file(request):
    form = TakeForm(request, request.POST)
    if not form.is_valid():
        return _copy_page(request, take=form)
    try:
        content = mydata.take(request)
    except mydata.Gone:
        messages.warning(request, _("Cette copie n'est plus là. Demandez-en une autre."))
        return redirect("data_copy")
    return files.answer(content, name=mydata.NAME, content_type="application/zip")


@require_safe
@member_or_viewer
def rights(request):
    context = {
        "contract": cover.membership(request.member).contract,
        "dpo": settings.DPO_CONTACT,
        "periods": kept.periods(),
    }
    return render(request, "members/mydata/rights.html", context)
