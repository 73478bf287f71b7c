"""Rows that prove something: staff read them; a wrong one is struck through, with a reason."""

from django.contrib import admin
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents import filings
from incidents.admin.moves import Moves, ReasonForm
from members.admin.links import Readers, link
from members.admin.lists import MachineRows


class RecordAdmin(MachineRows, Readers, Moves, admin.ModelAdmin):
    """Read only; what a page leads to, its reader may open."""

    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50

    def get_readonly_fields(self, request, obj=None):
        return self.get_fields(request, obj)

    def linked(self, row, other, words: str = ""):
        return link(row.reader, other, words)

    @admin.display(description=gettext_lazy("incident"))
    def of_incident(self, row):
        return self.linked(row, row.incident, row.incident.title)

    @admin.display(description=gettext_lazy("opérateur"))
    def operator(self, row):
        return row.target.operator.name if row.target else ""

    @admin.display(description=gettext_lazy("saisi par"))
    def recorded(self, row):
        return self.linked(row, row.recorded_by, row.recorded_by.name)


class StruckAdmin(RecordAdmin):
    change_form_template = "admin/incidents/struck.html"

    def get_fields(self, request, obj=None):
        fields = [*super().get_fields(request, obj), "recorded_at", "recorded"]
        return (
            [*fields, "struck_at", "struck_through_by", "struck_reason"]
            if obj and obj.is_struck
            else fields
        )

    @admin.display(description=gettext_lazy("état"))
    def standing(self, row):
        return _("rayé") if row.is_struck else _("compte")

    @admin.display(description=gettext_lazy("rayé par"))
    def struck_through_by(self, row):
        return self.linked(row, row.struck_by, row.struck_by.name)

    def may_strike(self, request) -> bool:
        """Who may write such a row may strike one through."""
        return request.user.has_perm(f"incidents.add_{self.opts.model_name}")

    def render_change_form(self, request, context, *args, obj=None, **kwargs):
        if obj and not obj.is_struck and self.may_strike(request):
            context["strike"] = f"admin:incidents_{self.opts.model_name}_strike"
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)

    def get_urls(self):
        return [
            path(
                "<path:object_id>/rayer/",
                self.admin_site.admin_view(self.strike),
                name=f"incidents_{self.opts.model_name}_strike",
            ),
            *super().get_urls(),
        ]

    def strike(self, request, object_id):
        row = self.object_to_move(request, object_id, f"incidents.add_{self.opts.model_name}")
        return self.move(
            request,
            row,
            title=_("Rayer"),
            text=_(
                "La ligne reste lisible, avec votre motif. Les délais n'en tiennent plus compte."
            ),
            form=ReasonForm,
            act=lambda data: filings.strike(
                row, reason=data["reason"], by=request.user, request=request
            ),
            refusals={filings.AlreadyStruck: _("Quelqu'un d'autre vient de la rayer.")},
            done=_("La ligne est rayée."),
        )
