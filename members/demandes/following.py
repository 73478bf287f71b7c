"""What a member sees of his demandes, and what he does once one is deposited."""

from collections.abc import Iterable

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from members import audit, throttle
from members.demandes import family
from members.demandes.steps import NOTHING_PROPOSED, Overtaken, step
from members.models import Demande, DemandeMessage, Member
from members.models.demande import MOVES, State
from members.throttle import Hit

SHOWN = 100  # the latest ones; a member has a handful


def mine(member: Member, *, drafts: bool = True) -> QuerySet[Demande]:
    """His demandes, the latest first, with `is_unread`; `drafts` too, for himself alone. One statement."""
    rows = Demande.objects.filter(member=member).with_unread(from_staff=True)
    if not drafts:
        rows = rows.exclude(state=State.DRAFT)
    return rows.order_by("-pk")[:SHOWN]


def withdraw(demande: Demande, *, by, request=None) -> None:
    """Gives the demande up, while nobody has decided; what an agent proposed goes. Raises Overtaken."""
    with transaction.atomic():
        step(demande, State.WITHDRAWN, by=by, request=request, **NOTHING_PROPOSED)
        family.forget_number(demande)


def write(demande: Demande, body: str, *, by, request=None) -> DemandeMessage:
    """A message from the member. Raises throttle.Throttled, and Overtaken for a draft."""
    if demande.is_draft:
        raise Overtaken
    with transaction.atomic():
        throttle.reserve(Hit(throttle.DEMANDE_MESSAGES, str(demande.member_id)))
        message = DemandeMessage.objects.create(demande=demande, from_staff=False, by=by, body=body)
        audit.record(
            "demande.message_written",
            user=demande.member.user,
            actor=by,
            request=request,
            demande=demande.pk,
        )
    return message


def read(messages: Iterable[DemandeMessage], *, from_staff: bool) -> None:
    """The other side has these messages before its eyes. At most one statement."""
    unread = [one.pk for one in messages if one.from_staff == from_staff and not one.read_at]
    if unread:
        DemandeMessage.objects.filter(pk__in=unread, read_at=None).update(read_at=timezone.now())


def may_withdraw(demande: Demande) -> bool:
    return demande.state in MOVES[State.WITHDRAWN]
