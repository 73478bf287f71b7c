"""How the trail reads: a French label for each action that the portal records, and a few questions to it."""

from datetime import datetime

from django.utils.translation import gettext_lazy as _

from members.models import AuditEvent, User

SIGNED_IN = "signin.completed"

# Read by staff about a member, and by a member about himself: each says what happened, and no more.
LABELS = {
    "signin.password_accepted": _("Mot de passe correct"),
    "signin.password_failed": _("Mot de passe refusé"),
    "signin.code_sent": _("Code envoyé par SMS"),
    "signin.code_failed": _("Code faux"),
    "signin.locked": _("Codes bloqués après trop d'erreurs"),
    SIGNED_IN: _("Connexion"),
    "session.ended": _("Déconnexion"),
    "session.reopened": _("Session reprise avec le mot de passe"),
    "session.ended_elsewhere": _("Connexion fermée depuis un autre appareil"),
    "browser.forgotten": _("Navigateur oublié"),
    "password.reset_asked": _("Lien pour un nouveau mot de passe demandé"),
    "password.reset": _("Mot de passe choisi par un lien"),
    "account.protected": _("Acte inconnu signalé : espace protégé"),
    "sms.notice_sent": _("Avis envoyé par SMS"),
    "audit.exported": _("Journal exporté"),
    "sms.failed": _("SMS non envoyé ou non remis"),
    "account.suspended": _("Compte suspendu"),
    "account.closed": _("Compte fermé"),
    "account.reopened": _("Compte rouvert"),
    "staff.enrolled": _("Compte de l'équipe créé"),
    "staff.roles_changed": _("Rôles d'un agent changés"),
    "person.added": _("Personne ajoutée au dossier"),
    "person.changed": _("Dossier modifié"),
    "nir.replaced": _("Numéro de sécurité sociale remplacé"),
    "nir.revealed": _("Numéro de sécurité sociale consulté"),
    "incident.created": _("Incident créé"),
    "incident.changed": _("Incident modifié"),
    "incident.claim_recorded": _("Affirmation d'un opérateur saisie"),
    "incident.version_started": _("Version commencée"),
    "incident.version_changed": _("Version modifiée"),
    "incident.version_submitted": _("Version soumise"),
    "incident.version_published": _("Version publiée"),
    "incident.version_withdrawn": _("Version retirée"),
    "incident.previewed": _("Page vue par un agent, comme l'adhérent"),
    "incident.acknowledged": _("Information incident lue"),
    "incident.closed": _("Incident clos"),
}


def label(action: str) -> str:
    """The French label of an action; the action itself where an older release had other ones."""
    return str(LABELS.get(action, action))


def last_sign_in(user: User) -> datetime | None:
    """When `user` last signed in with both factors. One statement."""
    events = AuditEvent.objects.filter(user=user, action=SIGNED_IN)
    return events.order_by("-at").values_list("at", flat=True).first()
