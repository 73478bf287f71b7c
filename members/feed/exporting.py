"""Writes the files of the feed: importing them again, anywhere, gives the same rows. (docs/feed.md)"""

import csv
import os
from collections.abc import Callable
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from django.db import connections, transaction
from django.db.models import F

from members import audit, sealing
from members.feed import cells, layout, writing
from members.models import (
    Adhesion,
    AyantDroit,
    CareDomain,
    Contract,
    DecompteLine,
    Delegation,
    Employer,
    Guarantee,
    Holding,
    Member,
    Operator,
    Plan,
)
from members.models.category import DataCategory

BATCH = 5_000

# Where each file's rows come from, and which of its columns stand in another table.
_ROWS = {
    layout.DOMAINS.name: (CareDomain, {}),
    layout.OPERATORS.name: (Operator, {}),
    layout.EMPLOYERS.name: (Employer, {}),
    layout.PLANS.name: (Plan, {}),
    layout.GUARANTEES.name: (Guarantee, {"plan": "plan__code"}),
    layout.CONTRACTS.name: (Contract, {"employer": "employer__siren", "plan": "plan__code"}),
    layout.DELEGATIONS.name: (
        Delegation,
        {"operator": "operator__code", "contract": "contract__number", "domain": "domain__code"},
    ),
    layout.HOLDINGS.name: (
        Holding,
        {"operator": "operator__code", "contract": "contract__number"},
    ),
    layout.MEMBERS.name: (Member, {"nir": "nir_sealed", "identifiant": "user__identifiant"}),
    layout.ADHESIONS.name: (
        Adhesion,
        {"number": "member__number", "contract": "contract__number"},
    ),
    layout.AYANTS_DROIT.name: (AyantDroit, {"number": "member__number", "nir": "nir_sealed"}),
    layout.DECOMPTES.name: (
        DecompteLine,
        {
            "number": "decompte__member__number",
            "decompte": "decompte__number",
            "paid_on": "decompte__paid_on",
            "payee": "decompte__payee",
            "ayant_droit": "ayant_droit__reference",
            "domain": "domain__code",
        },
    ),
}


class FolderNotEmpty(Exception):
    """The folder already holds files of the feed."""


def export(folder: Path, *, overwrite: bool = False) -> dict[str, int]:
    """Writes every file into `folder`, readable by this user alone; how many lines, by file.

    The files are of one moment, and each is there whole or not at all. Raises FolderNotEmpty, OSError, or
    sealing.CannotOpen when a NIR was sealed by a key that is no longer there.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    there = [of.name for of in layout.LAYOUTS if (folder / of.name).exists()]
    if there and not overwrite:
        raise FolderNotEmpty(", ".join(there))
    parts = {of.name: folder / f".{of.name}.part" for of in layout.LAYOUTS}
    try:
        with _one_moment():
            counts = {of.name: _write(parts[of.name], of) for of in layout.LAYOUTS}
        for name, part in parts.items():
            os.replace(part, folder / name)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)  # of an export that failed: it holds NIRs
    audit.record("feed.exported", **counts)
    return counts


@contextmanager
def _one_moment():
    connection = connections[writing.alias()]
    is_first = not connection.in_atomic_block
    with transaction.atomic(using=connection.alias):
        if connection.vendor == "postgresql" and is_first:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield


def _write(path: Path, of: layout.Layout) -> int:
    model, elsewhere = _ROWS[of.name]
    columns = [(elsewhere.get(one.field, one.field), _teller(one)) for one in of.columns]
    names = [name for name, _tell in columns]
    by_field = {one.field: elsewhere.get(one.field, one.field) for one in of.columns}
    order = [F(by_field[name]).asc(nulls_first=True) for name in (of.group_field, *of.key)]
    rows = model.objects.order_by(*order, "pk").values_list(*names).iterator(BATCH)
    count = 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8", newline="") as file, closing(rows):
        writer = csv.writer(file, delimiter=";", lineterminator="\n")
        writer.writerow([one.name for one in of.columns])
        tellers = [tell for _name, tell in columns]
        for row in rows:
            count += 1
            writer.writerow([tell(value) for tell, value in zip(tellers, row, strict=True)])
    return count


def _teller(column: layout.Column) -> Callable[[Any], str]:
    if column.field == "nir":
        return lambda sealed: sealing.unseal(sealed) if sealed else ""
    if column.read is cells.categories:
        return lambda codes: "|".join(one for one in DataCategory.values if one in codes)
    if column.read in (cells.cents, cells.cents_or_empty):
        return lambda cents: "" if cents is None else f"{cents // 100}.{cents % 100:02}"
    return _told


def _told(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, date):
        return value.isoformat()
    return cells.CONTROL.sub(" ", str(value))
