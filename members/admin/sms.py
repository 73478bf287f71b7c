from django.contrib import admin
from django.utils.timesince import timesince
from django.utils.translation import gettext_lazy as _

from members.admin.lists import LargeTable, MachineRows
from members.models import SmsMessage
from members.sms.gateway import Problem


@admin.register(SmsMessage)
class SmsMessageAdmin(MachineRows, LargeTable):
    list_display = [
        "created_at",
        "user",
        "phone_masked",
        "state",
        "age",
        "route_name",
        "problem_label",
    ]
    list_filter = ["state"]
    show_facets = admin.ShowFacets.NEVER
    list_select_related = ["user__member"]
    search_fields = ["=user__identifiant", "=user__member__number", "=id"]
    search_help_text = _("Un identifiant, un numéro d'adhérent ou une référence de SMS.")
    fields = [
        "id",
        "user",
        "phone_masked",
        "state",
        "state_at",
        "created_at",
        "tries",
        "route_name",
        "provider_id",
        "problem_label",
    ]

    @admin.display(description=_("téléphone actuel"))
    def phone_masked(self, text):
        member = getattr(text.user, "member", None)
        return member.phone_masked if member else ""

    @admin.display(description=_("âge"), ordering="-created_at")
    def age(self, text):
        return timesince(text.created_at)

    @admin.display(description=_("voie"))
    def route_name(self, text):
        return text.route.rpartition(".")[2]

    @admin.display(description=_("problème"))
    def problem_label(self, text):
        return Problem.words(text.problem)
