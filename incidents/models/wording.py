"""To whom a notice speaks, of what, and whose words serve for whom.

Why it is so: docs/decisions/0032-one-notice-six-audiences.md.
"""

import unicodedata

from django.db import models
from django.utils.translation import gettext_lazy as _

BLANK_LETTERS = "\u115f\u1160\u3164\uffa0"  # Hangul fillers: letters for Unicode, nothing on a page


class Audience(models.TextChoices):
    MEMBER = "member", _("adhérent")
    ADULT = "adult", _("ayant droit majeur")
    FORMER = "former", _("ancien adhérent")
    EMPLOYER = "employer", _("employeur")
    PUBLIC = "public", _("public")
    SUPPORT = "support", _("assistance")

    @property
    def borrows(self) -> bool:
        """Whether it reads the member's words where it has none of its own."""
        return self not in APART


class Topic(models.TextChoices):
    """What a notice speaks of, in the order of a letter. Those of WRITTEN are typed, the others are facts."""

    WHAT_HAPPENED = "what_happened", _("ce qui s'est passé")
    DATA = "data", _("données touchées")
    REASSURANCE = "reassurance", _("ce qui n'est pas touché")
    CONSEQUENCES = "consequences", _("conséquences probables")
    WHAT_TO_DO = "what_to_do", _("que faire")
    DONE = "done", _("ce qui a été fait")
    WORKS = "works", _("ce qui fonctionne")
    WHOM_TO_CALL = "whom_to_call", _("qui appeler")


WRITTEN = (Topic.WHAT_HAPPENED, Topic.CONSEQUENCES, Topic.WHAT_TO_DO, Topic.REASSURANCE)

# « Vous pourriez recevoir de faux messages » is said neither to an employer nor to an agent: these
# have their own words, at least on OWN_MINIMUM. The public has its summary, a column of its own.
APART = (Audience.EMPLOYER, Audience.SUPPORT)
OWN_MINIMUM = (Topic.WHAT_HAPPENED, Topic.WHAT_TO_DO)

OTHERS = tuple(audience for audience in Audience if audience != Audience.MEMBER)


def says_something(text: str) -> bool:
    """Whether `text` has a letter or a digit that a reader sees: spaces of no width say nothing."""
    return any(
        unicodedata.category(character)[0] in "LN" and character not in BLANK_LETTERS
        for character in text
    )


def own_texts(typed: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """`typed` without texts that say nothing: one way to write one meaning.

    Raises ValueError for an audience, a topic or a kind of value that does not exist.
    """
    known = {audience: typed.get(audience, {}) for audience in OTHERS}
    if set(typed) - set(known):
        raise ValueError(f"unknown audience among {sorted(typed)}")
    kept = {}
    for audience, texts in known.items():
        if set(texts) - set(WRITTEN) or not all(isinstance(text, str) for text in texts.values()):
            raise ValueError(f"unknown topic or value of {audience.value}")
        said = {
            topic.value: texts[topic] for topic in WRITTEN if says_something(texts.get(topic, ""))
        }
        if said:
            kept[audience.value] = said
    return kept
