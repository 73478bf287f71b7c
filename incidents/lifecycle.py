"""The life of an incident beside its notices: what operators claim, and the end. (architecture.md §3)"""

from collections.abc import Iterable
from datetime import date
from typing import Any

from django.db import IntegrityError, transaction

from incidents import banners, reach, reach_letters
from incidents.models import Claim, Incident, Target
from incidents.models.claim import Confidence
from members import audit


class NotLive(Exception):
    """Only an incident that members have been told about can be closed."""


class Moved(Exception):
    """The incident was closed, or published under the reference that was to change, meanwhile."""


def change(incident: Incident, fields: dict[str, Any]) -> None:
    """Writes `fields` of `incident` and no other column. Raises Moved."""
    if not Incident.objects.rewrite(incident, **fields):
        raise Moved


def _hold(incident: Incident) -> None:
    """Keeps its row until the transaction ends: people who write at once come one after the other."""
    change(incident, {})


def change_target(target: Target, names: Iterable[str], *, by=None, request=None) -> None:
    """Writes the fields `names` of `target`; the trail keeps what they said before.

    Raises Moved, also when the days written meanwhile by another do not go with these.
    """
    with transaction.atomic():
        _hold(target.incident)
        names = list(names)
        known = Target.objects.get(pk=target.pk)
        before = {name: getattr(known, name) for name in names}
        after = {name: getattr(target, name) for name in names}
        changed = [name for name in names if before[name] != after[name]]
        if not changed:
            return
        try:
            with transaction.atomic():
                Target.objects.filter(pk=target.pk).update(
                    **{name: after[name] for name in changed}
                )
        except IntegrityError:
            raise Moved from None
        audit.record(
            "incident.target_changed",
            actor=by,
            request=request,
            incident=target.incident.reference,
            operator=target.operator.code,
            before={name: _told(before[name]) for name in changed},
            after={name: _told(after[name]) for name in changed},
        )


def _told(value: date | str | None) -> str | None:
    return value.isoformat() if isinstance(value, date) else value


def record_claim(
    target: Target,
    *,
    category: str,
    state: str,
    source: str,
    stated_on: date,
    confidence: str = Confidence.TOLD,
    by=None,
    request=None,
) -> Claim:
    """Writes what an operator says about one category; whatever was said before is superseded.

    What the live claim says already, from the same source on the same day, is not said twice: that claim
    is returned. Raises Moved when the incident is closed, ValidationError when `stated_on` is to come.
    """
    said = {
        "state": state,
        "source": source,
        "stated_on": stated_on,
        "confidence": confidence,
    }
    with transaction.atomic():
        _hold(target.incident)
        before = Claim.objects.live().filter(target=target, category=category).first()
        if before and said == {name: getattr(before, name) for name in said}:
            return before
        if before:
            Claim.objects.filter(pk=before.pk).supersede()
        claim = Claim.objects.create(target=target, category=category, recorded_by=by, **said)
        if before:
            Claim.objects.filter(pk=before.pk).name_successor(claim)
        audit.record(
            "incident.claim_recorded",
            actor=by,
            request=request,
            incident=target.incident.reference,
            operator=target.operator.code,
            category=category,
            state=state,
            confidence=confidence,
            before=before.state if before else None,
        )
    return claim


def record_claims(
    target: Target,
    states: dict[str, str],
    *,
    source: str,
    stated_on: date,
    confidence: str = Confidence.TOLD,
    by=None,
    request=None,
) -> list[Claim]:
    """Writes the state of each category of `states` as one source gave them: all of them, or none.

    Each is a claim of its own, as `record_claim` writes it.
    """
    with transaction.atomic():
        return [
            record_claim(
                target,
                category=category,
                state=state,
                source=source,
                stated_on=stated_on,
                confidence=confidence,
                by=by,
                request=request,
            )
            for category, state in states.items()
        ]


def close(incident: Incident, *, by, request=None) -> None:
    """Ends a live incident: its pages stay readable, nobody is interrupted any more.

    Raises NotLive, and reach.NotCounted or reach.NotAllInformed while somebody concerned is neither
    informed nor known as unreachable, or reach_letters.NotPrinted. (domain.md §4.10)
    """
    with transaction.atomic():
        if not Incident.objects.close(incident):
            raise NotLive
        reach.insist(incident)
        reach_letters.insist(incident)
        reach.count_at_closing(incident)
        audit.record("incident.closed", actor=by, request=request, incident=incident.reference)
        transaction.on_commit(banners.drop, robust=True)
    incident.refresh_from_db()
