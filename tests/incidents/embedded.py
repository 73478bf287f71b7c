"""A second database of the embedded kind, SQLite in memory, to run the same code on both."""

from contextlib import contextmanager
from itertools import count

from django.core.management import call_command
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import override_settings

ALIAS = "embedded"
NUMBERS = count(1)


class Embedded:
    """A database router: every model lives in the embedded database."""

    def db_for_read(self, model, **hints):
        return ALIAS

    db_for_write = db_for_read

    def allow_relation(self, *objects, **hints):
        return True


@contextmanager
def embedded_database():
    """Empty each time: SQLite keeps a database in memory by its name while any connection to it lives."""
    connections.databases[ALIAS] = {
        **connections.databases["default"],
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": f"file:embedded-{next(NUMBERS)}?mode=memory&cache=shared",
        "OPTIONS": {"init_command": "PRAGMA foreign_keys=ON;"},
        "CONN_MAX_AGE": None,
    }
    try:
        call_command("migrate", database=ALIAS, verbosity=0)
        with override_settings(DATABASE_ROUTERS=[f"{__name__}.Embedded"]):
            yield ALIAS
    finally:
        # Django's own `close` of a database in memory does nothing, and what is in it would stay
        BaseDatabaseWrapper.close(connections[ALIAS])
        del connections[ALIAS]
        del connections.databases[ALIAS]
