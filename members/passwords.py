"""What a password must be: long, hard to guess, not about oneself. No rule of composition.

Sources: CNIL, délibération 2022-100; OWASP ASVS 5.0 §6.2. How many guesses one takes is zxcvbn's estimate:
thirty thousand common passwords, names, words, dates, rows of keys, and what people make of them.
(docs/decisions/0005-limits.md)
"""

import unicodedata

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from pwned_passwords_django.api import PwnedPasswords
from pwned_passwords_django.validators import PwnedPasswordsValidator
from zxcvbn import zxcvbn

from members.gate import password_gate
from members.limits import limit

FEWEST_GUESSES = 10**10  # zxcvbn's best mark
ESTIMATED = 24  # characters: beyond, an estimate may take a second

# Of our own, and the first ones that come to mind here, which zxcvbn does not know: written down for
# ASVS 6.1.2. Plain: without accents, spaces or capitals.
_WORDS = """
    mutuelle rivage mutuelledurivage adherent adherente espaceadherent assurance complementaire sante carte
    vitale cartevitale tierspayant viamedis almerys ameli remboursement cotisation garantie contrat securite
    sociale securitesociale motdepasse motdepass mdp password identifiant connexion azerty azertyuiop qsdfgh
    wxcvbn bonjour bonsoir soleil loulou doudou chouchou coucou cheval chocolat princesse marseille paris lyon
    france bretagne vacances maman papa jetaime jetaimetoi amour bisous famille enfants mamie papi janvier
    fevrier mars avril juin juillet aout septembre octobre novembre decembre lundi mardi mercredi jeudi
    vendredi samedi dimanche printemps hiver automne
"""
OUR_WORDS = _WORDS.split()


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


class GuessableValidator:
    """Refuses what its first characters show to be guessed in fewer than ten billion tries."""

    def validate(self, password, user=None):
        about = list(_words_about(user)) if user else []
        estimate = zxcvbn(_unaccented(password)[:ESTIMATED], user_inputs=[*OUR_WORDS, *about])
        if estimate["guesses"] < FEWEST_GUESSES:
            raise ValidationError(
                _("Ce mot de passe se devine trop facilement. Choisissez trois ou quatre mots."),
                code="password_guessable",
            )

    def get_help_text(self):
        return _("Ni suite de touches, ni mots que tout le monde essaie.")


class LeakedValidator(PwnedPasswordsValidator):
    """Refuses what leaked elsewhere, by the list behind `LEAKED_PASSWORDS_URL`: it is told five characters of
    a digest, never the password. While the list is away, Django's own serves."""

    def __init__(self):
        client = PwnedPasswords()
        client.api_endpoint = settings.LEAKED_PASSWORDS_URL
        super().__init__(
            error_message=gettext_lazy(
                "Ce mot de passe a fuité sur un autre site. Choisissez-en un autre."
            ),
            help_message=gettext_lazy("Pas un mot de passe qui a fuité ailleurs."),
            api_client=client,
        )


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
    return "".join(character for character in _unaccented(text) if character.isalnum())


def _unaccented(text: str) -> str:
    """In small letters without accents: « été » is guessed as « ete » is."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))
