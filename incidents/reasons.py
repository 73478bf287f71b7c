"""Why a person is concerned by the attack of an operator, or is not: codes and plain sentences.

The codes are a public contract: docs/exposure.md.
"""

from datetime import date

from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from members.days import day


class Reason(models.TextChoices):
    """From the strongest to the weakest: a person's answer is the strongest of his rows."""

    DELEGATION = "delegation", gettext_lazy("opérateur du contrat lors de l'incident")
    DETENTION = "detention", gettext_lazy("données gardées après la fin de la gestion")
    PURGE_ATTESTEE = "purge_attestee", gettext_lazy("données effacées avant l'incident")
    NON_DETENU = "non_detenu", gettext_lazy("données non détenues lors de l'incident")
    APRES_INCIDENT = "apres_incident", gettext_lazy("couverture ou gestion après l'incident")
    NON_COUVERT = "non_couvert", gettext_lazy("non couvert pendant la gestion")
    HORS_DOMAINE = "hors_domaine", gettext_lazy("soins hors du périmètre")
    HORS_PERIMETRE = "hors_perimetre", gettext_lazy("contrat hors du périmètre")
    JAMAIS_DELEGUE = "jamais_delegue", gettext_lazy("contrat jamais confié à l'opérateur")
    SANS_ADHESION = "sans_adhesion", gettext_lazy("aucune adhésion")

    @property
    def is_concerned(self) -> bool:
        return self in CONCERNED

    @property
    def strength(self) -> int:
        return -list(Reason).index(self)

    def sentence(
        self,
        *,
        operator: str,
        purged_on: date | None = None,
        rests_on_unknown_day: bool = False,
    ) -> str:
        """One plain sentence. `rests_on_unknown_day`: it depends on a day of the attack that nobody knows."""
        sentences = _SENTENCES | (_SENTENCES_WITHOUT_DAYS if rests_on_unknown_day else {})
        return sentences[self] % {
            "operator": operator,
            "purged_on": day(purged_on) if purged_on else _("à une date attestée"),
        }


CONCERNED = (Reason.DELEGATION, Reason.DETENTION)

_SENTENCES = {
    Reason.DELEGATION: gettext_lazy(
        "%(operator)s gérait le tiers payant de ce contrat au moment de l'incident."
    ),
    Reason.DETENTION: gettext_lazy(
        "%(operator)s ne gérait plus ce contrat, mais gardait encore ces données."
    ),
    Reason.PURGE_ATTESTEE: gettext_lazy(
        "%(operator)s a effacé ces données avant l'incident : %(purged_on)s."
    ),
    Reason.NON_DETENU: gettext_lazy(
        "D'après nos registres, %(operator)s ne détenait plus ces données lors de l'incident."
    ),
    Reason.APRES_INCIDENT: gettext_lazy(
        "La couverture, ou la gestion par %(operator)s, a commencé après l'incident."
    ),
    Reason.NON_COUVERT: gettext_lazy(
        "Cette personne n'était pas couverte pendant que %(operator)s gérait le contrat."
    ),
    Reason.HORS_DOMAINE: gettext_lazy(
        "%(operator)s gérait pour ce contrat des soins que cet incident ne touche pas."
    ),
    Reason.HORS_PERIMETRE: gettext_lazy("Ce contrat n'entre pas dans cet incident."),
    Reason.JAMAIS_DELEGUE: gettext_lazy(
        "La gestion de ce contrat n'a jamais été confiée à %(operator)s."
    ),
    Reason.SANS_ADHESION: gettext_lazy(
        "Cette personne n'a jamais été couverte par un de nos contrats."
    ),
}


# While a day of the attack is unknown, it lies within a year of the day when the attack was known.
_SENTENCES_WITHOUT_DAYS = {
    Reason.DELEGATION: gettext_lazy(
        "%(operator)s a pu gérer ce contrat pendant l'attaque, dont les dates restent inconnues."
    ),
    Reason.DETENTION: gettext_lazy(
        "%(operator)s a pu garder ces données jusqu'à l'attaque, dont les dates restent inconnues."
    ),
    Reason.PURGE_ATTESTEE: gettext_lazy(
        "%(operator)s a effacé ces données plus d'un an avant la découverte de l'attaque : "
        "%(purged_on)s."
    ),
    Reason.NON_DETENU: gettext_lazy(
        "D'après nos registres, %(operator)s ne détenait plus ces données un an avant la découverte "
        "de l'attaque."
    ),
    Reason.APRES_INCIDENT: gettext_lazy(
        "La couverture, ou la gestion par %(operator)s, a commencé plus d'un an après la découverte "
        "de l'attaque."
    ),
}


class ExposureState(models.TextChoices):
    """From the strongest to the weakest. « Présumée »: the dates of the attack are not known."""

    CONFIRMED = "confirmee", pgettext_lazy("exposition", "confirmée")
    PRESUMED = "presumee", pgettext_lazy("exposition", "présumée")
    DISMISSED = "ecartee", pgettext_lazy("exposition", "écartée")

    @property
    def strength(self) -> int:
        return -list(ExposureState).index(self)
