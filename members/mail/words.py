"""The words of our e-mails: a subject here, a body in templates/mail/<kind>.txt. Plain text only.

No health data, no code, no whole number. A body may hold one link to act and one to say « ce n'est pas
moi ».
"""

import re

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from members import links
from members.models import Mail

SUBJECTS = {
    "reset": _("Choisir un nouveau mot de passe"),
    "activation": _("Ouvrir votre espace adhérent"),
    "already_open": _("Votre espace adhérent est déjà ouvert"),
    "confirm_email": _("Confirmer votre adresse e-mail"),
    "activated": _("Votre espace adhérent est ouvert"),
    "new_browser": _("Nouvelle connexion à votre espace"),
    "code_failed": _("Une connexion à votre espace a échoué"),
    "password_changed": _("Votre mot de passe a changé"),
    "email_change_asked": _("Votre adresse e-mail va changer"),
    "email_changed": _("Votre adresse e-mail a changé"),
    "email_taken_back": _("Votre ancienne adresse e-mail sert à nouveau"),
    "phone_change_asked": _("Votre téléphone de connexion va changer"),
    "phone_changed": _("Votre téléphone de connexion a changé"),
    "bank_change_asked": _("Votre compte bancaire va changer"),
    "bank_changed": _("Votre compte bancaire a changé"),
    "data_copy_asked": _("Une copie de vos données est demandée"),
    "data_copy_ready": _("La copie de vos données est prête"),
    "data_copy_taken": _("La copie de vos données a été téléchargée"),
    "change_cancelled": _("Un changement a été annulé"),
    "factor_added": _("Un moyen de connexion a été ajouté"),
    "factor_removed": _("Un moyen de connexion a été retiré"),
    "codes_made": _("De nouveaux codes de secours ont été créés"),
    "recovery_started": _("Une récupération de votre espace est en cours"),
    "trail_anchor": _("Ancre du journal"),
    "deadline": _("Échéance d'un incident à suivre"),
    "blocked": _("Votre espace est protégé"),
    "staff_renewed": _("Votre accès de travail recommence"),
    "staff_confirmed": _("Votre accès de travail est ouvert"),
    "staff_email_changed": _("L'adresse e-mail de votre compte a changé"),
    "email_replaced": _("L'adresse e-mail de votre dossier a changé"),
    "version_held_back": _("Une version programmée n'a pas paru"),
    "demande_moved": _("Votre demande a avancé"),
    "incident": _("Un incident vous concerne : connectez-vous à votre espace"),
}


def subject(mail: Mail) -> str:
    return str(SUBJECTS[mail.kind])


def body(mail: Mail) -> str:
    """The whole text, its links written out."""
    facts = {
        **mail.facts,
        "link": links.url(mail.link) if mail.link else "",
        "not_me": links.url(mail.not_me) if mail.not_me else "",
        "site": settings.PUBLIC_URL.partition("://")[2],
        "forgotten": settings.PUBLIC_URL + reverse("password_forgotten"),
    }
    text = render_to_string(f"mail/{mail.kind}.txt", {"facts": facts}).strip()
    return re.sub(r"\n{3,}", "\n\n", text) + "\n"
