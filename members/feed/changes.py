"""What lines would make of rows: rows as they are, as they will be, and what stands against it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.db import models
from django.utils.translation import gettext as _

from members.feed import writing
from members.feed.layout import LAYOUTS, Layout
from members.feed.lines import Line
from members.models.period import FOREVER

Row = dict[str, Any]


@dataclass(slots=True)
class Change:
    """One row: `row` as it is (None: not there), `values` as it will be (None: not there then).

    `line` is what asks for it; without line and with `is_ending`, its absence from a whole file does.
    """

    row: Row | None
    line: Line | None = None
    values: Row | None = None
    is_ending: bool = False

    @property
    def start(self) -> date:
        return self.values["start"]

    @property
    def end(self) -> date | None:
        return self.values["end"]

    @property
    def is_asked(self) -> bool:
        """Whether the feed asks for it, and nothing stands against it yet."""
        return self.is_ending or (self.line is not None and not self.line.reasons)

    @property
    def shrinks(self) -> bool:
        if not (self.row and self.is_asked):
            return False
        return (self.values["end"] or FOREVER) < (self.row["end"] or FOREVER)

    @property
    def has_other_days(self) -> bool:
        """Whether it begins or ends otherwise than the row, an absence from a whole file apart."""
        if self.is_ending:
            return False
        return self.row is None or (self.start, self.end) != (self.row["start"], self.row["end"])

    @property
    def is_new(self) -> bool:
        return self.row is None and self.values is not None

    @property
    def is_changed(self) -> bool:
        return self.row is not None and self.values is not self.row and self.values != self.row

    def refuse(self, reason: str) -> None:
        """Leaves the row as it is. What an absence asked for is told as a line without number."""
        self.line.refuse(reason)
        self.values, self.is_ending = self.row, False


@dataclass(slots=True)
class Group:
    """The lines of one group, in all the files of a stage. `kept_back`: see `ending`."""

    key: str
    lines: dict[str, list[Line]] = field(default_factory=dict)
    kept_back: list[Line] = field(default_factory=list)

    def of(self, layout: Layout) -> list[Line]:
        return self.lines.get(layout.name, [])

    def readable(self, layout: Layout) -> list[Line]:
        """Lines without fault of their own; the second of a key is refused."""
        lines = [line for line in self.lines.get(layout.name, ()) if not line.reasons]
        if len(lines) < 2:
            return lines
        first: dict[tuple, Line] = {}
        for line in lines:
            before = first.setdefault(tuple([line.values[name] for name in layout.key]), line)
            if before is not line:
                line.refuse(_("Déjà à la ligne %d.") % before.number)
        return list(first.values())


@dataclass(frozen=True)
class Ends:
    """What whole files end by no longer listing it: `files` by name, on `day` included."""

    day: date
    files: frozenset[str] = frozenset()


def fetched(rows: models.QuerySet, fields: Sequence[str]) -> list[Row]:
    names = [name.replace("__", "_") for name in fields]
    return [dict(zip(names, row, strict=True)) for row in rows.values_list(*fields)]


def ending(
    group: Group, layout: Layout, rows: Iterable[tuple[Row, dict[str, str]]], ends: Ends, **also
):
    """Changes for `rows` that no line of a whole file lists: (row, cells that tell it).

    Nothing of a group ends while one of its lines cannot be read: it may be the one that lists it.
    """
    if layout.name not in ends.files:
        return [Change(row, values=row) for row, _cells in rows]
    changes = []
    is_doubtful = any(
        line.reasons and any(name not in line.values for name in layout.key)
        for line in group.of(layout)
    )
    for row, cells in rows:
        if row["end"] is not None and row["end"] <= ends.day:
            changes.append(Change(row, values=row))
            continue
        line = Line(layout, 0, cells)
        group.kept_back.append(line)
        change = Change(row, line, {**row, "end": ends.day, **also}, is_ending=True)
        if is_doubtful:
            change.refuse(_("Pas terminée : une autre ligne de ce groupe n'est pas lisible."))
        elif row["start"] > ends.day:
            change.refuse(_("Pas terminée : commence après le jour de fin."))
        changes.append(change)
    return changes


def overlap(changes: Iterable[Change]) -> tuple[Change, Change] | None:
    """Two of `changes` that share a day, the first one found, when the feed asks for one of them."""
    last = None
    for change in sorted(changes, key=lambda change: change.start):
        touches = last is not None and (last.end or FOREVER) >= change.start
        if touches and (last.is_asked or change.is_asked):
            return last, change
        if last is None or (change.end or FOREVER) > (last.end or FOREVER):
            last = change
    return None


def latest_asked(*changes: Change) -> Change:
    """Which one of several that do not go together is refused: the last line."""
    asked = [change for change in changes if change.is_asked]
    return max(asked, key=lambda change: (LAYOUTS.index(change.line.layout), change.line.number))


def write(
    model: type[models.Model],
    changes: Iterable[Change],
    fields: Sequence[str],
) -> None:
    """Writes what is new and what changed; what gets shorter first, to make room for the rest."""
    new, shorter, others = [], [], []
    for change in changes:
        if change.is_new:
            new.append(change.values)
        elif change.is_changed:
            has_period = "end" in change.values
            (shorter if has_period and change.shrinks else others).append(change.values)
    writing.update(model, fields, shorter)
    writing.update(model, fields, others)
    writing.insert(model, new)


def settle(changes: Iterable[Change]) -> None:
    """Tells each line what becomes of it."""
    for change in changes:
        if change.line and not change.line.reasons:
            if change.is_ending:
                change.line.outcome = "ended"
            elif change.row is None:
                change.line.outcome = "added"
            elif change.is_changed:
                change.line.outcome = "changed"
