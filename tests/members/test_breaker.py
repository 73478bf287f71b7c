"""A provider in trouble is left alone, asked now and then, and trusted again once it is well."""

import logging
import threading

import pytest
from django.core.cache import cache
from django.core.cache.backends.locmem import LocMemCache

from members.sms import breaker
from members.sms.breaker import Breaker

ROUTE = "tests.route"


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def route(clock):
    return Breaker(ROUTE, clock)


@pytest.fixture(autouse=True)
def _fresh(settings):
    settings.SMS_GATEWAY = ROUTE
    breaker.forget()
    yield
    breaker.forget()


def fail(route, times=1, **how):
    for _ in range(times):
        route.begin().failed(**how)


def succeed(route, times=1):
    for _ in range(times):
        route.begin().succeeded()


def is_closed(route):
    return not route.is_open and route.begin() is not None


def test_it_opens_when_half_of_twenty_calls_fail(route):
    succeed(route, 10)
    fail(route, 9)
    assert is_closed(route)
    fail(route)
    assert route.is_open
    assert route.begin() is None


def test_nineteen_failures_are_too_few_to_judge(route):
    fail(route, 19)
    assert is_closed(route)


def test_fewer_than_half_is_borne(route):
    succeed(route, 60)
    fail(route, 40)
    assert is_closed(route)


def test_what_is_older_than_ten_seconds_is_forgotten(route, clock):
    fail(route, 19)
    clock.now += 10
    fail(route, 10)
    assert is_closed(route)


def test_five_connect_failures_in_a_row_open_it(route):
    fail(route, 4, connecting=True)
    succeed(route)
    fail(route, 4, connecting=True)
    assert is_closed(route)
    fail(route, connecting=True)
    assert route.is_open


def test_another_failure_breaks_the_row_of_connect_failures(route):
    fail(route, 4, connecting=True)
    fail(route)
    fail(route, connecting=True)
    assert is_closed(route)


def test_an_account_fault_opens_it_at_once(route):
    fail(route, account=True)
    assert route.is_open


def test_a_call_that_says_nothing_speaks_neither_way(route):
    for _ in range(50):
        route.begin()
    assert is_closed(route)


def test_one_probe_goes_through_each_five_seconds(route, clock):
    fail(route, account=True)
    clock.now += 4.9
    assert route.begin() is None
    clock.now += 0.2
    assert route.begin()
    assert route.begin() is None
    clock.now += 5
    assert route.begin()


def test_it_closes_after_three_good_probes_in_a_row(route, clock):
    fail(route, account=True)
    for outcome in (succeed, succeed, fail, succeed, succeed):
        clock.now += 5
        outcome(route)
        assert route.is_open
    clock.now += 5
    succeed(route)
    assert is_closed(route)


def test_it_starts_afresh_once_closed(route, clock):
    fail(route, 20)
    for _ in range(3):
        clock.now += 5
        succeed(route)
    fail(route, 19)
    assert is_closed(route)


def test_a_late_answer_from_before_it_opened_is_not_a_probe(route):
    before = [route.begin() for _ in range(5)]
    fail(route, account=True)
    for call in before:
        call.succeeded()
    assert route.is_open


def test_a_late_failure_from_before_it_closed_does_not_open_it(route, clock):
    fail(route, account=True)
    clock.now += 5
    lost = route.begin()
    for _ in range(3):
        clock.now += 5
        succeed(route)
    lost.failed(account=True)
    assert is_closed(route)


def test_opening_makes_one_alarm_and_closing_one_line(route, clock, caplog):
    with caplog.at_level(logging.INFO, logger="members"):
        fail(route, 20)
        for outcome in (fail, fail, succeed, succeed, succeed):
            clock.now += 5
            outcome(route)
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]


def test_many_threads_get_one_probe(route, clock):
    fail(route, account=True)
    clock.now += 5
    got, start = [], threading.Barrier(16)

    def ask():
        start.wait()
        got.append(route.begin())

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(call is not None for call in got) == 1


# The sign for other processes


def test_other_processes_see_an_open_breaker_until_it_closes(route, clock):
    assert not breaker.is_disturbed()
    fail(route, account=True)
    breaker._look.forget()  # as another process that has not looked yet
    assert breaker.is_disturbed()
    for _ in range(3):
        clock.now += 5
        succeed(route)
    breaker._look.forget()
    assert not breaker.is_disturbed()


def test_a_failing_probe_puts_the_sign_up_again(route, clock):
    fail(route, account=True)
    cache.clear()
    clock.now += 5
    fail(route)
    breaker._look.forget()
    assert breaker.is_disturbed()


def test_the_sign_of_either_route_counts(settings):
    settings.SMS_FALLBACK_GATEWAY = "tests.other"
    fail(Breaker("tests.other"), account=True)
    breaker._look.forget()
    assert breaker.is_disturbed()


def test_looking_twice_within_a_second_asks_the_cache_once(monkeypatch, db, request):
    looks = []
    monkeypatch.setattr(
        breaker, "cache", type("Cache", (), {"get_many": lambda self, keys: looks.append(keys)})()
    )
    breaker._look.forget()
    for _ in range(5):
        breaker.is_disturbed()
    assert len(looks) == 1


def test_it_needs_no_statement(django_assert_num_queries, db):
    with django_assert_num_queries(0):
        breaker.is_disturbed()


class AwayCache(LocMemCache):
    def _away(self, *args, **kwargs):
        raise ConnectionError

    get = get_many = set = delete = _away


def test_a_cache_that_is_away_hides_the_sign_and_nothing_else(route, clock, monkeypatch):
    monkeypatch.setattr(breaker, "cache", AwayCache("away", {}))
    fail(route, account=True)
    assert route.is_open
    assert not breaker.is_disturbed()
    for _ in range(3):
        clock.now += 5
        succeed(route)
    assert is_closed(route)
