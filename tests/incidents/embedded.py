"""A second database of the embedded kind, SQLite in memory, to run the same code on both."""

import sqlite3
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path

from django.core.management import call_command
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import override_settings

from tests.services.plugin import shared_folder
from tests.services.portal import once

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
    template = _migrated_once()
    with _opened(f"file:embedded-{next(NUMBERS)}?mode=memory&cache=shared") as connection:
        with closing(sqlite3.connect(template)) as source:
            source.backup(connection.connection)
        with override_settings(DATABASE_ROUTERS=[f"{__name__}.Embedded"]):
            yield ALIAS


def _migrated_once() -> Path:
    """A file with every migration applied: SQLite makes each changed table anew, which takes seconds."""
    path = shared_folder() / "embedded.sqlite3"
    with once("embedded") as done:
        if not done.exists():
            path.unlink(missing_ok=True)
            with _opened(str(path)):
                call_command("migrate", database=ALIAS, verbosity=0)
            done.touch()
    return path


@contextmanager
def _opened(name):
    connections.databases[ALIAS] = {
        **connections.databases["default"],
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": name,
        "OPTIONS": {"init_command": "PRAGMA foreign_keys=ON;"},
        "CONN_MAX_AGE": None,
    }
    try:
        connections[ALIAS].ensure_connection()
        yield connections[ALIAS]
    finally:
        # Django's own `close` of a database in memory does nothing, and what is in it would stay
        BaseDatabaseWrapper.close(connections[ALIAS])
        del connections[ALIAS]
        del connections.databases[ALIAS]
