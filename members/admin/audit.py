from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from members.admin.lists import MachineRows
from members.models import AuditEvent


@admin.register(AuditEvent)
class AuditEventAdmin(MachineRows, admin.ModelAdmin):
    list_display = ["at", "action", "user", "actor", "address"]
    list_select_related = ["user", "actor"]
    search_fields = ["=user__identifiant", "=action"]
    search_help_text = _("Un identifiant, ou le nom d'une action.")
    date_hierarchy = None
    show_full_result_count = False
    list_per_page = 50
