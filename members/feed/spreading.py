"""Batches over two cores. Each worker has a connection of its own, and what it returns comes in order."""

import multiprocessing
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

from django.db import connections

from members.feed import writing

WORKERS = 2

_apply: Callable[[Any], Any] | None = None  # what a forked worker finds when it begins


@contextmanager
def spread(apply: Callable[[Any], Any], *, is_wide: bool) -> Iterator[Callable]:
    """`map` of `apply`, by two workers if it `is_wide`.

    One does it all where a transaction is open, which no other connection would see, and on SQLite, where
    one writes at a time. A process that runs other threads, or that may have no children, gets threads.
    """
    connection = connections[writing.alias()]
    if not is_wide or connection.vendor != "postgresql" or connection.in_atomic_block:
        yield partial(map, apply)
    elif threading.active_count() > 1 or multiprocessing.current_process().daemon:
        with ThreadPoolExecutor(WORKERS) as pool:
            try:
                yield partial(pool.map, apply)
            finally:
                everyone = threading.Barrier(WORKERS)
                list(pool.map(_leave, [everyone] * WORKERS))
    else:
        global _apply
        _apply = apply
        connections.close_all()  # a forked worker opens its own
        fork = multiprocessing.get_context("fork")
        try:
            with ProcessPoolExecutor(WORKERS, mp_context=fork) as pool:
                yield partial(pool.map, _apply_here)
        finally:
            _apply = None


def _apply_here(item: Any) -> Any:
    return _apply(item)


def _leave(everyone: threading.Barrier) -> None:
    everyone.wait()  # so that each thread comes here once, and closes what is its own
    connections.close_all()
