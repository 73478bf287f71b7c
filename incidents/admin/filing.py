"""What was filed with an authority, how an incident was classified, and the duties themselves."""

from datetime import timedelta

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AdminTextareaWidget, AdminTextInputWidget
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.shortcuts import redirect
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents import clocks, filings
from incidents.admin.lines import LinesField
from incidents.admin.meanwhile import Meanwhile
from incidents.admin.pages import TOGETHER, FilesForm, IncidentPages, day, moment
from incidents.admin.records import StruckAdmin
from incidents.models import Classification, Filing, Incident, Regime, Ruling
from incidents.models.call import not_yet
from incidents.models.evidence import HEAVIEST
from members import audit, files
from members.admin.reasons import no_long_number


class FilingForm(FilesForm):
    clock = forms.ChoiceField(label=gettext_lazy("Obligation"))
    submitted_at = moment(label=gettext_lazy("Déposé le"), validators=[not_yet])
    reference = forms.CharField(
        label=gettext_lazy("Référence donnée par l'autorité"),
        max_length=100,
        required=False,
        widget=AdminTextInputWidget,
    )
    evidence = forms.ModelChoiceField(
        label=gettext_lazy("Pièce déjà au dossier"), queryset=None, required=False
    )
    file = forms.FileField(
        label=gettext_lazy("Ou un fichier à verser"),
        required=False,
        max_length=255,
        help_text=gettext_lazy("L'accusé de réception, par exemple. 25 Mo au plus."),
    )
    late_reason = forms.CharField(
        label=gettext_lazy("Motif du retard"),
        max_length=250,
        required=False,
        validators=[no_long_number],
        help_text=gettext_lazy("Seulement si l'échéance était passée."),
        widget=AdminTextInputWidget,
    )

    def __init__(self, incident: Incident, may_add: bool, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.clocks = {
            clock.key: clock for clock in clocks.of(incident, timezone.now()) if clock.applies
        }
        self.fields["clock"].choices = [
            (key, f"{clock.name} ({clock.state.label})") for key, clock in self.clocks.items()
        ]
        self.fields["evidence"].queryset = incident.evidence.kept()
        if not may_add:
            del self.fields["file"]

    def clean(self):
        cleaned = super().clean()
        if "file" in self.errors or "evidence" in self.errors:
            return cleaned
        if bool(cleaned.get("evidence")) == bool(cleaned.get("file")):
            raise ValidationError(
                _("Un dépôt a une pièce : choisissez-en une, ou versez un fichier.")
            )
        return cleaned


class ClassificationForm(forms.Form):
    classified_at = moment(label=gettext_lazy("Classé le"), validators=[not_yet])
    is_major = forms.TypedChoiceField(
        label=gettext_lazy("Au sens de DORA, cet incident est"),
        choices=[("1", gettext_lazy("majeur")), ("0", gettext_lazy("non majeur"))],
        coerce=lambda value: value == "1",
        widget=forms.RadioSelect,
    )
    grounds = LinesField(
        label=gettext_lazy("Pourquoi"),
        max_length=2000,
        help_text=gettext_lazy(
            "Les critères atteints, ou non. Un classement remplace le précédent."
        ),
        widget=AdminTextareaWidget(attrs={"rows": 4}),
    )


class RulingForm(forms.Form):
    """Duties that nothing was filed for: one is set aside, or applies again."""

    clock = forms.ChoiceField(label=gettext_lazy("Obligation"))
    applies = forms.TypedChoiceField(
        label=gettext_lazy("Pour cet incident, elle"),
        choices=[
            ("0", gettext_lazy("est sans objet")),
            ("1", gettext_lazy("s'applique de nouveau")),
        ],
        coerce=lambda value: value == "1",
        initial="0",
        widget=forms.RadioSelect,
    )
    reason = forms.CharField(
        label=gettext_lazy("Motif"),
        max_length=250,
        validators=[no_long_number],
        widget=AdminTextInputWidget,
    )
    evidence = forms.ModelChoiceField(
        label=gettext_lazy("Pièce au dossier"),
        queryset=None,
        required=False,
        help_text=gettext_lazy("Facultative : un avis juridique, par exemple."),
    )

    def __init__(self, incident: Incident, *args, **kwargs):
        super().__init__(*args, **kwargs)
        found = clocks.of(incident, timezone.now())
        self.clocks = {
            one.key: one for one in found if one.ruling or (one.applies and not one.filing)
        }
        self.fields["clock"].choices = [
            (key, f"{clock.name} ({clock.state.label})") for key, clock in self.clocks.items()
        ]
        self.fields["evidence"].queryset = incident.evidence.kept()
        asked = self.clocks.get(self.initial.get("clock"))
        if asked and asked.ruling:
            self.initial["applies"] = "1"


class FilingPages(IncidentPages):
    """For the ModelAdmin of incidents: a filing, a classification, a duty without object."""

    def get_urls(self):
        wrap = self.admin_site.admin_view
        file = files.taking(each=HEAVIEST, together=TOGETHER)(wrap(self.file))
        return [
            path("<path:object_id>/depot/", file, name="incidents_incident_file"),
            path(
                "<path:object_id>/classement/",
                wrap(self.classify),
                name="incidents_incident_classify",
            ),
            path("<path:object_id>/sans-objet/", wrap(self.rule), name="incidents_incident_rule"),
            *super().get_urls(),
        ]

    def file(self, request, object_id):
        """Something was filed: for which duty, when, and what proves it."""
        incident = self.incident_for(request, object_id, "incidents.add_filing")
        may_add = request.user.has_perm("incidents.add_evidence")
        if request.method == "POST":
            form = FilingForm(
                incident, may_add, request.POST, request.FILES, too_heavy=request.too_heavy
            )
            if form.is_valid() and self._file(request, incident, form):
                messages.success(request, _("Le dépôt est enregistré."))
                return redirect("admin:incidents_incident_timeline", incident.pk)
        else:
            form = FilingForm(incident, may_add, initial={"clock": request.GET.get("echeance")})
        return self.page(
            request, "form", _("Enregistrer un dépôt"), incident, form=form, has_files=may_add
        )

    def _file(self, request, incident, form) -> bool:
        data = form.cleaned_data
        clock = form.clocks[data["clock"]]
        told = {name: data[name] for name in ("submitted_at", "reference", "late_reason")}
        told |= {"by": request.user, "request": request}
        try:
            if upload := data.get("file"):
                filings.record_with_file(incident, clock, upload, **told)
            else:
                filings.record(incident, clock, evidence=data["evidence"], **told)
        except filings.LateWithoutReason:
            form.add_error("late_reason", _("L'échéance était passée : dites pourquoi."))
        except filings.Twice:
            form.add_error("submitted_at", _("Ce dépôt est déjà enregistré à cette minute."))
        except filings.NoEvidence:
            form.add_error("evidence", _("Le fichier de cette pièce vient d'être retiré."))
        except filings.NotApplicable:
            form.add_error("clock", _("Cette obligation ne s'applique plus à cet incident."))
        else:
            return True
        return False

    def classify(self, request, object_id):
        """Whether the incident is major, and since when that is known."""
        incident = self.incident_for(request, object_id, "incidents.add_classification")
        form = ClassificationForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            filings.classify(incident, **form.cleaned_data, by=request.user, request=request)
            messages.success(request, _("Le classement est enregistré."))
            return redirect("admin:incidents_incident_timeline", incident.pk)
        return self.page(request, "form", _("Classer l'incident"), incident, form=form)

    def rule(self, request, object_id):
        """A duty does not apply to this incident, somebody says why; or it applies again."""
        incident = self.incident_for(request, object_id, "incidents.add_ruling")
        if request.method == "POST":
            form = RulingForm(incident, request.POST)
            if form.is_valid() and self._rule(request, incident, form):
                messages.success(request, _("La décision est enregistrée."))
                return redirect("admin:incidents_incident_timeline", incident.pk)
        else:
            form = RulingForm(incident, initial={"clock": request.GET.get("echeance")})
        return self.page(
            request, "form", _("Dire qu'une obligation est sans objet"), incident, form=form
        )

    def _rule(self, request, incident, form) -> bool:
        told = form.cleaned_data
        clock = form.clocks[told.pop("clock")]
        try:
            filings.rule(incident, clock, **told, by=request.user, request=request)
        except filings.Unchanged:
            form.add_error("applies", _("C'est déjà le cas de cette obligation."))
        except filings.Filed:
            form.add_error(
                "clock",
                _("Un dépôt est enregistré pour cette obligation, ou pour une qui en découle."),
            )
        except filings.NoEvidence:
            form.add_error("evidence", _("Le fichier de cette pièce vient d'être retiré."))
        else:
            return True
        return False


@admin.register(Filing)
class FilingAdmin(StruckAdmin):
    list_display = ["regime", "incident", "operator", "submitted_at", "standing"]
    list_select_related = ["regime", "incident", "target__operator"]
    list_filter = ["regime"]
    fields = [
        "of_incident",
        "operator",
        "duty",
        "submitted_at",
        "reference",
        "piece",
        "due_at",
        "late_reason",
    ]

    @admin.display(description=gettext_lazy("obligation"))
    def duty(self, filing):
        return self.linked(filing, filing.regime)

    @admin.display(description=gettext_lazy("pièce justificative"))
    def piece(self, filing):
        return self.linked(filing, filing.evidence)


@admin.register(Classification)
class ClassificationAdmin(StruckAdmin):
    list_display = ["incident", "verdict", "classified_at", "standing"]
    list_select_related = ["incident"]
    fields = ["of_incident", "verdict", "classified_at", "grounds"]

    @admin.display(description=gettext_lazy("classement"))
    def verdict(self, row):
        return _("majeur") if row.is_major else _("non majeur")


@admin.register(Ruling)
class RulingAdmin(StruckAdmin):
    """Rulings are written by the page « Dire qu'une obligation est sans objet »."""

    list_display = ["regime", "incident", "operator", "ruled", "recorded_at", "standing"]
    list_select_related = ["regime", "incident", "target__operator"]
    list_filter = ["regime"]
    fields = ["of_incident", "operator", "duty", "ruled", "reason", "piece"]

    @admin.display(description=gettext_lazy("obligation"))
    def duty(self, row):
        return self.linked(row, row.regime)

    @admin.display(description=gettext_lazy("décision"))
    def ruled(self, row):
        return row.verdict

    @admin.display(description=gettext_lazy("pièce justificative"))
    def piece(self, row):
        return self.linked(row, row.evidence) if row.evidence else _("aucune")


class HouseRuleForm(forms.ModelForm):
    hours = forms.IntegerField(label=gettext_lazy("Heures"), min_value=1, max_value=10_000)
    applies_from = day(
        label=gettext_lazy("S'applique depuis le"),
        help_text=gettext_lazy(
            "Au plus tôt demain. Un incident connu avant ce jour garde son échéance."
        ),
    )

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if not _is_to_come(self.instance):
            self.initial["applies_from"] = timezone.localdate() + timedelta(days=1)

    def clean_applies_from(self):
        since = self.cleaned_data["applies_from"]
        if since <= timezone.localdate():
            raise ValidationError(_("Choisissez demain, ou plus tard."))
        others = Regime.objects.filter(code=self.instance.code).exclude(pk=self.instance.pk)
        if others.filter(applies_from=since).exists():
            raise ValidationError(_("Ce délai change déjà ce jour-là."))
        return since


@admin.register(Regime)
class RegimeAdmin(Meanwhile, admin.ModelAdmin):
    """The law comes with the portal; only a house rule, for which the law gives no number, is set here.

    What applied until now stays: a change is another row, for what is known from its first day on.
    """

    list_display = ["name", "article", "delay", "applies_from", "house"]
    form = HouseRuleForm
    fields = ["name", "article", "applies_from", "started", "house", "hours"]

    readonly_fields = ["name", "article", "started", "house"]
    refusals = {
        IntegrityError: gettext_lazy("Quelqu'un d'autre vient de changer ce délai. Relisez-le.")
    }

    @admin.display(description=gettext_lazy("délai"))
    def delay(self, regime):
        return _delay(regime)

    @admin.display(description=gettext_lazy("démarre quand"))
    def started(self, regime):
        return regime.get_trigger_display()

    @admin.display(description=gettext_lazy("repère interne"))
    def house(self, regime):
        return _("oui") if regime.house_rule else _("non")

    def has_add_permission(self, request):
        return False

    def has_delete_permission(self, request, obj=None):
        return False

    def has_change_permission(self, request, obj=None):
        return super().has_change_permission(request, obj) and (obj is None or obj.house_rule)

    def get_fields(self, request, obj=None):
        if obj and not self.has_change_permission(request, obj):
            return [*self.fields[:-1], "delay"]
        return self.fields

    def save_model(self, request, obj, form, change):
        before = Regime.objects.get(pk=obj.pk)
        if not _is_to_come(before):
            obj.pk = None
            obj._state.adding = True
        obj.save()
        audit.record(
            "regime.changed",
            request=request,
            regime=obj.code,
            before=before.hours,
            after=obj.hours,
            applies_from=obj.applies_from.isoformat(),
        )


def _is_to_come(regime: Regime) -> bool:
    """Whether nothing rests on it yet."""
    return regime.applies_from > timezone.localdate()


def _delay(regime: Regime) -> str:
    if regime.months:
        return _("%(months)s mois") % {"months": regime.months}
    if regime.cap_hours:
        told = {"hours": regime.hours, "cap": regime.cap_hours}
        return _("%(hours)s h, et au plus %(cap)s h depuis la connaissance") % told
    return _("%(hours)s h") % {"hours": regime.hours}
