from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from members.admin.traced import Traced
from members.models import CareDomain, Delegation, Operator


@admin.register(CareDomain)
class CareDomainAdmin(Traced, admin.ModelAdmin):
    list_display = ["code", "label", "position"]
    search_fields = ["code", "label"]


@admin.register(Operator)
class OperatorAdmin(Traced, admin.ModelAdmin):
    list_display = ["code", "name"]
    search_fields = ["=code", "name"]


@admin.register(Delegation)
class DelegationAdmin(Traced, admin.ModelAdmin):
    list_display = ["operator", "contract", "domain_or_all", "start", "end"]
    list_filter = ["operator"]
    list_select_related = ["operator", "contract", "domain"]
    search_fields = ["=contract__number"]
    autocomplete_fields = ["operator", "contract", "domain"]

    @admin.display(description=_("domaine de soins"))
    def domain_or_all(self, delegation):
        return delegation.domain or _("tous")
