"""The incident pages of a member: his list, what one incident exposed of him and his, « J'ai lu »."""

from dataclasses import dataclass
from datetime import datetime

from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST, require_safe

from incidents import acknowledgements, exposure, notices, pages
from incidents.acknowledgements import NotShown, Outdated
from incidents.models import NoticeVersion
from incidents.models.incident import IncidentState
from members import cover
from members.views.access import member_or_viewer, member_required


@dataclass(frozen=True, slots=True)
class Line:
    """One incident in a member's list."""

    reference: str
    headline: str
    published_at: datetime
    acknowledged_at: datetime | None
    is_closed: bool
    is_past: bool

    @property
    def url(self) -> str:
        return reverse("incident", args=[self.reference])


@require_safe
@member_or_viewer
def incident_list(request):
    readings = acknowledgements.readings(request.member.user)
    lines, now = [], timezone.now()
    for version in notices.in_force():
        read = acknowledgements.counting(readings, version.incident.reference)
        lines.append(
            Line(
                reference=version.incident.reference,
                headline=version.headline,
                published_at=version.published_at,
                acknowledged_at=read.acknowledged_at if read else None,
                is_closed=version.incident.state == IncidentState.CLOSED,
                is_past=version.is_past(now),
            )
        )
    return render(request, "incidents/list.html", {"incidents": lines})


@require_GET  # and no HEAD: what nobody sees must not be recorded as shown
@member_or_viewer
def incident(request, reference):
    version = _version_in_force(reference)
    facts = notices.facts_of(version)
    people = exposure.of_member(request.member, facts)
    membership = cover.membership(request.member)
    if request.viewer:  # an agent looks: nothing was shown to the member
        showing = acknowledgements.shown_already(request.member, version)
    else:
        audience = pages.audience_of(membership)
        showing = acknowledgements.show(request.member, version, people, audience=audience)
    shown = pages.personal(version, facts, membership, people, showing=showing)
    return render(request, "incidents/personal.html", {"page": shown})


@require_POST
@member_required
def incident_acknowledge(request, reference):
    version = _posted_version(reference, request.POST.get("version", ""))
    try:
        acknowledgements.acknowledge(
            request.member,
            version,
            fingerprint=request.POST.get("empreinte", ""),
            request=request,
        )
    except Outdated:
        messages.info(request, _("Cette information a changé. Lisez la nouvelle version."))
        return redirect("incident", reference)
    except NotShown:
        return redirect("incident", reference)
    return redirect("home")


def _version_in_force(reference: str) -> NoticeVersion:
    version = notices.in_force().filter(incident__reference=reference).first()
    if version is None:
        raise Http404
    return version


def _posted_version(reference: str, number: str) -> NoticeVersion:
    """The version that the form names, whatever has become of it, if members could ever read it."""
    if not (number.isascii() and number.isdigit() and len(number) <= 4):
        raise Http404
    version = (
        NoticeVersion.objects.ever_published()
        .filter(incident__reference=reference, number=int(number))
        .select_related("incident")
        .first()
    )
    if version is None:
        raise Http404
    return version
