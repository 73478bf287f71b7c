"""The story of an incident, its clocks, and what each operator said of each category."""

from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext as _

from incidents import clocks, comparison, timeline
from incidents.admin.pages import IncidentPages


class TimelinePages(IncidentPages):
    """For the ModelAdmin of incidents: « Chronologie » and « Affirmations »."""

    def get_urls(self):
        wrap = self.admin_site.admin_view
        return [
            path(
                "<path:object_id>/chronologie/",
                wrap(self.timeline),
                name="incidents_incident_timeline",
            ),
            path(
                "<path:object_id>/affirmations/",
                wrap(self.comparison),
                name="incidents_incident_claims",
            ),
            *super().get_urls(),
        ]

    def timeline(self, request, object_id):
        incident = self.incident_for(request, object_id, "incidents.view_call")
        running = clocks.of(incident, timezone.now())
        return self.page(
            request,
            "timeline",
            _("Chronologie"),
            incident,
            timeline=timeline.of(incident, running),
            clocks=[clock for clock in running if clock.applies],
            idle=[clock for clock in running if not clock.applies],
        )

    def comparison(self, request, object_id):
        incident = self.incident_for(request, object_id, "incidents.view_claim")
        targets, rows = comparison.of(incident)
        return self.page(
            request, "comparison", _("Affirmations"), incident, targets=targets, rows=rows
        )
