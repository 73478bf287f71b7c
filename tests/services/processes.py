"""Real programs started for the tests, which never outlive them."""

import contextlib
import ctypes
import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class DidNotStart(Exception):
    pass


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def listens(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(0.2)
        return client.connect_ex(("127.0.0.1", port)) == 0


def wait_until(condition: Callable[[], object], timeout: float = 10, what: str = "") -> object:
    """The first true answer of `condition`. Raises TimeoutError after `timeout` seconds."""
    end = time.monotonic() + timeout
    while True:
        if answer := condition():
            return answer
        if time.monotonic() > end:
            raise TimeoutError(f"waited {timeout} s for {what or condition}")
        time.sleep(0.02)


class Process:
    """A program in a process group of its own; what it prints goes to the file `log`."""

    stop_signal = signal.SIGTERM

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        env: dict[str, str] | None = None,
        user: str | None = None,
    ):
        self.command = [str(part) for part in command]
        self.log = log
        self.env = env
        self.user = user
        self.popen: subprocess.Popen | None = None

    @property
    def pid(self) -> int:
        assert self.popen
        return self.popen.pid

    def start(self, ready: Callable[[], object], timeout: float = 30):
        """Starts the program and waits until `ready`. Raises DidNotStart with what it printed."""
        identity = {"user": self.user, "group": self.user_group(), "extra_groups": []}
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.env,
                cwd=ROOT if self.user is None else "/",
                # Ctrl-C is for pytest alone, which then stops its services in order.
                start_new_session=True,
                preexec_fn=self._end_with_parent,
                **(identity if self.user else {}),
            )
        try:
            wait_until(lambda: ready() or not self.is_running(), timeout, self.command[0])
        except TimeoutError:
            self.kill()
            raise DidNotStart(f"{' '.join(self.command)}\n{self.logs()}") from None
        if not self.is_running():
            raise DidNotStart(f"{' '.join(self.command)}\n{self.logs()}")

    def _end_with_parent(self):
        """In the child: be told to stop when the test process dies, however it dies. (Linux)"""
        if LIBC:
            LIBC.prctl(PR_SET_PDEATHSIG, self.stop_signal)

    def user_group(self) -> int | None:
        if self.user is None:
            return None
        return pwd.getpwnam(self.user).pw_gid

    def is_running(self) -> bool:
        return self.popen is not None and self.popen.poll() is None

    def stop(self, timeout: float = 10):
        """Asks the program to end, then makes it. Harmless when it has ended."""
        if self.is_running():
            self.resume()
            self.popen.send_signal(self.stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(timeout)
        self.kill()

    def kill(self):
        """Ends the whole group at once, as a power cut would."""
        if self.popen is not None:
            self._signal_group(signal.SIGKILL)
            self.popen.wait()

    def kill_child(self):
        """Kills one child, as the kernel does when memory runs out. (Linux)"""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        os.kill(int(children[-1]), signal.SIGKILL)

    def suspend(self):
        """The program hangs: its port still accepts, nothing answers."""
        self._signal_group(signal.SIGSTOP)

    def resume(self):
        self._signal_group(signal.SIGCONT)

    def _signal_group(self, number: int):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def logs(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""
