"""The portal as it runs for real: a web server and workers as processes, a database of its own."""

import contextlib
import fcntl
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import psycopg
import redis
from django.db import connections

from tests.services import environment
from tests.services.plugin import shared_folder
from tests.services.postgres import Administrator
from tests.services.processes import ROOT, Process, free_port

NOWHERE = "http://127.0.0.1:1"
MIGRATED, IN_PROCESS, CAST = "template_migrated", "template_in_process", "template_cast"
DEMO = {"DEBUG": "1", "SMS_GATEWAY": "memory"}


def administrator() -> Administrator:
    return Administrator(os.environ["TESTS_POSTGRES_ADMIN"])


def database_url(name: str) -> str:
    return f"{os.environ['DATABASE_URL'].rpartition('/')[0]}/{name}"


@contextlib.contextmanager
def once(name: str):
    """Yields the path of a mark that is there once the work is done; one worker at a time."""
    with (shared_folder() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield shared_folder() / f"{name}.done"


def migrated_template() -> str:
    """The name of a database with every migration applied, made once per run, to copy from."""
    return _template(MIGRATED, "template1", ["migrate", "--verbosity", "0"], {})


def in_process_template() -> str:
    """The same for tests inside this process, which empty every table between transactional tests."""
    source = migrated_template()
    with once(IN_PROCESS) as done:
        if not done.exists():
            administrator().drop(IN_PROCESS)
            administrator().create(IN_PROCESS, source)
            with psycopg.connect(database_url(IN_PROCESS), autocommit=True) as connection:
                for table in ("auditevent", "auditlink", "auditcheckpoint"):
                    connection.execute(f"DROP TRIGGER {table}_no_truncate ON members_{table}")
            done.touch()
    return IN_PROCESS


def cast_template() -> str:
    """The name of a database that holds what `manage.py demo` loads."""
    return _template(CAST, migrated_template(), ["demo"], DEMO)


def _template(name: str, source: str, command: list[str], env: dict[str, str]) -> str:
    with once(name) as done:
        if not done.exists():
            administrator().drop(name)
            administrator().create(name, source)
            manage(command, environment.production(NOWHERE, database_url(name), "", **env))
            done.touch()
    return name


def collected_static_files() -> Path:
    folder = shared_folder() / "static"
    with once("static") as done:
        if not done.exists():
            env = environment.production(NOWHERE, "", "", STATIC_ROOT=str(folder))
            manage(["collectstatic", "--no-input", "--verbosity", "0"], env)
            done.touch()
    return folder


class CommandFailed(Exception):
    pass


def manage(arguments: Sequence[str], env: dict[str, str], log: Path | None = None) -> str:
    """What a management command prints. Raises CommandFailed with the end of what it said."""
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    ended = subprocess.run(
        command, env=env, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    if log:
        with log.open("a") as file:
            file.write(ended.stdout + ended.stderr)
    if ended.returncode:
        end = "\n".join((ended.stdout + ended.stderr).splitlines()[-12:])
        raise CommandFailed(f"manage.py {' '.join(arguments)} ended with {ended.returncode}\n{end}")
    return ended.stdout


class Portal:
    """A web server on a free port of this machine, `env` as an operator would set it.

    `host`: how browsers name this machine. A number is no domain: passkeys need « localhost ».
    `workers`: processes of the web server, which share its port.
    """

    def __init__(
        self,
        name: str,
        blocker,
        *,
        redis_url: str,
        cast: bool,
        env: dict[str, str],
        threads: int,
        host: str = "127.0.0.1",
        workers: int = 1,
    ):
        self.database = name
        self.blocker = blocker
        self.folder = shared_folder() / name
        self.folder.mkdir()
        self.port = free_port()
        self.url = f"http://{host}:{self.port}"
        administrator().create(name, cast_template() if cast else migrated_template())
        self.env = environment.production(
            self.url,
            database_url(name),
            redis_url,
            STATIC_ROOT=str(collected_static_files()),
            **env,
        )
        self.flush_redis()
        self.workers: list[Process] = []
        self.process = Process(
            [
                *(sys.executable, "-m", "granian", "--interface", "wsgi"),
                *("--host", "127.0.0.1", "--port", str(self.port)),
                *("--workers", str(workers), "--blocking-threads", str(threads), "--no-ws"),
                "portal.wsgi:application",
            ],
            log=self.folder / "web.log",
            env=self.env,
        )

    def start(self):
        self.process.start(self._answers)

    def restart(self):
        self.process.stop()
        self.start()

    def stop(self):
        """Ends the web server and its workers. The database goes with its server."""
        for worker in self.workers:
            worker.stop()
        self.process.stop()

    def start_worker(self, *arguments: str, env: dict[str, str] | None = None) -> Process:
        """A real Celery worker of this portal, once it is ready."""
        number = len(self.workers) + 1
        worker = Process(
            [
                *(sys.executable, "-m", "celery", "-A", "portal", "worker", "--loglevel", "INFO"),
                *("--hostname", f"{self.database}-{number}@tests"),
                *arguments,
            ],
            log=self.folder / f"worker-{number}.log",
            env={**self.env, **(env or {})},
        )
        self.workers.append(worker)
        worker.start(lambda: " ready." in worker.logs())
        return worker

    def manage(self, *arguments: str, env: dict[str, str] | None = None) -> str:
        """What `manage.py …` prints with the environment of this portal."""
        return manage(arguments, {**self.env, **(env or {})}, self.folder / "commands.log")

    def sql(self, statement: str, *values) -> list[tuple]:
        with psycopg.connect(self.env["DATABASE_URL"], autocommit=True) as connection:
            cursor = connection.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def empty(self, *tables: str) -> None:
        """Empties these tables and all that refers to them, the trail included: as their owner may."""
        trail = ("members_auditevent", "members_auditlink", "members_auditcheckpoint")
        for table in trail:
            self.sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        self._truncate(f"TRUNCATE {', '.join(tables)} CASCADE")
        for table in trail:
            self.sql(f"ALTER TABLE {table} ENABLE TRIGGER USER")

    def _truncate(self, statement: str) -> None:
        """A worker that writes meanwhile may lock the tables in another order: then once more."""
        for _round in range(4):
            try:
                return self.sql(statement)
            except psycopg.errors.DeadlockDetected:
                continue
        return self.sql(statement)

    @contextlib.contextmanager
    def orm(self):
        """Inside, the models used by this test are read and written in this portal's database."""
        usual = connections["default"]
        own = type(usual)({**usual.settings_dict, "NAME": self.database}, "default")
        connections["default"] = own
        try:
            with self.blocker.unblock():
                yield
        finally:
            own.close()
            connections["default"] = usual

    def database_away(self):
        """A context in which the database cuts and refuses every connection."""
        return administrator().away(self.database)

    def flush_redis(self):
        if self.env["REDIS_URL"]:
            with self.broker() as client:
                client.flushdb()

    def broker(self) -> redis.Redis:
        return redis.Redis.from_url(self.env["REDIS_URL"])

    def logs(self) -> str:
        """All that the web server, the workers and the commands have printed."""
        files = sorted(self.folder.glob("*.log"))
        return "".join(f"== {file.stem}\n{file.read_text(errors='replace')}" for file in files)

    def dump(self) -> dict[str, str]:
        """Everything at rest, as text: what a thief of the database, of Redis or of the logs reads."""
        return {"database": self._dump_database(), "redis": self._dump_redis(), "logs": self.logs()}

    def _dump_database(self) -> str:
        program = Path(os.environ["TESTS_POSTGRES_BIN"]) / "pg_dump"
        command = [program, "--data-only", "--inserts", "--dbname", self.env["DATABASE_URL"]]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def _dump_redis(self) -> str:
        if not self.env["REDIS_URL"]:
            return ""
        readers = {
            b"string": lambda client, key: client.get(key),
            b"list": lambda client, key: client.lrange(key, 0, -1),
            b"hash": lambda client, key: client.hgetall(key),
            b"set": lambda client, key: client.smembers(key),
            b"zset": lambda client, key: client.zrange(key, 0, -1, withscores=True),
            b"stream": lambda client, key: client.xrange(key),
        }
        with self.broker() as client:
            return "\n".join(
                f"{key} {readers[kind](client, key)}"
                for key in client.scan_iter()
                if (kind := client.type(key)) != b"none"
            )

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/sante/vivant/", timeout=5) as answer:
                return answer.status == 200
        except urllib.error.HTTPError as error:
            error.close()
            return True
        except OSError:
            return False
