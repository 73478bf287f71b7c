"""What a notice must say before it may be submitted: GDPR art. 34(2), with art. 33(3)(b) to (d).

The regulator fines wording, not only silence: each element is asked for by name.
"""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from incidents.facts import Facts
from incidents.models import NoticeVersion
from incidents.models.claim import ClaimState


@dataclass(frozen=True, slots=True)
class Gap:
    """Something missing: a stable code, the article that asks for it, and what to do about it."""

    code: str
    article: str
    text: str

    def __str__(self):
        return self.text


def gaps(version: NoticeVersion, facts: Facts) -> list[Gap]:
    """What `version` still lacks, in the order of the article; empty when it may be submitted."""
    return [*_gaps_of_text(version), *_gaps_of_facts(facts)]


def _gaps_of_text(version):
    asked = (
        ("headline", "34(1)", _("Donnez un titre.")),
        ("public_summary", "34(1)", _("Résumez l'incident pour le public.")),
        ("what_happened", "34(2)", _("Dites la nature de la violation : ce qui s'est passé.")),
        ("consequences", "33(3)(c)", _("Décrivez les conséquences probables.")),
        ("what_to_do", "33(3)(d)", _("Dites ce que chacun peut faire pour se protéger.")),
    )
    for name, article, text in asked:
        if not getattr(version, name).strip():
            yield Gap(name, article, text)
    if version.number > 1 and not version.change_note.strip():
        yield Gap("change_note", "34(1)", _("Dites ce qui a changé depuis la version précédente."))
    if version.number == 1 and not version.material:
        yield Gap(
            "material", "34(1)", _("Une première version est toujours un changement important.")
        )


def _gaps_of_facts(facts):
    if not facts.targets:
        yield Gap("targets", "34(2)", _("Ajoutez au moins un opérateur touché."))
    for target in facts.targets:
        told = {"operator": target.operator_name}
        if not target.what_happened.strip():
            text = _("Dites ce qui s'est passé chez %(operator)s.") % told
            yield Gap(f"what_happened.{target.operator}", "34(2)", text)
        if not target.window_source.strip():
            text = _("Indiquez la source des dates chez %(operator)s, même inconnues.") % told
            yield Gap(f"dates.{target.operator}", "34(2)", text)
        known = target.categories(ClaimState.EXPOSED) | target.categories(ClaimState.CHECKING)
        if not known:
            text = _("Indiquez les données exposées ou en vérification chez %(operator)s.") % told
            yield Gap(f"categories.{target.operator}", "34(2)", text)
    contacts = facts.contacts
    if not contacts.dpo_name.strip() or not contacts.dpo_email.strip():
        text = _("Indiquez le délégué à la protection des données et son adresse.")
        yield Gap("dpo", "33(3)(b)", text)
    if not facts.steps:
        yield Gap("steps", "33(3)(d)", _("Ajoutez les mesures prises ou proposées."))
