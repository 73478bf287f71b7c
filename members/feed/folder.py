"""A folder of files, opened and indexed: the groups of lines of each stage, in order, from anywhere on."""

import itertools
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from members.feed import index, layout
from members.feed.changes import Group
from members.feed.lines import Line, Source, Unreadable
from members.job_turns import Failed

GROUPS, LINES = 2_000, 10_000  # of one transaction
LONGEST_GROUP = 20_000  # lines


@dataclass(slots=True)
class Batch:
    """Where groups are that go together. `starts`: where the indexes go on after them, by file."""

    entries: list[tuple[bytes, list[index.Entry]]]
    starts: dict[str, int]
    lines: int


class Folder(ExitStack):
    """`working` is a folder of its own: indexes are kept there, with business numbers and no more.

    Raises job_turns.Failed when there is nothing to import, or a file cannot be taken as a whole.
    """

    def __init__(self, path: Path, working: Path):
        super().__init__()
        self.working = working
        self.sources: dict[str, Source] = {}
        wrong = []
        for of in layout.LAYOUTS:
            if (path / of.name).is_file():
                try:
                    self.sources[of.name] = self.enter_context(Source(path, of))
                except Unreadable as refusal:
                    wrong.append(str(refusal))
                except OSError:
                    wrong.append(_("%s : ce fichier n'est pas lisible.") % of.name)
        if wrong or not self.sources:
            self.close()
            raise Failed(" ".join(wrong) or _("Le dossier ne contient aucun fichier de gestion."))

    @property
    def seen(self) -> dict[str, list[int]]:
        """Size and time of each file: they change with it."""
        return {name: source.seen_as for name, source in self.sources.items()}

    def prepare(self, told: dict[str, Any]) -> Iterator[None]:
        """Indexes each file, a run per step; `told` is what to come back with."""
        if told and not all(self._path(name).exists() for name in told if told[name]["lines"]):
            told.clear()
        if not told:
            shutil.rmtree(self.working, ignore_errors=True)
        self.working.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, source in self.sources.items():
            one = told.setdefault(name, {"offset": source.begins_at, "line": 1, "lines": 0})
            while not one.get("done"):
                self._add_run(source, one)
                yield

    def _path(self, name: str) -> Path:
        return self.working / f"{name}.index"

    def _add_run(self, source: Source, one: dict[str, Any]) -> None:
        path = self._path(source.layout.name)
        runs, size = one.setdefault("runs", []), one.get("size", 0)
        some = list(itertools.islice(source.places(one["offset"], one["line"]), index.RUN))
        if not some:
            if not one.get("in_order", True):
                index.merge(path, runs, size)
            one["done"] = True
            return
        _group, line, offset, length = some[-1]
        after, first, last = index.add_run(path, size, some)
        before = bytes.fromhex(one.get("last", ""))
        one.update(
            runs=[*runs, size],
            size=after,
            in_order=one.get("in_order", True) and before <= first[0],
            last=last[0].hex(),
            lines=one["lines"] + len(some),
            line=line,
            offset=offset + length,
        )

    def index_also(self, name: str, keys: Iterable[str]) -> None:
        """Groups to look at although no line may name them; a name without file."""
        places = [(key.encode(), 0, 0, 0) for key in keys]
        if places:
            index.add_run(self._path(name), 0, places)

    def batches(self, names: Iterable[str], starts: dict[str, int]) -> Iterator[Batch]:
        """The groups of the files `names`, a transaction's worth at once."""
        paths = {name: path for name in names if (path := self._path(name)).exists()}
        starts, entries, lines = dict(starts), [], 0
        for group, some in index.groups(paths, starts):
            entries.append((group, some))
            lines += sum(1 for entry in some if entry.line)
            for entry in some:
                starts[entry.file] = entry.ends
            if lines >= LINES or len(entries) >= GROUPS:
                yield Batch(entries, dict(starts), lines)
                entries, lines = [], 0
        if entries:
            yield Batch(entries, dict(starts), lines)

    def read(self, entries: list[tuple[bytes, list[index.Entry]]]) -> list[Group]:
        """Reads the lines of `entries`, and checks each by itself."""
        groups = []
        for key, some in entries:
            group = Group(key.decode(errors="replace"))
            for position, entry in enumerate(some):
                source = self.sources.get(entry.file)
                if source is None:
                    continue
                if position < LONGEST_GROUP:
                    line = source.line(entry.line, entry.offset, entry.length)
                else:
                    line = Line(source.layout, entry.line, [])
                    line.refuse(_("Trop de lignes portent ce numéro."))
                group.lines.setdefault(entry.file, []).append(line)
            groups.append(group)
        return groups
