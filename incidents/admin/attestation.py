from django.contrib import admin
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents import attestations
from incidents.models import Attestation
from incidents.models.notice import VersionState
from members.admin.links import Readers, link
from members.admin.lists import LargeTable, MachineRows


@admin.register(Attestation)
class AttestationAdmin(MachineRows, Readers, LargeTable):
    """Which documents a member had made, and when: neither their words nor their code.

    Searched by a member's number or by an incident, never listed whole.
    """

    list_display = ["member_number", "version", "issued_at", "people", "state"]
    list_select_related = ["member", "version__incident"]
    search_fields = ["=member__number", "=version__incident__reference"]
    search_help_text = gettext_lazy("Un numéro d'adhérent, ou la référence d'un incident.")
    fields = ["member_shown", "version_shown", "issued_at", "people", "groups", "state"]
    readonly_fields = fields

    def get_queryset(self, request):
        return super().get_queryset(request).defer("content", "code_digest", "version__facts")

    @admin.display(description=gettext_lazy("numéro d'adhérent"))
    def member_number(self, row):
        return row.member.number

    @admin.display(description=gettext_lazy("adhérent"))
    def member_shown(self, row):
        return link(row.reader, row.member, row.member.number)

    @admin.display(description=gettext_lazy("version"))
    def version_shown(self, row):
        return link(row.reader, row.version)

    @admin.display(description=gettext_lazy("empreinte"))
    def groups(self, row):
        return attestations.grouped(row.fingerprint)

    @admin.display(description=gettext_lazy("état"))
    def state(self, row):
        """A document stays ours; the version that it tells of may have been withdrawn since."""
        withdrawn = row.version.state == VersionState.WITHDRAWN
        return _("version retirée depuis") if withdrawn else _("valable")
