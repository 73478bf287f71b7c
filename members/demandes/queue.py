"""The queue of staff: what waits, the oldest first, a page at the same cost whatever there is."""

import re
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, Q
from django.utils import timezone

from members.models import Demande, User
from members.models.demande import UNDECIDED, DemandeKind, State

PAGE = 50
ALIKE = 10
MINE, NOBODYS = "moi", "personne"
REFERENCE = re.compile(r"D-?0*(\d{1,18})", re.I)


@dataclass(frozen=True)
class Chosen:
    """What an agent asked to see. Empty: all that waits. `sought`: a reference, or a member's number."""

    state: str = ""
    kind: str = ""
    whose: str = ""
    days: int | None = None
    sought: str = ""
    after: int | None = None

    def rows(self, agent: User) -> Q:
        wanted = Q(kind=self.kind) if self.kind else Q()
        if self.sought:
            return wanted & self._sought()
        wanted &= Q(state=self.state) if self.state else Q(state__in=UNDECIDED)
        if self.whose == MINE:
            wanted &= Q(assigned_to=agent)
        elif self.whose == NOBODYS:
            wanted &= Q(assigned_to=None)
        if self.days:
            wanted &= Q(asked_at__lt=timezone.now() - timedelta(days=self.days))
        return wanted

    def _sought(self) -> Q:
        if found := REFERENCE.fullmatch(self.sought):
            return Q(pk=int(found[1]))
        return Q(member__number=self.sought)


def page(chosen: Chosen, agent: User) -> tuple[list[Demande], int | None]:
    """PAGE demandes, and after which one the next page begins. One statement; two after the first page."""
    rows = Demande.objects.exclude(state=State.DRAFT).filter(chosen.rows(agent))
    if chosen.after is not None:
        at = Demande.objects.filter(pk=chosen.after).values_list("asked_at", flat=True).first()
        if at:
            rows = rows.filter(Q(asked_at__gt=at) | Q(asked_at=at, pk__gt=chosen.after))
    rows = rows.with_unread(from_staff=False).select_related("member", "assigned_to", "care")
    found = list(rows.order_by("asked_at", "pk")[: PAGE + 1])
    return found[:PAGE], found[PAGE - 1].pk if len(found) > PAGE else None


def alike(demande: Demande) -> list[Demande]:
    """The member's other demandes that may ask the same thing: one person, day and amount, or a document
    that both hold. A few of them; one statement."""
    same = Q(documents__sha256__in=demande.documents.values("sha256"))
    if demande.kind == DemandeKind.CARE:
        names = ("for_member", "ayant_droit_id", "care_on", "paid_cents")
        same |= Q(**{f"care__{name}": getattr(demande.care, name) for name in names})
    others = Demande.objects.filter(same, member=demande.member_id).exclude(pk=demande.pk)
    return list(others.exclude(state=State.DRAFT).order_by("pk").distinct()[:ALIKE])


def waiting() -> dict[str, int]:
    """How many demandes there are in each undecided state. One statement, over its own small index."""
    counts = Demande.objects.filter(state__in=UNDECIDED).order_by().values_list("state")
    found = dict(counts.annotate(Count("pk")))
    return {State(state).label: found.get(state, 0) for state in UNDECIDED}
