"""The cache, as a comfort: when it is away, pages cost a statement more and nothing else.

It holds JSON values only: whoever writes into it can show a wrong page, and run nothing. What a process
found there it keeps in its own memory for a second, so that most pages ask nobody.
"""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django.core.cache import cache

log = logging.getLogger(__name__)
Kept = TypeVar("Kept")

NEAR = 1.0  # seconds for which another process may show what was just changed
REST = 5.0  # seconds without asking a cache that failed: a hung one costs each page half a second

_ask_from = 0.0
_near: dict[str, tuple[float, object]] = {}


def remember(key: str, seconds: int, compute: Callable[[], Kept]) -> Kept:
    """What `compute` answered within the last `seconds`, else its answer now. Never keeps None.

    Callers share the answer: they change nothing in it.
    """
    until, kept = _near.get(key, (0.0, None))
    if time.monotonic() < until:
        return kept
    if time.monotonic() < _ask_from:
        return compute()
    try:
        kept = cache.get(key)
    except Exception:
        _rest("The cache is away: %s is computed.", key)
        return compute()
    if kept is None:
        kept = compute()
        try:
            cache.set(key, kept, seconds)
        except Exception:
            _rest("The cache is away: %s is not kept.", key)
    _near[key] = time.monotonic() + NEAR, kept
    return kept


def forget(key: str) -> None:
    """Drops `key` here at once, elsewhere within NEAR seconds. Asks even a cache at rest: what it would
    keep is wrong from now on."""
    _near.pop(key, None)
    try:
        cache.delete(key)
    except Exception:
        _rest("The cache is away: %s may be out of date for a while.", key)


def _rest(told: str, key: str) -> None:
    global _ask_from
    _ask_from = time.monotonic() + REST
    log.warning(told, key, exc_info=True)


def forget_near() -> None:
    """Empties this process's own memory. For tests."""
    _near.clear()
