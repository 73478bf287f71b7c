"""The pages of our letters: A4, folded in three, its address in the window of a DL envelope.

Sizes in millimetres from the top left corner.
"""

from dataclasses import dataclass
from datetime import date
from io import BytesIO
from textwrap import wrap

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from members.days import day
from members.models.recovery import LetterPurpose
from members.paper import BOLD, PLAIN, printable, register_fonts

LEFT = 25
WIDTH = 82  # characters of a line of text
ADDRESS_LEFT, ADDRESS_TOP = 105, 52  # within the window: 100 to 200 across, 45 to 90 down
ADDRESS_WIDTH = 38  # characters of an address line (NF Z10-011)
FOLDS = (99, 198)
LINE = 5.6


@dataclass(frozen=True)
class Letter:
    """What one page says. Only here, and for the time of printing, is a code in clear."""

    purpose: LetterPurpose
    civility: str
    name: str
    address: str
    town: str
    number: str
    code: str
    made_on: date
    valid_through: date


def render(letters: list[Letter]) -> bytes:
    """One PDF, a page each, in this order."""
    register_fonts()
    stream = BytesIO()
    canvas = Canvas(stream, pagesize=A4, pageCompression=1, lang="fr-FR")
    canvas.setTitle(_("Courriers de la Mutuelle du Rivage"))
    canvas.setAuthor(_("Mutuelle du Rivage"))
    canvas.setViewerPreference("DisplayDocTitle", "true")
    for letter in letters:
        _page(canvas, letter)
        canvas.showPage()
    canvas.save()
    return stream.getvalue()


def _page(canvas: Canvas, letter: Letter) -> None:
    _write(canvas, LEFT, 22, _("Mutuelle du Rivage"), BOLD, 15)
    _write(canvas, LEFT, 28, _("Espace adhérent"), PLAIN, 10)
    _address(canvas, letter)
    for fold in FOLDS:  # marks for who folds by hand
        canvas.setLineWidth(0.3)
        canvas.line(4 * mm, A4[1] - fold * mm, 8 * mm, A4[1] - fold * mm)
    # below the first fold: nothing of this can slip into the window
    y = 105
    y = _paragraph(canvas, y, _("Le %(day)s") % {"day": day(letter.made_on)})
    subject, greeting, opening, steps = _words(letter)
    y = _paragraph(canvas, y + 3, subject, BOLD)
    y = _paragraph(canvas, y + 3, greeting)
    y = _paragraph(canvas, y + 2, opening)
    for number, step in enumerate(steps, start=1):
        y = _paragraph(canvas, y + 1.5, f"{number}. {step}")
    y = _boxed(canvas, y + 3, letter)
    for sentence in (
        _("Ce code sert une seule fois, jusqu'au %(day)s inclus.")
        % {"day": day(letter.valid_through)},
        _(
            "Ne le donnez à personne. Nous ne vous le demanderons jamais, ni par téléphone, ni par e-mail."
        ),
        _(
            "Vous n'attendiez pas ce courrier ? "
            "Appelez le numéro inscrit sur votre carte de tiers payant."
        ),
    ):
        y = _paragraph(canvas, y + 2, sentence)
    _paragraph(canvas, y + 5, _("La Mutuelle du Rivage"))


def _address(canvas: Canvas, letter: Letter) -> None:
    street = wrap(letter.address, ADDRESS_WIDTH)[:3]
    name = f"{letter.civility} {letter.name}".strip()
    lines = [*wrap(name, ADDRESS_WIDTH)[:2], *street, letter.town.upper()]
    for row, line in enumerate(lines):
        _write(canvas, ADDRESS_LEFT, ADDRESS_TOP + row * 5.4, line, PLAIN, 11)


def _boxed(canvas: Canvas, y: float, letter: Letter) -> float:
    """The two things to copy, large, in a frame."""
    canvas.setLineWidth(0.8)
    canvas.roundRect(LEFT * mm, A4[1] - (y + 30) * mm, 160 * mm, 30 * mm, 2 * mm)
    _write(canvas, LEFT + 6, y + 8, _("Numéro d'adhérent"), PLAIN, 10.5)
    _write(canvas, LEFT + 6, y + 18, letter.number, BOLD, 17)
    _write(canvas, LEFT + 82, y + 8, _("Code"), PLAIN, 10.5)
    _write(canvas, LEFT + 82, y + 18, letter.code, BOLD, 20)
    _write(
        canvas,
        LEFT + 6,
        y + 26,
        _("Majuscules ou minuscules, avec ou sans tiret : tout convient."),
        PLAIN,
        9.5,
    )
    return y + 36


def _words(letter: Letter) -> tuple[str, str, str, list[str]]:
    greeting = f"{letter.civility or _('Madame, Monsieur')},"
    if letter.purpose == LetterPurpose.RECOVERY:
        return (
            _("Votre téléphone perdu : un code pour en indiquer un autre"),
            greeting,
            _("Vous nous avez dit ne plus avoir le téléphone de votre espace adhérent."),
            [
                _("Ouvrez %(address)s") % {"address": _site("signin")},
                _("Saisissez votre identifiant et votre mot de passe."),
                _("Choisissez « Je n'ai plus ce numéro », puis « Code reçu par courrier »."),
                _("Recopiez le code ci-dessous."),
            ],
        )
    return (
        _("Votre espace adhérent : un code pour l'ouvrir"),
        greeting,
        _("Vos contrats, vos proches couverts et vos informations vous attendent sur internet."),
        [
            _("Ouvrez %(address)s") % {"address": _site("activation")},
            _("Choisissez « J'ai reçu un courrier »."),
            _("Recopiez votre numéro d'adhérent et le code ci-dessous."),
            _("Choisissez un mot de passe. Gardez votre téléphone à portée de main."),
        ],
    )


def _site(view: str) -> str:
    return settings.PUBLIC_URL.partition("://")[2] + reverse(view)


def _paragraph(canvas: Canvas, y: float, text: str, font: str = PLAIN) -> float:
    for line in wrap(text, WIDTH):
        _write(canvas, LEFT, y, line, font, 11)
        y += LINE
    return y


def _write(canvas: Canvas, x: float, y: float, text: str, font: str, size: float) -> None:
    canvas.setFont(font, size)
    canvas.drawString(x * mm, A4[1] - y * mm, printable(text, font))
