import json

from django.contrib import admin
from django.utils.html import format_html
from django.utils.translation import gettext_lazy

from incidents.models import Acknowledgement
from members.admin.links import Readers, link
from members.admin.lists import LargeTable, MachineRows


@admin.register(Acknowledgement)
class AcknowledgementAdmin(Readers, MachineRows, LargeTable):
    """What each member was shown and has read: searched by a member's number, never listed whole."""

    list_display = ["member", "version", "shown_at", "acknowledged_at"]
    list_select_related = ["member", "version__incident"]
    search_fields = ["=member__number"]
    search_help_text = gettext_lazy("Un numéro d'adhérent.")
    fields = ["whom", "version", "shown_at", "acknowledged_at", "fingerprint", "content"]

    @admin.display(description=gettext_lazy("adhérent"))
    def whom(self, row):
        return link(row.reader, row.member, f"{row.member} · {row.member.number}")

    @admin.display(description=gettext_lazy("contenu montré"))
    def content(self, row):
        text = json.dumps(row.shown, ensure_ascii=False, indent=2)
        return format_html("<pre>{}</pre>", text)

    def get_readonly_fields(self, request, obj=None):
        return self.fields
