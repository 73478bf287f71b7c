"""Where each line of a file is, in the order of its group: lines of one family come together.

An index holds business numbers and places, nothing else of anybody: the lines stay in their file. It is
made in runs, each sorted in memory, so that it may be left and taken up, whatever the size of the file.
"""

import heapq
import itertools
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

RUN = 200_000  # lines sorted in memory at once

Place = tuple[bytes, int, int, int]  # group, line, offset, length


def add_run(path: Path, size: int, places: Iterable[Place]) -> tuple[int, Place, Place]:
    """Appends one sorted run to the first `size` bytes of `path`: its new size, first and last places."""
    run = sorted(places)
    with path.open("ab") as file:
        file.truncate(size)
        file.seek(size)
        file.writelines(b"%b\0%d\0%d\0%d\n" % place for place in run)
        return file.tell(), run[0], run[-1]


def merge(path: Path, starts: list[int], size: int) -> None:
    """Makes one run of those that begin at `starts`; as it was when it is interrupted."""
    merged = path.with_suffix(".merging")
    bounds = zip(starts, [*starts[1:], size], strict=True)
    with merged.open("wb") as file:
        runs = [_raw(path, start, end) for start, end in bounds]
        file.writelines(b"%b\0%d\0%d\0%d\n" % place for place in heapq.merge(*runs))
    os.replace(merged, path)


def _raw(path: Path, start: int, end: int) -> Iterator[Place]:
    with path.open("rb") as file:
        file.seek(start)
        while start < end:
            raw = file.readline()
            start += len(raw)
            group, line, offset, length = raw.split(b"\0")
            yield group, int(line), int(offset), int(length)


@dataclass(slots=True)
class Entry:
    """One line of the index of `file`: `ends` is where the next one begins."""

    file: str
    line: int
    offset: int
    length: int
    ends: int


def entries(file: str, path: Path, start: int) -> Iterator[tuple[bytes, str, Entry]]:
    with path.open("rb") as opened:
        opened.seek(start)
        for raw in opened:
            start += len(raw)
            group, line, offset, length = raw.split(b"\0")
            yield group, file, Entry(file, int(line), int(offset), int(length), start)


def groups(paths: dict[str, Path], starts: dict[str, int]) -> Iterator[tuple[bytes, list[Entry]]]:
    """The groups of several indexes, in order, each with its lines of all of them.

    Lines without group have nothing in common: each comes alone.
    """
    merged = heapq.merge(
        *(entries(file, path, starts.get(file, 0)) for file, path in paths.items()),
        key=itemgetter(0, 1),
    )
    for group, found in itertools.groupby(merged, key=itemgetter(0)):
        if group:
            yield group, [entry for _group, _file, entry in found]
        else:
            yield from ((group, [entry]) for _group, _file, entry in found)
