"""The cache, as a comfort: when it is away, pages cost a statement more and nothing else.

It holds JSON values only: whoever writes into it can show a wrong page, and run nothing. What a process
found there it keeps in its own memory for a second, so that most pages ask nobody.

What is no longer fresh is kept all the same, there and in each process: while the database is away, it is
answered rather than nothing. (docs/information.md)
"""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django.core.cache import cache
from django.db import InterfaceError, OperationalError

log = logging.getLogger(__name__)
Kept = TypeVar("Kept")

NEAR = 1.0  # seconds for which another process may show what was just changed
REST = 5.0  # seconds without asking what failed, cache or database: a hung one costs each page its wait
BEYOND = 30 * 86_400  # seconds for which the cache keeps what it answers while the database is away

_ask_from = 0.0  # when the cache may be asked again
_compute_from = 0.0  # when the database may be asked again for what is known
_near: dict[str, tuple[float, object]] = {}
_last: dict[str, dict] = {}


def remember(key: str, seconds: int, compute: Callable[[], Kept]) -> Kept:
    """What `compute` answered within the last `seconds`, else its answer now, else, while the database is
    away, the last one known.

    Callers share the answer: they change nothing in it.
    """
    global _compute_from
    until, kept = _near.get(key, (0.0, None))
    if time.monotonic() < until:
        return kept
    shared = _shared(key)
    if shared and time.time() < shared["at"] + seconds:
        return _kept_near(key, shared)
    known = [one for one in (shared, _last.get(key)) if one]
    latest = max(known, key=lambda one: one["at"], default=None)
    if latest and time.monotonic() < _compute_from:
        return _kept_near(key, latest)
    try:
        computed = {"at": time.time(), "kept": compute()}
    except (OperationalError, InterfaceError):
        _compute_from = time.monotonic() + REST
        if latest is None:
            raise
        log.warning("The database is away: %s is answered as it was last known.", key)
        return _kept_near(key, latest)
    _share(key, computed)
    return _kept_near(key, computed)


def forget(key: str) -> None:
    """Drops `key` here at once, elsewhere within NEAR seconds. Asks even a cache at rest: what it would
    keep is wrong from now on."""
    _near.pop(key, None)
    _last.pop(key, None)
    try:
        cache.delete(key)
    except Exception:
        _rest("The cache is away: %s may be out of date for a while.", key)


def _kept_near(key: str, entry: dict):
    _last[key] = entry
    _near[key] = time.monotonic() + NEAR, entry["kept"]
    return entry["kept"]


def _shared(key: str) -> dict | None:
    """What the cache holds, if it is of our making: {"at": seconds since 1970, "kept": the answer}."""
    if time.monotonic() < _ask_from:
        return None
    try:
        entry = cache.get(key)
    except Exception:
        _rest("The cache is away: %s is computed.", key)
        return None
    ours = isinstance(entry, dict) and entry.keys() == {"at", "kept"}
    return entry if ours and isinstance(entry["at"], float) else None


def _share(key: str, entry: dict) -> None:
    if time.monotonic() < _ask_from:
        return
    try:
        cache.set(key, entry, BEYOND)
    except Exception:
        _rest("The cache is away: %s is not kept.", key)


def _rest(told: str, key: str) -> None:
    global _ask_from
    _ask_from = time.monotonic() + REST
    log.warning(told, key, exc_info=True)


def forget_near() -> None:
    """Empties this process's own memory. For tests."""
    global _compute_from
    _near.clear()
    _last.clear()
    _compute_from = 0.0
