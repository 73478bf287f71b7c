"""What anybody may read: each incident that members were told of, live or past, and how its notice changed.

No person, no contract. Two kinds of answers are kept by `incidents.cached`, and outlive the database: the
index, and the notice in force of each incident. (docs/information.md)
"""

from dataclasses import asdict, dataclass
from datetime import date, datetime
from itertools import groupby
from operator import itemgetter

from django.db.models.fields.json import KT
from django.urls import reverse
from django.utils import timezone

from incidents.cached import forget, remember
from incidents.models import Incident, NoticeVersion
from incidents.models.incident import IncidentState
from incidents.models.notice import VersionState
from incidents.models.wording import Audience

CACHE_KEY = "incidents.index.2"  # another name when what it holds has another shape
CACHE_SECONDS = 30  # how long a process without shared cache may show an earlier version
NOTICE_SECONDS = 300  # of a page named by its version: a new version is another page

NOTHING_YET = datetime(2024, 1, 1).astimezone()  # when the index of nothing changed


@dataclass(frozen=True, slots=True)
class Update:
    """One version: published, then perhaps withdrawn, which hides its words and not that it was there."""

    number: int
    published_at: datetime
    withdrawn_at: datetime | None
    headline: str
    change_note: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One incident, with the version in force."""

    reference: str
    version_id: int
    number: int
    headline: str
    summary: str
    change_note: str
    published_at: datetime
    expires_at: datetime | None  # from then on it interrupts nobody, and stays readable
    detected_on: date
    closed_at: datetime | None
    updates: list[Update]  # the latest first

    @property
    def is_live(self) -> bool:
        return self.closed_at is None

    @property
    def is_past(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()

    @property
    def url(self) -> str:
        return reverse("public_notice", args=[self.reference])

    @property
    def changed_at(self) -> datetime:
        moments = [self.closed_at] if self.closed_at else []
        for update in self.updates:
            moments += [
                update.published_at,
                *([update.withdrawn_at] if update.withdrawn_at else []),
            ]
        return max(moments)


def index() -> list[Entry]:
    """Every incident that may be read about, the latest first. No statement while the cache is warm, one
    otherwise."""
    return [_entry(row) for row in remember(CACHE_KEY, CACHE_SECONDS, _read)]


def entry_of(reference: str) -> Entry | None:
    return next((entry for entry in index() if entry.reference == reference), None)


def url_of(reference: str) -> str:
    """The public page of an incident, or an empty string while nothing of it may be read."""
    entry = entry_of(reference)
    return entry.url if entry else ""


def updates_of(incident: Incident) -> list[Update]:
    """The versions of one incident, as the database knows them now. One statement."""
    versions = incident.versions.ever_published().order_by("-number")
    names = ("incident", "number", "headline", "change_note", "published_at", "withdrawn_at")
    return [_update(version) for version in versions.only(*names)]


def changed_at(entries: list[Entry]) -> datetime:
    return max((entry.changed_at for entry in entries), default=NOTHING_YET)


@dataclass(frozen=True, slots=True)
class Notice:
    """The words of the version in force, and its facts as JSON values."""

    texts: dict[str, str]
    facts: dict


def notice(entry: Entry) -> Notice:
    """What `entry` leads to. No statement while the cache is warm, one otherwise."""
    key = f"incidents.public.{entry.version_id}"
    return Notice(**remember(key, NOTICE_SECONDS, lambda: _read_notice(entry.version_id)))


def renew() -> None:
    """Reads all of it again, for every process: called on commit by whatever changes it.

    What nobody looked at lately is kept as well: it may be asked for while the database is away.
    """
    forget(CACHE_KEY)
    for entry in index():
        notice(entry)


def _read() -> list[dict]:
    """The index as JSON values."""
    versions = (
        NoticeVersion.objects.ever_published()
        .select_related("incident")
        .only(
            "number",
            "headline",
            "public_summary",
            "change_note",
            "state",
            "published_at",
            "withdrawn_at",
            "expires_at",
            "incident",
            "incident__reference",
            "incident__state",
            "incident__closed_at",
        )
        .annotate(detected_on=KT("facts__detected_on"))  # as published, and not as typed since
        .order_by("-incident", "-number")
    )
    grouped = [list(rows) for _pk, rows in groupby(versions, lambda one: one.incident_id)]
    found = [_row(rows, latest) for rows in grouped if (latest := _in_force(rows))]
    return sorted(found, key=itemgetter("detected_on"), reverse=True)


def _in_force(versions: list[NoticeVersion]) -> NoticeVersion | None:
    return next((one for one in versions if one.state == VersionState.PUBLISHED), None)


def _row(versions: list[NoticeVersion], latest: NoticeVersion) -> dict:
    incident = latest.incident
    closed = incident.closed_at if incident.state == IncidentState.CLOSED else None
    return {
        "reference": incident.reference,
        "version_id": latest.pk,
        "number": latest.number,
        "headline": latest.headline,
        "summary": latest.public_summary,
        "change_note": latest.change_note,
        "published_at": latest.published_at.isoformat(),
        "expires_at": latest.expires_at.isoformat() if latest.expires_at else None,
        "detected_on": latest.detected_on,
        "closed_at": closed.isoformat() if closed else None,
        "updates": [
            asdict(update)
            | {
                "published_at": update.published_at.isoformat(),
                "withdrawn_at": update.withdrawn_at.isoformat() if update.withdrawn_at else None,
            }
            for update in map(_update, versions)
        ],
    }


def _update(version: NoticeVersion) -> Update:
    words = ("", "") if version.withdrawn_at else (version.headline, version.change_note)
    return Update(version.number, version.published_at, version.withdrawn_at, *words)


def _entry(row: dict) -> Entry:
    return Entry(
        **row
        | {
            "published_at": datetime.fromisoformat(row["published_at"]),
            "detected_on": date.fromisoformat(row["detected_on"]),
            "expires_at": _moment(row["expires_at"]),
            "closed_at": _moment(row["closed_at"]),
            "updates": [
                Update(
                    **update
                    | {
                        "published_at": datetime.fromisoformat(update["published_at"]),
                        "withdrawn_at": _moment(update["withdrawn_at"]),
                    }
                )
                for update in row["updates"]
            ],
        }
    )


def _moment(written: str | None) -> datetime | None:
    return datetime.fromisoformat(written) if written else None


def _read_notice(version_id: int) -> dict:
    """A version that was published, as JSON values: a process without shared cache may be some seconds
    behind its withdrawal."""
    version = NoticeVersion.objects.ever_published().get(pk=version_id)
    return {
        "texts": version.texts_for(Audience.PUBLIC),
        "facts": version.facts,
    }
