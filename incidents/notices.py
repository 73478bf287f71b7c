"""The life of a notice version: written, submitted, published by someone else, withdrawn.

Each function is one change: one transaction, its audit row, its effects on commit. A conditional update
says who came first, so that two approvers, or two clicks, publish once.
"""

from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, Max, OuterRef

from incidents import banners, facts
from incidents.completeness import Gap, gaps
from incidents.facts import Facts
from incidents.fingerprint import fingerprint
from incidents.models import Incident, NoticeVersion
from members import audit
from members.models import AuditEvent

PUBLISHED = "incident.version_published"
BATCH = 100  # versions read at a time


class NoticeError(Exception):
    """A move that may not be made."""


class Incomplete(NoticeError):
    def __init__(self, gaps: list[Gap]):
        super().__init__("; ".join(gap.code for gap in gaps))
        self.gaps = gaps


class NotTheAuthor(NoticeError):
    """Only its author changes or submits a draft."""


class AuthorCannotApprove(NoticeError):
    """Four eyes: who approves is not who wrote. (domain.md §4.7)"""


class FactsChanged(NoticeError):
    """The facts are no longer those that the approver read."""


class TooLate(NoticeError):
    """Someone else moved it first, or its incident is closed."""


class AlreadyUnderWay(NoticeError):
    """One version at a time is written for an incident."""


def start(incident: Incident, *, author, request=None, **texts) -> NoticeVersion:
    """A draft, numbered after every other version of `incident`."""
    last = incident.versions.aggregate(last=Max("number"))["last"] or 0
    version = NoticeVersion(incident=incident, number=last + 1, author=author, **texts)
    try:
        with transaction.atomic():
            version.save(force_insert=True)
            audit.record(
                "incident.version_started", actor=author, request=request, **_which(version)
            )
    except IntegrityError:
        raise AlreadyUnderWay from None
    return version


def revise(version: NoticeVersion, *, author, request=None) -> NoticeVersion:
    """A draft with the texts of `version`, for its author to say what changed."""
    texts = {name: getattr(version, name) for name in NoticeVersion.TEXTS if name != "change_note"}
    return start(version.incident, author=author, request=request, **texts)


def submit(version: NoticeVersion, *, by, request=None) -> None:
    """Hands a complete draft to an approver; from then on its text never changes.

    Raises Incomplete, NotTheAuthor or TooLate.
    """
    if by.pk != version.author_id:
        raise NotTheAuthor
    with transaction.atomic():
        if not NoticeVersion.objects.filter(pk=version.pk).submit():
            raise TooLate
        # read again: what is checked is what can no longer change
        submitted = NoticeVersion.objects.select_related("incident").get(pk=version.pk)
        missing = gaps(submitted, facts.of(submitted.incident))
        if missing:
            raise Incomplete(missing)
        audit.record("incident.version_submitted", actor=by, request=request, **_which(version))
    version.refresh_from_db()


def publish(version: NoticeVersion, *, by, read: str = "", request=None) -> None:
    """Freezes the facts and shows the version to members; opens its incident if needed.

    `read` is `facts_digest` of what the approver had before him; empty when nobody read a page.
    Raises AuthorCannotApprove, FactsChanged, Incomplete or TooLate.
    """
    if by.pk == version.author_id:
        raise AuthorCannotApprove
    version.refresh_from_db()
    with transaction.atomic():
        if not Incident.objects.open_to_members(version.incident):
            raise TooLate
        frozen = facts.of(version.incident)
        if read and read != facts_digest(frozen):
            raise FactsChanged
        missing = gaps(version, frozen)
        if missing:
            raise Incomplete(missing)
        snapshot = frozen.snapshot()
        sealed = digest(version, snapshot)
        row = NoticeVersion.objects.filter(pk=version.pk)
        if not row.publish(approver=by, facts=snapshot, digest=sealed):
            raise TooLate
        audit.record(
            PUBLISHED,
            actor=by,
            request=request,
            digest=sealed,
            **_which(version),
        )
        transaction.on_commit(banners.drop, robust=True)
    version.refresh_from_db()


def withdraw(version: NoticeVersion, *, by, reason: str, request=None) -> None:
    """Takes a version back: a draft or submitted one is given up, a published one is no longer shown.

    The version before it, if any, is in force again. Raises TooLate.
    """
    was = version.state
    with transaction.atomic():
        if not NoticeVersion.objects.filter(pk=version.pk, state=was).withdraw(reason=reason):
            raise TooLate
        audit.record(
            "incident.version_withdrawn",
            actor=by,
            request=request,
            was=was,
            reason=reason,
            **_which(version),
        )
        transaction.on_commit(banners.drop, robust=True)
    version.refresh_from_db()


def facts_of(version: NoticeVersion) -> Facts:
    """What `version` says: the facts frozen by its publication, or the live ones until then."""
    if version.facts is None:
        return facts.of(version.incident)
    return facts.from_snapshot(version.facts)


def under_way(incident: Incident):
    """The version of `incident` that is a draft or waits for approval: one at most."""
    return incident.versions.under_way()


def published(incident: Incident):
    """Every version of `incident` that members may read, the latest first."""
    return incident.versions.visible().order_by("-number")


def latest(incident: Incident) -> NoticeVersion | None:
    """The version of `incident` in force: the last one published and not withdrawn."""
    return published(incident).first()


def in_force():
    """The version in force of each incident that members may read about, live or closed."""
    later = NoticeVersion.objects.visible().filter(
        incident=OuterRef("incident"), number__gt=OuterRef("number")
    )
    return (
        NoticeVersion.objects.visible()
        .filter(~Exists(later))
        .select_related("incident")
        .order_by("-incident__detected_on", "-incident")
    )


def told(incident: Incident) -> tuple[NoticeVersion | None, Facts]:
    """The version in force and its facts; while nothing is published, no version and the live facts."""
    version = latest(incident)
    return version, facts_of(version) if version else facts.of(incident)


def verify() -> audit.Breach | None:
    """The first version that no longer says what was published, or None.

    Each digest is computed again, then compared with that of the row and that of the trail, which
    `members.audit.verify` protects: a version that disappeared is a breach too.
    """
    told: dict[tuple, str] = {}
    published = AuditEvent.objects.filter(action=PUBLISHED).order_by("pk")
    for details in published.values_list("details", flat=True).iterator(BATCH):
        told.setdefault((details["incident"], details["version"]), details["digest"])
    versions = NoticeVersion.objects.ever_published().select_related("incident")
    for version in versions.order_by("incident", "number").iterator(BATCH):
        if digest(version, version.facts) != version.digest:
            return audit.Breach(str(version), "altered")
        if told.pop(tuple(_which(version).values()), None) != version.digest:
            return audit.Breach(str(version), "not the one that the trail says published")
    for reference, number in told:
        return audit.Breach(f"{reference} · v{number}", "missing")
    return None


def facts_digest(facts: Facts) -> str:
    return fingerprint(facts.snapshot())


def digest(version: NoticeVersion, snapshot: dict[str, Any]) -> str:
    """The seal of a version: every text, and the facts."""
    texts = {name: getattr(version, name) for name in NoticeVersion.TEXTS}
    return fingerprint(
        {
            "number": version.number,
            "material": version.material,
            "texts": texts,
            "facts": snapshot,
        }
    )


def _which(version: NoticeVersion) -> dict[str, Any]:
    return {"incident": version.incident.reference, "version": version.number}
