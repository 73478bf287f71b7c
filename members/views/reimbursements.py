"""« Remboursements »: what was paid, for whom, and what was left to pay."""

from datetime import date

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from members import audit, reimbursements, statement_pages
from members.ids import row_id
from members.models import AyantDroit, Member
from members.models.member import HIMSELF
from members.reimbursements import Chosen, History
from members.views.access import member_or_viewer, member_required

UNKNOWN = gettext_lazy("Choisissez dans la liste.")
BARS = 6  # years in the drawing; the table tells all


class ChoiceForm(forms.Form):
    """Which reimbursements: choices of the member's own, so that nobody else's can be named."""

    personne = forms.TypedChoiceField(label=gettext_lazy("Pour qui"), coerce=int)
    annee = forms.TypedChoiceField(label=gettext_lazy("Année de paiement"), coerce=int)
    soin = forms.TypedChoiceField(label=gettext_lazy("Type de soins"), coerce=int)

    def __init__(self, data, member: Member, history: History):
        super().__init__(data)
        family = AyantDroit.objects.filter(member=member)
        self.names = {HIMSELF: member.first_name} | {one.pk: one.first_name for one in family}
        years = {year: str(year) for year in history.years}
        self._offer("personne", _("Toute la famille"), self.names)
        self._offer("annee", _("Toutes les années"), years)
        self._offer("soin", _("Tous les soins"), history.domains)

    def _offer(self, name: str, every: str, choices: dict[int, str]) -> None:
        field = self.fields[name]
        field.required, field.empty_value = False, None
        field.choices = [("", every), *choices.items()]
        field.error_messages["invalid_choice"] = UNKNOWN

    def chosen(self) -> Chosen:
        """What was chosen; all, as long as something else was typed."""
        if not self.is_valid():
            return Chosen()
        told = self.cleaned_data
        return Chosen(person=told["personne"], year=told["annee"], domain=told["soin"])

    @property
    def query(self) -> dict[str, str]:
        """What was chosen, for a link that goes on with it."""
        if not self.is_valid():
            return {}
        told = self.cleaned_data
        return {name: str(value) for name, value in told.items() if value is not None}


@require_safe
@member_or_viewer
def overview(request):
    history = reimbursements.history(request.member)
    form = ChoiceForm(request.GET, request.member, history)
    chosen = form.chosen()
    payments, end = reimbursements.page(
        request.member, chosen, _after(request), acts=not request.viewer
    )
    per_year = history.per_year(chosen)
    context = {
        "form": form,
        "payments": payments,
        "is_first": "avant" not in request.GET,
        "is_narrowed": bool(form.query),
        "older": _older(form, end),
        "pdf": _link("statement_pdf", form),
        "csv": _link("statement_csv", form),
        "per_year": per_year,
        "bars": _bars(per_year),
        "bars_width": 70 * min(len(per_year), BARS),
    }
    return render(request, "members/reimbursements/overview.html", context)


@require_safe
@member_or_viewer
def detail(request, key):
    payment = reimbursements.one(request.member, key, acts=not request.viewer)
    if payment is None:
        raise Http404
    return render(request, "members/reimbursements/detail.html", {"payment": payment})


@require_safe
@member_required
def pdf(request):
    return _file(request, "pdf", "application/pdf", statement_pages.render)


@require_safe
@member_required
def as_csv(request):
    def render_csv(statement):
        text = reimbursements.as_csv(statement.member, statement.payments)
        return text.encode("utf-8-sig")  # its mark tells spreadsheets how to read accents

    return _file(request, "csv", "text/csv; charset=utf-8", render_csv)


def _file(request, kind, content_type, render_file):
    member = request.member
    history = reimbursements.history(member)
    form = ChoiceForm(request.GET, member, history)
    if not form.is_valid():
        return redirect(_link("reimbursements", form))
    chosen = form.chosen()
    try:
        payments = reimbursements.whole(member, chosen, acts=True)
    except reimbursements.TooMuch:
        messages.warning(request, _("Choisissez une année : ce relevé serait trop long."))
        return redirect(_link("reimbursements", form))
    statement = statement_pages.Statement(
        member=member,
        payments=payments,
        year=chosen.year,
        person="" if chosen.person is None else form.names[chosen.person],
        domain="" if chosen.domain is None else history.domains[chosen.domain],
        made_on=timezone.localdate(),
    )
    content = render_file(statement)
    audit.record(
        "reimbursements.downloaded",
        user=request.user,
        request=request,
        format=kind,
        payments=len(payments),
    )
    which = _("complet") if statement.is_whole else chosen.year or _("choix")
    name = _("releve-%(which)s.%(kind)s") % {"which": which, "kind": kind}
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(content, content_type=content_type, headers=headers)


def _after(request) -> tuple[date, int] | None:
    """Where the page before ended, « 2025-03-04.12 »; anything else is the first page."""
    day, _dot, key = request.GET.get("avant", "").partition(".")
    pk = row_id(key)
    try:
        return None if pk is None else (date.fromisoformat(day), pk)
    except ValueError:
        return None


def _link(name: str, form: ChoiceForm, **more: str) -> str:
    """To a page of the same choice."""
    return reverse(name, query={**form.query, **more} or None)


def _older(form: ChoiceForm, end: tuple[date, int] | None) -> str:
    """To the décomptes after this page; empty when nothing follows."""
    if end is None:
        return ""
    day, key = end
    return _link("reimbursements", form, avant=f"{day.isoformat()}.{key}")


def _bars(per_year) -> list[dict]:
    """The last years from left to right: heights of a drawing 100 high, from the bottom up."""
    years = sorted(per_year)[-BARS:]
    most = max((per_year[year].expense for year in years), default=0)
    bars = []
    for place, year in enumerate(years):
        sums = per_year[year]
        ro, rc, left = (
            round(100 * part / most) if most else 0 for part in (sums.ro, sums.rc, sums.left)
        )
        bars.append(
            {
                "year": year,
                "x": 17 + place * 70,
                "middle": 35 + place * 70,
                "ro": ro,
                "rc": rc,
                "left": left,
                "ro_y": 105 - ro,
                "rc_y": 105 - ro - rc,
                "left_y": 105 - ro - rc - left,
            }
        )
    return bars
