"""Rows written by the thousand, and the keys of rows: COPY on PostgreSQL, ordinary statements elsewhere."""

import json
from collections.abc import Iterable, Sequence
from functools import cache
from operator import itemgetter
from typing import Any

from django.db import connections, models, router
from django.db.models.expressions import RawSQL


def alias() -> str:
    return router.db_for_write(models.Model)


def codes(values: Iterable[str]) -> RawSQL:
    """For `__in`: one parameter instead of thousands."""
    return _one_of("text", list(values))


def ids(rows: Iterable[dict[str, Any]]) -> RawSQL:
    """For `__in`: the ids of `rows`, as one parameter."""
    return _one_of("bigint", [row["id"] for row in rows])


def _one_of(kind: str, values: list) -> RawSQL:
    if connections[alias()].vendor == "postgresql":
        return RawSQL(f"SELECT unnest(%s::{kind}[])", [values])
    return RawSQL("SELECT value FROM json_each(%s)", [json.dumps(values)])


@cache
def _columns(model: type[models.Model]) -> list[tuple[models.Field, Any]]:
    return [
        (field, field.get_default())
        for field in model._meta.concrete_fields
        if not field.primary_key
    ]


def insert(model: type[models.Model], rows: Sequence[dict[str, Any]]) -> None:
    """Adds `rows`, all of the same fields, as the database keeps them; gives each its « id »."""
    if not rows:
        return
    connection = connections[alias()]
    if connection.vendor != "postgresql":
        made = [model(**row) for row in rows]
        model._default_manager.bulk_create(made)
        for row, one in zip(rows, made, strict=True):
            row["id"] = one.pk
        return
    quote, table = connection.ops.quote_name, model._meta.db_table
    columns = _columns(model)
    names = ", ".join(quote(field.column) for field, _default in columns)
    defaults = {field.attname: default for field, default in columns}
    fetch = itemgetter("id", *defaults)
    lacking = {name: value for name, value in defaults.items() if name not in rows[0]}
    with connection.wrap_database_errors, connection.cursor() as cursor:
        cursor.execute(
            "SELECT array_agg(nextval(pg_get_serial_sequence(%s, 'id'))) FROM generate_series(1, %s)",
            [table, len(rows)],
        )
        for row, pk in zip(rows, cursor.fetchone()[0], strict=True):
            row["id"] = pk
        with cursor.copy(f"COPY {quote(table)} (id, {names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(fetch(lacking | row if lacking else row))


def update(
    model: type[models.Model], fields: Sequence[str], rows: Iterable[dict[str, Any]], only: str = ""
) -> None:
    """Writes `fields` of `rows`, found by « id ». `only`: where this column is still null."""
    rows = list(rows)
    if not rows:
        return
    connection = connections[alias()]
    quote, table = connection.ops.quote_name, quote_table(connection, model)
    columns = [model._meta.get_field(name).column for name in fields]
    still = f" AND t.{quote(only)} IS NULL" if only else ""
    if connection.vendor != "postgresql":
        sets = ", ".join(f"{quote(column)} = %s" for column in columns)
        prepared = [model._meta.get_field(name).get_db_prep_save for name in fields]
        with connection.cursor() as cursor:
            cursor.executemany(
                f"UPDATE {table} AS t SET {sets} WHERE t.id = %s{still}",
                [
                    [
                        *(
                            prepare(row[name], connection)
                            for name, prepare in zip(fields, prepared, strict=True)
                        ),
                        row["id"],
                    ]
                    for row in rows
                ],
            )
        return
    names = ", ".join(quote(column) for column in columns)
    with connection.wrap_database_errors, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS pg_temp.feed_rows")
        cursor.execute(
            f"CREATE TEMPORARY TABLE feed_rows ON COMMIT DROP AS SELECT id, {names} FROM {table} LIMIT 0"
        )
        with cursor.copy(f"COPY feed_rows (id, {names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row([row["id"], *[row[name] for name in fields]])
        sets = ", ".join(f"{quote(column)} = r.{quote(column)}" for column in columns)
        cursor.execute(f"UPDATE {table} AS t SET {sets} FROM feed_rows r WHERE t.id = r.id{still}")


def quote_table(connection, model: type[models.Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)


def analyze(models_of: Iterable[type[models.Model]]) -> None:
    """Tells PostgreSQL what tables that just grew hold.

    Until it knows, it takes a member for one of two hundred, and reads a whole table for each batch.
    """
    connection = connections[alias()]
    if connection.vendor == "postgresql":
        tables = ", ".join(quote_table(connection, model) for model in models_of)
        with connection.cursor() as cursor:
            cursor.execute(f"ANALYZE (SKIP_LOCKED) {tables}")
