from django.contrib import admin
from django.db.models import Sum
from django.utils.translation import gettext_lazy as _

from members import money
from members.admin.links import Readers, link
from members.admin.lists import LargeTable, MachineRows
from members.models import Decompte, DecompteLine


class DecompteLineInline(MachineRows, admin.TabularInline):
    """Who was cared for by his reference in the family, and what for by its domain: no name, no act."""

    model = DecompteLine
    fields = ["care_on", "beneficiary", "domain_shown", "spent", "ro", "rc", "left"]
    readonly_fields = fields
    ordering = ["position"]

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("ayant_droit", "domain")

    @admin.display(description=_("bénéficiaire"))
    def beneficiary(self, line):
        if line.ayant_droit is None:
            return _("l'adhérent")
        return _("ayant droit %(reference)s") % {"reference": line.ayant_droit.reference}

    @admin.display(description=_("domaine de soins"))
    def domain_shown(self, line):
        return str(line.domain)

    @admin.display(description=_("dépense"))
    def spent(self, line):
        return money.euros(line.expense)

    @admin.display(description=_("part de l'Assurance Maladie"))
    def ro(self, line):
        return money.euros(line.ro_amount)

    @admin.display(description=_("part de la mutuelle"))
    def rc(self, line):
        return money.euros(line.rc_amount)

    @admin.display(description=_("reste à charge"))
    def left(self, line):
        return money.euros(line.left_amount)


@admin.register(Decompte)
class DecompteAdmin(MachineRows, Readers, LargeTable):
    list_display = ["number", "member_number", "paid_on", "payee", "paid"]
    search_fields = ["=number", "=member__number"]
    search_help_text = _("Un numéro de décompte ou d'adhérent.")
    fields = ["number", "member_shown", "paid_on", "payee"]
    readonly_fields = fields
    inlines = [DecompteLineInline]

    def get_queryset(self, request):
        found = super().get_queryset(request).select_related("member")
        return found.annotate(total=Sum("lines__rc_amount"))

    @admin.display(description=_("numéro d'adhérent"))
    def member_number(self, decompte):
        return decompte.member.number

    @admin.display(description=_("adhérent"))
    def member_shown(self, decompte):
        return link(decompte.reader, decompte.member, decompte.member.number)

    @admin.display(description=_("payé par la mutuelle"))
    def paid(self, decompte):
        return money.euros(decompte.total or 0)
