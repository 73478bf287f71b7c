import threading
import time

import pytest
import time_machine
from django.db import connection
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase as HypothesisTestCase

from members import throttle
from members.models import Throttle

RULE = throttle.Rule("test.doubling", "PASSWORD_FAILURES_PAIR", 3600, doubling=True)
QUOTA = throttle.Rule("test.quota", "SENDS_PER_PHONE_HOUR", 3600)
NOON = "2026-11-02 12:00:00 +0000"


def hit(rule=RULE, subject="someone"):
    return throttle.Hit(rule, subject)


def seconds_to_wait(**kwargs):
    with pytest.raises(throttle.Throttled) as refused:
        throttle.reserve(hit(**kwargs))
    return refused.value.until.timestamp() - int(time.time())


@pytest.fixture
def clock():
    with time_machine.travel(NOON, tick=False) as clock:
        yield clock


def test_the_first_five_are_free_then_one_waits_30_seconds(db, clock):
    for _ in range(5):
        throttle.reserve(hit())
    assert seconds_to_wait() == 30


def test_the_wait_doubles_up_to_fifteen_minutes_and_never_longer(db, clock):
    waits = []
    for _ in range(5):
        throttle.reserve(hit())
    for _ in range(8):
        waits.append(seconds_to_wait())
        clock.shift(waits[-1])
        throttle.reserve(hit())
    assert waits == [30, 60, 120, 240, 480, 900, 900, 900]


def test_what_is_refused_is_not_counted(db, clock):
    for _ in range(5):
        throttle.reserve(hit())
    for _ in range(50):
        assert seconds_to_wait() == 30


def test_a_quota_opens_again_when_its_window_ends(db, clock):
    for _ in range(5):
        throttle.reserve(hit(QUOTA))
        clock.shift(60)
    assert seconds_to_wait(rule=QUOTA) == 3600 - 5 * 60
    clock.shift(3600)
    throttle.reserve(hit(QUOTA))


def test_a_refund_gives_the_try_back_and_lifts_the_block_it_had_set(db, clock):
    for _ in range(5):
        throttle.reserve(hit())
    throttle.reserve(hit().refunded())
    throttle.reserve(hit())


def test_one_blocked_subject_spares_the_counters_of_the_others(db, clock):
    for _ in range(5):
        throttle.reserve(hit(subject="pair"))
    with pytest.raises(throttle.Throttled):
        throttle.reserve(hit(subject="pair"), hit(subject="account"))
    assert not Throttle.objects.filter(key=hit(subject="account").key).exists()


def test_several_hits_cost_one_statement(db, django_assert_num_queries):
    with django_assert_num_queries(1):
        throttle.reserve(
            hit(subject="a"), hit(subject="b"), hit(QUOTA, "c"), hit(subject="d").refunded()
        )


def test_the_counters_name_nobody(db):
    throttle.reserve(hit(subject="claire\0198.51.100.7"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM members_throttle")
        assert "claire" not in str(cursor.fetchall())


def test_old_counters_are_purged_and_live_ones_stay(db, clock):
    throttle.reserve(hit(subject="old"))
    clock.shift(3601)
    throttle.reserve(hit(subject="new"))
    assert throttle.purge() == 1


@pytest.mark.django_db(transaction=True)
def test_of_forty_hits_at_once_five_pass():
    passed, refused = [], []

    def try_once():
        try:
            throttle.reserve(hit(subject="burst"), hit(subject="other"))
            passed.append(1)
        except throttle.Throttled:
            refused.append(1)
        finally:
            connection.close()

    threads = [threading.Thread(target=try_once) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(passed), len(refused)) == (5, 35)


class TestAnySequence(HypothesisTestCase):
    @hypothesis_settings(max_examples=40, deadline=None)
    @given(
        st.lists(st.tuples(st.sampled_from(["try", "refund"]), st.integers(0, 400)), max_size=25)
    )
    def test_a_plain_model_agrees(self, acts):
        """The statement against the rule in a few lines of Python."""
        count, ends, last = 0, 0, 0
        with time_machine.travel(NOON, tick=False) as clock:
            for act, pause in acts:
                clock.shift(pause)
                now = int(time.time())
                change = 1 if act == "try" else -1
                count = 0 if ends <= now else count
                wait = 0 if count < 5 else min(30 * 2 ** (count - 5), 900)
                allowed = change < 0 or last + wait <= now
                if allowed:
                    count, ends, last = max(count + change, 0), now + 3600, now
                try:
                    throttle.reserve(hit() if change > 0 else hit().refunded())
                    passed = True
                except throttle.Throttled:
                    passed = False
                assert passed == allowed
