from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents import lifecycle
from incidents.admin.meanwhile import Meanwhile
from incidents.admin.moves import Moves
from incidents.models import Claim, ContractScope, Incident, ServiceStatus, Step, Target
from incidents.models.incident import IncidentState
from members import audit
from members.models.category import DataCategory

MOVED = gettext_lazy("Cet incident vient de changer d'état : rien n'est enregistré. Relisez-le.")


class TargetForm(forms.ModelForm):
    """An operator that is there stays: what was claimed of it would become another's."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.fields["operator"].disabled = True


class TargetFormSet(forms.BaseInlineFormSet):
    def clean(self):
        super().clean()
        for form in self.deleted_forms:
            if form.instance.pk and form.instance.claims.exists():
                raise ValidationError(
                    _("Ce qu'affirme %(operator)s est déjà saisi : l'opérateur ne se retire plus.")
                    % {"operator": form.instance.operator}
                )


class TargetInline(admin.StackedInline):
    model = Target
    form = TargetForm
    formset = TargetFormSet
    extra = 0
    show_change_link = True
    autocomplete_fields = ["operator"]


class StepInline(admin.TabularInline):
    model = Step
    extra = 0

    def formfield_for_foreignkey(self, db_field, request, **kwargs):
        if db_field.name == "target":
            incident = request.resolver_match.kwargs.get("object_id")
            kwargs["queryset"] = Target.objects.filter(incident=incident).select_related(
                "incident", "operator"
            )
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


class ServiceInline(admin.TabularInline):
    model = ServiceStatus
    extra = 0


class ScopeInline(admin.TabularInline):
    model = ContractScope
    extra = 0
    autocomplete_fields = ["contract"]


@admin.register(Incident)
class IncidentAdmin(Meanwhile, Moves, admin.ModelAdmin):
    """What is known of an incident now. Members read the published versions, which this never changes."""

    list_display = ["reference", "title", "state", "detected_on", "version_in_force"]
    list_filter = ["state"]
    search_fields = ["reference", "title"]
    readonly_fields = ["state", "created_by", "created_at", "closed_at"]
    fieldsets = [
        (None, {"fields": ["reference", "title", "detected_on"]}),
        (
            gettext_lazy("Contacts donnés aux adhérents"),
            {"fields": ["dpo_name", "dpo_email", "dpo_address", "public_phone"]},
        ),
        (
            gettext_lazy("Suivi"),
            {"fields": ["state", "created_by", "created_at", "closed_at"]},
        ),
    ]
    inlines = [TargetInline, StepInline, ServiceInline, ScopeInline]
    change_form_template = "admin/incidents/incident/change_form.html"
    refusals = {lifecycle.Moved: MOVED}

    @admin.display(description=gettext_lazy("version en vigueur"))
    def version_in_force(self, incident):
        numbers = [version.number for version in incident.versions.all() if version.is_published]
        return max(numbers, default=_("aucune"))

    def get_queryset(self, request):
        return super().get_queryset(request).prefetch_related("versions")

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
            *super().get_urls(),
        ]

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
        touched = {
            formset.model._meta.model_name: len(
                formset.new_objects + formset.changed_objects + formset.deleted_objects
            )
            for formset in formsets
        }
        audit.record(
            "incident.changed" if change else "incident.created",
            request=request,
            incident=form.instance.reference,
            fields=form.changed_data,
            rows={model: number for model, number in touched.items() if number},
        )

    def close(self, request, object_id):
        incident = self.object_to_move(request, object_id, "incidents.close_incident")
        return self.move(
            request,
            incident,
            title=_("Clore l'incident"),
            text=_("Ses pages restent lisibles. Plus personne n'est interrompu à sa connexion."),
            act=lambda data: lifecycle.close(incident, by=request.user, request=request),
            refusals={lifecycle.NotLive: _("Seul un incident en cours peut être clos.")},
            done=_("L'incident est clos."),
        )


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
    formset = ClaimFormSet
    extra = 3
    fields = ["category", "state", "source", "stated_on", "superseded_at"]
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
    inlines = [ClaimInline]
    refusals = {lifecycle.Moved: MOVED}

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return super().has_change_permission(request, obj) and not (obj and obj.incident.is_closed)

    def has_delete_permission(self, request, obj=None):
        return False

    def save_model(self, request, obj, form, change):
        lifecycle.change_target(obj, form.changed_data, by=request.user, request=request)

    def save_formset(self, request, form, formset, change):
        for claim in formset.save(commit=False):
            lifecycle.record_claim(
                claim.target,
                category=claim.category,
                state=claim.state,
                source=claim.source,
                stated_on=claim.stated_on,
                by=request.user,
                request=request,
            )
