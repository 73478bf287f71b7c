"""The public page of an incident: the same for everybody, without any personal data."""

from datetime import datetime

from django.contrib.auth.decorators import login_not_required
from django.http import Http404
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from incidents import banners, facts, notices, pages
from incidents.cached import remember
from incidents.models import Incident, NoticeVersion
from incidents.models.wording import Audience

CACHE_SECONDS = 300  # of a page named by its version: a new version is another page


@login_not_required
@require_safe
def public_notice(request, reference):
    """No statement for a live incident while the cache is warm."""
    version_id = _version_in_force(reference)
    kept = remember(f"incidents.public.{version_id}", CACHE_SECONDS, lambda: _read(version_id))
    return render(request, "incidents/public.html", {"page": _page(kept)})


def _version_in_force(reference: str) -> int:
    for notice in banners.current():
        if notice.reference == reference:
            return notice.version_id
    closed = notices.in_force().filter(incident__reference=reference)
    version_id = closed.values_list("pk", flat=True).first()
    if version_id is None:
        raise Http404
    return version_id


def _read(version_id: int) -> dict:
    """All that the page shows, as JSON values."""
    # visible is enough: a process without shared cache may be some seconds behind a new version
    readable = NoticeVersion.objects.visible().select_related("incident")
    version = get_object_or_404(readable, pk=version_id)
    return {
        "number": version.number,
        "published_at": version.published_at.isoformat(),
        "texts": version.texts_for(Audience.PUBLIC),
        "facts": version.facts,
        "updates": [
            (update.number, update.published_at.isoformat(), update.change_note)
            for update in pages.updates_of(version.incident)
        ],
    }


def _page(kept: dict) -> pages.Page:
    told = facts.from_snapshot(kept["facts"])
    version = NoticeVersion(
        incident=Incident(reference=told.reference),
        number=kept["number"],
        published_at=datetime.fromisoformat(kept["published_at"]),
        **kept["texts"],
    )
    updates = [
        pages.Update(number, datetime.fromisoformat(at), note)
        for number, at, note in kept["updates"]
    ]
    return pages.public(version, told, updates)
