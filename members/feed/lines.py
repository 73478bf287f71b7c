"""Lines of a CSV file: where each is, and what it says. One line of the file is one record, always."""

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from members.feed.cells import Refused
from members.feed.layout import Column, Layout

BOM = b"\xef\xbb\xbf"
LONGEST = 1 << 16  # bytes of one line
BLOCK = 1 << 14  # bytes read at once


class Unreadable(Exception):
    """A whole file that cannot be taken: a French sentence."""


@dataclass(slots=True)
class Line:
    """`values` is what was read, by field; `reasons` says why the line is refused.

    Number 0 stands for a row that a whole file does not list: its `cells` are those that tell it, by column.
    """

    layout: Layout
    number: int
    cells: list[str] | dict[str, str]
    values: dict[str, Any] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    outcome: str = "unchanged"

    def refuse(self, reason: str) -> None:
        self.reasons.append(reason)


def _stripped(cell: bytes) -> bytes:
    """As text is, of a NO-BREAK SPACE too; most cells need no decoding for it."""
    cell = cell.strip()
    return cell if cell.isalnum() else cell.decode(errors="replace").strip().encode()


def split(text: str) -> list[str]:
    """The cells of one line. Raises Refused where its quotes do not close."""
    if '"' not in text:
        return text.split(";")
    try:
        return next(csv.reader([text], delimiter=";", strict=True), [""])
    except csv.Error:
        raise Refused(_("Un guillemet n'est pas fermé sur cette ligne.")) from None


class Source:
    """One file of a folder, open for as long as it is read. Raises Unreadable."""

    def __init__(self, folder: Path, layout: Layout):
        self.layout = layout
        self.path = folder / layout.name
        self.file = self.path.open("rb")
        self._block = (0, b"")  # what was read last, and where: the next line mostly follows
        try:
            self._begin()
        except BaseException:
            self.file.close()
            raise

    def _begin(self) -> None:
        status = os.fstat(self.file.fileno())
        self.seen_as = [status.st_size, status.st_mtime_ns]
        header = self.file.readline(LONGEST)
        self.begins_at = len(header)
        self.header = self._header(header)
        place = {name: position for position, name in enumerate(self.header)}
        self.columns: list[tuple[int, Column]] = [
            (place[column.name], column) for column in self.layout.columns if column.name in place
        ]
        self._readers = [(at, column.field, column.read) for at, column in self.columns]
        self.group_at = place[self.layout.group]

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.file.close()

    def _header(self, raw: bytes) -> list[str]:
        try:
            names = [name.strip() for name in split(raw.removeprefix(BOM).decode().rstrip("\r\n"))]
        except (UnicodeDecodeError, Refused):
            raise Unreadable(
                _("%s : l'en-tête n'est pas lisible en UTF-8.") % self.layout.name
            ) from None
        known = {column.name: column for column in self.layout.columns}
        missing = [one.name for one in known.values() if not one.optional and one.name not in names]
        unknown = [name for name in names if name not in known]
        for said, wrong in (
            (_("%(file)s : il manque %(names)s."), missing),
            (_("%(file)s : colonne inconnue %(names)s."), unknown if not missing else []),
            (
                _("%(file)s : une colonne figure deux fois."),
                names if len(set(names)) < len(names) else [],
            ),
        ):
            if wrong:
                shown = ", ".join(name[:40] or "«  »" for name in wrong)
                raise Unreadable(said % {"file": self.layout.name, "names": shown})
        return names

    def places(self, offset: int, number: int) -> Iterator[tuple[bytes, int, int, int]]:
        """(group, line, offset, length) of each line from `offset` on, `number` being the line before.

        The group is empty where it cannot be read; a blank line is no line.
        """
        read, at = self.file.readline, self.group_at
        self.file.seek(offset)
        while raw := read(LONGEST):
            number += 1
            length = len(raw)
            while raw[-1:] != b"\n" and (more := read(LONGEST)):
                length += len(more)
                raw = raw[:LONGEST] + more[-1:]
            if raw.strip():
                group = b""
                if b'"' not in raw:
                    parts = raw.split(b";", at + 1)
                    group = _stripped(parts[at]) if len(parts) > at else b""
                else:
                    group = self._quoted_group(raw)
                yield (b"" if b"\0" in group else group), number, offset, length
            offset += length

    def _quoted_group(self, raw: bytes) -> bytes:
        try:
            parts = split(raw.decode(errors="replace").rstrip("\r\n"))
        except Refused:
            return b""
        return parts[self.group_at].strip().encode() if len(parts) > self.group_at else b""

    def _raw(self, offset: int, length: int) -> bytes:
        """By `pread`: threads and forked processes share the file's own position."""
        begins, block = self._block
        if not begins <= offset <= offset + length <= begins + len(block):
            begins, block = offset, os.pread(self.file.fileno(), max(length, BLOCK), offset)
            self._block = (begins, block)
        return block[offset - begins : offset - begins + length]

    def line(self, number: int, offset: int, length: int) -> Line:
        """Reads the line that `places` told of, and checks each of its cells."""
        if length > LONGEST:
            line = Line(self.layout, number, [])
            line.refuse(_("La ligne est trop longue."))
            return line
        raw = self._raw(offset, length)
        try:
            text = raw.decode()
            cells = split(text.rstrip("\r\n"))
        except UnicodeDecodeError:
            line = Line(self.layout, number, raw.decode(errors="replace").rstrip("\r\n").split(";"))
            line.refuse(_("La ligne n'est pas en UTF-8."))
            return line
        except Refused as refused:
            line = Line(self.layout, number, text.rstrip("\r\n").split(";"))
            line.refuse(str(refused))
            return line
        line = Line(self.layout, number, cells)
        if len(cells) != len(self.header):
            line.refuse(
                _("%(found)d cellules au lieu de %(wanted)d.")
                % {"found": len(cells), "wanted": len(self.header)}
            )
            return line
        values = line.values
        for position, field_name, read in self._readers:
            try:
                values[field_name] = read(cells[position].strip())
            except Refused as refused:
                line.refuse(f"{self.header[position]} : {refused}")
        if not line.reasons:
            line.reasons.extend(self.layout.check(values))
        return line
