from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AdminTextInputWidget
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError
from django.db.models import Max, Q
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from incidents import clocks, lifecycle, reach, reach_letters
from incidents.admin.audience import AudiencePages
from incidents.admin.dossiers import DossierPages
from incidents.admin.evidence import EvidencePages
from incidents.admin.filing import FilingPages
from incidents.admin.intake import IntakePages
from incidents.admin.lines import lines
from incidents.admin.meanwhile import Meanwhile
from incidents.admin.moves import Moves
from incidents.admin.pages import TargetField
from incidents.admin.reach import ReachPages
from incidents.admin.timeline import TimelinePages
from incidents.models import (
    Claim,
    ContractScope,
    DomainScope,
    Incident,
    ServiceStatus,
    Step,
    Target,
)
from incidents.models.claim import ClaimState, Confidence, not_in_the_future
from incidents.models.incident import IncidentState
from incidents.models.notice import VersionState
from members import audit
from members.admin.cells import CellForm, touched
from members.admin.links import Readers, link
from members.models.category import DataCategory

MOVED = gettext_lazy("Cet incident vient de changer d'état : rien n'est enregistré. Relisez-le.")


class TargetForm(forms.ModelForm):
    """An operator that is there stays: what was claimed of it would become another's."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.fields["operator"].disabled = True


class TargetInline(admin.StackedInline):
    model = Target
    formfield_overrides = lines(4)
    form = TargetForm
    extra = 0
    show_change_link = True


class StepInline(admin.TabularInline):
    model = Step
    form = CellForm
    formfield_overrides = lines(2)
    extra = 0

    def formfield_for_foreignkey(self, db_field, request, **kwargs):
        if db_field.name == "target":
            incident = request.resolver_match.kwargs.get("object_id")
            kwargs["queryset"] = Target.objects.filter(incident=incident).select_related(
                "incident", "operator"
            )
            kwargs["form_class"] = TargetField
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_dbfield(self, db_field, request, **kwargs):
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "target":  # the targets stand above, on the same page
            wrapper = field.widget
            wrapper.can_add_related = wrapper.can_change_related = wrapper.can_view_related = False
        return field


class ServiceInline(admin.TabularInline):
    model = ServiceStatus
    form = CellForm
    extra = 0


class ScopeInline(admin.TabularInline):
    model = ContractScope
    form = CellForm
    extra = 0
    autocomplete_fields = ["contract"]


class DomainScopeInline(admin.TabularInline):
    model = DomainScope
    form = CellForm
    extra = 0


@admin.register(Incident)
class IncidentAdmin(
    Meanwhile,
    Readers,
    Moves,
    IntakePages,
    EvidencePages,
    FilingPages,
    TimelinePages,
    ReachPages,
    DossierPages,
    AudiencePages,
    admin.ModelAdmin,
):
    """What is known of an incident now. Members read the published versions, which this never changes."""

    list_display = ["reference", "title", "state", "detected_on", "version_in_force"]
    list_filter = ["state"]
    search_fields = ["reference", "title"]
    readonly_fields = ["state", "opened_by", "created_at", "closed_at"]
    formfield_overrides = lines(3)
    view_on_site = False
    fieldsets = [
        (None, {"fields": ["reference", "title", "detected_on"]}),
        (
            gettext_lazy("Contacts donnés aux adhérents"),
            {"fields": ["dpo_name", "dpo_email", "dpo_address", "public_phone"]},
        ),
        (
            gettext_lazy("Suivi"),
            {"fields": ["state", "opened_by", "created_at", "closed_at"]},
        ),
    ]
    inlines = [TargetInline, StepInline, ServiceInline, ScopeInline, DomainScopeInline]
    change_form_template = "admin/incidents/incident/change_form.html"
    change_list_template = "admin/incidents/incident/change_list.html"
    refusals = {lifecycle.Moved: MOVED}

    @admin.display(description=gettext_lazy("créé par"))
    def opened_by(self, incident):
        return link(incident.reader, incident.created_by, incident.created_by.name)

    @admin.display(description=gettext_lazy("version en vigueur"))
    def version_in_force(self, incident):
        return incident.number_in_force or _("aucune")

    def get_queryset(self, request):
        published = Q(versions__state=VersionState.PUBLISHED)
        number = Max("versions__number", filter=published)
        return super().get_queryset(request).annotate(number_in_force=number)

    def get_readonly_fields(self, request, obj=None):
        # a reference that members have seen in an address never changes
        named = obj is not None and obj.state != IncidentState.DRAFT
        return [*self.readonly_fields, "reference"] if named else self.readonly_fields

    def has_change_permission(self, request, obj=None):
        return super().has_change_permission(request, obj) and not (obj and obj.is_closed)

    def has_delete_permission(self, request, obj=None):
        return False

    def get_urls(self):
        close = self.admin_site.admin_view(self.close)
        return [
            path("<path:object_id>/clore/", close, name="incidents_incident_close"),
            *self.audience_urls(),
            *super().get_urls(),
        ]

    def render_change_form(self, request, context, *args, obj=None, **kwargs):
        if obj and request.user.has_perm("incidents.view_call"):
            context["clocks"] = clocks.of(obj, timezone.now())
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)

    def save_model(self, request, obj, form, change):
        if change:
            lifecycle.change(obj, {name: form.cleaned_data[name] for name in form.changed_data})
        else:
            obj.created_by = request.user
            super().save_model(request, obj, form, change)

    def save_formset(self, request, form, formset, change):
        if formset.model is not Target:
            return super().save_formset(request, form, formset, change)
        formset.save(commit=False)
        for target in formset.deleted_objects:
            target.delete()
        for target in formset.new_objects:
            target.save()
        for target, names in formset.changed_objects:
            lifecycle.change_target(target, names, by=request.user, request=request)
        return None

    def save_related(self, request, form, formsets, change):
        super().save_related(request, form, formsets, change)
        audit.record(
            "incident.changed" if change else "incident.created",
            request=request,
            incident=form.instance.reference,
            fields=form.changed_data,
            rows=touched(formsets),
        )

    def close(self, request, object_id):
        incident = self.object_to_move(request, object_id, "incidents.close_incident")
        return self.move(
            request,
            incident,
            title=_("Clore l'incident"),
            text=_("Ses pages restent lisibles. Plus personne n'est interrompu à sa connexion."),
            act=lambda data: lifecycle.close(incident, by=request.user, request=request),
            refusals={
                lifecycle.NotLive: _("Seul un incident en cours peut être clos."),
                reach.NotCounted: _(
                    "Actualisez d'abord le registre des personnes à informer. "
                    "Il a plus d'un jour, ou ne suit pas la version en vigueur."
                ),
                reach_letters.NotPrinted: _(
                    "Des courriers comptés n'ont pas été imprimés. "
                    "Lancez « Imprimer les courriers », puis recommencez."
                ),
                reach.NotAllInformed: lambda refusal: _left(incident, refusal.left),
            },
            done=_("L'incident est clos."),
        )


def _left(incident: Incident, count: int) -> str:
    """Why an incident stays open, and where to see who is left."""
    people = reverse("admin:incidents_incident_reach_people", args=[incident.pk])
    words = ngettext(
        "%(count)d personne n'est ni informée, ni déclarée injoignable.",
        "%(count)d personnes ne sont ni informées, ni déclarées injoignables.",
        count,
    )
    return format_html(
        '{} <a href="{}">{}</a>', words % {"count": count}, people, _("Voir la liste")
    )


class ClaimsForm(forms.Form):
    """One source and one date, and a state for each category that the source speaks of."""

    source = forms.CharField(
        label=gettext_lazy("Source"),
        max_length=250,
        help_text=gettext_lazy("Document, courriel ou appel, et son auteur."),
        widget=AdminTextInputWidget,
    )
    stated_on = forms.DateField(
        label=gettext_lazy("Affirmé le"),
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
        validators=[not_in_the_future],
    )

    confidence = forms.ChoiceField(
        label=gettext_lazy("Certitude"), choices=Confidence.choices, initial=Confidence.WRITTEN
    )

    def __init__(self, target: Target, *args, **kwargs):
        super().__init__(*args, **kwargs)
        live = Claim.objects.live().filter(target=target)
        self.live = {claim.category: claim.get_state_display() for claim in live}
        for category in DataCategory:
            self.fields[category] = forms.ChoiceField(
                label=category.label,
                choices=[("", _("ne change pas")), *ClaimState.choices],
                required=False,
            )

    @property
    def common(self):
        return [self["source"], self["stated_on"], self["confidence"]]

    @property
    def rows(self):
        """(field, what is said today) of each category."""
        return [
            (self[category], self.live.get(category, _("rien n'est saisi")))
            for category in DataCategory
        ]

    @property
    def states(self) -> dict[str, str]:
        """The categories that were given a state."""
        chosen = {category: self.cleaned_data.get(category) for category in DataCategory.values}
        return {category: state for category, state in chosen.items() if state}

    def clean(self):
        cleaned = super().clean()
        if not self.states:
            raise ValidationError(_("Choisissez l'état d'au moins une donnée."))
        return cleaned


class ClaimFormSet(forms.BaseInlineFormSet):
    def clean(self):
        super().clean()
        added = [form.cleaned_data.get("category") for form in self.extra_forms if form.is_valid()]
        for category in filter(None, added):
            if added.count(category) > 1:
                raise ValidationError(
                    _("Deux affirmations portent sur « %(category)s ». Gardez-en une seule.")
                    % {"category": DataCategory(category).label}
                )


class ClaimInline(admin.TabularInline):
    """Claims are added, never edited: a new one supersedes the one that was live."""

    model = Claim
    form = CellForm
    formset = ClaimFormSet
    extra = 1
    fields = ["category", "state", "source", "stated_on", "confidence", "superseded_at"]
    readonly_fields = ["superseded_at"]
    ordering = ["superseded_at", "pk"]

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False


@admin.register(Target)
class TargetAdmin(Meanwhile, admin.ModelAdmin):
    """One attacked operator, and all that it has claimed so far."""

    list_display = ["incident", "operator", "window_from", "window_until", "detected_on"]
    list_select_related = ["incident", "operator"]
    list_filter = ["operator"]
    search_fields = ["incident__reference"]
    readonly_fields = ["incident", "operator"]
    formfield_overrides = lines(6)
    inlines = [ClaimInline]
    change_form_template = "admin/incidents/target/change_form.html"
    refusals = {lifecycle.Moved: MOVED}

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return super().has_change_permission(request, obj) and not (obj and obj.incident.is_closed)

    def has_delete_permission(self, request, obj=None):
        return False

    def save_model(self, request, obj, form, change):
        lifecycle.change_target(obj, form.changed_data, by=request.user, request=request)

    def get_urls(self):
        several = self.admin_site.admin_view(self.claims)
        return [
            path("<path:object_id>/affirmations/", several, name="incidents_target_claims"),
            *super().get_urls(),
        ]

    def claims(self, request, object_id):
        """What an operator says in one document: many categories, one source, one date."""
        target = self.get_object(request, object_id)
        if target is None or not self.has_change_permission(request, target):
            raise PermissionDenied
        if not request.user.has_perm("incidents.add_claim"):
            raise PermissionDenied
        form = ClaimsForm(target, request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            try:
                lifecycle.record_claims(
                    target,
                    form.states,
                    source=form.cleaned_data["source"],
                    stated_on=form.cleaned_data["stated_on"],
                    confidence=form.cleaned_data["confidence"],
                    by=request.user,
                    request=request,
                )
            except lifecycle.Moved:
                messages.error(request, MOVED)
            except IntegrityError:
                messages.error(request, _("Quelqu'un d'autre vient de saisir. Relisez la liste."))
            else:
                messages.success(request, _("Les affirmations sont enregistrées."))
            return redirect("admin:incidents_target_change", target.pk)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Saisir plusieurs affirmations"),
            "subtitle": None,
            "object": target,
            "form": form,
        }
        return TemplateResponse(request, "admin/incidents/target/claims.html", context)

    def save_formset(self, request, form, formset, change):
        for claim in formset.save(commit=False):
            lifecycle.record_claim(
                claim.target,
                category=claim.category,
                state=claim.state,
                source=claim.source,
                stated_on=claim.stated_on,
                confidence=claim.confidence,
                by=request.user,
                request=request,
            )
