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


def test_a_busy_address_with_few_failures_an_hour_is_never_held_up(db, clock):
    """Six wrong passwords and thirty right ones each hour, as behind the one address of a carrier."""
    busy = throttle.Hit(throttle.PASSWORD_ADDRESS, "192.0.2.9/32")
    for attempt in range(40 * 36):
        throttle.reserve(busy)
        if attempt % 6:
            throttle.reserve(busy.refunded())
        else:
            throttle.failed(busy)
        clock.shift(100)


def test_after_many_failures_right_tries_neither_make_anybody_wait_nor_lengthen_the_window(
    db, clock
):
    address = throttle.Hit(throttle.PASSWORD_ADDRESS, "192.0.2.9/32")
    for _ in range(100):
        throttle.reserve(address)
        throttle.failed(address)
    clock.shift(31)
    for _ in range(10):
        for _twice in range(2):
            throttle.reserve(address)
            throttle.reserve(address.refunded())
        clock.shift(360)
    throttle.reserve(address)
    assert Throttle.objects.get(pk=address.key).count == 1, "the window ended"


def test_at_the_limit_each_failure_starts_the_window_anew(db, clock):
    for _ in range(5):
        throttle.reserve(hit())
        throttle.failed(hit())
        clock.shift(600)
    clock.shift(1200)  # 70 minutes after the first one, 30 minutes after the last one
    throttle.reserve(hit())
    throttle.failed(hit())
    assert seconds_to_wait() == 60


def test_the_alarm_rings_for_the_limit_that_is_full_and_for_no_other(db, clock, caplog):
    pair = throttle.Hit(throttle.PASSWORD_PAIR, "claire")
    address = throttle.Hit(throttle.PASSWORD_ADDRESS, "192.0.2.9/32")
    for _ in range(5):
        throttle.reserve(pair, address)
    with pytest.raises(throttle.Throttled):
        throttle.reserve(pair, address)
    assert not caplog.records
    for _ in range(95):
        throttle.reserve(address)
    with pytest.raises(throttle.Throttled):
        throttle.reserve(pair, address)
    assert [record.getMessage() for record in caplog.records] == ["limit reached: password.address"]


@pytest.mark.parametrize("number", range(8))  # the order of their keys differs
def test_the_words_are_those_of_the_limit_that_is_full(db, clock, number):
    links = throttle.Hit(throttle.LINKS_ACCOUNT, f"a{number}")
    texts = throttle.Hit(throttle.SENDS_ADDRESS, f"b{number}")
    for _ in range(5):
        throttle.reserve(links, texts)
    with pytest.raises(throttle.Throttled) as refused:
        throttle.reserve(links, texts)
    assert refused.value.counts == "links"


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
    @hypothesis_settings(max_examples=60, deadline=None)
    @given(
        st.lists(st.tuples(st.sampled_from(["wrong", "right"]), st.integers(0, 900)), max_size=25)
    )
    def test_a_plain_model_agrees(self, acts):
        """The statements against the rule in a few lines of Python."""
        count, ends, last = 0, 0, 0
        with time_machine.travel(NOON, tick=False) as clock:
            for act, pause in acts:
                clock.shift(pause)
                now = int(time.time())
                count = 0 if ends <= now else count
                wait = 0 if count < 5 else min(30 * 2 ** (count - 5), 900)
                allowed = last + wait <= now
                if allowed:
                    ends = now + 3600 if ends <= now else ends
                    if act == "right":
                        last = 0
                    else:
                        count, last = count + 1, now
                        ends = now + 3600 if count >= 5 else ends
                try:
                    throttle.reserve(hit())
                    passed = True
                except throttle.Throttled:
                    passed = False
                else:
                    throttle.reserve(hit().refunded()) if act == "right" else throttle.failed(hit())
                assert passed == allowed
