"""The real parts of a benchmark: PostgreSQL, Redis, web server, worker and a stand-in for Twilio.

They are those of the tests, set as in production; all of them stop with the benchmark. What follows the
options --env, --workers and --threads is for comparing one setting with another.
"""

import argparse
import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import django

from tests.services import environment, plugin
from tests.services.portal import Portal, administrator
from tests.services.postgres import PostgresServer
from tests.services.processes import Process
from tests.services.redis import RedisServer
from tests.services.twilio import TwilioStandIn

# Every member signs in once or twice, from an address of his own: only what they share is raised.
LIMITS = {"LIMIT_SENDS_GLOBAL_HOUR": "100000000"}


def options(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--workers", type=int, default=1, help="processes of the web server")
    parser.add_argument("--threads", type=int, default=16, help="threads of each web process")
    parser.add_argument(
        "--env", action="append", default=[], metavar="NAME=VALUE", help="for web and worker"
    )
    return parser


@contextlib.contextmanager
def services() -> Iterator[None]:
    """PostgreSQL and Redis run inside; this process reads settings that fit them."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # clean up as on Ctrl-C
    with contextlib.ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="portal-benchmark-"))
        folder.chmod(0o755)  # PostgreSQL may run as another user
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        postgres, redis = PostgresServer(folder), RedisServer(folder)
        stack.callback(postgres.stop)
        stack.callback(redis.stop)
        redis.start()
        postgres.start()
        os.environ.update(environment.SECRETS)
        os.environ.update(
            {
                "DJANGO_SETTINGS_MODULE": "portal.settings",
                "DEBUG": "1",
                "DATABASE_URL": postgres.url(),
                plugin.FOLDER: str(folder),
                "TESTS_POSTGRES_ADMIN": postgres.admin_url,
                "TESTS_REDIS_URL": redis.url().removesuffix("0"),
            }
        )
        django.setup()
        yield


@dataclass(frozen=True)
class Stage:
    portal: Portal
    worker: Process
    texts: TwilioStandIn


@contextlib.contextmanager
def portal(name: str, chosen: argparse.Namespace, redis_number: int, **env: str) -> Iterator[Stage]:
    """A portal with the demonstration's incident, its worker, and where its texts arrive."""
    given = dict(pair.split("=", 1) for pair in chosen.env)
    texts = TwilioStandIn()
    texts.start()
    served = Portal(
        name,
        SimpleNamespace(unblock=contextlib.nullcontext),
        redis_url=os.environ["TESTS_REDIS_URL"] + str(redis_number),
        cast=True,
        env={**LIMITS, **texts.env, **given, **env},
        threads=chosen.threads,
    )
    command = served.process.command
    command[command.index("--workers") + 1] = str(chosen.workers)
    url = served.env["DATABASE_URL"]
    served.env["DATABASE_URL"] = f"{url}?application_name=web"
    try:
        served.start()
        worker = served.start_worker(
            *("--queues", "codes"), env={"DATABASE_URL": f"{url}?application_name=worker"}
        )
        yield Stage(served, worker, texts)
    finally:
        served.stop()
        texts.stop()


class Statements:
    """Counts what one program asks of a portal's database, as the server itself logs it."""

    def __init__(self, portal: Portal, program: str = "web"):
        self.log = plugin.shared_folder() / "postgres.log"
        self.mark = f"{portal.database}/{program} LOG:  "
        admin = administrator()
        for switch in ("log_statement = 'all'", "log_min_messages = 'log'"):
            admin.execute(f"ALTER DATABASE {portal.database} SET {switch}")
        admin.execute("ALTER SYSTEM SET log_line_prefix = '%d/%a '")
        admin.execute("SELECT pg_reload_conf()")
        with portal.database_away():
            pass  # what was said above holds for new connections

    def since(self, position: int) -> list[str]:
        """Each statement that the program began after `position` of the log."""
        with self.log.open(errors="replace") as log:
            log.seek(position)
            return [
                line.removeprefix(self.mark).split(": ", 1)[1].strip()
                for line in log
                if line.startswith(self.mark)
            ]

    def position(self) -> int:
        return self.log.stat().st_size
