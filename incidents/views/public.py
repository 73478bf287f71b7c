"""The public page of an incident: the same for everybody, without any personal data."""

from django.contrib.auth.decorators import login_not_required
from django.http import Http404
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from incidents import banners, notices
from incidents.cached import remember
from incidents.models import NoticeVersion
from incidents.views import page

CACHE_SECONDS = 300  # of a page named by its version: a new version is another page


@login_not_required
@require_safe
def public_notice(request, reference):
    """No statement for a live incident while the cache is warm."""
    version_id = _version_in_force(reference)
    shown = remember(f"incidents.public.{version_id}", CACHE_SECONDS, lambda: _page(version_id))
    return render(request, "incidents/public.html", {"page": shown})


def _version_in_force(reference: str) -> int:
    for notice in banners.current():
        if notice.reference == reference:
            return notice.version_id
    closed = notices.in_force().filter(incident__reference=reference)
    version_id = closed.values_list("pk", flat=True).first()
    if version_id is None:
        raise Http404
    return version_id


def _page(version_id: int) -> page.Page:
    # visible is enough: a process without shared cache may be some seconds behind a new version
    readable = NoticeVersion.objects.visible().select_related("incident")
    version = get_object_or_404(readable, pk=version_id)
    return page.public(version, notices.facts_of(version))
