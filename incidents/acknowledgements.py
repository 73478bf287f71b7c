"""The ledger of what each member was shown, and of what he said that he had read. (domain.md §4.8)"""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.urls import reverse

from incidents.exposure import PersonExposure
from incidents.fingerprint import fingerprint
from incidents.models import Acknowledgement, NoticeVersion
from incidents.models.notice import VersionState
from members import audit
from members.models import Member


class NotShown(Exception):
    """Nobody acknowledges what he was not shown."""


class Outdated(Exception):
    """The version was withdrawn, or a material one has come since: it is shown before anything else."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One acknowledgement, as pages show it."""

    version_id: int
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


def show(member: Member, version: NoticeVersion, people: list[PersonExposure]) -> Acknowledgement:
    """Records that `member` is shown `version` and this exposure, unless it already is.

    Until he acknowledges it, the latest showing counts; afterwards the row never changes.
    """
    shown = {"persons": [person.as_json() for person in people]}
    seal = fingerprint({"version": version.digest, "shown": shown})
    row = Acknowledgement.objects.filter(member=member, version=version).first()
    if row is None:
        row = Acknowledgement(member=member, version=version, shown=shown, fingerprint=seal)
        # two tabs at once: the first one stays, and both say the same
        Acknowledgement.objects.bulk_create([row], ignore_conflicts=True)
    elif row.acknowledged_at is None and row.fingerprint != seal:
        Acknowledgement.objects.filter(pk=row.pk).show_again(shown=shown, fingerprint=seal)
    return row


def shown_to(member: Member, version: NoticeVersion) -> Acknowledgement | None:
    return Acknowledgement.objects.filter(member=member, version=version).first()


def acknowledge(member: Member, version: NoticeVersion, *, request=None) -> None:
    """Records that `member` has read `version`, once. Raises Outdated or NotShown."""
    later = version.incident.versions.filter(
        state=VersionState.PUBLISHED, material=True, number__gt=version.number
    )
    if not version.is_published or later.exists():
        raise Outdated
    row = Acknowledgement.objects.filter(member=member, version=version).first()
    if row is None:
        raise NotShown
    with transaction.atomic():
        if Acknowledgement.objects.filter(pk=row.pk).acknowledge():
            audit.record(
                "incident.acknowledged",
                user=member.user,
                request=request,
                incident=version.incident.reference,
                version=version.number,
                fingerprint=row.fingerprint,
            )
