"""What interrupts and what accompanies: the notices in force, and whether a member has read them."""

from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse
from django.utils import timezone

from incidents.acknowledgements import Reading, counting, readings
from incidents.cached import forget, remember
from incidents.models import NoticeVersion
from incidents.models.incident import IncidentState

CACHE_KEY = "incidents.current"
CACHE_SECONDS = 30  # how long a process without shared cache may show an earlier version


@dataclass(frozen=True, slots=True)
class CurrentNotice:
    """The version in force of one live incident."""

    version_id: int
    reference: str
    number: int
    headline: str
    summary: str
    published_at: datetime
    change_note: str = ""
    expires_at: datetime | None = None

    def is_acknowledged(self, readings: list[Reading]) -> bool:
        return counting(readings, self.reference) is not None

    def news(self, readings: list[Reading]) -> str:
        """What changed, for a member who has not acknowledged this very version."""
        read = counting(readings, self.reference)
        return "" if read and read.version_id == self.version_id else self.change_note

    def is_past(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now

    @property
    def url(self) -> str:
        return reverse("incident", args=[self.reference])

    @property
    def public_url(self) -> str:
        return reverse("public_notice", args=[self.reference])


def current() -> list[CurrentNotice]:
    """The notices in force of live incidents that have not expired, oldest incident first. No statement
    while the cache is warm; a dead cache costs one statement, never the page.

    The end of each is looked at here, and not when the cache was filled: it passes on time.
    """
    now = timezone.now()
    notices = [_notice(row) for row in remember(CACHE_KEY, CACHE_SECONDS, _read)]
    return [notice for notice in notices if not notice.is_past(now)]


def _notice(row: dict) -> CurrentNotice:
    times = {
        name: datetime.fromisoformat(row[name]) if row[name] else None
        for name in ("published_at", "expires_at")
    }
    return CurrentNotice(**row | times)


def drop() -> None:
    """Forgets the cached notices: called on commit by whatever changes them."""
    forget(CACHE_KEY)


def _read() -> list[dict]:
    """The notices as JSON values, for the cache."""
    versions = (
        NoticeVersion.objects.visible()
        .filter(incident__state=IncidentState.LIVE)
        .select_related("incident")
        .defer("facts", "audiences")
        .order_by("incident__detected_on", "incident", "number")
    )
    latest_by_incident = {version.incident_id: version for version in versions}
    return [_current(latest) for latest in latest_by_incident.values()]


def _current(latest: NoticeVersion) -> dict:
    return {
        "version_id": latest.pk,
        "reference": latest.incident.reference,
        "number": latest.number,
        "headline": latest.headline,
        "summary": latest.public_summary,
        "published_at": latest.published_at.isoformat(),
        "change_note": latest.change_note if latest.number > 1 else "",
        "expires_at": latest.expires_at.isoformat() if latest.expires_at else None,
    }


def landing(request) -> str:
    """What waits for a member after his sign-in: the first incident not acknowledged yet, or "".

    One statement while an incident is live, none otherwise.
    """
    notices = [] if request.user.is_staff else current()
    read = readings(request.user) if notices else []
    return next((notice.url for notice in notices if not notice.is_acknowledged(read)), "")
