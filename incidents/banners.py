"""What interrupts and what accompanies: the notices in force, and whether a member has read them."""

from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse
from django.utils import timezone

from incidents import facts, information
from incidents.acknowledgements import Reading, counting, readings
from incidents.models.incident import ServiceState


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
    notices = [_notice(entry) for entry in reversed(information.index()) if entry.is_live]
    return [notice for notice in notices if not notice.is_past(now)]


def _notice(entry: information.Entry) -> CurrentNotice:
    return CurrentNotice(
        version_id=entry.version_id,
        reference=entry.reference,
        number=entry.number,
        headline=entry.headline,
        summary=entry.summary,
        published_at=entry.published_at,
        change_note=entry.change_note if entry.number > 1 else "",
        expires_at=entry.expires_at,
    )


def drop() -> None:
    """Forgets the notices, and reads them again: called on commit by whatever changes them."""
    information.renew()


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What a live incident does to the tiers payant of one care domain."""

    state: ServiceState
    note: str
    url: str

    @property
    def label(self) -> str:
        return self.state.label

    @property
    def severity(self) -> int:
        """0 when it works."""
        return list(ServiceState).index(self.state)


def disturbances() -> dict[str, Disturbance]:
    """The care domains that live incidents slow or stop, by their label; of several states, the worst.

    A notice that no longer interrupts still says what does not work. No statement while the cache is warm.
    """
    found: dict[str, Disturbance] = {}
    for entry in information.index():
        if not entry.is_live:
            continue
        for service in facts.from_snapshot(information.notice(entry).facts).services:
            told = Disturbance(ServiceState(service.state), service.note, _notice(entry).url)
            known = found.get(service.domain)
            if service.domain and told.severity > (known.severity if known else 0):
                found[service.domain] = told
    return found


def landing(request) -> str:
    """What waits for a member after his sign-in: the first incident not acknowledged yet, or "".

    One statement while an incident is live, none otherwise.
    """
    notices = [] if request.user.is_staff else current()
    read = readings(request.user) if notices else []
    return next((notice.url for notice in notices if not notice.is_acknowledged(read)), "")
