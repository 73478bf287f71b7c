"""One step of a demande: a conditional update, its date, the trail, and the member told, all or nothing."""

from django.db.models import Q
from django.utils import timezone

from members import alerts, audit, days, preferences
from members.models import Demande, DemandeEvent, Member
from members.models.demande import State
from members.models.preference import OptionalMail

ACTIONS = {
    State.SUBMITTED: "demande.deposited",
    State.TAKEN: "demande.taken",
    State.AWAITING: "demande.document_asked",
    State.CHECKING: "demande.proposed",
    State.ACCEPTED: "demande.accepted",
    State.REFUSED: "demande.refused",
    State.PAID: "demande.paid",
    State.WITHDRAWN: "demande.withdrawn",
}

# moves whose state says less than what was done
ANSWERED = "demande.answered"
PUT_BACK = "demande.put_back"
RESUMED = "demande.resumed"
SENT_BACK = "demande.sent_back"

# what a proposal wrote, where it ends without a second agent's word
NOTHING_PROPOSED = {
    "proposed_by": None,
    "granted_cents": None,
    "two_people_above": None,
    "answer": "",
}


class Overtaken(Exception):
    """Somebody moved this demande meanwhile: it is not where the act needs it to be."""


def step(
    demande: Demande,
    to: State,
    *,
    by,
    request=None,
    only: Q | None = None,
    action: str = "",
    is_told: bool = True,
    **changes,
) -> None:
    """Moves `demande` to `to` if it stands where MOVES and `only` want it, within the caller's
    transaction. Raises Overtaken, having written nothing."""
    now = timezone.now()
    there = Demande.objects.filter(only or Q(), pk=demande.pk)
    if not there.move(to, state_at=now, touched_at=now, **changes):
        raise Overtaken
    demande.refresh_from_db()
    DemandeEvent.objects.create(demande=demande, state=to, at=now, by=by)
    action = action or ACTIONS[to]
    audit.record(
        action, user=demande.member.user, actor=by, request=request, demande=demande.pk, to=to
    )
    if is_told:
        tell(demande)


def tells(member: Member) -> bool:
    """Whether an e-mail tells `member` that a demande of his moved."""
    user = member.user
    return bool(user and user.mail_address) and preferences.wants(member, OptionalMail.REQUESTS)


def tell(demande: Demande) -> None:
    """Queues « votre demande a avancé » for a member who wants it. No e-mail says what it is about."""
    user = demande.member.user
    if user and tells(demande.member):
        asked = days.day(demande.asked_at)
        alerts.send(user, "demande_moved", to=user.mail_address, asked=asked)
