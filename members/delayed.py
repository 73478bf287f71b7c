"""Puts in force the changes whose delay is over. (members/models/delayed.py)"""

import logging
from collections.abc import Callable, Iterable

from members.models.delayed import DelayedChange

log = logging.getLogger(__name__)

BATCH = 500


def apply_each(due: Iterable[DelayedChange], apply: Callable[[DelayedChange], bool]) -> int:
    """Gives each change to `apply`, which owns a transaction and says whether it won; how many did.

    One change that cannot be applied never keeps the others waiting.
    """
    return sum(_applied(change, apply) for change in due)


def _applied(change: DelayedChange, apply: Callable) -> bool:
    try:
        return apply(change)
    except Exception:
        log.exception("The change %s could not be applied.", change._meta.label)
        return False
