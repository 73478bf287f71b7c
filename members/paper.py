"""Documents of several pages, A4, whose structure a screen reader finds: headings, lists, tables.

reportlab writes no tags: the few that our documents need are written here (PDF 1.7, §14.7 and §14.8). The
same blocks give the same bytes. Bitstream Vera, which comes with reportlab, is embedded; it may be
redistributed freely.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from io import BytesIO

from django.utils.translation import gettext as _
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.pdfdoc import PDFArray, PDFDictionary, PDFName, PDFString, PDFtrue
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

PLAIN, BOLD = "Vera", "VeraBd"
LEFT, WIDTH = 25, 160  # millimetres, as all that follows, from the top left corner
TOP, BOTTOM, FOOT = 22, 270, 282
SHORT = 5  # lines: a shorter block is never cut in two
BULLET = "\u2022"


@dataclass(frozen=True)
class Style:
    """How a block looks, and what it is: a standard structure type of PDF."""

    tag: str
    font: str
    size: float  # points
    line: float
    before: float
    indent: float = 0
    keeps: float = 0  # what must fit below its last line on the same page


STYLES = {
    "title": Style("H1", BOLD, 17, 7.5, 0, keeps=20),
    "heading": Style("H2", BOLD, 12.5, 6, 6, keeps=14),
    "subheading": Style("H3", BOLD, 11, 5.5, 4, keeps=12),
    "text": Style("P", PLAIN, 10, 5, 2),
    "strong": Style("P", BOLD, 10, 5, 2, keeps=6),
    "item": Style("LI", PLAIN, 10, 5, 1.2, indent=5),
    "head": Style("TH", BOLD, 8.5, 4.2, 3, keeps=10),
    "row": Style("TD", PLAIN, 8.5, 4.2, 1),
}


@dataclass(frozen=True)
class Block:
    """`kind`: a name of STYLES, or « drawing », whose `text` says what it shows: squares of a grid.

    `keeps`: what must fit below it on the same page, where that is more than its style asks for. A table is
    a « head » and the « row »s that follow it, each with its `cells` and their `widths` in millimetres; a
    negative width sets its column to the right.
    """

    kind: str
    text: str = ""
    squares: tuple[tuple[int, ...], ...] = ()
    keeps: float = 0
    cells: tuple[str, ...] = ()
    widths: tuple[float, ...] = ()


DRAWING_SIZE, QUIET = 32, 5  # the second one is left white around it
GUTTER = 2  # between two columns of a table


def document(title: str, blocks: Iterable[Block], *, foot: str) -> bytes:
    """The PDF. `foot` stands below each page, before its number."""
    stream = BytesIO()
    canvas = _canvas(stream, title)
    pages = _laid_out(list(blocks))
    tags = _Tags(canvas)
    for number, placed in enumerate(pages, start=1):
        for block, y, lines in placed:
            if block.cells:
                _write_row(canvas, tags, y, block, lines)
                continue
            is_new = tags.begin(block)
            if block.kind == "drawing":
                _draw(canvas, y, block.squares)
            else:
                _write(canvas, y, block, lines, is_new)
            tags.end()
        canvas._code.append("/Artifact BMC")  # no part of the text: not read aloud on each page
        told = {"foot": foot, "number": number, "count": len(pages)}
        _line(canvas, LEFT, FOOT, _("%(foot)s · page %(number)d sur %(count)d") % told, PLAIN, 8)
        canvas._code.append("EMC")
        canvas.showPage()
        tags.end_of_page()
    tags.write()
    canvas.save()
    return stream.getvalue()


def register_fonts() -> None:
    for name in (PLAIN, BOLD):
        if name not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(TTFont(name, f"{name}.ttf"))


def printable(text: str, font: str) -> str:
    """`text` in signs that the font has: « Szabó-Kőrösi » loses one accent rather than a letter."""
    known = pdfmetrics.getFont(font).face.charToGlyph
    return "".join(sign if ord(sign) in known else _nearest(sign, known) for sign in text)


def _nearest(sign: str, known) -> str:
    if sign in "\u2010\u2011":  # hyphens, the second one never cut
        return "-"
    base = "".join(one for one in unicodedata.normalize("NFKD", sign) if ord(one) in known)
    return base or "?"


def _canvas(stream: BytesIO, title: str) -> Canvas:
    register_fonts()
    canvas = Canvas(
        stream, pagesize=A4, pageCompression=1, lang="fr-FR", invariant=1, pdfVersion=(1, 7)
    )
    canvas.setTitle(title)
    canvas.setAuthor(_("Mutuelle du Rivage"))
    canvas.setViewerPreference("DisplayDocTitle", "true")
    return canvas


# --------------------------------------------------------------------------------------- layout


def _laid_out(blocks: list[Block]) -> list[list[tuple[Block, float, list[str]]]]:
    """For each page its (block, top, lines); a block that runs over the end is there on both."""
    pages, y = [[]], float(TOP)
    for block in blocks:
        if block.kind == "drawing":
            y += QUIET
            if y + DRAWING_SIZE > BOTTOM:
                y = _turned(pages)
            pages[-1].append((block, y, []))
            y += DRAWING_SIZE + QUIET
            continue
        style = STYLES[block.kind]
        if block.cells:
            columns = [
                _wrapped(text, style, abs(width) - GUTTER)
                for text, width in zip(block.cells, block.widths, strict=True)
            ]
            height = max(map(len, columns)) * style.line + style.before
            if y + height + style.keeps > BOTTOM:
                y = _turned(pages)
            pages[-1].append((block, y + style.before, columns))
            y += height + 0.6
            continue
        lines = _wrapped(block.text, style, WIDTH - style.indent)
        y += style.before if pages[-1] else 0
        keeps = max(style.keeps, block.keeps)
        if y + len(lines) * style.line + keeps > BOTTOM and (keeps or len(lines) < SHORT):
            y = _turned(pages)
        while lines:
            room = max(int((BOTTOM - y) / style.line), 1)
            pages[-1].append((block, y, lines[:room]))
            y += len(lines[:room]) * style.line
            lines = lines[room:]
            if lines:
                y = _turned(pages)
    return pages


def _turned(pages: list[list]) -> float:
    """Begins another page: where its first block goes."""
    pages.append([])
    return float(TOP)


def _wrapped(text: str, style: Style, room: float) -> list[str]:
    """Lines that fit in `room`. Only a plain space ends one, so that « 14 h 05 » stays whole."""
    width = room * mm
    lines = [""]
    for word in filter(None, printable(text, style.font).split(" ")):
        for part in _parts(word, style, width):
            longer = f"{lines[-1]} {part}".strip(" ")
            if pdfmetrics.stringWidth(longer, style.font, style.size) <= width:
                lines[-1] = longer
            else:
                lines.append(part)
    return lines


def _parts(word: str, style: Style, width: float) -> Iterable[str]:
    """`word`, cut only when it is longer than a line."""
    while pdfmetrics.stringWidth(word, style.font, style.size) > width:
        fits = len(word) - 1
        while pdfmetrics.stringWidth(word[:fits], style.font, style.size) > width:
            fits -= 1
        yield word[:fits]
        word = word[fits:]
    yield word


def _write(canvas: Canvas, y: float, block: Block, lines: list[str], is_new: bool) -> None:
    style = STYLES[block.kind]
    baseline = y + style.line * 0.75
    if block.kind == "item" and is_new:
        _line(canvas, LEFT + 1, baseline, BULLET, style.font, style.size)
    for row, line in enumerate(lines):
        _line(
            canvas, LEFT + style.indent, baseline + row * style.line, line, style.font, style.size
        )


def _write_row(canvas: Canvas, tags: "_Tags", y: float, block: Block, columns) -> None:
    """One row of a table, a rule below it; each cell is marked apart."""
    style = STYLES[block.kind]
    x = float(LEFT)
    for place, (lines, width) in enumerate(zip(columns, block.widths, strict=True)):
        tags.begin_cell(block, place)
        for row, line in enumerate(lines):
            size = pdfmetrics.stringWidth(line, style.font, style.size) / mm
            left = x + abs(width) - GUTTER - size if width < 0 else x
            _line(canvas, left, y + (row + 0.75) * style.line, line, style.font, style.size)
        tags.end()
        x += abs(width)
    below = y + max(map(len, columns)) * style.line + 0.6
    canvas._code.append("/Artifact BMC")
    canvas.setLineWidth(0.6 if block.kind == "head" else 0.2)
    canvas.line(LEFT * mm, A4[1] - below * mm, x * mm, A4[1] - below * mm)
    canvas._code.append("EMC")


def _line(canvas: Canvas, x: float, y: float, text: str, font: str, size: float) -> None:
    canvas.setFont(font, size)
    canvas.drawString(x * mm, A4[1] - y * mm, printable(text, font))


def _draw(canvas: Canvas, y: float, squares: tuple[tuple[int, ...], ...]) -> None:
    side = DRAWING_SIZE / len(squares)
    for row, line in enumerate(squares):
        for column, dark in enumerate(line):
            if dark:
                left, bottom = LEFT + column * side, y + (row + 1) * side
                canvas.rect(left * mm, A4[1] - bottom * mm, side * mm, side * mm, stroke=0, fill=1)


# --------------------------------------------------------------------------------------- tags


@dataclass
class _Element:
    """A node of the structure tree. `parts`: (page, number of the marked content), both from 0."""

    tag: str
    says: str = ""
    parts: list[tuple[int, int]] = field(default_factory=list)
    children: list["_Element"] = field(default_factory=list)


class _Tags:
    def __init__(self, canvas: Canvas):
        self.canvas, self.pdf = canvas, canvas._doc
        self.top = _Element("Document")
        self.block, self.element = None, self.top
        self.pages = []
        self.on_page = 0

    def begin(self, block: Block) -> bool:
        """Opens the part of `block` that this page shows; whether it is its first one."""
        is_new = block is not self.block
        if is_new:
            self.block, self.element = block, self._added(block)
        tag = "Figure" if block.kind == "drawing" else "Span"
        self.canvas._code.append(f"/{tag} <</MCID {self.on_page}>> BDC")
        self.element.parts.append((len(self.pages), self.on_page))
        self.on_page += 1
        return is_new

    def begin_cell(self, block: Block, place: int) -> None:
        """Opens a cell; the first one opens its row, and a head opens its table."""
        if place == 0:
            if block.kind == "head":
                self.top.children.append(_Element("Table"))
            self.top.children[-1].children.append(_Element("TR"))
        self.block = block
        self.element = _Element(STYLES[block.kind].tag)
        self.top.children[-1].children[-1].children.append(self.element)
        self.canvas._code.append(f"/Span <</MCID {self.on_page}>> BDC")
        self.element.parts.append((len(self.pages), self.on_page))
        self.on_page += 1

    def end(self) -> None:
        self.canvas._code.append("EMC")

    def end_of_page(self) -> None:
        page = self.pdf.Pages.pages[-1]
        page.__NoDefault__ = [*page.__NoDefault__, "StructParents"]
        page.StructParents = len(self.pages)
        self.pages.append(self.pdf.Reference(page))
        self.on_page = 0

    def _added(self, block: Block) -> _Element:
        """The new element that holds `block`: items that follow each other share one list."""
        siblings = self.top.children
        if block.kind == "drawing":
            siblings.append(_Element("Figure", says=block.text))
        elif block.kind == "item":
            if not (siblings and siblings[-1].tag == "L"):
                siblings.append(_Element("L"))
            body = _Element("LBody")
            siblings[-1].children.append(_Element("LI", children=[body]))
            return body
        else:
            siblings.append(_Element(STYLES[block.kind].tag))
        return siblings[-1]

    def write(self) -> None:
        """Adds the tree to the document, once every page is there."""
        root = PDFDictionary({"Type": PDFName("StructTreeRoot")})
        owners = [{} for _page in self.pages]
        root["K"] = PDFArray([self._written(self.top, self.pdf.Reference(root), owners)])
        numbers = []
        for page, parts in enumerate(owners):
            numbers += [page, PDFArray([parts[number] for number in sorted(parts)])]
        root["ParentTree"] = PDFDictionary({"Nums": PDFArray(numbers)})
        root["ParentTreeNextKey"] = len(owners)
        self.pdf.Catalog.StructTreeRoot = root
        self.pdf.Catalog.MarkInfo = PDFDictionary({"Marked": PDFtrue})

    def _written(self, element: _Element, parent, owners: list[dict]):
        entry = PDFDictionary(
            {"Type": PDFName("StructElem"), "S": PDFName(element.tag), "P": parent}
        )
        reference = self.pdf.Reference(entry)
        if element.says:
            entry["Alt"] = PDFString(element.says)
        kids = [self._written(child, reference, owners) for child in element.children]
        for page, number in element.parts:
            owners[page][number] = reference
            kids.append(
                PDFDictionary({"Type": PDFName("MCR"), "Pg": self.pages[page], "MCID": number})
            )
        entry["K"] = PDFArray(kids)
        return reference
