"""How the trail reads: a French label for each action that the portal records, and a few questions to it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from members.addresses import shown_prefix
from members.devices import described
from members.models import AuditEvent, User
from members.models.audit import KEPT_DAYS

SIGNED_IN = "signin.completed"
PAGE = 50

# Read by staff about a member, and by a member about himself: each says what happened, and no more.
LABELS = {
    "signin.password_accepted": _("Mot de passe correct"),
    "signin.password_failed": _("Mot de passe refusé"),
    "signin.code_sent": _("Code envoyé par SMS"),
    "signin.code_failed": _("Code faux"),
    "signin.locked": _("Codes bloqués après trop d'erreurs"),
    SIGNED_IN: _("Connexion"),
    "signin.text_chosen": _("SMS demandé à la place de l'application"),
    "passkey.added": _("Clé d'accès ajoutée"),
    "passkey.removed": _("Clé d'accès retirée"),
    "passkey.used": _("Clé d'accès utilisée"),
    "passkey.refused": _("Clé d'accès refusée"),
    "app.added": _("Application d'authentification ajoutée"),
    "app.removed": _("Application d'authentification retirée"),
    "app.code_failed": _("Code faux de l'application"),
    "activation.asked": _("Première connexion demandée"),
    "activation.begun": _("Première connexion commencée"),
    "activation.code_failed": _("Première connexion : code faux"),
    "activation.letter_failed": _("Première connexion : code du courrier refusé"),
    "activation.completed": _("Espace ouvert : première connexion"),
    "letter.printed": _("Courrier imprimé"),
    "letter.listed": _("Liste des noms d'un tirage téléchargée"),
    "phone.change_requested": _("Changement de téléphone demandé"),
    "phone.change_confirmed": _("Nouveau téléphone confirmé"),
    "phone.change_cancelled": _("Changement de téléphone annulé"),
    "phone.changed": _("Téléphone changé"),
    "phone.restored": _("Téléphone d'avant rétabli"),
    "email.change_requested": _("Changement d'adresse e-mail demandé"),
    "email.change_cancelled": _("Changement d'adresse e-mail annulé"),
    "email.changed": _("Adresse e-mail changée"),
    "bank.change_requested": _("Changement de compte bancaire demandé"),
    "bank.change_cancelled": _("Changement de compte bancaire annulé"),
    "bank.changed": _("Compte bancaire changé"),
    "bank.restored": _("Compte bancaire d'avant rétabli"),
    "data.copy_asked": _("Copie des données demandée"),
    "data.copy_made": _("Copie des données prête"),
    "data.copy_taken": _("Copie des données téléchargée"),
    "demande.deposited": _("Demande déposée"),
    "demande.taken": _("Demande prise en charge"),
    "demande.put_back": _("Demande remise à traiter"),
    "demande.assigned": _("Demande confiée à un autre conseiller"),
    "demande.document_asked": _("Pièce demandée pour une demande"),
    "demande.answered": _("Pièce envoyée pour une demande"),
    "demande.resumed": _("Demande reprise sans la pièce"),
    "demande.proposed": _("Demande proposée à un second conseiller"),
    "demande.sent_back": _("Demande renvoyée par le second conseiller"),
    "demande.accepted": _("Demande acceptée"),
    "demande.refused": _("Demande refusée"),
    "demande.paid": _("Demande payée"),
    "demande.withdrawn": _("Demande abandonnée"),
    "demande.draft_deleted": _("Brouillon d'une demande supprimé"),
    "demande.message_written": _("Message de l'adhérent sur une demande"),
    "demande.message_sent": _("Message de la mutuelle sur une demande"),
    "demande.document_read": _("Pièce d'une demande ouverte"),
    "ayantdroit.joined": _("Ayant droit ajouté après une demande"),
    "ayantdroit.left": _("Ayant droit retiré après une demande"),
    "preferences.changed": _("E-mails facultatifs choisis"),
    "password.changed": _("Mot de passe changé"),
    "codes.made": _("Codes de secours créés"),
    "recovery.started": _("Téléphone perdu : récupération commencée"),
    "recovery.failed": _("Téléphone perdu : code refusé"),
    "session.ended": _("Déconnexion"),
    "session.reopened": _("Session reprise avec le mot de passe"),
    "session.ended_elsewhere": _("Connexion fermée depuis un autre appareil"),
    "browser.forgotten": _("Navigateur oublié"),
    "password.reset_asked": _("Lien pour un nouveau mot de passe demandé"),
    "password.reset": _("Mot de passe choisi par un lien"),
    "account.protected": _("Acte inconnu signalé : espace protégé"),
    "sms.notice_sent": _("Avis envoyé par SMS"),
    "audit.exported": _("Journal exporté"),
    "record.added": _("Fiche de gestion ajoutée"),
    "record.changed": _("Fiche de gestion modifiée"),
    "record.deleted": _("Fiche de gestion supprimée"),
    "job.started": _("Travail lancé"),
    "job.stopped": _("Travail arrêté"),
    "job.resumed": _("Travail repris"),
    "job.file_read": _("Fichier d'un travail téléchargé"),
    "sms.failed": _("SMS non envoyé ou non remis"),
    "account.changed": _("Compte modifié"),
    "account.suspended": _("Compte suspendu"),
    "account.closed": _("Compte fermé"),
    "account.reopened": _("Compte rouvert"),
    "support.unlocked": _("Essais manqués oubliés par l'assistance"),
    "support.sessions_ended": _("Connexions fermées par l'assistance"),
    "support.factors_switched_off": _("Clés d'accès et application retirées par l'assistance"),
    "support.viewing_started": _("Espace ouvert en lecture par un agent"),
    "support.page_viewed": _("Page de l'espace vue par un agent"),
    "support.viewing_ended": _("Lecture de l'espace terminée"),
    "support.recovery_started": _("Téléphone perdu : premier agent"),
    "support.recovery_approved": _("Téléphone perdu : second agent"),
    "support.recovery_ended": _("Récupération annulée"),
    "staff.invited": _("Agent accueilli"),
    "staff.invited_again": _("Arrivée d'un agent recommencée"),
    "staff.ticket_refused": _("Code d'arrivée refusé"),
    "staff.enrolled": _("Mot de passe et application d'un agent enregistrés"),
    "staff.confirmed": _("Arrivée d'un agent confirmée"),
    "staff.changed": _("Compte d'un agent modifié"),
    "staff.roles_changed": _("Rôles d'un agent changés"),
    "person.added": _("Personne ajoutée au dossier"),
    "person.changed": _("Dossier modifié"),
    "feed.imported": _("Fichiers de gestion importés"),
    "feed.exported": _("Fichiers de gestion exportés"),
    "nir.replaced": _("Numéro de sécurité sociale remplacé"),
    "nir.revealed": _("Numéro de sécurité sociale consulté"),
    "card.issued": _("Carte de tiers payant éditée"),
    "card.downloaded": _("Carte de tiers payant téléchargée"),
    "reimbursements.downloaded": _("Relevé de remboursements téléchargé"),
    "incident.created": _("Incident créé"),
    "incident.target_changed": _("Opérateur touché modifié"),
    "incident.changed": _("Incident modifié"),
    "incident.claim_recorded": _("Affirmation d'un opérateur saisie"),
    "incident.version_started": _("Version commencée"),
    "incident.version_changed": _("Version modifiée"),
    "incident.version_submitted": _("Version soumise"),
    "incident.version_published": _("Version publiée"),
    "incident.version_withdrawn": _("Version retirée"),
    "incident.version_scheduled": _("Version approuvée pour plus tard"),
    "incident.version_held_back": _("Version programmée retenue"),
    "incident.emergency_called": _("Publication d'urgence demandée"),
    "incident.script_read": _("Script d'appel lu pour un adhérent"),
    "incident.previewed": _("Page vue par un agent, comme l'adhérent"),
    "incident.acknowledged": _("Information incident lue"),
    "incident.closed": _("Incident clos"),
    "incident.classified": _("Incident classé majeur ou non"),
    "incident.classification_struck": _("Classement d'un incident rayé"),
    "call.recorded": _("Appel d'un opérateur saisi"),
    "call.struck": _("Appel d'un opérateur rayé"),
    "evidence.recorded": _("Pièce versée"),
    "evidence.read": _("Pièce téléchargée"),
    "evidence.held": _("Conservation d'une pièce imposée"),
    "evidence.released": _("Conservation d'une pièce levée"),
    "evidence.removed": _("Fichier d'une pièce retiré"),
    "filing.recorded": _("Dépôt auprès d'une autorité saisi"),
    "filing.struck": _("Dépôt auprès d'une autorité rayé"),
    "regime.changed": _("Délai interne changé"),
    "ruling.recorded": _("Obligation déclarée sans objet, ou rétablie"),
    "ruling.struck": _("Décision sur une obligation rayée"),
    "attestation.issued": _("Attestation établie"),
    "incident.reach_filled": _("Registre des personnes à informer actualisé"),
    "incident.reach_searched": _("Personne cherchée dans le registre d'un incident"),
    "incident.mails_queued": _("E-mails d'un incident mis en file"),
    "incident.letters_printed": _("Courriers d'un incident imprimés"),
    "incident.letters_returned": _("Courriers d'un incident revenus"),
    "incident.unreachable": _("Personne déclarée injoignable"),
    "incident.unreachable_by_group": _("Groupe de personnes déclaré injoignable"),
    "incident.reachable_again": _("Personne de nouveau joignable"),
    "incident.employers_notices_made": _("Avis aux employeurs produits"),
    "incident.audience_counted": _("Personnes concernées comptées"),
    "incident.audience_exported": _("Comptes des personnes concernées exportés"),
    "incident.dossier_exported": _("Dossier d'un incident exporté"),
    "incident.register_exported": _("Registre des violations exporté"),
    "incident.bundle_made": _("Dossier de preuve constitué"),
    "incident.audience_searched": _("Personne cherchée parmi celles d'un incident"),
}


def label(action: str) -> str:
    """The French label of an action; the action itself where an older release had other ones."""
    return str(LABELS.get(action, action))


@dataclass(frozen=True)
class Act:
    """One event as its member reads it. `by`: « la mutuelle » when an agent did it; no agent is named."""

    id: int
    at: datetime
    label: str
    device: str
    place: str
    by: str


def acts_of(user: User, before: int | None = None) -> list[Act]:
    """What happened to the account of `user` within a year, the latest first, PAGE at most. One statement.

    `before`: only what came before the event of this id.
    """
    year = timezone.now() - timedelta(days=KEPT_DAYS)
    events = AuditEvent.objects.filter(user=user, at__gt=year).order_by("-id")
    if before is not None:
        events = events.filter(id__lt=before)
    return [
        Act(
            id=event.pk,
            at=event.at,
            label=label(event.action),
            device=described(event.browser) if event.browser else "",
            place=shown_prefix(event.address),
            by=_("la mutuelle") if event.actor_id not in (None, user.pk) else "",
        )
        for event in events[:PAGE]
    ]


def year_of(user: User) -> list[Act]:
    """All that happened to the account of `user` within a year, the latest first. A statement per PAGE."""
    acts = page = acts_of(user)
    while len(page) == PAGE:
        page = acts_of(user, page[-1].id)
        acts = acts + page
    return acts


def last_sign_in(user: User) -> datetime | None:
    """When `user` last signed in with both factors. One statement."""
    events = AuditEvent.objects.filter(user=user, action=SIGNED_IN)
    return events.order_by("-at").values_list("at", flat=True).first()
