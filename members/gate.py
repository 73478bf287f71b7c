"""The gate before the password hash, and only there.

A hash costs more CPU than everything else of a sign-in together. When more people arrive than the
processor can hash for, letting all of them in serves nobody: each waits until his browser gives up.
So each process hashes one password at a time, lets a few people wait for a short while, and tells the
others at once when to come back. Every other page passes beside the gate, untouched.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from members.limits import limit


class Busy(Exception):
    """Nothing was checked and nothing was counted: come back in `limit("GATE_RETRY_AFTER")` seconds."""


class Gate:
    def __init__(self):
        self._one_at_a_time = threading.Semaphore(1)
        self._counting = threading.Lock()
        self._waiting = 0

    @contextmanager
    def passage(self) -> Iterator[None]:
        """Runs its body alone in this process. Raises Busy when too many wait, or for too long."""
        with self._counting:
            if self._waiting >= limit("GATE_QUEUE"):
                raise Busy
            self._waiting += 1
        try:
            entered = self._one_at_a_time.acquire(timeout=limit("GATE_WAIT_MS") / 1000)
        finally:
            with self._counting:
                self._waiting -= 1
        if not entered:
            raise Busy
        try:
            yield
        finally:
            self._one_at_a_time.release()


password_gate = Gate()
