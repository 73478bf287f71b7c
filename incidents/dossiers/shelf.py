"""Which dossiers an incident has: each with what it is for, and why one is not offered."""

from collections.abc import Callable
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from incidents.dossiers import closing, cnil, dora
from incidents.dossiers.document import Dossier
from incidents.dossiers.dora import Phase
from incidents.dossiers.ground import Ground


def _always(ground: Ground) -> str:
    return ""


@dataclass(frozen=True)
class Kind:
    """`refusal`: why it is not offered now; empty when it is."""

    code: str
    title: str | Promise
    purpose: str | Promise
    build: Callable[[Ground], Dossier]
    refusal: Callable[[Ground], str] = _always


def _report(phase: Phase, purpose: Promise) -> Kind:
    told = dora.REPORTS[phase]
    return Kind(
        told.code,
        told.title,
        purpose,
        lambda ground: dora.report(ground, phase),
        lambda ground: dora.not_offered(ground, phase),
    )


KINDS = {
    kind.code: kind
    for kind in (
        Kind(
            cnil.INITIAL,
            _("Notification à la CNIL : initiale"),
            _("À recopier dans le téléservice, dans son ordre. RGPD, art. 33."),
            cnil.initial,
        ),
        Kind(
            cnil.COMPLEMENT,
            _("Notification à la CNIL : complémentaire"),
            _("Ce qui a changé depuis le premier dépôt. RGPD, art. 33.4."),
            cnil.complement,
            cnil.no_complement,
        ),
        _report(Phase.INITIAL, _("Pour le superviseur, quatre heures après le classement.")),
        _report(Phase.INTERMEDIATE, _("Pour le superviseur, 72 heures après l'initiale.")),
        _report(Phase.FINAL, _("Pour le superviseur, un mois après l'intermédiaire.")),
        Kind(
            closing.CODE,
            _("Rapport de clôture"),
            _("Chronologie, nombres, délais tenus ou non, et ce qui reste."),
            closing.report,
        ),
    )
}
