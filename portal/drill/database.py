"""A database that exists as long as a drill does, and the process that plays inside it.

The process is another one, and its environment names that database alone: it knows neither the real one,
nor the broker, the cache, the gateways and the keys of the portal.
"""

import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection

PREFIX = "drill_"
# What a process needs to run at all; PG…: how to reach the server (certificates, its password file).
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH")


class NotOurs(Exception):
    """The database of this process was not made for a drill, or already holds something."""


@contextmanager
def throw_away() -> Iterator[dict[str, str]]:
    """The environment of a process whose database is new; it is gone when the block ends, however it does."""
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder, _database(Path(folder)) as url:
        yield _environment(url, Path(folder))


@contextmanager
def _database(folder: Path) -> Iterator[str]:
    name = f"{PREFIX}{secrets.token_hex(6)}"
    if connection.vendor != "postgresql":
        yield f"sqlite:///{folder / f'{name}.sqlite3'}"
        return
    _administer(f"CREATE DATABASE {name}")
    try:
        yield urlsplit(settings.DATABASE_URL)._replace(path=f"/{name}").geturl()
    finally:
        _administer(f"DROP DATABASE {name} WITH (FORCE)")


def _administer(statement: str) -> None:
    with connection._nodb_cursor() as cursor:
        cursor.execute(statement)


def _environment(database_url: str, folder: Path) -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if name in KEPT or name.startswith("PG")
    }
    return {
        **kept,
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "DEBUG": "1",  # stand-in secrets, and messages that stay in the process
        "PUBLIC_URL": "http://localhost:8000",
        "DATABASE_URL": database_url,
        "FILES_ROOT": str(folder / "files"),
        "PYTHONUNBUFFERED": "1",
    }


def run_inside(arguments: Sequence[str], env: dict[str, str]) -> Iterator[str]:
    """The lines that `manage.py …` prints; the process ends with whoever reads them.

    Raises CalledProcessError when it fails.
    """
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments]
    process = subprocess.Popen(
        command, env=env, cwd=settings.BASE_DIR, stdout=subprocess.PIPE, text=True
    )
    try:
        yield from process.stdout
        if process.wait():
            raise subprocess.CalledProcessError(process.returncode, command)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
        process.stdout.close()


@contextmanager
def stopped_cleanly() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does, so that what it made is removed."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def check_ours() -> None:
    """Raises NotOurs unless this process has an empty database, made for a drill."""
    name = Path(str(connection.settings_dict["NAME"])).name
    if not name.startswith(PREFIX) or connection.introspection.table_names():
        raise NotOurs
