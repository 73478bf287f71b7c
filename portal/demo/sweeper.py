"""A demonstration is one process: what a worker and beat do elsewhere runs beside its pages."""

import time
from contextlib import suppress
from threading import Thread

from django.conf import settings
from django.db import DatabaseError, close_old_connections

from incidents import notices
from members import audit, bank, contacts, figures
from members.sms.sweeper import Sweeper

BEAT = 5.0  # seconds


def start() -> None:
    """Starts the sweeper of texts, and what beat would start, when there is no broker.

    Texts of the memory gateway live in this process, so what retries them must live here too.
    """
    if settings.DEMO and settings.SMS_GATEWAY.startswith("members.sms.memory."):
        Sweeper().start()
    if settings.DEMO and not settings.REDIS_URL:
        Thread(target=_beat_for_ever, name="beat", daemon=True).start()


def _beat_for_ever() -> None:
    while True:
        time.sleep(BEAT)
        for act in (
            audit.seal,
            contacts.apply_due,
            bank.apply_due,
            notices.publish_due,
            figures.count,
        ):
            with suppress(DatabaseError):  # busy or away: the next round does what this one did not
                act()
        close_old_connections()
