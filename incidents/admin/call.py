from django.contrib import admin
from django.utils.translation import gettext_lazy

from incidents.admin.records import StruckAdmin
from incidents.models import Call


@admin.register(Call)
class CallAdmin(StruckAdmin):
    """Calls are written by the page « Un opérateur appelle »."""

    list_display = ["called_at", "operator", "incident", "channel", "standing"]
    list_select_related = ["target__incident", "target__operator"]
    fields = [
        "of_incident",
        "operator",
        "called_at",
        "channel",
        "caller_name",
        "caller_role",
        "said",
    ]

    @admin.display(description=gettext_lazy("incident"))
    def incident(self, call):
        return call.target.incident

    @admin.display(description=gettext_lazy("incident"))
    def of_incident(self, call):
        return self.linked(call, call.target.incident, call.target.incident.title)
