"""The ledger of what each member was shown, and of what he said that he had read. (domain.md §4.8)"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse

from incidents.exposure import PersonExposure
from incidents.fingerprint import fingerprint
from incidents.models import Acknowledgement, NoticeVersion
from incidents.models.wording import Audience
from members import audit
from members.models import Member
from members.prepared import Prepared, Slot


class NotShown(Exception):
    """Nobody acknowledges what he was not shown."""


class Outdated(Exception):
    """The version was withdrawn, a material one has come since, or it says something else of the
    member's data than what he read: what is new is shown before anything else."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One acknowledgement, as pages show it. `counts`: nothing important has come since."""

    version_id: int
    headline: str
    number: int
    reference: str
    acknowledged_at: datetime
    counts: bool

    @property
    def url(self) -> str:
        return reverse("incident", args=[self.reference])


def readings(user) -> list[Reading]:
    """What the member behind `user` has acknowledged, the latest first. One statement."""
    return [Reading(*row) for row in _readings.all(user=user.pk)]


_readings = Prepared(
    Acknowledgement.objects.acknowledged()
    .with_counts()
    .filter(member__user=Slot("user"))
    .order_by("-acknowledged_at")
    .values_list(
        "version",
        "version__headline",
        "version__number",
        "version__incident__reference",
        "acknowledged_at",
        "counts",
    )
)


def counting(rows: Iterable, reference: str):
    """The reading that counts for an incident, or None: the member must then be asked.

    `rows`: readings of one member, or his rows `with_counts`, the latest first.
    """
    return next(
        (row for row in rows if row.counts and row.acknowledged_at and row.reference == reference),
        None,
    )


def ledger(member: Member) -> QuerySet:
    """Every version that `member` was shown, the latest first, each with whether it `counts`."""
    return (
        Acknowledgement.objects.with_counts()
        .filter(member=member)
        .select_related("version__incident")
        .defer("shown", "version__facts")
        .order_by("-shown_at", "-pk")
    )


@dataclass(frozen=True, slots=True)
class Showing:
    """What a page shows: the fingerprint of its content, and the reading that counts already, if any."""

    fingerprint: str
    read: Acknowledgement | None


def show(
    member: Member,
    version: NoticeVersion,
    people: list[PersonExposure],
    *,
    audience: Audience = Audience.MEMBER,
) -> Showing:
    """Records that `member` is shown `version` and this exposure, unless it already is.

    Until he acknowledges it, the latest showing counts; afterwards the row never changes. `audience`: in
    whose words; kept where they are not the member's.
    """
    shown = {"persons": [person.as_json() for person in people]}
    if version.speaks_apart_to(audience):
        shown["audience"] = audience.value
    seal = fingerprint({"version": version.digest, "shown": shown})
    known = list(ledger(member).filter(version__incident=version.incident_id))
    row = next((row for row in known if row.version_id == version.pk), None)
    if row is None:
        row = Acknowledgement(member=member, version=version, shown=shown, fingerprint=seal)
        # two tabs at once: the first one stays; should they differ, the other's form is refused
        Acknowledgement.objects.bulk_create([row], ignore_conflicts=True)
    elif row.acknowledged_at is None and row.fingerprint != seal:
        Acknowledgement.objects.filter(pk=row.pk).show_again(shown=shown, fingerprint=seal)
    return Showing(seal, counting(known, version.incident.reference))


def shown_already(member: Member, version: NoticeVersion) -> Showing:
    """What counts already, for a page that records nothing: an agent looks, not the member."""
    known = list(ledger(member).filter(version__incident=version.incident_id))
    return Showing("", counting(known, version.incident.reference))


def acknowledge(
    member: Member, version: NoticeVersion, *, fingerprint: str = "", request=None
) -> None:
    """Records that `member` has read `version`, once. Raises Outdated or NotShown.

    `fingerprint`: that of the page he read; empty, the version alone decides.
    """
    if not NoticeVersion.objects.enough().filter(pk=version.pk).exists():
        raise Outdated
    row = Acknowledgement.objects.filter(member=member, version=version).first()
    if row is None:
        raise NotShown
    if row.acknowledged_at:
        return
    if fingerprint and fingerprint != row.fingerprint:
        raise Outdated
    with transaction.atomic():
        read = Acknowledgement.objects.filter(pk=row.pk)
        if fingerprint:  # another tab may show something else at this very moment
            read = read.filter(fingerprint=fingerprint)
        if read.acknowledge():
            row.refresh_from_db(fields=["fingerprint"])
            audit.record(
                "incident.acknowledged",
                user=member.user,
                request=request,
                incident=version.incident.reference,
                version=version.number,
                fingerprint=row.fingerprint,
            )
        elif not Acknowledgement.objects.acknowledged().filter(pk=row.pk).exists():
            raise Outdated
