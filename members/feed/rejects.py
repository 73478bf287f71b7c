"""Refused lines, as files that whoever made the feed opens in a spreadsheet: his own columns, and why."""

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path

from members import nir
from members.feed.lines import Line, Source
from members.spreadsheets import cell

PLACE = ("ligne", "motif")


def masked(text: str) -> str:
    """`text` without anything that may be a NIR: one that slipped into another column."""
    return nir.LIKE.sub(lambda found: "•" * len(found[0]), text)


def record(source: Source, line: Line) -> str:
    """One line of the file of rejects, without its end. NIRs are masked."""
    shown = []
    if isinstance(line.cells, dict):
        shown = [line.cells.get(name, "") for name in source.header]
    else:
        width = len(source.header)
        shown = [*line.cells[: width - 1], ";".join(line.cells[width - 1 :])]
        shown += [""] * (width - len(shown))
        for position, column in source.columns:
            if column.field == "nir":
                shown[position] = "•" * len(shown[position].strip())
    shown = [masked(text) for text in shown]
    told = [*shown, str(line.number or ""), masked(" ".join(line.reasons))]
    return _csv([cell(text) for text in told])


def _csv(cells: Iterable[str]) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=";", lineterminator="").writerow(cells)
    # one record, one line: a stray carriage return would make two
    return out.getvalue().replace("\r", " ").replace("\n", " ")


def add(path: Path, size: int, records: Iterable[tuple[int, str]]) -> int:
    """Appends (line, record) to the first `size` bytes of `path`: its new size."""
    with path.open("ab") as file:
        file.truncate(size)
        file.seek(size)
        file.writelines(b"%d\0%b\n" % (line, text.encode()) for line, text in records)
        return file.tell()


def whole(path: Path, header: Iterable[str]) -> Iterator[bytes]:
    """The file to hand out: a header, then the records in the order of their lines."""
    yield b"\xef\xbb\xbf" + _csv(header).encode() + b"\r\n"
    with path.open("rb") as file:
        places, offset = [], 0
        for raw in file:
            places.append((int(raw.split(b"\0", 1)[0]), offset))
            offset += len(raw)
        for _line, offset in sorted(places):
            file.seek(offset)
            yield file.readline().split(b"\0", 1)[1].rstrip(b"\n") + b"\r\n"
