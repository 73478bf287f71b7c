"""What was filed, how an incident was classified, which duties do not apply to it.

Each function is one change and one event.
"""

from datetime import datetime

from django.core.files.base import File
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from incidents import clocks
from incidents import evidence as pieces
from incidents.clocks import Clock
from incidents.models import Call, Classification, Evidence, Filing, Incident, Ruling
from incidents.models.evidence import EvidenceKind
from incidents.models.struck import StruckModel
from members import audit

STRUCK = {
    Call: "call.struck",
    Filing: "filing.struck",
    Classification: "incident.classification_struck",
    Ruling: "ruling.struck",
}


class NotApplicable(Exception):
    """This duty does not apply to this incident."""


class NoEvidence(Exception):
    """The evidence is of another incident, or its file was taken away."""


class LateWithoutReason(Exception):
    """The deadline had passed when this was filed: why has to be said. (domain.md §4.9)"""


class Twice(Exception):
    """The same was recorded already."""


class Filed(Exception):
    """What was filed, for this duty or one that follows it, was due: it is struck through first."""


class Unchanged(Exception):
    """The duty does not apply already, or nobody had set it aside."""


class AlreadyStruck(Exception):
    """Someone else struck it through first."""


def record(
    incident: Incident,
    clock: Clock,
    *,
    submitted_at: datetime,
    evidence: Evidence,
    reference: str = "",
    late_reason: str = "",
    by,
    request=None,
) -> Filing:
    """Records that the duty of `clock` was fulfilled at `submitted_at`; its deadline is computed again.

    Raises NotApplicable, NoEvidence, LateWithoutReason or Twice.
    """
    with transaction.atomic():
        Incident.objects.hold(incident)
        now = next(
            (one for one in clocks.of(incident, timezone.now()) if one.key == clock.key), None
        )
        if now is None or not now.applies:
            raise NotApplicable
        if not Evidence.objects.kept().filter(pk=evidence.pk, incident=incident).exists():
            raise NoEvidence
        # what follows a first filing completes it, and misses no deadline
        is_first = now.filing is None or submitted_at < now.filing.submitted_at
        due_at = now.due_at if is_first else None
        is_late = due_at is not None and submitted_at > due_at
        if is_late and not late_reason:
            raise LateWithoutReason
        same = {
            "incident": incident,
            "target": now.target,
            "regime": now.regime,
            "submitted_at": submitted_at,
        }
        if Filing.objects.standing().filter(**same).exists():
            raise Twice
        filing = Filing.objects.create(
            **same,
            reference=reference,
            evidence=evidence,
            due_at=due_at,
            late_reason=late_reason if is_late else "",
            recorded_by=by,
        )
        audit.record(
            "filing.recorded",
            actor=by,
            request=request,
            incident=incident.reference,
            regime=now.regime.code,
            operator=now.target.operator.code if now.target else None,
            submitted_at=submitted_at.isoformat(),
            late=is_late,
            filing=filing.pk,
            evidence=evidence.pk,
        )
    return filing


def record_with_file(
    incident: Incident,
    clock: Clock,
    upload: File,
    *,
    submitted_at: datetime,
    by,
    request=None,
    **told,
) -> Filing:
    """The same, with evidence that is handed over now: both rows, or none. Raises Refused as well."""
    with pieces.stored([upload]) as [one], transaction.atomic():
        evidence = pieces.record(
            incident,
            one,
            kind=EvidenceKind.RECEIPT,
            received_from=_("destinataire du dépôt"),
            received_at=submitted_at,
            target=clock.target,
            by=by,
            request=request,
        )
        return record(
            incident,
            clock,
            submitted_at=submitted_at,
            evidence=evidence,
            by=by,
            request=request,
            **told,
        )


def classify(
    incident: Incident, *, classified_at: datetime, is_major: bool, grounds: str, by, request=None
) -> Classification:
    """Records whether the incident is major; a former classification is struck through by it."""
    with transaction.atomic():
        Incident.objects.hold(incident)
        Classification.objects.filter(incident=incident).strike(by=by, reason=grounds[:250])
        row = Classification.objects.create(
            incident=incident,
            classified_at=classified_at,
            is_major=is_major,
            grounds=grounds,
            recorded_by=by,
        )
        audit.record(
            "incident.classified",
            actor=by,
            request=request,
            incident=incident.reference,
            classified_at=classified_at.isoformat(),
            major=is_major,
        )
    return row


def rule(
    incident: Incident,
    clock: Clock,
    *,
    applies: bool,
    reason: str,
    evidence: Evidence | None = None,
    by,
    request=None,
) -> Ruling:
    """Records that the duty of `clock` does not apply to the incident, or that it applies again.

    The ruling before it is struck through. What follows a duty set aside does not apply either.
    Raises Unchanged, Filed or NoEvidence.
    """
    with transaction.atomic():
        Incident.objects.hold(incident)
        running = clocks.of(incident, timezone.now())
        now = next((one for one in running if one.key == clock.key), None)
        is_set_aside = now is not None and now.ruling is not None
        if now is None or (not is_set_aside if applies else not now.applies):
            raise Unchanged
        followed = [] if applies else clocks.following(running, now)
        if any(one.filing for one in (now, *followed)):
            raise Filed
        if evidence and not incident.evidence.kept().filter(pk=evidence.pk).exists():
            raise NoEvidence
        same = Ruling.objects.filter(incident=incident, target=now.target)
        same.filter(regime__code=now.regime.code).strike(by=by, reason=reason)
        ruling = Ruling.objects.create(
            incident=incident,
            target=now.target,
            regime=now.regime,
            applies=applies,
            reason=reason,
            evidence=evidence,
            recorded_by=by,
        )
        audit.record(
            "ruling.recorded",
            actor=by,
            request=request,
            incident=incident.reference,
            regime=now.regime.code,
            operator=now.target.operator.code if now.target else None,
            applies=applies,
            reason=reason,
            ruling=ruling.pk,
            evidence=evidence.pk if evidence else None,
        )
    return ruling


def strike(row: StruckModel, *, reason: str, by, request=None) -> None:
    """Strikes a wrong row through: it stays to be read, and no clock counts it. Raises AlreadyStruck."""
    action = STRUCK[type(row)]
    incident = row.target.incident if isinstance(row, Call) else row.incident
    with transaction.atomic():
        Incident.objects.hold(incident)
        if not type(row).objects.filter(pk=row.pk).strike(by=by, reason=reason):
            raise AlreadyStruck
        audit.record(
            action,
            actor=by,
            request=request,
            incident=incident.reference,
            row=row.pk,
            reason=reason,
        )
