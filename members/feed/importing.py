"""Brings the files of a folder in: indexed, then judged and written group by group. (docs/feed.md)

What belongs together is judged on how it will be in the end, and written in one transaction: a contract
with its delegations, a family with its adhésions. Nobody who signs in meanwhile sees half of it.
"""

import gc
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from django.db import DataError, IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from members.feed import contracts, families, layout, references, rejects, writing
from members.feed.changes import Ends, Group
from members.feed.folder import Batch, Folder
from members.feed.lines import Line
from members.feed.spreading import spread
from members.job_turns import Failed, Step
from members.models import (
    Adhesion,
    AyantDroit,
    CareDomain,
    Contract,
    Decompte,
    DecompteLine,
    Delegation,
    Employer,
    Holding,
    Member,
    Operator,
)

WINDOW = 16  # transactions of one step
GROWN = 1_000  # rows: fewer change little of what the database knows of its tables
OUTCOMES = ("read", "added", "changed", "unchanged", "ended", "rejected", "to_confirm")
TO_CONFIRM = "a-confirmer.csv"
CONFIRM_HEADER = ["ligne", "numero_adherent", "colonnes"]
_COLUMN = {
    column.field: column.name
    for of in (layout.MEMBERS, layout.AYANTS_DROIT)
    for column in of.columns
}

# Whose open rows an absence may end, and the number that they are listed under.
_ENDED = {
    layout.CONTRACTS.name: (Contract, "number"),
    layout.DELEGATIONS.name: (Delegation, "contract__number"),
    layout.ADHESIONS.name: (Adhesion, "member__number"),
    layout.AYANTS_DROIT.name: (AyantDroit, "member__number"),
}
# Whose rows a batch finds by their keys.
_READ_BY_KEY = (
    Contract, Delegation, Holding, Member, Adhesion, AyantDroit, Decompte, DecompteLine,
)  # fmt: skip


@dataclass(frozen=True)
class Options:
    """`whole`: files that list everything; what they no longer list ends on `ends_on`, included, unless
    that is more than `at_most` percent of what is open. A `dry_run` writes nothing."""

    ends_on: date
    dry_run: bool = False
    whole: frozenset[str] = frozenset()
    at_most: int = 5


@dataclass(frozen=True)
class Report:
    """Counts by file, then by outcome; the files of what was refused or waits, by name."""

    counts: dict[str, dict[str, int]]
    files: dict[str, Iterable[bytes]] = field(default_factory=dict)


def run(folder: Path, working: Path, options: Options, cursor: dict) -> Iterator[Step]:
    """Imports `folder`, a step per transaction, from where `cursor` says; returns a `Report`.

    `working` is a folder of its own that lasts as long as the import. Raises job_turns.Failed, with
    nothing written, when a file cannot be taken as a whole or when too much would end; and when a file
    changes meanwhile.
    """
    with _without_collector(), Folder(folder, working) as opened:
        one = _Import(opened, options, cursor)
        yield from one.index()
        passes = ["look", "write"] if options.whole else ["write"]
        if options.dry_run:
            passes = ["look"]
        for number, name in enumerate(passes):
            yield from one.go_through(number, len(passes), is_dry=name == "look")
            if name == "look":
                one.check_ends()
        report = one.report()
        added = sum(counts["added"] for counts in report.counts.values())
        if added >= GROWN and not options.dry_run:
            writing.analyze(_READ_BY_KEY)
        return report


@dataclass
class Told:
    """What became of the lines of a batch: counts, and those that were refused or wait for a word."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)  # by file and outcome
    unnamed: dict[str, int] = field(
        default_factory=dict
    )  # first line whose group is unread, by file
    records: dict[str, list[tuple[int, str]]] = field(default_factory=dict)

    def add(self, stage, groups: list[Group], folder: Folder) -> None:
        counts = self.counts
        for group in groups:
            for name, lines in group.lines.items():
                counts[name, "read"] += len(lines)
                for line in lines:
                    if line.layout.group_field not in line.values:
                        self.unnamed[name] = min(line.number, self.unnamed.get(name, line.number))
                    counts[name, "rejected" if line.reasons else line.outcome] += 1
                    if line.reasons:
                        self._keep(folder, line)
            for line in group.kept_back:
                if line.reasons:
                    self._keep(folder, line)
                else:
                    counts[line.layout.name, "ended"] += 1
        for line, names in stage.to_confirm:
            if not line.reasons:
                counts[line.layout.name, "to_confirm"] += 1
                columns = "|".join(_COLUMN[name] for name in names)
                record = f"{line.number};{line.values['number']};{columns}"
                self.records.setdefault(TO_CONFIRM, []).append((line.number, record))

    def _keep(self, folder: Folder, line: Line) -> None:
        name = line.layout.name
        record = rejects.record(folder.sources[name], line)
        self.records.setdefault(name, []).append((line.number, record))


class _Import:
    def __init__(self, folder: Folder, options: Options, cursor: dict):
        self.folder, self.options = folder, options
        if cursor and cursor["seen"] != folder.seen:
            raise Failed(_("Un fichier a changé pendant l'import. Recommencez."))
        if missing := options.whole - folder.sources.keys():
            raise Failed(_("Absents du dossier : %s.") % ", ".join(sorted(missing)))
        self.state: dict[str, Any] = cursor or {"seen": folder.seen, "index": {}, "pass": -1}

    def _step(self, number: int = 0, passes: int = 0) -> Step:
        lines = sum(one["lines"] for one in self.state["index"].values())
        done = number * lines + self.state.get("done", 0)
        return Step(done=done, total=passes * lines, cursor=self.state)

    def index(self) -> Iterator[Step]:
        for _run in self.folder.prepare(self.state["index"]):
            self.state["pass"] = -1
            self.state.pop("open", None)
            yield self._step()
        if self.options.whole and "open" not in self.state:
            self.state["open"] = {}
            for name in sorted(self.options.whole):
                model, key = _ENDED[name]
                rows = _open_rows(model, self.options.ends_on).order_by()
                numbers = rows.values_list(key, flat=True).distinct().iterator(10_000)
                self.folder.index_also(f"open {name}", numbers)
                self.state["open"][name] = rows.count()
            yield self._step()

    def go_through(self, number: int, passes: int, *, is_dry: bool) -> Iterator[Step]:
        """Every group of every stage, in transactions of some thousand lines."""
        state = self.state
        if state["pass"] > number:
            return
        if state["pass"] < number:
            state.update({"pass": number, "stage": 0, "starts": {}, "done": 0})
            state.update({"sizes": {}, "unnamed": {}})
            state["counts"] = {name: dict.fromkeys(OUTCOMES, 0) for name in self.folder.sources}
            yield self._step(number, passes)
        known = references.Known(self.folder.working if is_dry else None)
        makers = self._stages(known)
        while state["stage"] < len(makers):
            make = makers[state["stage"]]
            names = [of.name for of in layout.STAGES[state["stage"]]]
            names += [f"open {name}" for name in names]
            batches = self.folder.batches(names, state["starts"])
            apply = partial(self._apply, make, is_dry)
            # families are most of what there is, and know nothing of each other
            with spread(apply, is_wide=make is makers[-1]) as applied:
                while window := list(itertools.islice(batches, WINDOW)):
                    for told in applied(window):
                        self._tell(told)
                    state["starts"] = window[-1].starts
                    state["done"] += sum(batch.lines for batch in window)
                    yield self._step(number, passes)
            state["stage"] += 1
            state["starts"] = {}
            yield self._step(number, passes)

    def _stages(self, known: references.Known) -> list[Callable[[], Any]]:
        ends = Ends(self.options.ends_on, self.options.whole)
        return [
            partial(references.Codes, layout.DOMAINS, CareDomain, known),
            partial(references.Codes, layout.OPERATORS, Operator, known),
            partial(references.Codes, layout.EMPLOYERS, Employer, known),
            partial(references.Plans, known),
            partial(contracts.Contracts, known, ends),
            partial(families.Families, known, ends),
        ]

    def _apply(self, make, is_dry: bool, batch: Batch) -> "Told":
        """Judges and writes a batch. Where the database refuses it, each group on its own.

        It does when a row was written at the same time, which is seen then, or for a rule that it alone
        keeps.
        """
        told = Told()
        groups = self.folder.read(batch.entries)
        try:
            told.add(_write(make(), groups, is_dry), groups, self.folder)
        except (IntegrityError, DataError):
            for entry in batch.entries:
                self._apply_one(make, is_dry, entry, told)
        return told

    def _apply_one(self, make, is_dry: bool, entry, told: "Told") -> None:
        groups = self.folder.read([entry])
        try:
            stage = _write(make(), groups, is_dry)
        except (IntegrityError, DataError) as error:
            groups = self.folder.read([entry])
            stage = make()
            stage.judge(groups)
            _refuse(groups[0], error)
        told.add(stage, groups, self.folder)

    # ----------------------------------------------------------------------------------- telling

    def _tell(self, told: "Told") -> None:
        for (name, outcome), count in told.counts.items():
            self.state["counts"][name][outcome] += count
        unnamed = self.state["unnamed"]
        for name, line in told.unnamed.items():
            unnamed[name] = min(line, unnamed.get(name, line))
        sizes = self.state["sizes"]
        for name, records in told.records.items():
            sizes[name] = rejects.add(self._kept(name), sizes.get(name, 0), records)

    def _kept(self, name: str) -> Path:
        return self.folder.working / f"{name}.kept"

    def check_ends(self) -> None:
        """Raises Failed when whole files would end too much, or have a line that nobody can tell whose it
        is: whoever it lists would be taken for absent."""
        for name in sorted(self.options.whole):
            if line := self.state["unnamed"].get(name):
                raise Failed(
                    _("%(file)s, ligne %(line)d : numéro illisible, rien ne peut se terminer.")
                    % {"file": name, "line": line}
                )
            ended, total = self.state["counts"][name]["ended"], self.state["open"][name]
            if ended * 100 > self.options.at_most * total:
                raise Failed(
                    _(
                        "%(file)s terminerait %(ended)d des %(total)d lignes en cours, plus de "
                        "%(limit)d %%. Rien n'a été écrit."
                    )
                    % {
                        "file": name,
                        "ended": ended,
                        "total": total,
                        "limit": self.options.at_most,
                    }
                )

    def report(self) -> Report:
        files = {}
        for name in self.state["sizes"]:
            if name == TO_CONFIRM:
                files[name] = rejects.whole(self._kept(name), CONFIRM_HEADER)
            else:
                header = [*self.folder.sources[name].header, *rejects.PLACE]
                files[f"rejets-{name}"] = rejects.whole(self._kept(name), header)
        return Report(self.state["counts"], files)


def _write(stage, groups: list[Group], is_dry: bool):
    with transaction.atomic(using=writing.alias()):
        stage.judge(groups)
        if is_dry:
            stage.keep_in_mind()
        else:
            stage.write()
    return stage


def _refuse(group: Group, error: Exception) -> None:
    """A rule that only the database knows, or a row that somebody wrote at the same time."""
    diagnostic = getattr(error.__cause__, "diag", None)
    rule = getattr(diagnostic, "constraint_name", None) or type(error).__name__
    for line in itertools.chain(*group.lines.values(), group.kept_back):
        if not line.reasons:
            line.refuse(_("La base refuse cet enregistrement (%s).") % rule)


def _open_rows(model, day: date):
    return model.objects.filter(Q(end__isnull=True) | Q(end__gt=day))


@contextmanager
def _without_collector():
    """The rows of a batch hold each other in no circle: to look for some took two fifths of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
