"""What staff do with a demande. One agent holds it at a time, and only who holds it decides.

Each act is one conditional update: of two agents who act at once, one wins and the other is told so
(steps.Overtaken).
"""

from datetime import date, datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from members import audit
from members.demandes import family
from members.demandes.steps import (
    NOTHING_PROPOSED,
    PUT_BACK,
    RESUMED,
    SENT_BACK,
    Overtaken,
    step,
    tell,
)
from members.models import Decompte, Demande, DemandeDocument, DemandeMessage, User
from members.models.demande import HELD, DemandeKind, State


class SamePerson(Exception):
    """Who proposed does not confirm: above the amount, two people decide."""


def _held_by(by: User) -> Q:
    # By columns of the row itself: an update that joins chooses its rows in a query of its own, and does
    # not judge anew the one that somebody else moved while it waited.
    return Q(assigned_to=by)


def take(demande: Demande, *, by: User, request=None) -> None:
    """`by` follows this demande from now on. Raises Overtaken."""
    with transaction.atomic():
        only = Q(state=State.SUBMITTED)
        step(demande, State.TAKEN, by=by, request=request, only=only, assigned_to=by)


def put_back(demande: Demande, *, by: User, request=None) -> None:
    """Back to where anybody may take it. Raises Overtaken."""
    with transaction.atomic():
        step(
            demande,
            State.SUBMITTED,
            by=by,
            request=request,
            only=_held_by(by) & Q(state=State.TAKEN),
            action=PUT_BACK,
            is_told=False,
            assigned_to=None,
        )


def assign(demande: Demande, to: User, *, by: User, request=None) -> None:
    """Gives a demande that somebody holds to `to`. Raises Overtaken."""
    there = Demande.objects.filter(
        pk=demande.pk, state__in=HELD, assigned_to=demande.assigned_to_id
    )
    with transaction.atomic():
        if not there.update(assigned_to=to, touched_at=timezone.now()):
            raise Overtaken
        audit.record(
            "demande.assigned",
            user=demande.member.user,
            actor=by,
            request=request,
            demande=demande.pk,
            to=to.pk,
        )


def ask(demande: Demande, text: str, *, by: User, request=None) -> None:
    """Asks the member for a document, in `text`. Raises Overtaken."""
    with transaction.atomic():
        step(demande, State.AWAITING, by=by, request=request, only=_held_by(by))
        _say(demande, text, by)


def resume(demande: Demande, *, by: User, request=None) -> None:
    """Goes on without the document that was asked. Raises Overtaken."""
    with transaction.atomic():
        step(
            demande,
            State.TAKEN,
            by=by,
            request=request,
            only=_held_by(by) & Q(state=State.AWAITING),
            action=RESUMED,
            is_told=False,
        )


def answer(demande: Demande, text: str, *, by: User, request=None) -> None:
    """A message to the member, who is told that his demande moved. Raises Overtaken."""
    with transaction.atomic():
        here = Demande.objects.filter(pk=demande.pk)
        if not here.exclude(state=State.DRAFT).hold():
            raise Overtaken
        _say(demande, text, by)
        audit.record(
            "demande.message_sent",
            user=demande.member.user,
            actor=by,
            request=request,
            demande=demande.pk,
        )
        tell(demande)


def _say(demande: Demande, text: str, by: User) -> None:
    DemandeMessage.objects.create(demande=demande, from_staff=True, by=by, body=text)


def accept(
    demande: Demande, *, cents: int | None = None, text: str = "", by: User, request=None
) -> None:
    """Grants what is asked, and does it where we can: an ayant droit joins or leaves.

    `cents`: of a reimbursement. Above REQUESTS_TWO_PEOPLE_CENTS the demande waits for a second agent
    instead. Raises Overtaken, family.Impossible.
    """
    threshold = settings.REQUESTS_TWO_PEOPLE_CENTS
    granted = {}
    if demande.kind == DemandeKind.CARE:
        granted = {"granted_cents": cents, "two_people_above": threshold}
    if granted and cents > threshold:
        with transaction.atomic():
            step(
                demande,
                State.CHECKING,
                by=by,
                request=request,
                only=_held_by(by),
                is_told=False,
                proposed_by=by,
                answer=text,
                **granted,
            )
        return
    with transaction.atomic():
        _decide(demande, State.ACCEPTED, by, request, answer=text, proposed_by=None, **granted)
        family.carry_out(demande, by=by, request=request)


def confirm(
    demande: Demande, *, cents: int | None, proposed_at: datetime | None, by: User, request=None
) -> None:
    """The second agent grants what the first proposed: the amount of that instant, as his page showed
    them, and no other. Raises SamePerson, Overtaken."""
    if demande.proposed_by_id == by.pk:
        raise SamePerson
    with transaction.atomic():
        only = Q(state=State.CHECKING, granted_cents=cents, state_at=proposed_at)
        only &= ~Q(proposed_by=by)
        _decide(demande, State.ACCEPTED, by, request, only=only)


def send_back(demande: Demande, *, by: User, request=None) -> None:
    """What was proposed is not granted: it goes back to who holds it. Raises Overtaken."""
    with transaction.atomic():
        step(
            demande,
            State.TAKEN,
            by=by,
            request=request,
            only=Q(state=State.CHECKING),
            action=SENT_BACK,
            is_told=False,
            **NOTHING_PROPOSED,
        )


def refuse(demande: Demande, text: str, *, by: User, request=None) -> None:
    """`text` tells the member why. Raises Overtaken."""
    with transaction.atomic():
        _decide(demande, State.REFUSED, by, request, answer=text)


def _decide(demande, to, by, request, *, only=None, **changes) -> None:
    step(
        demande,
        to,
        by=by,
        request=request,
        only=_held_by(by) & Q(state=State.TAKEN) if only is None else only,
        decided_by=by,
        decided_at=timezone.now(),
        **changes,
    )
    if to == State.REFUSED:
        family.forget_number(demande)


def pay(
    demande: Demande, paid_on: date, *, decompte: Decompte | None = None, by: User, request=None
) -> None:
    """The reimbursement was paid on that day, in `decompte` where it is here already. Raises Overtaken."""
    with transaction.atomic():
        only = Q(kind=DemandeKind.CARE)
        step(
            demande,
            State.PAID,
            by=by,
            request=request,
            only=only,
            paid_on=paid_on,
            decompte=decompte,
        )


def read(document: DemandeDocument, *, by: User, request) -> None:
    """Writes in the trail that an agent opened this document."""
    audit.record(
        "demande.document_read",
        user=document.demande.member.user,
        actor=by,
        request=request,
        demande=document.demande_id,
        document=document.pk,
    )
