"""What a password must be: long, not common, not about oneself. No rule of composition.

Sources: CNIL, délibération 2022-100; OWASP ASVS 5.0 §6.2. The list of common passwords is Django's.
"""

import unicodedata

from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from members.gate import password_gate
from members.limits import limit


def encode(password: str) -> str:
    """The hash to store, made behind the gate of every hash. Raises gate.Busy."""
    with password_gate.passage():
        return make_password(password)


class LengthValidator:
    def validate(self, password, user=None):
        shortest, longest = limit("PASSWORD_SHORTEST"), limit("PASSWORD_LONGEST")
        if len(password) < shortest:
            raise ValidationError(
                ngettext(
                    "Le mot de passe doit contenir au moins %(count)d caractère.",
                    "Le mot de passe doit contenir au moins %(count)d caractères.",
                    shortest,
                )
                % {"count": shortest},
                code="password_too_short",
            )
        if len(password) > longest:
            raise ValidationError(
                _("Le mot de passe ne peut pas dépasser %(count)d caractères.")
                % {"count": longest},
                code="password_too_long",
            )

    def get_help_text(self):
        return _("Au moins %(count)d caractères. Une phrase convient très bien.") % {
            "count": limit("PASSWORD_SHORTEST")
        }


class PersonalValidator:
    """Refuses a password made of the identifiant, a name or the birth date of its owner."""

    def validate(self, password, user=None):
        if user is None:
            return
        typed = _plain(password)
        for word in _words_about(user):
            if len(word) >= 4 and word in typed:
                raise ValidationError(
                    _(
                        "Le mot de passe ne doit contenir ni nom, ni identifiant, ni date de naissance."
                    ),
                    code="password_about_oneself",
                )

    def get_help_text(self):
        return _("Ni votre nom, ni votre identifiant, ni votre date de naissance.")


def _words_about(user):
    yield _plain(user.identifiant)
    yield _plain(user.name)
    member = getattr(user, "member", None)
    if member:
        yield from map(_plain, (member.birth_name, member.usage_name, *member.first_names.split()))
        yield f"{member.birth_date:%d%m%Y}"
        yield f"{member.birth_date:%d%m%y}"
        yield f"{member.birth_date:%Y%m%d}"


def _plain(text: str) -> str:
    """Without case, accents, spaces or punctuation: « Jean-Noël » is « jeannoel »."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in decomposed if character.isalnum())
