"""Rows that others name by a code: care domains, operators, employers, plans; and the ids of all codes."""

from collections.abc import Iterable
from pathlib import Path

from django.db import models
from django.utils.translation import gettext as _

from members.feed import layout, writing
from members.feed.changes import Change, Group, fetched, settle, write
from members.models import CareDomain, Contract, Employer, Guarantee, Operator, Plan

CODE = {CareDomain: "code", Operator: "code", Employer: "siren", Plan: "code", Contract: "number"}


class Known:
    """Ids by business code. A dry run invents those of rows that it would have added."""

    def __init__(self, folder: Path | None = None):
        self._ids: dict[type[models.Model], dict[str, int]] = {model: {} for model in CODE}
        self._invented = {model.__name__: {} for model in CODE}
        self._path = folder / "known" if folder else None
        if self._path and self._path.exists():
            for told in self._path.read_text("utf-8").splitlines():
                name, code = told.split(" ", 1)
                self._invented[name].setdefault(code, -len(self._invented[name]) - 1)

    def learn(self, model: type[models.Model], codes: Iterable[str]) -> dict[str, int]:
        """The ids of `codes` and of others; what has none is unknown. One statement, or none."""
        ids = self._ids[model]
        if missing := {code for code in codes if code not in ids}:
            name = CODE[model]
            found = model.objects.filter(**{f"{name}__in": writing.codes(missing)}).values_list(
                name, "pk"
            )
            ids.update(found)
            invented = self._invented[model.__name__]
            ids.update((code, invented[code]) for code in missing - ids.keys() if code in invented)
        return ids

    def add(self, model: type[models.Model], changes: Iterable[Change]) -> None:
        """A dry run's own rows."""
        new = [change.values[CODE[model]] for change in changes if change.is_new]
        if new and self._path:
            invented = self._invented[model.__name__]
            with self._path.open("a", encoding="utf-8") as file:
                for code in new:
                    invented.setdefault(code, -len(invented) - 1)
                    file.write(f"{model.__name__} {code}\n")


class Codes:
    """The stage of a file whose lines are one row each."""

    to_confirm = ()

    def __init__(self, of: layout.Layout, model: type[models.Model], known: Known):
        self.layout, self.model, self.known = of, model, known
        self.fields = [column.field for column in of.columns]
        self.changes: list[Change] = []

    def judge(self, groups: list[Group]) -> None:
        name = CODE[self.model]
        keys = [group.key for group in groups]
        rows = {
            row[name]: row
            for row in fetched(
                self.model.objects.filter(**{f"{name}__in": writing.codes(keys)}),
                ["id", *self.fields],
            )
        }
        self.changes = []
        for group in groups:
            for line in group.readable(self.layout):
                row = rows.get(group.key)
                values = {**(row or {}), **line.values}
                self.changes.append(Change(row, line, values))
        settle(self.changes)

    def write(self) -> None:
        write(self.model, self.changes, self.fields)

    def keep_in_mind(self) -> None:
        self.known.add(self.model, self.changes)


class Plans:
    """The stage of plans and of their guarantees."""

    to_confirm = ()
    FIELDS = ("code", "name")
    GUARANTEE = tuple(
        column.field for column in layout.GUARANTEES.columns if column.field != "plan"
    )

    def __init__(self, known: Known):
        self.known = known

    def judge(self, groups: list[Group]) -> None:
        codes = [group.key for group in groups]
        rows = {
            row["code"]: row
            for row in fetched(
                Plan.objects.filter(code__in=writing.codes(codes)), ["id", *self.FIELDS]
            )
        }
        guarantees: dict[int, dict[tuple, dict]] = {}
        for row in fetched(
            Guarantee.objects.filter(plan__code__in=writing.codes(codes)).order_by("-pk"),
            ["id", "plan_id", *self.GUARANTEE],
        ):
            key = tuple(row[name] for name in layout.GUARANTEES.key)
            guarantees.setdefault(row["plan_id"], {})[key] = row
        self.plans, self.guarantees = [], []
        for group in groups:
            plan = Change(row, values=row) if (row := rows.get(group.key)) else None
            for line in group.readable(layout.PLANS):
                plan = Change(row, line, {**(row or {}), **line.values})
                self.plans.append(plan)
            has = guarantees.get(row["id"], {}) if row else {}
            for line in group.readable(layout.GUARANTEES):
                if plan is None:
                    line.refuse(_("plan : inconnu, ou refusé dans plans.csv."))
                    continue
                before = has.get(tuple(line.values[name] for name in layout.GUARANTEES.key))
                values = {name: line.values[name] for name in self.GUARANTEE}
                values = {**before, **values} if before else {**values, "plan": plan}
                self.guarantees.append(Change(before, line, values))
        settle(self.plans)
        settle(self.guarantees)

    def write(self) -> None:
        write(Plan, self.plans, self.FIELDS)
        for change in self.guarantees:
            if change.is_new:
                change.values["plan_id"] = change.values.pop("plan").values["id"]
        write(Guarantee, self.guarantees, self.GUARANTEE)

    def keep_in_mind(self) -> None:
        self.known.add(Plan, self.plans)
