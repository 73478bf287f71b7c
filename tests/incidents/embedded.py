"""A second database of the embedded kind, SQLite in memory, to run the same code on both."""

from contextlib import contextmanager

from django.core.management import call_command
from django.db import connections
from django.test import override_settings

ALIAS = "embedded"


class Embedded:
    """A database router: every model lives in the embedded database."""

    def db_for_read(self, model, **hints):
        return ALIAS

    db_for_write = db_for_read

    def allow_relation(self, *objects, **hints):
        return True


@contextmanager
def embedded_database():
    connections.databases[ALIAS] = {
        **connections.databases["default"],
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": "file:embedded?mode=memory&cache=shared",
        "OPTIONS": {"init_command": "PRAGMA foreign_keys=ON;"},
        "CONN_MAX_AGE": None,
    }
    try:
        call_command("migrate", database=ALIAS, verbosity=0)
        with override_settings(DATABASE_ROUTERS=[f"{__name__}.Embedded"]):
            yield ALIAS
    finally:
        connections[ALIAS].close()
        del connections[ALIAS]
        del connections.databases[ALIAS]
