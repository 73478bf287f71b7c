"""How long each thing is kept, read where what deletes it reads it: the page cannot say otherwise."""

from dataclasses import dataclass
from datetime import timedelta

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from members import mydata, retention
from members.limits import limit
from members.mail import delivery as mail_delivery
from members.models.audit import KEPT_DAYS
from members.sms import delivery as sms_delivery

NEVER_BY_ITSELF = gettext_lazy("Rien n'est effacé tout seul : écrivez-nous")


@dataclass(frozen=True)
class Kept:
    what: str | Promise
    how_long: str | Promise


def periods() -> list[Kept]:
    """What the mutual keeps of a member, and for how long."""
    return [
        Kept(_("Identité, contrats, bénéficiaires, remboursements, cartes"), NEVER_BY_ITSELF),
        Kept(_("Comptes bancaires"), NEVER_BY_ITSELF),
        Kept(_("Demandes déposées, leurs pièces et leurs messages"), NEVER_BY_ITSELF),
        Kept(
            _("Brouillon d'une demande, après votre dernier passage"),
            _in_words(retention.DRAFTS_KEPT_FOR),
        ),
        Kept(_("Ce que vous avez lu d'un incident, et vos attestations"), NEVER_BY_ITSELF),
        Kept(_("Ce qui s'est passé dans votre espace"), _in_words(timedelta(days=KEPT_DAYS))),
        Kept(_("E-mails envoyés"), _in_words(mail_delivery.KEPT_FOR)),
        Kept(_("SMS envoyés"), _in_words(sms_delivery.KEPT_FOR)),
        Kept(
            _("Anciens téléphones, anciennes adresses, liens des e-mails"),
            _in_words(retention.KEPT_FOR),
        ),
        Kept(_("Connexion ouverte"), _in_words(timedelta(seconds=limit("SESSION_ABSOLUTE")))),
        Kept(
            _("Navigateur connu, après la dernière visite"),
            _in_words(timedelta(seconds=limit("KNOWN_BROWSER_LIFETIME")) + retention.KEPT_FOR),
        ),
        Kept(_("Copie de vos données"), _in_words(mydata.KEPT)),
    ]


def _in_words(time: timedelta) -> str:
    if time < timedelta(days=1):
        hours = round(time.total_seconds() / 3600)
        return ngettext("%(count)d heure", "%(count)d heures", hours) % {"count": hours}
    return ngettext("%(count)d jour", "%(count)d jours", time.days) % {"count": time.days}
