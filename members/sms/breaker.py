"""One breaker per route: a provider in trouble is left alone, and asked now and then if it is well.

Each process judges for itself from its own calls. What it finds is shared through the cache, for
the banner of the sign-in page only: no decision to send depends on the cache.
"""

import logging
import os
import threading
import time
from collections import deque
from functools import lru_cache

from django.core.cache import cache

from members.sms.gateway import routes

log = logging.getLogger(__name__)

WINDOW = 10.0  # seconds
FEWEST_CALLS = 20
ERROR_SHARE = 0.5
CONNECT_FAILURES = 5
PROBE_EVERY = 5.0
SUCCESSES_TO_CLOSE = 3

SIGN_LASTS = 60  # the banner goes by itself when the process that put it up is gone
LOOK_EVERY = 1.0
LOOK_AGAIN_AFTER_FAILURE = 5.0


class Breaker:
    """Closed, it lets every call through and counts. Open, it lets one probe through each 5 s."""

    def __init__(self, route: str, clock=time.monotonic):
        self.route = route
        self._clock = clock
        self._lock = threading.Lock()
        self._era = 0  # a new one at each opening and closing: late answers judge only their own
        self._open = False
        self._calls: deque[tuple[float, bool]] = deque()
        self._connect_failures = 0
        self._successes = 0
        self._next_probe = 0.0

    @property
    def is_open(self) -> bool:
        return self._open

    def begin(self) -> "Call | None":
        """The right to make one call, or None. The caller tells the `Call` how it went."""
        with self._lock:
            if self._open:
                now = self._clock()
                if now < self._next_probe:
                    return None
                self._next_probe = now + PROBE_EVERY
            return Call(self, self._era)

    def _succeeded(self, era: int) -> None:
        with self._lock:
            if era != self._era:
                return
            self._connect_failures = 0
            if not self._open:
                self._count(True)
                return
            self._successes += 1
            if self._successes < SUCCESSES_TO_CLOSE:
                return
            self._turn(open=False)
        log.info("SMS route %s works again.", self.route)
        _take_down(self.route)

    def _failed(self, era: int, *, connecting: bool = False, account: bool = False) -> None:
        with self._lock:
            if era != self._era:
                return
            was_open = self._open
            self._successes = 0
            self._connect_failures = self._connect_failures + 1 if connecting else 0
            if not was_open:
                self._count(False)
                if not (account or self._is_failing()):
                    return
                self._turn(open=True)
        if not was_open:
            why = "the provider refuses our account" if account else "too many errors"
            log.error("SMS route %s is left alone: %s.", self.route, why)
        _put_up(self.route)

    def _count(self, success: bool) -> None:
        now = self._clock()
        self._calls.append((now, success))
        while self._calls[0][0] <= now - WINDOW:
            self._calls.popleft()

    def _is_failing(self) -> bool:
        if self._connect_failures >= CONNECT_FAILURES:
            return True
        errors = sum(not success for _, success in self._calls)
        return len(self._calls) >= FEWEST_CALLS and errors >= ERROR_SHARE * len(self._calls)

    def _turn(self, *, open: bool) -> None:
        self._open = open
        self._era += 1
        self._calls.clear()
        self._connect_failures = 0
        self._successes = 0
        self._next_probe = self._clock() + PROBE_EVERY


class Call:
    """One call that a breaker let through. Saying nothing of how it went is allowed."""

    __slots__ = ("_breaker", "_era")

    def __init__(self, breaker: Breaker, era: int):
        self._breaker = breaker
        self._era = era

    def succeeded(self) -> None:
        self._breaker._succeeded(self._era)

    def failed(self, *, connecting: bool = False, account: bool = False) -> None:
        self._breaker._failed(self._era, connecting=connecting, account=account)


@lru_cache(maxsize=16)
def breaker_of(route: str) -> Breaker:
    return Breaker(route)


# A lock held by another thread at the moment of a fork would never be released in the child.
os.register_at_fork(after_in_child=breaker_of.cache_clear)


def _key(route: str) -> str:
    return f"sms.disturbed.{route}"


def _put_up(route: str) -> None:
    try:
        cache.set(_key(route), True, SIGN_LASTS)
    except Exception as error:  # any cache backend, any of its errors: only the banner is lost
        log.warning("Cannot announce the SMS trouble: %s.", type(error).__name__)


def _take_down(route: str) -> None:
    try:
        cache.delete(_key(route))
    except Exception as error:
        log.warning("Cannot withdraw the SMS trouble: %s.", type(error).__name__)


class _Look:
    """What this process last saw in the cache, so that a page costs no round trip of its own."""

    def __init__(self):
        self.forget()

    def forget(self) -> None:
        self.until = 0.0
        self.disturbed = False

    def now(self) -> bool:
        if time.monotonic() < self.until:
            return self.disturbed
        # Moved first: while one thread looks, the others answer from memory.
        self.until = time.monotonic() + LOOK_AGAIN_AFTER_FAILURE
        try:
            self.disturbed = bool(cache.get_many([_key(route) for route in routes()]))
        except Exception:
            self.disturbed = False
        else:
            self.until = time.monotonic() + LOOK_EVERY
        return self.disturbed


_look = _Look()


def is_disturbed() -> bool:
    """Whether some process found a route in trouble. Up to a second old; never raises, no SQL."""
    return _look.now()


def forget() -> None:
    """Starts afresh: every breaker closed, nothing remembered. For tests."""
    for route in routes():
        _take_down(route)
    breaker_of.cache_clear()
    _look.forget()
