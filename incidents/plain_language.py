"""Hints to whoever writes a notice: long sentences, words of the trade, passive and alarming turns.

They are shown beside the field and never refuse a text: the author decides, the approver reads.
"""

import re
from collections.abc import Iterator

from django.utils.translation import gettext as _

from incidents.jargon import ALARMING, JARGON

LONGEST = 20  # words of a sentence, as in our own pages
SHOWN = 8  # hints for one text: more would be read by nobody

# « a été volé par », « sont consultées par »: who acts comes last
PASSIVE = re.compile(
    r"\b(?:est|sont|sera|seront|été|était|étaient|être)\s+(?:\w+ment\s+)?"
    r"\w+(?:é|ée|és|ées|ie?s?|ises?|ite?s?|ue?s?)\s+par\b",
    re.I,
)


def hints(text: str) -> list[str]:
    """At most SHOWN hints about `text`, the most useful first; empty when it reads well."""
    found = [*_long_sentences(text), *_jargon(text), *_turns(text)]
    return found[:SHOWN]


def sentences(text: str) -> list[str]:
    """A sentence ends with its mark or with its line."""
    return [one.strip() for one in re.split(r"(?<=[.!?…])\s+|\n", text) if one.strip()]


def count_words(sentence: str) -> int:
    """What is said between spaces; a lone sign is no word."""
    return sum(any(sign.isalnum() for sign in part) for part in sentence.split())


def _long_sentences(text: str) -> Iterator[str]:
    for sentence in sentences(text):
        count = count_words(sentence)
        if count > LONGEST:
            yield _("Phrase de %(count)s mots : « %(begin)s… ». Coupez-la en deux.") % {
                "count": count,
                "begin": " ".join(sentence.split()[:5]),
            }


def _jargon(text: str) -> Iterator[str]:
    for word, plain in JARGON.items():
        match = _spelled(word).search(text)
        # explained where it stands, or by the very words that we would propose
        if match and not text[match.end() :].lstrip().startswith("(") and plain not in text:
            yield _("« %(word)s » : dites plutôt « %(plain)s », ou expliquez ce mot.") % {
                "word": match[0],
                "plain": plain,
            }


def _turns(text: str) -> Iterator[str]:
    for match in PASSIVE.finditer(text):
        yield _("« %(words)s » : commencez par qui agit.") % {"words": match[0]}
    for word in ALARMING:
        if match := _spelled(word).search(text):
            yield _("« %(word)s » inquiète sans aider. Dites le fait.") % {"word": match[0]}
    if "!" in text:
        yield _("Un point d'exclamation inquiète. Finissez par un point.")


def _spelled(word: str) -> re.Pattern:
    """`word` alone, its plural too; an acronym only in capitals."""
    flags = 0 if word.isupper() else re.I
    return re.compile(rf"(?<!\w){re.escape(word)}[sx]?(?!\w)", flags)
