from django.contrib import admin

from members.admin.cells import CellForm
from members.admin.traced import Traced
from members.models import Contract, Delegation, Employer, Holding


class DelegationInline(admin.StackedInline):
    model = Delegation
    form = CellForm
    fields = ["operator", "domain", ("start", "end"), ("convention_type", "csr"), "categories"]
    show_change_link = True
    extra = 0


class HoldingInline(admin.TabularInline):
    model = Holding
    form = CellForm
    extra = 0


@admin.register(Employer)
class EmployerAdmin(Traced, admin.ModelAdmin):
    list_display = ["name", "siren"]
    search_fields = ["name", "=siren"]


@admin.register(Contract)
class ContractAdmin(Traced, admin.ModelAdmin):
    list_display = ["number", "kind", "employer", "plan", "phone", "start", "end"]
    list_filter = ["kind"]
    list_select_related = ["employer", "plan"]
    search_fields = ["=number", "employer__name"]
    autocomplete_fields = ["employer", "plan"]
    inlines = [DelegationInline, HoldingInline]
