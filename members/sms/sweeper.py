"""The loop that needs no broker: each second it takes what waits too long. (delivery.sweep)

Runs inside every worker process, in `manage.py sms_sweeper`, and in a demonstration's web process.
Any number may run at once: a text goes to whoever claims it.
"""

import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event, Thread

from django.db import close_old_connections, connections

from members.mail import delivery as mail_delivery
from members.sms import delivery

log = logging.getLogger(__name__)

EVERY = 1.0  # seconds
THREADS = 8  # 200 texts left by a dead broker leave within five seconds, at 120 ms a call


def run(stop: Event) -> None:
    """Sweeps until `stop` is set. No error ends it: a database that is away comes back."""
    with ThreadPoolExecutor(THREADS, thread_name_prefix="sms-sweep") as pool:
        while not stop.wait(EVERY):
            try:
                for sweep in (delivery.sweep, mail_delivery.sweep):
                    sweep(each=lambda do, ids: pool.map(partial(_one, stop, do), ids))
            except Exception as error:
                log.warning(
                    "The sweep of messages failed (%s): next try soon.", type(error).__name__
                )
            finally:
                close_old_connections()
    connections.close_all()


def _one(stop: Event, do, message_id) -> None:
    """A connection for this text only: while nothing is wrong, the pool keeps none open."""
    if stop.is_set():
        return
    try:
        do(message_id)
    finally:
        connections.close_all()


class Sweeper:
    """The loop in a thread of its own."""

    def __init__(self):
        self._stop = Event()
        self._thread = Thread(target=run, args=[self._stop], name="sms-sweeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float | None = 10) -> None:
        """Ends the loop after the texts in hand."""
        self._stop.set()
        self._thread.join(timeout)
