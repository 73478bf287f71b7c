"""What a notice must say before it may be submitted: GDPR art. 34(2), with art. 33(3)(b) to (d).

The regulator fines wording, not only silence: each element is asked for by name.
"""

import unicodedata
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


BLANK_LETTERS = "\u115f\u1160\u3164\uffa0"  # Hangul fillers: letters for Unicode, nothing on a page


def _says_something(text: str) -> bool:
    """Whether `text` has a letter or a digit that a reader sees: spaces of no width say nothing."""
    return any(
        unicodedata.category(character)[0] in "LN" and character not in BLANK_LETTERS
        for character in text
    )


def _gaps_of_text(version):
    asked = (
        ("headline", "34(1)", _("Donnez un titre.")),
        ("public_summary", "34(1)", _("Résumez l'incident pour le public.")),
        ("what_happened", "34(2)", _("Dites la nature de la violation : ce qui s'est passé.")),
        ("consequences", "33(3)(c)", _("Décrivez les conséquences probables.")),
        ("what_to_do", "33(3)(d)", _("Dites ce que chacun peut faire pour se protéger.")),
    )
    for name, article, text in asked:
        if not _says_something(getattr(version, name)):
            yield Gap(name, article, text)
    if version.number > 1 and not _says_something(version.change_note):
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
        if not _says_something(target.what_happened):
            text = _("Dites ce qui s'est passé chez %(operator)s.") % told
            yield Gap(f"what_happened.{target.operator}", "34(2)", text)
        if not _says_something(target.window_source):
            text = _("Indiquez la source des dates chez %(operator)s, même inconnues.") % told
            yield Gap(f"dates.{target.operator}", "34(2)", text)
        known = target.categories(ClaimState.EXPOSED) | target.categories(ClaimState.CHECKING)
        if not known:
            text = _("Indiquez les données exposées ou en vérification chez %(operator)s.") % told
            yield Gap(f"categories.{target.operator}", "34(2)", text)
    contacts = facts.contacts
    if not (_says_something(contacts.dpo_name) and _says_something(contacts.dpo_email)):
        text = _("Indiquez le délégué à la protection des données et son adresse.")
        yield Gap("dpo", "33(3)(b)", text)
    if not any(_says_something(step.text) for step in facts.steps):
        yield Gap("steps", "33(3)(d)", _("Ajoutez les mesures prises ou proposées."))
