from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from members.admin.lists import LargeTable, MachineRows
from members.models import SmsDevice
from members.sms.gateway import Problem


@admin.register(SmsDevice)
class SmsDeviceAdmin(MachineRows, LargeTable):
    list_display = ["user", "phone_masked", "confirmed", "flagged_at", "problem_label"]
    list_select_related = ["user__member"]
    search_fields = ["=user__identifiant", "=user__member__number"]
    search_help_text = _("Un identifiant ou un numéro d'adhérent.")
    fields = ["user", "phone_masked", "confirmed", "flagged_at", "problem_label"]

    @admin.display(description=_("motif"))
    def problem_label(self, device):
        return Problem.words(device.flag)

    @admin.display(description=_("téléphone"))
    def phone_masked(self, device):
        return device.user.member.phone_masked
