"""What anybody reads about incidents: their list, one of them, a feed, the same as data.

Nothing here is personal, so that proxies may keep it; who is signed in gets a page of his own, kept by
nobody. All of it stays readable while the database is away. (docs/information.md)
"""

from datetime import datetime

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.cache import (
    get_conditional_response,
    patch_cache_control,
    patch_vary_headers,
    set_response_etag,
)
from django.utils.http import http_date
from django.views.decorators.http import require_safe

from incidents import facts, information, pages, public_feed
from incidents.information import Entry
from incidents.models import Incident, NoticeVersion

FRESH = 60  # seconds for which a browser asks nobody
SHARED = 60  # the same for a proxy
WHEN_AWAY = 86_400  # seconds for which a proxy may answer while the portal does not


@login_not_required
@require_safe
def public_list(request):
    entries = information.index()
    context = {
        "live": [entry for entry in entries if entry.is_live and not entry.is_past],
        "past": [entry for entry in entries if not entry.is_live or entry.is_past],
    }
    page = render(request, "incidents/public_list.html", context)
    return _page_for_all(request, page, information.changed_at(entries))


@login_not_required
@require_safe
def public_notice(request, reference):
    """No statement while the cache is warm."""
    entry = information.entry_of(reference)
    if entry is None:
        raise Http404
    page = render(request, "incidents/public.html", {"page": _page(entry)})
    return _page_for_all(request, page, entry.changed_at)


@login_not_required
@require_safe
def public_atom(request):
    entries = information.index()
    feed = HttpResponse(public_feed.atom(entries), content_type=public_feed.ATOM)
    return _for_all(request, feed, information.changed_at(entries))


@login_not_required
@require_safe
def public_json(request):
    """The schema is a public contract: docs/information.md."""
    entries = information.index()
    data = JsonResponse(public_feed.data(entries), json_dumps_params={"ensure_ascii": False})
    return _for_all(request, data, information.changed_at(entries))


def _page(entry: Entry) -> pages.Page:
    kept = information.notice(entry)
    version = NoticeVersion(
        incident=Incident(reference=entry.reference),
        number=entry.number,
        published_at=entry.published_at,
        **kept.texts,
    )
    return pages.public(
        version, facts.from_snapshot(kept.facts), entry.updates, closed_at=entry.closed_at
    )


def _page_for_all(request, response, changed_at: datetime):
    """A page with the frame of the portal, which shows who is signed in: then nobody keeps it."""
    patch_vary_headers(response, ["Cookie"])
    if settings.SESSION_COOKIE_NAME in request.COOKIES:
        return response
    return _for_all(request, response, changed_at)


def _for_all(request, response, changed_at: datetime):
    """Lets browsers and proxies keep `response` for a minute, then ask whether it changed.

    Only the ETag answers that: a release changes the look, and what is withdrawn takes its date with it.
    """
    set_response_etag(response)
    response["Last-Modified"] = http_date(changed_at.timestamp())
    patch_cache_control(
        response, public=True, max_age=FRESH, s_maxage=SHARED, stale_if_error=WHEN_AWAY
    )
    return get_conditional_response(request, etag=response["ETag"], response=response)
