from django.contrib import admin

from members.admin.cells import CellForm
from members.admin.traced import Traced
from members.models import CardDomain, Guarantee, Plan


class GuaranteeInline(admin.StackedInline):
    model = Guarantee
    form = CellForm
    fields = [
        ("heading", "position"),
        ("label", "level"),
        ("start", "end"),
        "example_act",
        ("example_price", "example_ro", "example_rc", "example_left"),
    ]
    extra = 0


class CardDomainInline(admin.TabularInline):
    model = CardDomain
    form = CellForm
    extra = 0


@admin.register(Plan)
class PlanAdmin(Traced, admin.ModelAdmin):
    list_display = ["code", "name"]
    search_fields = ["=code", "name"]
    inlines = [GuaranteeInline, CardDomainInline]
