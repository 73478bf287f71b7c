"""What interrupts and what accompanies: the current notices, and what a member has read of them."""

import logging
from dataclasses import dataclass
from datetime import datetime

from django.core.cache import cache
from django.urls import reverse

from incidents.models import Acknowledgement, NoticeVersion
from incidents.models.incident import IncidentState

log = logging.getLogger(__name__)

CACHE_KEY = "incidents.current"
CACHE_SECONDS = 30  # how long a process without shared cache may show an earlier version
RECENT = 5


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


@dataclass(frozen=True, slots=True)
class Reading:
    """One acknowledgement, as pages show it."""

    version: int
    headline: str
    number: int
    reference: str
    acknowledged_at: datetime

    @property
    def url(self) -> str:
        return reverse("incident", args=[self.reference])


def readings(user) -> list[Reading]:
    """What the member behind `user` has acknowledged, the latest first. One statement."""
    rows = (
        Acknowledgement.objects.acknowledged()
        .filter(member__user=user)
        .order_by("-acknowledged_at")
        .values_list(
            "version",
            "version__headline",
            "version__number",
            "version__incident__reference",
            "acknowledged_at",
        )
    )
    return [Reading(*row) for row in rows]


def is_acknowledged(notice: CurrentNotice, readings: list[Reading]) -> bool:
    return any(reading.version in notice.enough for reading in readings)


def landing(request) -> str:
    """Where a sign-in ends: the first incident not acknowledged yet, else the home page.

    One statement while an incident is live, none otherwise.
    """
    notices = [] if request.user.is_staff else current()
    if notices:
        read = readings(request.user)
        for notice in notices:
            if not is_acknowledged(notice, read):
                return notice.url
    return reverse("home")
