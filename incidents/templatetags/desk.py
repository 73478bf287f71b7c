"""What the first page of the admin shows of incidents: what waits for somebody, and who was informed."""

from django import template
from django.urls import reverse
from django.utils import timezone

from incidents import clocks, reach
from incidents.models import Incident, NoticeVersion
from incidents.models.incident import IncidentState
from incidents.models.reach import ReachState
from incidents.reach_figures import Totals

register = template.Library()


@register.inclusion_tag("admin/incidents/_waiting.html", takes_context=True)
def waiting_work(context):
    """For who approves, the versions that wait for him; for who files, the deadlines that run.

    Two statements, and six for each incident that is not closed.
    """
    user = context["request"].user
    versions, deadlines = [], []
    if user.has_perm("incidents.publish_noticeversion"):
        waiting = NoticeVersion.objects.waiting().select_related("incident", "author")
        versions = [one for one in waiting.defer("facts") if one.author_id != user.pk]
    if user.has_perm("incidents.view_filing"):
        now = timezone.now()
        for incident in Incident.objects.exclude(state=IncidentState.CLOSED):
            url = reverse("admin:incidents_incident_timeline", args=[incident.pk])
            running = (clock for clock in clocks.of(incident, now) if clock.is_open)
            deadlines += [(clock, incident, url) for clock in running]
    return {"versions": versions, "deadlines": sorted(deadlines, key=lambda one: one[0].due_at)}


@register.inclusion_tag("admin/incidents/_reach.html", takes_context=True)
def reach_of_live_incidents(context):
    """Who was informed of each live incident, as its ledger was last counted. One statement, and one more
    for each of them."""
    if not context["request"].user.has_perm("incidents.view_reach"):
        return {"ledgers": []}
    ledgers = []
    for incident in Incident.objects.filter(state=IncidentState.LIVE):
        census = reach.last_census(incident)
        if census:
            totals = Totals.from_json(census.figures)
            states = [(state.label, totals.states[state]) for state in ReachState]
            ledgers.append({"incident": incident, "census": census, "states": states})
    return {"ledgers": ledgers}
