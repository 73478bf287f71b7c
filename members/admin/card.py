from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from members import cards
from members.admin.links import Readers, link
from members.admin.lists import LargeTable, MachineRows
from members.models import Card


@admin.register(Card)
class CardAdmin(MachineRows, Readers, LargeTable):
    """Which cards a member was given, and when. What they hold is the member's own page."""

    list_display = ["member_number", "contract", "number", "valid_from", "valid_until", "issued_at"]
    list_select_related = ["member", "contract"]
    search_fields = ["=member__number", "=code"]
    search_help_text = _("Un numéro d'adhérent, ou le code d'une carte.")

    def get_search_results(self, request, queryset, search_term):
        """A code as it is printed, in groups, is the code."""
        code = cards.plain(search_term.strip())
        term = code if len(code) == cards.LENGTH else search_term
        return super().get_search_results(request, queryset, term)

    fields = [
        "member_shown",
        "contract_shown",
        "number",
        "code",
        "valid_from",
        "valid_until",
        "issued_at",
    ]
    readonly_fields = fields

    @admin.display(description=_("numéro d'adhérent"))
    def member_number(self, card):
        return card.member.number

    @admin.display(description=_("adhérent"))
    def member_shown(self, card):
        return link(card.reader, card.member, card.member.number)

    @admin.display(description=_("contrat"))
    def contract_shown(self, card):
        return link(card.reader, card.contract)
