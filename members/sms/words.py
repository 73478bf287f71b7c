"""The words of our texts, and what they cost.

A text of one GSM-7 segment holds 160 characters; a single one outside that alphabet (ç, ê, ï, œ,
«, ’, the no-break space) turns it into UCS-2, where a segment holds 70.
"""

from math import ceil

from django.conf import settings
from django.utils.translation import gettext as _

_GSM7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM7_ESCAPED = frozenset("^{}\\[~]|€\f")  # each costs two characters


def sign_in_code(*, code: str, reference: str, seconds_left: float) -> str:
    """The text of a sign-in code: the code first, and a last line that binds it to our site.

    Browsers only offer a code bound that way (`@host #code`) on pages of that host.
    """
    minutes = max(1, int(seconds_left + 15) // 60)
    sentence = _(
        "%(code)s : code de connexion Mutuelle du Rivage, demande %(reference)s, "
        "valable %(minutes)s min. Ne le donnez à personne."
    ) % {"code": code, "reference": reference, "minutes": minutes}
    return f"{sentence}\n\n@{settings.PUBLIC_HOST} #{code}"


def segments(text: str) -> int:
    """How many segments this text is billed as."""
    if all(character in _GSM7 or character in _GSM7_ESCAPED for character in text):
        length = len(text) + sum(character in _GSM7_ESCAPED for character in text)
        return 1 if length <= 160 else ceil(length / 153)
    length = len(text.encode("utf-16-le")) // 2
    return 1 if length <= 70 else ceil(length / 67)
