"""What interrupts and what accompanies: the notices in force, and whether a member has read them."""

import logging
from dataclasses import dataclass
from datetime import datetime

from django.core.cache import cache
from django.urls import reverse

from incidents.acknowledgements import Reading, readings
from incidents.models import NoticeVersion
from incidents.models.incident import IncidentState

log = logging.getLogger(__name__)

CACHE_KEY = "incidents.current"
CACHE_SECONDS = 30  # how long a process without shared cache may show an earlier version


@dataclass(frozen=True, slots=True)
class CurrentNotice:
    """The version in force of one live incident.

    An acknowledgement of any version in `enough` counts: the last material one or a later correction.
    """

    reference: str
    number: int
    headline: str
    summary: str
    published_at: datetime
    enough: frozenset[int]

    def is_acknowledged(self, readings: list[Reading]) -> bool:
        return any(reading.version_id in self.enough for reading in readings)

    @property
    def url(self) -> str:
        return reverse("incident", args=[self.reference])

    @property
    def public_url(self) -> str:
        return reverse("public_notice", args=[self.reference])


def current() -> list[CurrentNotice]:
    """The notices in force, oldest incident first. No statement while the cache is warm; a dead cache
    costs one statement, never the page."""
    try:
        notices = cache.get(CACHE_KEY)
    except Exception:
        log.warning("The cache is away: current notices come from the database.", exc_info=True)
        return _read()
    if notices is None:
        notices = _read()
        _keep(notices)
    return notices


def drop() -> None:
    """Forgets the cached notices: called on commit by whatever changes them."""
    try:
        cache.delete(CACHE_KEY)
    except Exception:
        log.warning("The cache is away: it may show earlier notices for a while.", exc_info=True)


def _keep(notices: list[CurrentNotice]) -> None:
    try:
        cache.set(CACHE_KEY, notices, CACHE_SECONDS)
    except Exception:
        log.warning("The cache is away: current notices were not kept.", exc_info=True)


def _read() -> list[CurrentNotice]:
    versions_by_incident: dict[int, list[NoticeVersion]] = {}
    for version in (
        NoticeVersion.objects.visible()
        .filter(incident__state=IncidentState.LIVE)
        .select_related("incident")
        .defer("facts")
        .order_by("incident__detected_on", "incident", "number")
    ):
        versions_by_incident.setdefault(version.incident_id, []).append(version)
    return [_current(versions) for versions in versions_by_incident.values()]


def _current(versions: list[NoticeVersion]) -> CurrentNotice:
    latest = versions[-1]
    asks = max((v.number for v in versions if v.material), default=versions[0].number)
    return CurrentNotice(
        reference=latest.incident.reference,
        number=latest.number,
        headline=latest.headline,
        summary=latest.public_summary,
        published_at=latest.published_at,
        enough=frozenset(version.pk for version in versions if version.number >= asks),
    )


def landing(request) -> str:
    """What waits for a member after his sign-in: the first incident not acknowledged yet, or "".

    One statement while an incident is live, none otherwise.
    """
    notices = [] if request.user.is_staff else current()
    read = readings(request.user) if notices else []
    return next((notice.url for notice in notices if not notice.is_acknowledged(read)), "")
