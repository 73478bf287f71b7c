import json
from datetime import timedelta

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import StreamingHttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from members import audit, audit_export, trail
from members.admin.lists import MachineRows
from members.models import AuditEvent


class ExportForm(forms.Form):
    first = forms.DateField(
        label=_("Du"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    last = forms.DateField(
        label=_("Au (inclus)"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    format = forms.ChoiceField(
        label=_("Format"),
        choices=[("csv", _("CSV, pour un tableur")), ("json", _("JSON, une ligne par événement"))],
    )

    def clean(self):
        cleaned = super().clean()
        first, last = cleaned.get("first"), cleaned.get("last")
        if first and last and last < first:
            raise ValidationError(_("Le dernier jour précède le premier."))
        return cleaned


class ActionFilter(admin.SimpleListFilter):
    """The actions that we know, without asking the table which ones it holds."""

    title = _("action")
    parameter_name = "action"

    def lookups(self, request, model_admin):
        return sorted(trail.LABELS.items(), key=lambda pair: str(pair[1]))

    def queryset(self, request, queryset):
        return queryset.filter(action=self.value()) if self.value() else queryset


@admin.register(AuditEvent)
class AuditEventAdmin(MachineRows, admin.ModelAdmin):
    list_display = ["at", "action_label", "user", "actor", "address"]
    list_select_related = ["user", "actor"]
    list_filter = [ActionFilter]
    show_facets = admin.ShowFacets.NEVER  # each would count the whole trail
    search_fields = ["=user__identifiant", "=action"]
    search_help_text = _("Un identifiant.")
    date_hierarchy = None
    show_full_result_count = False
    list_per_page = 50
    change_list_template = "admin/members/auditevent/change_list.html"
    fields = [
        "at",
        "action_label",
        "action",
        "user",
        "actor",
        "address",
        "browser",
        "written",
        "digest",
    ]

    def get_urls(self):
        export = self.admin_site.admin_view(self.export)
        return [path("exporter/", export, name="members_auditevent_export"), *super().get_urls()]

    def export(self, request):
        """Every event of a period, streamed; that it was taken out is an event too."""
        if not request.user.has_perm("members.export_auditevent"):
            raise PermissionDenied
        today = timezone.localdate()
        start = {"first": today - timedelta(days=30), "last": today}
        form = ExportForm(request.POST or None, initial=start)
        if request.method == "POST" and form.is_valid():
            return self._file(request, **form.cleaned_data)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Exporter le journal"),
            "opts": self.opts,
            "form": form,
        }
        return render(request, "admin/members/auditevent/export.html", context)

    def _file(self, request, first, last, format):
        period = {"first": str(first), "last": str(last)}
        audit.record("audit.exported", request=request, format=format, **period)
        kind = "text/csv" if format == "csv" else "application/x-ndjson"
        name = f"journal-{first}-{last}.{'csv' if format == 'csv' else 'jsonl'}"
        return StreamingHttpResponse(
            audit_export.lines(first, last, format),
            content_type=f"{kind}; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    @admin.display(description=_("événement"), ordering="action")
    def action_label(self, event):
        return trail.label(event.action)

    @admin.display(description=_("détails"))
    def written(self, event):
        text = json.dumps(event.details, ensure_ascii=False, indent=2)
        return format_html("<pre>{}</pre>", text)

    def get_readonly_fields(self, request, obj=None):
        return self.fields
