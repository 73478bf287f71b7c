"""The life of an incident beside its notices: what operators claim, and the end. (architecture.md §3)"""

from datetime import date

from django.db import transaction

from incidents import banners
from incidents.models import Claim, Incident, Target
from members import audit


class NotLive(Exception):
    """Only an incident that members have been told about can be closed."""


def record_claim(
    target: Target,
    *,
    category: str,
    state: str,
    source: str,
    stated_on: date,
    by=None,
    request=None,
) -> Claim:
    """Writes what an operator says about one category; whatever was said before is superseded.

    Two people who record at once: the database keeps one live claim, the other gets IntegrityError.
    """
    with transaction.atomic():
        before = Claim.objects.live().filter(target=target, category=category).first()
        if before:
            Claim.objects.filter(pk=before.pk).supersede()
        claim = Claim.objects.create(
            target=target, category=category, state=state, source=source, stated_on=stated_on
        )
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
            before=before.state if before else None,
        )
    return claim


def record_claims(
    target: Target, states: dict[str, str], *, source: str, stated_on: date, by=None, request=None
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
                by=by,
                request=request,
            )
            for category, state in states.items()
        ]


def close(incident: Incident, *, by, request=None) -> None:
    """Ends a live incident: its pages stay readable, nobody is interrupted any more. Raises NotLive."""
    with transaction.atomic():
        if not Incident.objects.close(incident):
            raise NotLive
        audit.record("incident.closed", actor=by, request=request, incident=incident.reference)
        transaction.on_commit(banners.drop, robust=True)
    incident.refresh_from_db()
