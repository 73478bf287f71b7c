from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from members.admin.lists import LargeTable, MachineRows
from members.models import SmsDevice


@admin.register(SmsDevice)
class SmsDeviceAdmin(MachineRows, LargeTable):
    list_display = ["user", "phone_masked", "confirmed", "flagged_at", "flag"]
    list_select_related = ["user__member"]
    search_fields = ["=user__identifiant", "=user__member__number"]
    search_help_text = _("Un identifiant ou un numéro d'adhérent.")
    fields = ["user", "phone_masked", "confirmed", "flagged_at", "flag"]

    @admin.display(description=_("téléphone"))
    def phone_masked(self, device):
        return device.user.member.phone_masked
