import logging

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AdminTextInputWidget
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.shortcuts import redirect
from django.template.defaultfilters import filesizeformat
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents import evidence
from incidents.admin.moves import ReasonForm
from incidents.admin.pages import TOGETHER, FilesForm, IncidentPages, TargetField, moment
from incidents.admin.records import RecordAdmin
from incidents.models import Evidence, Incident
from incidents.models.call import not_yet
from incidents.models.evidence import HEAVIEST, EvidenceKind
from members import audit, files
from members.admin.reasons import no_long_number

log = logging.getLogger(__name__)

PROBLEMS = {
    "": gettext_lazy("intact"),
    "altered": gettext_lazy("différent de ce qui fut reçu"),
    "missing": gettext_lazy("introuvable"),
    "still there": gettext_lazy("encore présent malgré son retrait"),
}


class EvidenceForm(FilesForm):
    file = forms.FileField(
        label=gettext_lazy("Fichier"),
        max_length=255,
        help_text=gettext_lazy("PDF, image, texte, document ou archive. 25 Mo au plus."),
    )
    kind = forms.ChoiceField(label=gettext_lazy("Nature"), choices=EvidenceKind.choices)
    target = TargetField(label=gettext_lazy("Opérateur"), queryset=None, required=False)
    received_from = forms.CharField(
        label=gettext_lazy("Reçue de"),
        max_length=150,
        validators=[no_long_number],
        help_text=gettext_lazy("Un organisme et une fonction."),
        widget=AdminTextInputWidget,
    )
    received_at = moment(label=gettext_lazy("Reçue le"), validators=[not_yet])
    note = forms.CharField(
        label=gettext_lazy("Note"),
        max_length=250,
        required=False,
        validators=[no_long_number],
        widget=AdminTextInputWidget,
    )

    def __init__(self, incident: Incident, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["target"].queryset = incident.targets.select_related("operator")


class EvidencePages(IncidentPages):
    """For the ModelAdmin of incidents: a file is handed over."""

    def get_urls(self):
        add = self.admin_site.admin_view(self.add_evidence)
        return [
            path(
                "<path:object_id>/piece/",
                files.taking(each=HEAVIEST, together=TOGETHER)(add),
                name="incidents_incident_evidence",
            ),
            *super().get_urls(),
        ]

    def add_evidence(self, request, object_id):
        incident = self.incident_for(request, object_id, "incidents.add_evidence")
        if request.method == "POST":
            form = EvidenceForm(incident, request.POST, request.FILES, too_heavy=request.too_heavy)
            if form.is_valid():
                told = form.cleaned_data
                with evidence.stored([told.pop("file")]) as [one]:
                    row = evidence.record(incident, one, **told, by=request.user, request=request)
                if row.file.name == one.file:
                    messages.success(request, _("La pièce est au dossier."))
                else:
                    messages.info(request, _("Cette pièce était déjà au dossier."))
                return redirect("admin:incidents_incident_timeline", incident.pk)
        else:
            form = EvidenceForm(incident)
        return self.page(
            request, "form", _("Verser une pièce"), incident, form=form, has_files=True
        )


@admin.register(Evidence)
class EvidenceAdmin(RecordAdmin):
    """Read, held and taken away; never edited."""

    list_display = ["name", "kind", "incident", "operator", "received_at", "keeping"]
    list_select_related = ["incident", "target__operator"]
    list_filter = ["kind"]
    search_fields = ["incident__reference", "=sha256"]
    fields = [
        "of_incident",
        "operator",
        "kind",
        "name",
        "content_type",
        "weight",
        "sha256",
        "on_disk",
        "received_from",
        "received_at",
        "note",
        "recorded_at",
        "recorded",
        "keeping",
    ]
    change_form_template = "admin/incidents/evidence/change_form.html"

    @admin.display(description=gettext_lazy("taille"))
    def weight(self, row):
        return filesizeformat(row.size)

    @admin.display(description=gettext_lazy("fichier sur le disque"))
    def on_disk(self, row):
        return PROBLEMS[evidence.problem(row)]

    @admin.display(description=gettext_lazy("conservation"))
    def keeping(self, row):
        if row.is_removed:
            return _("fichier retiré")
        return _("imposée") if row.legal_hold else _("ordinaire")

    def get_fields(self, request, obj=None):
        fields = super().get_fields(request, obj)
        return (
            [*fields, "removed_at", "taken_away_by", "removed_reason"]
            if obj and obj.is_removed
            else fields
        )

    @admin.display(description=gettext_lazy("fichier retiré par"))
    def taken_away_by(self, row):
        return self.linked(row, row.removed_by, row.removed_by.name)

    def get_urls(self):
        moves = {"conserver": self.hold, "lever": self.release, "retirer": self.remove}
        wrap = self.admin_site.admin_view
        return [
            path("<path:object_id>/fichier/", wrap(self.file), name="incidents_evidence_file"),
            *(
                path(
                    f"<path:object_id>/{slug}/",
                    wrap(view),
                    name=f"incidents_evidence_{view.__name__}",
                )
                for slug, view in moves.items()
            ),
            *super().get_urls(),
        ]

    def render_change_form(self, request, context, *args, obj=None, **kwargs):
        may = request.user.has_perm
        offered = []
        if obj and not obj.is_removed:
            offered = [
                (
                    "hold",
                    _("Imposer la conservation"),
                    "incidents.hold_evidence",
                    not obj.legal_hold,
                ),
                ("release", _("Lever la conservation"), "incidents.hold_evidence", obj.legal_hold),
                (
                    "remove",
                    _("Retirer le fichier"),
                    "incidents.remove_evidence",
                    not obj.legal_hold,
                ),
            ]
        context["moves"] = [
            (f"admin:incidents_evidence_{name}", words)
            for name, words, right, is_possible in offered
            if is_possible and may(right)
        ]
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)

    def file(self, request, object_id):
        """The file, as an attachment, as long as it is what was received. Each reading is in the trail."""
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        if row.is_removed:
            messages.error(request, _("Le fichier de cette pièce a été retiré."))
            return redirect("admin:incidents_evidence_change", row.pk)
        if what := evidence.problem(row):
            log.error("Evidence %s: its file is %s.", row.pk, what)
            messages.error(
                request,
                _("Le fichier est %(problem)s : prévenez l'exploitation.")
                % {"problem": PROBLEMS[what]},
            )
            return redirect("admin:incidents_evidence_change", row.pk)
        audit.record(
            "evidence.read", request=request, incident=row.incident.reference, evidence=row.pk
        )
        return files.answer(row.file, name=row.name, content_type=row.content_type)

    def hold(self, request, object_id):
        return self._move(
            request,
            object_id,
            "incidents.hold_evidence",
            evidence.hold,
            title=_("Imposer la conservation"),
            text=_(
                "Personne ne pourra retirer le fichier tant que vous ne levez pas cette mesure."
            ),
            refusals={evidence.Unchanged: _("La conservation est déjà imposée.")},
            done=_("La conservation est imposée."),
        )

    def release(self, request, object_id):
        return self._move(
            request,
            object_id,
            "incidents.hold_evidence",
            evidence.release,
            title=_("Lever la conservation"),
            text=_("Le fichier pourra de nouveau être retiré."),
            refusals={evidence.Unchanged: _("La conservation n'est pas imposée.")},
            done=_("La conservation est levée."),
        )

    def remove(self, request, object_id):
        return self._move(
            request,
            object_id,
            "incidents.remove_evidence",
            evidence.remove,
            title=_("Retirer le fichier"),
            text=_("Le fichier sera effacé. La ligne reste, avec votre motif et l'empreinte."),
            refusals={
                evidence.InUse: _(
                    "Cette pièce est conservée, ou justifie un dépôt ou une décision."
                )
            },
            done=_("Le fichier est retiré."),
        )

    def _move(self, request, object_id, permission, act, **told):
        row = self.object_to_move(request, object_id, permission)
        return self.move(
            request,
            row,
            form=ReasonForm,
            act=lambda data: act(row, reason=data["reason"], by=request.user, request=request),
            **told,
        )
