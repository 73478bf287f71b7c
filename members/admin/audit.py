import json

from django.contrib import admin
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from members import trail
from members.admin.lists import MachineRows
from members.models import AuditEvent


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

    @admin.display(description=_("événement"), ordering="action")
    def action_label(self, event):
        return trail.label(event.action)

    @admin.display(description=_("détails"))
    def written(self, event):
        text = json.dumps(event.details, ensure_ascii=False, indent=2)
        return format_html("<pre>{}</pre>", text)

    def get_readonly_fields(self, request, obj=None):
        return self.fields
