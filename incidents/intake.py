"""An operator calls: what one conversation teaches is recorded in one transaction, or not at all."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime

from django.core.files.base import File
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from incidents import evidence, lifecycle
from incidents.models import Call, Incident, Step, Target
from incidents.models.incident import StepKind
from members import audit
from members.models import Operator

# what an operator may have done by the time it calls, in the words that members will read
STEPS = {
    StepKind.DISCONNECTION: _("%(operator)s a coupé l'accès à sa plateforme."),
    StepKind.COMPLAINT: _("%(operator)s a porté plainte."),
    StepKind.CNIL: _("%(operator)s a déclaré la violation à la CNIL."),
}


class Twice(Exception):
    """A call of this operator at this very minute is recorded already."""


class Taken(Exception):
    """Another incident has this reference."""


@dataclass(frozen=True)
class Told:
    """What one call taught. Categories that it did not speak of are left out."""

    operator: Operator
    called_at: datetime
    channel: str
    caller_name: str
    caller_role: str
    said: str
    source: str  # of the claims and of the days of the attack
    stated_on: date
    claims: dict[str, tuple[str, str]] = field(default_factory=dict)  # category → state, confidence
    window_from: date | None = None
    window_until: date | None = None
    steps: dict[str, date | None] = field(default_factory=dict)  # kind → day, if it is known
    files: Iterable[File] = ()
    files_kind: str = ""


def open_incident(
    *, title: str, dpo_name: str, dpo_email: str, detected_on: date, by, request=None
) -> Incident:
    """An incident for a call that has just come, its reference made of the month and the title.

    Its postal address and public phone are those of the latest incident. Raises Taken.
    """
    reference = f"{detected_on:%Y-%m}-{slugify(title)}"[:60].rstrip("-")
    latest = Incident.objects.order_by("-pk").first()
    try:
        with transaction.atomic():
            incident = Incident.objects.create(
                reference=reference,
                title=title,
                detected_on=detected_on,
                created_by=by,
                dpo_name=dpo_name,
                dpo_email=dpo_email,
                dpo_address=latest.dpo_address if latest else "",
                public_phone=latest.public_phone if latest else "",
            )
            audit.record("incident.created", actor=by, request=request, incident=reference)
    except IntegrityError:
        raise Taken from None
    return incident


def record(incident: Incident, told: Told, *, by, request=None) -> Call:
    """Writes the call, its claims, days, measures and files. The operator joins the incident if it is new
    there: its clocks start at its first call.

    Raises Twice, `lifecycle.Moved` when the incident is closed, `evidence.Refused` for a file.
    """
    with evidence.stored(told.files) as files, transaction.atomic():
        return _record(incident, told, files, by, request)


def _record(incident, told: Told, files, by, request) -> Call:
    lifecycle.change(
        incident, {}
    )  # keeps its row: two calls taken at once come one after the other
    target, is_new = Target.objects.select_related("incident", "operator").get_or_create(
        incident=incident,
        operator=told.operator,
        defaults={
            "detected_on": timezone.localdate(told.called_at),
            "what_happened": told.said,
            "window_from": told.window_from,
            "window_until": told.window_until,
            "window_source": told.source if told.window_from else "",
        },
    )
    if Call.objects.standing().filter(target=target, called_at=told.called_at).exists():
        raise Twice
    call = Call.objects.create(
        target=target,
        called_at=told.called_at,
        channel=told.channel,
        caller_name=told.caller_name,
        caller_role=told.caller_role,
        said=told.said,
        recorded_by=by,
    )
    if told.window_from and not is_new:
        target.window_from, target.window_until = told.window_from, told.window_until
        target.window_source = told.source
        names = ["window_from", "window_until", "window_source"]
        lifecycle.change_target(target, names, by=by, request=request)
    by_confidence: dict[str, dict[str, str]] = {}
    for category, (state, confidence) in told.claims.items():
        by_confidence.setdefault(confidence, {})[category] = state
    for confidence, states in by_confidence.items():
        lifecycle.record_claims(
            target,
            states,
            source=told.source,
            stated_on=told.stated_on,
            confidence=confidence,
            by=by,
            request=request,
        )
    steps = [kind for kind, done_on in told.steps.items() if _step(target, kind, done_on)]
    for file in files:
        evidence.record(
            incident,
            file,
            kind=told.files_kind,
            received_from=f"{told.operator.name}, {told.caller_role}"[:150],
            received_at=told.called_at,
            target=target,
            by=by,
            request=request,
        )
    audit.record(
        "call.recorded",
        actor=by,
        request=request,
        incident=incident.reference,
        operator=told.operator.code,
        call=call.pk,
        called_at=told.called_at.isoformat(),
        channel=told.channel,
        claims=len(told.claims),
        steps=steps,
        files=len(files),
    )
    return call


def _step(target: Target, kind: str, done_on: date | None) -> bool:
    """Writes a measure, or the day of one whose day nobody knew; whether that taught anything."""
    known = target.steps.filter(kind=kind)
    if known.exists():
        return bool(done_on and known.filter(done_on__isnull=True).update(done_on=done_on))
    Step.objects.create(
        incident=target.incident,
        target=target,
        kind=kind,
        actor=target.operator.name,
        done_on=done_on,
        text=STEPS[kind] % {"operator": target.operator.name},
    )
    return True
