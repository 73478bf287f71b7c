"""Queries of every sign-in, written to SQL once in the life of a process and asked with other values.

Django writes a queryset's SQL anew each time it is asked. For a row with its relations that costs the
web process several times what PostgreSQL's answer does. (docs/decisions/0030-cpu-of-a-sign-in.md)
"""

from copy import copy
from functools import cached_property
from typing import Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections, models

Row = TypeVar("Row")


class Slot(models.Expression):
    """A place for a value in a queryset: `Session.objects.filter(pk=Slot("key"))`.

    `field` says how the database wants the value, where that differs from Python's: dates and times.
    """

    def __init__(self, name: str, field: models.Field | None = None):
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, compiler, connection):
        return "%s", [self]

    def fit(self, value, connection):
        field = self._output_field_or_none
        return field.get_db_prep_value(value, connection) if field else value


class Prepared(Generic[Row]):
    """A queryset whose `Slot`s are filled at each call. All the rest of it is said once for all: no
    time of day, no limit that varies and no language may stand in it."""

    def __init__(self, queryset: models.QuerySet):
        self.queryset = queryset

    def all(self, **values) -> list[Row]:
        """The rows, read anew. One statement; raises KeyError when a slot gets no value."""
        compiler, sql, parameters = self._written
        compiler = copy(compiler)
        connection = compiler.connection = connections[DEFAULT_DB_ALIAS]  # this thread's
        given = tuple(
            one.fit(values[one.name], connection) if isinstance(one, Slot) else one
            for one in parameters
        )
        compiler.as_sql = lambda *args, **kwargs: (sql, given)
        asked = self.queryset.all()
        asked.query.get_compiler = lambda *args, **kwargs: compiler
        return list(asked)

    def first(self, **values) -> Row | None:
        """The first row, in whatever order the queryset says; None without any."""
        return next(iter(self.all(**values)), None)

    @cached_property
    def _written(self):
        compiler = self.queryset.query.get_compiler(DEFAULT_DB_ALIAS)
        return compiler, *compiler.as_sql()
