"""Starts PostgreSQL and Redis before the settings are read, and stops them after the last test.

Loaded by `addopts` in pyproject.toml. With pytest-xdist the controller starts them once; each worker
has its own database and its own range of Redis databases.
"""

import contextlib
import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from tests.services import environment
from tests.services.postgres import PostgresServer
from tests.services.redis import RedisServer

FOLDER = "TESTS_FOLDER"
REDIS_PER_WORKER = 64


def shared_folder() -> Path:
    """One folder for the whole run: logs, locks, what is made once for all workers."""
    return Path(os.environ[FOLDER])


def redis_numbers() -> range:
    """The Redis databases of this worker; the first is that of the in-process tests."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return range(worker * REDIS_PER_WORKER, (worker + 1) * REDIS_PER_WORKER)


# A wrapper, because pytest-django reads the settings in the same hook.
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config):
    known = early_config.known_args_namespace
    if not (known.help or known.version):
        if "PYTEST_XDIST_WORKER" not in os.environ:
            _start_services(early_config)
        os.environ["REDIS_URL"] = os.environ["TESTS_REDIS_URL"] + str(redis_numbers()[0])
    else:
        os.environ.update(environment.IN_PROCESS)
    return (yield)


def _start_services(config):
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # clean up as on Ctrl-C
    folder = Path(tempfile.mkdtemp(prefix="portal-tests-"))
    folder.chmod(0o755)  # PostgreSQL may run as another user
    postgres, redis = PostgresServer(folder), RedisServer(folder)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stack.callback(postgres.stop)
        stack.callback(redis.stop)
        redis.start()
        postgres.start()
        config.add_cleanup(stack.pop_all().close)
    os.environ.update(environment.IN_PROCESS)
    os.environ.update(
        {
            FOLDER: str(folder),
            "FILES_ROOT": str(folder / "files"),
            "DATABASE_URL": postgres.url(),
            "TESTS_POSTGRES_ADMIN": postgres.admin_url,
            "TESTS_POSTGRES_BIN": str(postgres.bin),
            "TESTS_REDIS_URL": redis.url().removesuffix("0"),
        }
    )
