"""The words of our texts, and what they cost.

A text of one GSM-7 segment holds 160 characters; a single one outside that alphabet (ç, ê, ï, œ,
«, ’, the no-break space) turns it into UCS-2, where a segment holds 70.
"""

from math import ceil

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from members.models.challenge import Purpose

_GSM7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM7_ESCAPED = frozenset("^{}\\[~]|€\f")  # each costs two characters


_FOR = {
    Purpose.SIGN_IN: gettext_lazy("code de connexion"),
    Purpose.ACTIVATION: gettext_lazy("code d'ouverture"),
    Purpose.PRESENT_PHONE: gettext_lazy("code téléphone"),
    Purpose.NEW_PHONE: gettext_lazy("code téléphone"),
}

# Said after the act, to the phone of the profile. No link, no name, nothing that a thief could use.
NOTICES = {
    "password_changed": gettext_lazy(
        "Mutuelle du Rivage : le mot de passe de votre espace a changé. "
        "Si ce n'est pas vous, appelez-nous."
    ),
    "phone_change_asked": gettext_lazy(
        "Mutuelle du Rivage : un nouveau téléphone servira à votre espace dans 3 jours. "
        "Si ce n'est pas vous, appelez-nous."
    ),
    "phone_changed": gettext_lazy(
        "Mutuelle du Rivage : les codes de votre espace arrivent maintenant sur ce téléphone."
    ),
    "email_changed": gettext_lazy(
        "Mutuelle du Rivage : l'adresse e-mail de votre espace a changé. "
        "Si ce n'est pas vous, appelez-nous."
    ),
    "bank_change_asked": gettext_lazy(
        "Mutuelle du Rivage : un nouveau compte recevra vos remboursements dans 3 jours. "
        "Si ce n'est pas vous, appelez-nous."
    ),
    "bank_changed": gettext_lazy(
        "Mutuelle du Rivage : vos remboursements arrivent maintenant sur le nouveau compte. "
        "Si ce n'est pas vous, appelez-nous."
    ),
    "recovery_started": gettext_lazy(
        "Mutuelle du Rivage : quelqu'un demande à remplacer ce téléphone. "
        "Si ce n'est pas vous, appelez-nous."
    ),
    "blocked": gettext_lazy(
        "Mutuelle du Rivage : votre espace est protégé. Choisissez un nouveau mot de passe "
        "pour y revenir."
    ),
}


def one_time_code(*, purpose: str, code: str, reference: str, seconds_left: float) -> str:
    """The text of a code: the code first, and a last line that binds it to our site.

    Browsers only offer a code bound that way (`@host #code`) on pages of that host.
    """
    minutes = max(1, int(seconds_left + 15) // 60)
    sentence = _(
        "%(code)s : %(what)s Mutuelle du Rivage, demande %(reference)s, "
        "valable %(minutes)s min. Ne le donnez à personne."
    ) % {
        "code": code,
        "what": _FOR[Purpose(purpose)],
        "reference": reference,
        "minutes": minutes,
    }
    return f"{sentence}\n\n@{settings.PUBLIC_HOST} #{code}"


def spoken_code(*, purpose: str, code: str) -> str:
    """What a call says, digit by digit. Said three times by the gateway, so that pen and paper keep up."""
    return _(
        "Bonjour. La Mutuelle du Rivage vous donne votre %(what)s. Notez-le. %(digits)s. "
        "Ne le donnez à personne."
    ) % {"what": _FOR[Purpose(purpose)], "digits": " . ".join(code)}


def notice(kind: str) -> str:
    return str(NOTICES[kind])


def segments(text: str) -> int:
    """How many segments this text is billed as."""
    if all(character in _GSM7 or character in _GSM7_ESCAPED for character in text):
        length = len(text) + sum(character in _GSM7_ESCAPED for character in text)
        return 1 if length <= 160 else ceil(length / 153)
    length = len(text.encode("utf-16-le")) // 2
    return 1 if length <= 70 else ceil(length / 67)
