"""The cache, as a comfort: when it is away, pages cost a statement more and nothing else.

It holds JSON values only: whoever writes into it can show a wrong page, and run nothing.
"""

import logging
from collections.abc import Callable
from typing import TypeVar

from django.core.cache import cache

log = logging.getLogger(__name__)
Kept = TypeVar("Kept")


def remember(key: str, seconds: int, compute: Callable[[], Kept]) -> Kept:
    """What `compute` answered within the last `seconds`, else its answer now. Never keeps None."""
    try:
        kept = cache.get(key)
    except Exception:
        log.warning("The cache is away: %s is computed.", key, exc_info=True)
        return compute()
    if kept is None:
        kept = compute()
        try:
            cache.set(key, kept, seconds)
        except Exception:
            log.warning("The cache is away: %s is not kept.", key, exc_info=True)
    return kept


def forget(key: str) -> None:
    try:
        cache.delete(key)
    except Exception:
        log.warning("The cache is away: %s may be out of date for a while.", key, exc_info=True)
