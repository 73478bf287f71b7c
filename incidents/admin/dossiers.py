"""The dossiers of an incident, one click each; the register of all incidents; the bundle of evidence."""

import csv

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from incidents.admin.pages import IncidentPages
from incidents.dossiers import bundle, ground, register
from incidents.dossiers.document import Dossier
from incidents.dossiers.shelf import KINDS
from members import audit
from members.models import Job
from members.spreadsheets import cell

RIGHT = "incidents.read_dossiers"
BUNDLES_SHOWN = 5


class DossierPages(IncidentPages):
    """For the ModelAdmin of incidents: « Dossiers », each dossier, and « Registre »."""

    def get_urls(self):
        pages = {
            "registre/": ("register", self.register),
            "registre.csv": ("register_csv", self.register_csv),
            "registre.pdf": ("register_pdf", self.register_pdf),
            "<path:object_id>/dossiers/": ("dossiers", self.dossiers),
            "<path:object_id>/dossiers/preuves/": ("bundle", require_POST(self.bundle)),
            "<path:object_id>/dossiers/<slug:code>/": ("dossier", self.dossier),
            "<path:object_id>/dossiers/<slug:code>.pdf": ("dossier_pdf", self.dossier_pdf),
            "<path:object_id>/dossiers/<slug:code>.json": ("dossier_json", self.dossier_json),
        }
        return [
            path(address, self.admin_site.admin_view(view), name=f"incidents_incident_{name}")
            for address, (name, view) in pages.items()
        ] + super().get_urls()

    # ------------------------------------------------------------------------------- one incident

    def dossiers(self, request, object_id):
        incident = self.incident_for(request, object_id, RIGHT)
        known = ground.of(incident)
        offered = []
        for kind in KINDS.values():
            refusal = kind.refusal(known)
            gaps = 0 if refusal else len(kind.build(known).gaps)
            offered.append({"kind": kind, "refusal": refusal, "gaps": gaps})
        may_bundle = request.user.has_perm(bundle.RIGHT)
        return self.page(
            request,
            "dossiers",
            _("Dossiers"),
            incident,
            ground=known,
            offered=offered,
            may_bundle=may_bundle,
            bundles=_bundles(incident) if may_bundle else [],
        )

    def dossier(self, request, object_id, code):
        """One dossier, to be read and copied."""
        incident = self.incident_for(request, object_id, RIGHT)
        made, refusal = _made(incident, code)
        if refusal:
            return self._refused(request, incident, refusal)
        return self.page(request, "dossier", made.title, incident, dossier=made, ground=made.ground)

    def dossier_pdf(self, request, object_id, code):
        return self._export(
            request,
            object_id,
            code,
            "pdf",
            lambda made: HttpResponse(made.pdf(), content_type="application/pdf"),
        )

    def dossier_json(self, request, object_id, code):
        return self._export(
            request,
            object_id,
            code,
            "json",
            lambda made: JsonResponse(
                made.as_json(), json_dumps_params={"ensure_ascii": False, "indent": 2}
            ),
        )

    def bundle(self, request, object_id):
        incident = self.incident_for(request, object_id, bundle.RIGHT)
        job = bundle.ask(incident, by=request.user, request=request)
        return redirect("admin:job", job.pk)

    def _export(self, request, object_id, code, form, answer):
        """The file, and its event."""
        incident = self.incident_for(request, object_id, RIGHT)
        made, refusal = _made(incident, code)
        if refusal:
            return self._refused(request, incident, refusal)
        response = _attached(answer(made), f"{made.name}.{form}")
        version = made.ground.version
        audit.record(
            "incident.dossier_exported",
            request=request,
            incident=incident.reference,
            dossier=code,
            form=form,
            version=version and version.number,
            missing=len(made.gaps),
        )
        return response

    def _refused(self, request, incident, refusal: str):
        messages.warning(request, refusal)
        return redirect("admin:incidents_incident_dossiers", incident.pk)

    # ------------------------------------------------------------------------------- the register

    def register(self, request):
        self._insist(request)
        head = register.head()[2:]
        return self.page(
            request,
            "register",
            _("Registre des violations"),
            lines=[
                (line.incident, list(zip(head, line.cells[2:], strict=True)))
                for line in register.lines()
            ],
        )

    def register_csv(self, request):
        self._insist(request)
        response = HttpResponse("\ufeff", content_type="text/csv; charset=utf-8")
        file = csv.writer(response, delimiter=";")  # the mark before it: read as UTF-8
        lines = list(register.lines())
        file.writerow(register.head())
        for line in lines:
            file.writerow([cell(value) for value in line.cells])
        return self._register_file(request, response, "csv", len(lines))

    def register_pdf(self, request):
        self._insist(request)
        lines = list(register.lines())
        response = HttpResponse(register.pdf(lines), content_type="application/pdf")
        return self._register_file(request, response, "pdf", len(lines))

    def _register_file(self, request, response, form: str, count: int):
        audit.record("incident.register_exported", request=request, form=form, incidents=count)
        return _attached(response, f"registre-violations-{timezone.localdate():%Y%m%d}.{form}")

    def _insist(self, request) -> None:
        if not request.user.has_perm(RIGHT):
            raise PermissionDenied


def _made(incident, code: str) -> tuple[Dossier | None, str]:
    """The dossier, or why it is not offered. Raises Http404 for a code of none."""
    if code not in KINDS:
        raise Http404
    known = ground.of(incident)
    if refusal := KINDS[code].refusal(known):
        return None, refusal
    return KINDS[code].build(known), ""


def _attached(response: HttpResponse, name: str) -> HttpResponse:
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "private, no-store"
    return response


def _bundles(incident):
    made = Job.objects.filter(kind=bundle.KIND, key=str(incident.pk))
    return made.order_by("-asked_at")[:BUNDLES_SHOWN]
