"""The audience of an incident: how many people it concerns, and whether one of them is."""

import csv
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from incidents import audience, concerned, counting, exposure, pages
from incidents.exposure import PersonExposure
from incidents.reasons import ExposureState
from members import audit
from members.admin.reasons import LONG_NUMBER
from members.models import Member
from members.spreadsheets import cell

CONTRACTS_SHOWN = 50
TYPED = "saisie"  # in an address: the facts as they are typed, not those of the version in force
TONES = {
    ExposureState.CONFIRMED: "risk",
    ExposureState.PRESUMED: "maybe",
    ExposureState.DISMISSED: "safe",
}


class SearchForm(forms.Form):
    """Posted, so that no name and no number stands in an address or in a log."""

    who = forms.CharField(
        label=gettext_lazy("Numéro d'adhérent, ou nom"),
        max_length=100,
        help_text=gettext_lazy("Le début d'un nom suffit. Jamais un NIR."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "class": "vTextField"}),
    )

    def clean_who(self):
        who = " ".join(self.cleaned_data["who"].split())
        if len(who) < 2:
            raise ValidationError(_("Tapez au moins deux caractères."))
        self.found = concerned.find(who)
        if not self.found and LONG_NUMBER.search(who):
            raise ValidationError(
                _("Aucun adhérent n'a ce numéro. Un NIR ne sert jamais à chercher.")
            )
        if not self.found:
            raise ValidationError(_("Personne n'a ce numéro ni ce nom."))
        return who


@dataclass(frozen=True)
class Row:
    """A line of a table: its head, and a number for each kind of people, as French writes them."""

    label: str
    numbers: list[str]


def _row(label, by_kind: dict[str, int]) -> Row:
    return Row(str(label), [grouped(number) for number in counting.in_order(by_kind)])


def grouped(number: int) -> str:
    """« 1 250 000 », which no line end cuts."""
    return number_format(number, use_l10n=True, force_grouping=True)


class AudiencePages:
    """For the admin of incidents: the page of the counts, their file, and the search of a person."""

    def audience_urls(self) -> list:
        wrap = self.admin_site.admin_view
        views = {
            "audience/": (self.audience, "audience"),
            "audience/compter/": (require_POST(self.count_audience), "count_audience"),
            "audience/comptes.csv": (self.audience_file, "audience_file"),
            "audience/chercher/": (self.search_audience, "search_audience"),
            "audience/personne/<int:member_id>/": (self.concerned, "concerned"),
        }
        return [
            path(f"<path:object_id>/{address}", wrap(view), name=f"incidents_incident_{name}")
            for address, (view, name) in views.items()
        ]

    def audience(self, request, object_id):
        """What was counted last, and when. Nothing is counted here."""
        incident = self.object_to_move(request, object_id, "incidents.view_audiencecount")
        return self._audience(request, incident, SearchForm())

    def count_audience(self, request, object_id):
        incident = self.object_to_move(request, object_id, "incidents.count_audience")
        as_typed = TYPED in request.POST
        job = counting.ask(incident, by=request.user, as_typed=as_typed, request=request)
        if job:
            return redirect("admin:job", job.pk)
        messages.success(request, _("Les personnes concernées sont comptées."))
        page = reverse("admin:incidents_incident_audience", args=[incident.pk])
        return redirect(f"{page}?{TYPED}" if as_typed else page)

    def audience_file(self, request, object_id):
        incident = self.object_to_move(request, object_id, "incidents.view_audiencecount")
        version, _facts = counting.told(incident, as_typed=TYPED in request.GET)
        counted = counting.kept(incident, version)
        if counted is None:
            messages.warning(request, _("Rien n'est encore compté."))
            return redirect("admin:incidents_incident_audience", incident.pk)
        audit.record(
            "incident.audience_exported",
            request=request,
            incident=incident.reference,
            version=version and version.number,
        )
        response = HttpResponse(content_type="text/csv; charset=utf-8")
        name = f"{incident.reference}-audience-{counted.counted_at:%Y%m%d}.csv"
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        response.write("\ufeff")  # so that spreadsheets read it as UTF-8
        file = csv.writer(response, delimiter=";")
        for line in counting.lines(counted):
            file.writerow([cell(value if isinstance(value, int) else str(value)) for value in line])
        return response

    def search_audience(self, request, object_id):
        """Somebody by number or name: at once his answer when nobody else is meant, else a choice."""
        incident = self.object_to_move(request, object_id, "incidents.search_audience")
        if request.method != "POST":
            return redirect("admin:incidents_incident_audience", incident.pk)
        form = SearchForm(request.POST)
        if not form.is_valid():
            return self._audience(request, incident, form)
        if len(form.found) == 1:
            return redirect("admin:incidents_incident_concerned", incident.pk, form.found[0].pk)
        context = {
            **self._context(request, incident, _("Qui cherchez-vous ?")),
            "form": form,
            "found": form.found[: concerned.SHOWN],
            "more": len(form.found) > concerned.SHOWN,
        }
        return TemplateResponse(request, "admin/incidents/incident/found.html", context)

    def concerned(self, request, object_id, member_id):
        """Whether the people of one member are concerned, and why. Each look is in the trail."""
        incident = self.object_to_move(request, object_id, "incidents.search_audience")
        member = get_object_or_404(Member.objects.select_related("user"), pk=member_id)
        version, told = counting.told(incident)
        audit.record(
            "incident.audience_searched",
            user=member.user,
            request=request,
            incident=incident.reference,
            version=version and version.number,
            member=member.number,
        )
        context = {
            **self._context(request, incident, _("Qui est concerné, et pourquoi")),
            "member": member,
            "version": version,
            "people": [_answer(person) for person in exposure.of_member(member, told)],
            "may_open": request.user.has_perm("members.view_member"),
        }
        return TemplateResponse(request, "admin/incidents/incident/concerned.html", context)

    def _audience(self, request, incident, form):
        as_typed = TYPED in request.GET
        version, told = counting.told(incident, as_typed=as_typed)
        counted = counting.kept(incident, version)
        may_look_apart = version is not None or as_typed
        context = {
            **self._context(request, incident, _("Personnes concernées")),
            "counted": counted,
            "version": version,
            "as_typed": as_typed,
            "is_outdated": counted is not None and counting.is_outdated(counted, told),
            "has_other_facts": may_look_apart and self._differs(incident, told, as_typed),
            "job": counting.under_way(incident),
            "may_count": request.user.has_perm("incidents.count_audience"),
            "form": form if request.user.has_perm("incidents.search_audience") else None,
            "suffix": f"?{TYPED}" if as_typed else "",
            **(_tables(counted.figures) if counted else {}),
        }
        return TemplateResponse(request, "admin/incidents/incident/audience.html", context)

    def _differs(self, incident, told, as_typed) -> bool:
        """Whether the version in force and what is typed now do not concern the same people."""
        _version, others = counting.told(incident, as_typed=not as_typed)
        return audience.basis(told) != audience.basis(others)

    def _context(self, request, incident, title) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "subtitle": None,
            "object": incident,
        }


def _tables(figures: dict[str, Any]) -> dict[str, Any]:
    kinds = [kind.label for kind in audience.Kind]
    operators = figures["operators"]
    return {
        "kinds": kinds,
        "number": _persons(figures["totals"]),
        "total": grouped(_persons(figures["totals"])),
        "by_operator": [
            _row(_("Tous les opérateurs"), figures["totals"]),
            *(_row(operator["name"], operator["persons"]) for operator in operators),
        ],
        "bars": [(operator["name"], _persons(operator["persons"])) for operator in operators],
        "by_category": [
            {
                "operator": operator["name"],
                "rows": [
                    _row(category.label, found) for category, found in counting.categories(operator)
                ],
            }
            for operator in operators
        ],
        "by_contract": [_contracts(operator) for operator in operators],
    }


def _contracts(operator: dict[str, Any]) -> dict[str, Any]:
    found = operator["contracts"]
    return {
        "operator": operator["name"],
        "number": grouped(len(found)),
        "left_out": len(found) > CONTRACTS_SHOWN,
        "rows": [
            (one["employer"], _row(one["number"] or _("Contrats individuels"), one["persons"]))
            for one in found[:CONTRACTS_SHOWN]
        ],
    }


def _persons(by_kind: dict[str, int]) -> int:
    return sum(by_kind[kind] for kind in audience.CAPACITIES)


def _answer(person: PersonExposure) -> dict[str, Any]:
    return {
        "name": person.name,
        "kind": person.kind_label,
        "state": person.state.label,
        "tone": TONES[person.state],
        "operators": [
            {
                "name": one.target.operator_name,
                "state": one.state.label,
                "tone": TONES[one.state],
                "reason": one.reason.label,
                "sentence": one.sentence,
                "since": one.since,
                "until": one.until,
                "categories": pages.listed(one.categories),
                "is_concerned": one.reason.is_concerned,
            }
            for one in person.operators
        ],
    }
