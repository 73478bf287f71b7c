"""What the invented members asked, and the words that their mutual uses often. No one here exists."""

from datetime import timedelta

from django.utils import timezone

from members.models import (
    AyantDroit,
    CannedAnswer,
    Care,
    CareDomain,
    Correction,
    Demande,
    DemandeEvent,
    DemandeMessage,
    Member,
    User,
)
from members.models.demande import DemandeKind, State, one_month_after
from portal.demo import people

CANNED = {
    "Facture illisible": "La photo de la facture ne se lit pas bien. Pouvez-vous en envoyer une autre ?",
    "Ordonnance manquante": "Il nous manque l'ordonnance. Vous pouvez la joindre depuis cette page.",
    "Soins non prévus": "Votre contrat ne prévoit pas de remboursement pour ces soins.",
}


def load(agent: User) -> None:
    """Canned answers, and four demandes at different steps. Nothing where some were made already."""
    for title, text in CANNED.items():
        CannedAnswer.objects.get_or_create(
            title=title, defaults={"text": text.replace(" ?", "\u00a0?")}
        )
    if Demande.objects.exists():
        return
    numbers = {person.letter: person.number for person in people.CAST}
    antoine, bianca = (Member.objects.get(number=numbers[letter]) for letter in "AB")
    daughter = AyantDroit.objects.filter(member=antoine, link="enfant").first()
    domains = {one.code: one for one in CareDomain.objects.all()}

    paid = _care(antoine, None, domains["DENT"], days=40, cents=6_500)
    _steps(
        paid,
        agent,
        [State.TAKEN, State.ACCEPTED, State.PAID],
        granted_cents=2_000,
        two_people_above=50_000,
        decided_by=agent,
        decided_at=timezone.now() - timedelta(days=37),
        paid_on=timezone.localdate() - timedelta(days=36),
        answer="La part de la mutuelle, selon vos garanties.",
    )
    awaiting = _care(antoine, daughter, domains["OPTI"], days=6, cents=18_000)
    _steps(awaiting, agent, [State.TAKEN, State.AWAITING])
    DemandeMessage.objects.create(
        demande=awaiting, from_staff=True, by=agent, body=CANNED["Ordonnance manquante"]
    )
    _care(bianca, None, domains["AUDI"], days=11, cents=95_000)
    correction = _deposited(bianca, DemandeKind.CORRECTION, days=3)
    asked = {"about": "nom", "wrong": "Le nom est écrit sans accent.", "right": "Avec un accent."}
    Correction.objects.create(demande=correction, **asked)


def _deposited(member: Member, kind: DemandeKind, *, days: int) -> Demande:
    at = timezone.now() - timedelta(days=days)
    due_on = one_month_after(timezone.localdate(at)) if kind == DemandeKind.CORRECTION else None
    demande = Demande.objects.create(
        member=member,
        kind=kind,
        state=State.SUBMITTED,
        created_at=at,
        touched_at=at,
        state_at=at,
        asked_at=at,
        due_on=due_on,
    )
    DemandeEvent.objects.create(demande=demande, state=State.SUBMITTED, at=at, by=member.user)
    return demande


def _care(member, person: AyantDroit | None, domain, *, days: int, cents: int) -> Demande:
    demande = _deposited(member, DemandeKind.CARE, days=days)
    Care.objects.create(
        demande=demande,
        for_member=person is None,
        ayant_droit=person,
        care_on=timezone.localdate() - timedelta(days=days + 2),
        domain=domain,
        paid_cents=cents,
    )
    return demande


def _steps(demande: Demande, agent: User, states: list[State], **columns) -> None:
    """A day from one step to the next."""
    at = demande.asked_at
    for state in states:
        at += timedelta(days=1)
        DemandeEvent.objects.create(demande=demande, state=state, at=at, by=agent)
    Demande.objects.filter(pk=demande.pk).update(
        state=states[-1], state_at=at, touched_at=at, assigned_to=agent, **columns
    )
