"""What a notice must say before it may be submitted: GDPR art. 34(2), with art. 33(3)(b) to (d).

The regulator fines wording, not only silence: each element is asked for by name, for each audience.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents.facts import Facts
from incidents.models import NoticeVersion
from incidents.models.claim import ClaimState
from incidents.models.wording import APART, OWN_MINIMUM, Topic, says_something


@dataclass(frozen=True, slots=True)
class Gap:
    """Something missing: a stable code, the article that asks for it if one does, what to do about it.

    `may_wait`: two colleagues may publish without it in an emergency. (incidents.notices)
    """

    code: str
    article: str
    text: str
    may_wait: bool = True

    def __str__(self):
        return self.text


def gaps(version: NoticeVersion, facts: Facts) -> list[Gap]:
    """What `version` still lacks, in the order of the article; empty when it may be submitted."""
    return [
        *_gaps_of_text(version),
        *_gaps_of_audiences(version),
        *_gaps_of_times(version),
        *_gaps_of_facts(facts),
    ]


def _gaps_of_text(version) -> Iterator[Gap]:
    asked = (
        ("headline", "34(1)", _("Donnez un titre."), False),
        ("public_summary", "34(1)", _("Résumez l'incident pour le public."), False),
        (
            "what_happened",
            "34(2)",
            _("Dites la nature de la violation : ce qui s'est passé."),
            False,
        ),
        ("consequences", "33(3)(c)", _("Décrivez les conséquences probables."), True),
        ("what_to_do", "33(3)(d)", _("Dites ce que chacun peut faire pour se protéger."), True),
    )
    for name, article, text, may_wait in asked:
        if not says_something(getattr(version, name)):
            yield Gap(name, article, text, may_wait)
    if version.number > 1 and not says_something(version.change_note):
        yield Gap("change_note", "34(1)", _("Dites ce qui a changé depuis la version précédente."))
    if version.number == 1 and not version.material:
        text = _("Une première version est toujours un changement important.")
        yield Gap("material", "34(1)", text, may_wait=False)


ASKED = {
    Topic.WHAT_HAPPENED: gettext_lazy("Dites ce qui s'est passé. Public visé : %(audience)s."),
    Topic.WHAT_TO_DO: gettext_lazy("Dites ce qu'il faut faire. Public visé : %(audience)s."),
}


def _gaps_of_audiences(version) -> Iterator[Gap]:
    """The own minimum of those who do not read the member's words; the others say at least what he reads.

    No article: an employer and an agent are not the persons concerned. They are whom these ask.
    """
    for audience in APART:
        for topic in OWN_MINIMUM:
            if not says_something(version.text(audience, topic)):
                text = ASKED[topic] % {"audience": audience.label}
                yield Gap(f"{audience}.{topic}", "", text)


def _gaps_of_times(version) -> Iterator[Gap]:
    if version.expires_at and version.expires_at <= timezone.now():
        yield Gap("expires_at", "", _("Choisissez une fin à venir."), may_wait=False)


def _gaps_of_facts(facts):
    if not facts.targets:
        # without it, everybody would read that he is not concerned
        text = _("Ajoutez au moins un opérateur touché.")
        yield Gap("targets", "34(2)", text, may_wait=False)
    for target in facts.targets:
        told = {"operator": target.operator_name}
        if not says_something(target.what_happened):
            text = _("Dites ce qui s'est passé chez %(operator)s.") % told
            yield Gap(f"what_happened.{target.operator}", "34(2)", text)
        if not says_something(target.window_source):
            text = _("Indiquez la source des dates chez %(operator)s, même inconnues.") % told
            yield Gap(f"dates.{target.operator}", "34(2)", text)
        known = target.categories(ClaimState.EXPOSED) | target.categories(ClaimState.CHECKING)
        if not known:
            text = _("Indiquez les données exposées ou en vérification chez %(operator)s.") % told
            yield Gap(f"categories.{target.operator}", "34(2)", text)
    contacts = facts.contacts
    if not (says_something(contacts.dpo_name) and says_something(contacts.dpo_email)):
        text = _("Indiquez le délégué à la protection des données et son adresse.")
        yield Gap("dpo", "33(3)(b)", text)
    if not any(says_something(step.text) for step in facts.steps):
        yield Gap("steps", "33(3)(d)", _("Ajoutez les mesures prises ou proposées."))
