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
from reportlab.lib.utils import simpleSplit
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


@dataclass(frozen=True)
class LongLetter:
    """A letter without code, on as many pages as its words need.

    `blocks`: (« title », « text » or « item », words) in the order of the page. `reference` stands in the
    window too, so that whoever gets the envelope back need not open it.
    """

    civility: str
    name: str
    address: str
    town: str
    reference: str
    made_on: date
    subject: str
    blocks: tuple[tuple[str, str], ...]


def render(letters: list[Letter]) -> bytes:
    """One PDF, a page each, in this order."""
    stream = BytesIO()
    canvas = _canvas(stream)
    for letter in letters:
        _page(canvas, letter)
        canvas.showPage()
    canvas.save()
    return stream.getvalue()


def render_long(letters: list[LongLetter]) -> tuple[bytes, list[int]]:
    """One PDF with these letters in this order, and how many pages each takes.

    The same letters give the same bytes.
    """
    stream = BytesIO()
    canvas = _canvas(stream, invariant=1)
    pages = [_pages(canvas, letter) for letter in letters]
    canvas.save()
    return stream.getvalue(), pages


def _canvas(stream: BytesIO, **options) -> Canvas:
    register_fonts()
    canvas = Canvas(stream, pagesize=A4, pageCompression=1, lang="fr-FR", **options)
    canvas.setTitle(_("Courriers de la Mutuelle du Rivage"))
    canvas.setAuthor(_("Mutuelle du Rivage"))
    canvas.setViewerPreference("DisplayDocTitle", "true")
    return canvas


FIRST_TOP, TOP, BOTTOM = 105, 25, 272
STYLES = {  # space above, indent, font, size
    "title": (4, 0, BOLD, 11),
    "text": (2, 0, PLAIN, 10.5),
    "item": (1.2, 5, PLAIN, 10.5),
}
LONG_LINE = 5


def _pages(canvas: Canvas, letter: LongLetter) -> int:
    pages = _laid_out(letter)
    for number, lines in enumerate(pages, start=1):
        if number == 1:
            _write(canvas, LEFT, 22, _("Mutuelle du Rivage"), BOLD, 15)
            if letter.reference:
                reference = _("Réf. %(reference)s") % {"reference": letter.reference}
                _write(canvas, ADDRESS_LEFT, ADDRESS_TOP - 5, reference, PLAIN, 8)
            _address(canvas, letter)
        for y, indent, text, font, size in lines:
            _write(canvas, LEFT + indent, y, text, font, size)
        told = {"reference": letter.reference, "page": number, "pages": len(pages)}
        foot = _("%(reference)s   page %(page)d sur %(pages)d") % told
        _write(canvas, LEFT, 285, foot.strip(), PLAIN, 8)
        canvas.showPage()
    return len(pages)


def _laid_out(letter: LongLetter) -> list[list[tuple]]:
    """The lines of each page: (y, indent, text, font, size). A title stays with what it heads."""
    blocks = [
        ("text", _("Le %(day)s") % {"day": day(letter.made_on)}),
        ("title", letter.subject),
        ("text", f"{letter.civility or _('Madame, Monsieur')},"),
        *letter.blocks,
        ("text", _("La Mutuelle du Rivage")),
    ]
    pages, y = [[]], FIRST_TOP
    for style, words in blocks:
        above, indent, font, size = STYLES[style]
        lines = simpleSplit(printable(words, font), font, size, (160 - indent) * mm)
        y += above
        for number, line in enumerate(lines):
            needed = 2 * LONG_LINE if style == "title" and number == 0 else 0
            if y + needed > BOTTOM:
                pages.append([])
                y = TOP
            text = f"\u2013 {line}" if style == "item" and number == 0 else line
            shift = indent - 3.5 if style == "item" and number == 0 else indent
            pages[-1].append((y, shift, text, font, size))
            y += LONG_LINE
    return pages


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


def _address(canvas: Canvas, letter: Letter | LongLetter) -> None:
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
