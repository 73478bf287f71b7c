"""What a dossier is: points in the order of who receives it, each filled or said missing. Its page, its PDF
and its JSON show the same ones."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from incidents.dossiers.ground import Ground
from members import paper
from members.paper import WIDTH, Block

LONGEST_CELL = 1_200  # signs, in one row of a table on paper


@dataclass(frozen=True)
class Point:
    """One thing that is asked. Without `lines` it is missing, and `missing` says what to do about it.

    `law`: where it is asked. `code`: its name in JSON.
    """

    code: str
    label: str
    lines: list[str] = field(default_factory=list)
    missing: str = ""
    law: str = ""

    @property
    def is_missing(self) -> bool:
        return not self.lines


@dataclass(frozen=True)
class Table:
    """`widths`: millimetres on paper, 160 together; a negative one sets its column to the right."""

    caption: str
    head: list[str]
    rows: list[list[str]]
    widths: tuple[float, ...]

    def __post_init__(self):
        if sum(map(abs, self.widths)) > WIDTH or len(self.widths) != len(self.head):
            raise ValueError(f"{self.caption}: {self.widths}")

    @property
    def columns(self) -> list[tuple[str, bool]]:
        """(head, whether it holds numbers)."""
        return [(head, width < 0) for head, width in zip(self.head, self.widths, strict=True)]

    @property
    def lines(self) -> list[list[tuple[str, bool]]]:
        """Each row as (cell, whether it is a number)."""
        return [
            [(cell, width < 0) for cell, width in zip(row, self.widths, strict=True)]
            for row in self.rows
        ]


@dataclass(frozen=True)
class Section:
    title: str
    points: list[Point] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)


@dataclass(frozen=True)
class Dossier:
    """`data`: what its JSON holds, where that is not the points themselves."""

    code: str
    title: str
    ground: Ground
    sections: list[Section]
    data: dict[str, Any] | None = None

    @property
    def gaps(self) -> list[Point]:
        """What is missing, in order: it stands in front, and again in its place."""
        return [point for section in self.sections for point in section.points if point.is_missing]

    @property
    def name(self) -> str:
        """Of its files, without the end."""
        return f"{self.ground.incident.reference}-{self.code}"

    def as_json(self) -> dict[str, Any]:
        if self.data is not None:
            return self.data
        return {
            "schema": 1,
            "dossier": self.code,
            "rests_on": self.ground.as_json(),
            "missing": [point.code for point in self.gaps],
            "sections": [
                {
                    "title": section.title,
                    "points": [
                        {
                            "code": point.code,
                            "label": point.label,
                            "law": point.law,
                            "lines": point.lines,
                        }
                        for point in section.points
                    ],
                    "tables": [
                        {"caption": table.caption, "head": table.head, "rows": table.rows}
                        for table in section.tables
                    ],
                }
                for section in self.sections
            ],
        }

    def pdf(self) -> bytes:
        """The same bytes for the same content."""
        foot = _("Mutuelle du Rivage · incident %(reference)s · confidentiel")
        return paper.document(
            self.title, self._blocks(), foot=foot % {"reference": self.ground.incident.reference}
        )

    def _blocks(self) -> Iterator[Block]:
        yield Block("title", self.title)
        yield Block("text", self.ground.incident.title)
        for line in self.ground.rests_on():
            yield Block("item", line)
        for line in self.ground.stale:
            yield Block("strong", line)
        if self.gaps:
            yield Block("heading", _("À compléter"))
            for point in self.gaps:
                yield Block("item", f"{point.label}\u00a0: {point.missing}")
        for section in self.sections:
            yield Block("heading", section.title)
            for point in section.points:
                yield from _blocks_of(point)
            for table in section.tables:
                yield Block("subheading", table.caption)
                yield Block("head", cells=tuple(table.head), widths=table.widths)
                for row in table.rows:
                    for part in cut(row):
                        yield Block("row", cells=part, widths=table.widths)


def _blocks_of(point: Point) -> Iterator[Block]:
    label = f"{point.label} ({point.law})" if point.law else point.label
    yield Block("subheading", label)
    if point.is_missing:
        yield Block("strong", _("À compléter : %(what)s") % {"what": point.missing})
    for line in point.lines:
        for paragraph in filter(None, map(str.strip, line.splitlines())):
            yield Block("item" if len(point.lines) > 1 else "text", paragraph)


def cut(row: list[str]) -> Iterator[tuple[str, ...]]:
    """The row of a table in rows that fit on a page each: a long cell goes on below, at a space."""
    cells = list(row)
    while any(cells):
        ends = [
            len(cell) if len(cell) <= LONGEST_CELL else cell.rfind(" ", 0, LONGEST_CELL) + 1
            for cell in cells
        ]
        ends = [end or LONGEST_CELL for end in ends]
        yield tuple(cell[:end] for cell, end in zip(cells, ends, strict=True))
        cells = [cell[end:] for cell, end in zip(cells, ends, strict=True)]


def number(value: int) -> str:
    """« 1 250 000 », which no line end cuts."""
    return number_format(value, use_l10n=True, force_grouping=True)


def filled(*lines: str) -> list[str]:
    return [str(line) for line in lines if line]
