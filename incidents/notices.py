"""The life of a notice version: written, submitted, approved by someone else at once or for later, withdrawn.

Each function is one change: one transaction, its audit row, its effects on commit. A conditional update
says who came first, so that two approvers, or two clicks, publish once.
"""

import logging
from datetime import UTC
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, Max, OuterRef
from django.utils import timezone

from incidents import banners, facts
from incidents.completeness import Gap, gaps
from incidents.facts import Facts
from incidents.fingerprint import fingerprint
from incidents.models import Incident, NoticeVersion
from members import alerts, audit
from members.models import AuditEvent

log = logging.getLogger(__name__)

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
    """The facts, or the text, are no longer those that the approver read."""


class NotAnotherPerson(NoticeError):
    """An emergency takes the words of two colleagues, on the same text and the same facts."""


class AlreadyCalled(NoticeError):
    """The first word is given: what comes next publishes, and nobody does that without knowing."""


class TooLate(NoticeError):
    """Someone else moved it first, or its incident is closed."""


class AlreadyUnderWay(NoticeError):
    """One version at a time is written for an incident."""


def start(incident: Incident, *, author, request=None, reason: str = "", **typed) -> NoticeVersion:
    """A draft, numbered after every other version of `incident`. `reason`: why it corrects another.

    Raises AlreadyUnderWay, or TooLate when the incident is closed.
    """
    told = {"reason": reason} if reason else {}
    try:
        with transaction.atomic():
            if not Incident.objects.rewrite(incident):  # held: two who start come in turn
                raise TooLate
            last = incident.versions.aggregate(last=Max("number"))["last"] or 0
            version = NoticeVersion(
                incident=incident, number=last + 1, author=author, revision_reason=reason, **typed
            )
            version.save(force_insert=True)
            audit.record(
                "incident.version_started", actor=author, request=request, **_which(version), **told
            )
    except IntegrityError:
        raise AlreadyUnderWay from None
    return version


def revise(version: NoticeVersion, *, author, reason: str = "", request=None) -> NoticeVersion:
    """A draft with the texts of `version`, for its author to say to members what changed.

    Neither its time to appear nor its end is kept: they were those of another day.
    """
    texts = {name: getattr(version, name) for name in NoticeVersion.TEXTS if name != "change_note"}
    return start(
        version.incident,
        author=author,
        request=request,
        reason=reason,
        audiences=version.audiences,
        **texts,
    )


def submit(version: NoticeVersion, *, by, for_emergency: bool = False, request=None) -> None:
    """Hands a complete draft to an approver; from then on its text never changes.

    `for_emergency`: what may wait is missing, so that two colleagues decide, and no approver can.
    Raises Incomplete, NotTheAuthor or TooLate.
    """
    if by.pk != version.author_id:
        raise NotTheAuthor
    with transaction.atomic():
        if not NoticeVersion.objects.filter(pk=version.pk).submit():
            raise TooLate
        # read again: what is checked is what can no longer change
        submitted = NoticeVersion.objects.select_related("incident").get(pk=version.pk)
        missing = _insist(gaps(submitted, facts.of(submitted.incident)), for_emergency)
        told = {"missing": [gap.code for gap in missing]} if missing else {}
        audit.record(
            "incident.version_submitted", actor=by, request=request, **_which(version), **told
        )
    version.refresh_from_db()


def approve(version: NoticeVersion, *, by, read: str = "", request=None) -> None:
    """Approves a submitted version: published now, or when its time comes. Raises what `publish` does.

    The approval is of the text and of the facts as they stand; other facts ask for another one.
    """
    _read_again(version)
    if not version.appears_after(timezone.now()):
        publish(version, by=by, read=read, request=request)
        return
    if by.pk == version.author_id:
        raise AuthorCannotApprove
    with transaction.atomic():
        if not Incident.objects.rewrite(
            version.incident
        ):  # held, and not opened: nothing appears yet
            raise TooLate
        approved = _facts_read(version, read)
        _insist(gaps(version, approved))
        row = NoticeVersion.objects.filter(pk=version.pk)
        if not row.schedule(approver=by, facts_digest=facts_digest(approved)):
            raise TooLate
        audit.record(
            "incident.version_scheduled",
            actor=by,
            request=request,
            appears_at=version.appears_at.isoformat(),
            **_which(version),
        )
    version.refresh_from_db()


def publish(version: NoticeVersion, *, by, read: str = "", request=None) -> None:
    """Freezes the facts and shows the version to members now; opens its incident if needed.

    `read` is `as_read` of what the approver had before him; empty when nobody read a page.
    Raises AuthorCannotApprove, FactsChanged, Incomplete or TooLate.
    """
    if by.pk == version.author_id:
        raise AuthorCannotApprove
    _read_again(version)
    with transaction.atomic():
        frozen = _open_and_read(version, read)
        _insist(gaps(version, frozen))
        snapshot = frozen.snapshot()
        sealed = digest(version, snapshot)
        row = NoticeVersion.objects.filter(pk=version.pk)
        if not row.publish(approver=by, facts=snapshot, digest=sealed):
            raise TooLate
        _published(version, sealed, by=by, request=request)
    version.refresh_from_db()


def publish_due() -> int:
    """Publishes what was approved for a time that has come; how many versions appeared.

    A version whose facts are no longer those approved, that lacks something by now, or whose incident
    is closed, is held back: it waits for an approval again, and its author and approver are told. Safe
    to run twice at once.
    """
    appeared = 0
    for version in NoticeVersion.objects.due().select_related("incident", "author", "approver"):
        try:
            appeared += _publish_due(version)
        except TooLate:
            _hold_back(version, "closed")
        except FactsChanged:
            _hold_back(version, "facts")
        except Incomplete as held:
            _hold_back(version, "incomplete", missing=[gap.code for gap in held.gaps])
        except Exception:  # one that cannot be handled never keeps the others waiting
            log.exception("The version %s could not be published.", version.pk)
    return appeared


def _publish_due(version: NoticeVersion) -> bool:
    """Whether it appeared: another worker may have published it, or a colleague withdrawn it."""
    with transaction.atomic():
        frozen = _open_and_read(version)
        if facts_digest(frozen) != version.approved_facts:
            raise FactsChanged
        _insist(gaps(version, frozen))
        snapshot = frozen.snapshot()
        sealed = digest(version, snapshot)
        if NoticeVersion.objects.filter(pk=version.pk).publish_due(facts=snapshot, digest=sealed):
            _published(version, sealed, by=version.approver, scheduled=True)
            return True
        transaction.set_rollback(True)
        return False


def _hold_back(version: NoticeVersion, why: str, **told) -> None:
    with transaction.atomic():
        if not NoticeVersion.objects.filter(pk=version.pk).hold_back():
            return
        audit.record("incident.version_held_back", why=why, **_which(version), **told)
        for person in (version.author, version.approver):
            alerts.tell(person, "version_held_back", **_which(version))


def call_emergency(version: NoticeVersion, *, by, reason: str, read: str, request=None) -> None:
    """The first of two words to publish what is incomplete, or what nobody but its author could approve.

    It holds for the text and the facts `read`: others ask for another first word. Raises AlreadyCalled,
    AuthorCannotApprove, FactsChanged, Incomplete when what may not wait is missing, or TooLate.
    """
    if by.pk == version.author_id:
        raise AuthorCannotApprove
    _read_again(version)
    with transaction.atomic():
        if not Incident.objects.rewrite(version.incident):
            raise TooLate
        told = _facts_read(version, read)
        missing = _insist(gaps(version, told), for_emergency=True)
        row = NoticeVersion.objects.filter(pk=version.pk)
        if not row.call_emergency(by=by, reason=reason, facts_digest=facts_digest(told)):
            version.refresh_from_db()
            raise AlreadyCalled if version.is_submitted else TooLate
        audit.record(
            "incident.emergency_called",
            actor=by,
            request=request,
            reason=reason,
            missing=[gap.code for gap in missing],
            **_which(version),
        )
    version.refresh_from_db()


def publish_in_emergency(
    version: NoticeVersion, *, by, reason: str, read: str, request=None
) -> None:
    """The second word: shows the version now, whatever may wait and is missing.

    By someone who is neither its author nor the first. Raises AuthorCannotApprove, FactsChanged,
    Incomplete, NotAnotherPerson or TooLate.
    """
    if by.pk == version.author_id:
        raise AuthorCannotApprove
    _read_again(version)
    with transaction.atomic():
        frozen = _open_and_read(version, read)
        missing = _insist(gaps(version, frozen), for_emergency=True)
        snapshot = frozen.snapshot()
        sealed = digest(version, snapshot)
        called = NoticeVersion.objects.filter(pk=version.pk).called_by_another(
            by, facts_digest=facts_digest(frozen)
        )
        if not called.publish(approver=by, facts=snapshot, digest=sealed, reason=reason):
            version.refresh_from_db()
            raise NotAnotherPerson if version.is_submitted else TooLate
        _published(
            version,
            sealed,
            by=by,
            request=request,
            emergency=True,
            reason=reason,
            missing=[gap.code for gap in missing],
        )
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


def as_read(version: NoticeVersion, facts: Facts) -> str:
    """The digest of all that stands on the page of whoever decides: texts, hours and facts."""
    appears_at = version.appears_at.astimezone(UTC).isoformat() if version.appears_at else None
    return fingerprint({"seal": digest(version, facts.snapshot()), "appears_at": appears_at})


def digest(version: NoticeVersion, snapshot: dict[str, Any]) -> str:
    """The seal of a version."""
    return fingerprint(content(version, snapshot))


def content(version: NoticeVersion, snapshot: dict[str, Any]) -> dict[str, Any]:
    """What the seal covers: every text of every audience, until when it interrupts, and the facts.

    What a version does not have is no part of its seal, so that older seals are still verified.
    """
    sealed = {
        "number": version.number,
        "material": version.material,
        "texts": {name: getattr(version, name) for name in NoticeVersion.TEXTS},
        "facts": snapshot,
    }
    if version.audiences:
        sealed["audiences"] = version.audiences
    if version.expires_at:
        sealed["expires_at"] = version.expires_at.astimezone(UTC).isoformat()
    return sealed


def _read_again(version: NoticeVersion) -> None:
    """Raises TooLate unless it waits for a decision: from then on its text cannot change."""
    version.refresh_from_db()
    if not version.is_waiting:
        raise TooLate


def _open_and_read(version: NoticeVersion, read: str = "") -> Facts:
    """Opens the incident, whose row is held from now on, then its facts. Raises TooLate, FactsChanged."""
    if not Incident.objects.open_to_members(version.incident):
        raise TooLate
    return _facts_read(version, read)


def _facts_read(version: NoticeVersion, read: str) -> Facts:
    now = facts.of(version.incident)
    if read and read != as_read(version, now):
        raise FactsChanged
    return now


def _insist(missing: list[Gap], for_emergency: bool = False) -> list[Gap]:
    """What is missing and may wait, in an emergency. Raises Incomplete on anything else."""
    if missing and not (for_emergency and all(gap.may_wait for gap in missing)):
        raise Incomplete(missing)
    return missing


def _published(version: NoticeVersion, sealed: str, *, by, request=None, **told) -> None:
    audit.record(PUBLISHED, actor=by, request=request, digest=sealed, **_which(version), **told)
    transaction.on_commit(banners.drop, robust=True)


def _which(version: NoticeVersion) -> dict[str, Any]:
    return {"incident": version.incident.reference, "version": version.number}
