"""One text from its row to the phone, whatever the provider, the worker or the clock do."""

import contextlib
import logging
import threading
import time
from datetime import timedelta

import pytest
import time_machine
from django.db import OperationalError, connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from members.models import AuditEvent, Challenge, SmsDevice, SmsMessage
from members.models.sms import SmsState
from members.sms import breaker, delivery, routing, sweeper
from members.sms.gateway import (
    AccountFault,
    Busy,
    Overloaded,
    Problem,
    Receipt,
    Rejected,
    SenderFault,
    Uncertain,
    Unreachable,
    get_gateway,
)
from tests.members.conftest import make_member
from tests.members.routes import FIRST, SECOND, Killed, queued_text

ACCEPTED = Receipt(SmsState.ACCEPTED, "ref-1")
DELIVERED = Receipt(SmsState.DELIVERED, "ref-1")
UNDELIVERED = Receipt(SmsState.UNDELIVERED, "ref-1", Problem.HANDSET_OFF)


@pytest.fixture
def first(settings):
    settings.SMS_GATEWAY = FIRST
    settings.SMS_FALLBACK_GATEWAY = ""
    get_gateway.cache_clear()
    breaker.forget()
    yield get_gateway(FIRST)
    breaker.forget()
    get_gateway.cache_clear()


@pytest.fixture
def second(settings, first):
    settings.SMS_FALLBACK_GATEWAY = SECOND
    return get_gateway(SECOND)


@pytest.fixture
def pauses(monkeypatch):
    """What the delivery would have waited, without waiting."""
    made = []

    class Clock:
        monotonic = staticmethod(lambda: time.monotonic() + sum(made))
        sleep = staticmethod(made.append)

    monkeypatch.setattr(routing, "time", Clock)
    return made


@pytest.fixture
def text(claire):
    return queued_text(claire)


def later(seconds):
    return time_machine.travel(timezone.now() + timedelta(seconds=seconds))


def events(action):
    return list(AuditEvent.objects.filter(action=action))


# Sending


def test_a_waiting_text_is_sent_once_and_recorded(first, text, claire):
    delivery.deliver(text.pk)
    delivery.deliver(text.pk)
    text.refresh_from_db()
    assert (text.state, text.tries, text.route) == (SmsState.ACCEPTED, 1, FIRST)
    assert text.provider_id == "ref-1"
    (sent,) = first.texts
    assert sent.to == claire.phone
    assert sent.body.startswith(text.challenge.code())
    (event,) = events("signin.code_sent")
    assert event.user == claire.user
    assert event.details["phone"] == "06 •• •• •• 78"


def test_it_makes_four_statements(first, text, django_assert_num_queries):
    # the text with its account and challenge · claim · accepted · trail (and a transaction)
    with django_assert_num_queries(6):
        delivery.deliver(text.pk)


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_during_the_call(first):
    text = queued_text(make_member())
    first.answers.append(lambda _: str(connection.in_atomic_block))
    delivery.deliver(text.pk)
    text.refresh_from_db()
    assert text.provider_id == "False"


def test_the_provider_gives_up_before_the_code_dies(first, claire):
    delivery.deliver(queued_text(claire, lives=300).pk)
    delivery.deliver(queued_text(claire, lives=100).pk)
    assert first.texts[0].lifetime == 180
    assert first.texts[1].lifetime in (69, 70)


def test_a_resent_text_carries_the_same_code(first, text, claire):
    again = SmsMessage.objects.create(user=claire.user, challenge=text.challenge)
    delivery.deliver(text.pk)
    delivery.deliver(again.pk)
    assert first.texts[0].body.splitlines()[-1] == first.texts[1].body.splitlines()[-1]


@pytest.mark.parametrize("lives", [59, 1, -5])
def test_a_code_that_dies_within_a_minute_is_never_sent(first, claire, lives):
    text = queued_text(claire, lives=lives) if lives > 0 else _dead(queued_text(claire), -lives)
    delivery.deliver(text.pk)
    text.refresh_from_db()
    assert (text.state, text.problem) == (SmsState.EXPIRED, Problem.CODE_DEAD)
    assert first.texts == []


def _dead(text, seconds):
    now = timezone.now()
    Challenge.objects.filter(pk=text.challenge_id).update(
        created_at=now - timedelta(seconds=300 + seconds),
        expires_at=now - timedelta(seconds=seconds),
    )
    return text


def test_a_used_code_is_not_sent(first, text):
    Challenge.objects.consume(text.challenge)
    delivery.deliver(text.pk)
    text.refresh_from_db()
    assert (text.state, text.problem) == (SmsState.CANCELLED, Problem.CODE_USED)
    assert first.texts == []


@pytest.mark.parametrize("phone", ["+33698765432", ""])
def test_a_phone_changed_since_cancels_the_text(first, text, claire, phone):
    claire.phone = phone
    claire.save()
    delivery.deliver(text.pk)
    text.refresh_from_db()
    assert (text.state, text.problem) == (SmsState.CANCELLED, Problem.PHONE_CHANGED)
    assert first.texts == []


def test_an_account_suspended_since_cancels_the_text(first, text, claire):
    claire.user.suspended_at = timezone.now()
    claire.user.save()
    delivery.deliver(text.pk)
    text.refresh_from_db()
    assert (text.state, text.problem) == (SmsState.CANCELLED, Problem.ACCOUNT_CLOSED)


def test_a_text_of_an_account_without_member_is_cancelled(first, text, claire):
    claire.user = None
    claire.save()
    delivery.deliver(text.pk)
    text.refresh_from_db()
    assert text.state == SmsState.CANCELLED


def test_an_unknown_id_does_nothing(first, db):
    delivery.deliver("5b3c2f0e-0000-4000-8000-000000000000")


def test_a_clock_somewhat_behind_does_not_delay_the_text(first, text):
    with later(-0.5):
        delivery.deliver(text.pk)
    assert len(first.texts) == 1


# What providers answer


def test_a_busy_provider_is_asked_four_times_then_the_other_route(first, second, text, pauses):
    first.answers.extend([Busy()] * 4)
    delivery.deliver(text.pk)
    text.refresh_from_db()
    assert len(first.texts) == 4
    assert [pytest.approx(0.25, rel=0.25), pytest.approx(0.5, rel=0.25)] == pauses[:2]
    assert (text.state, text.route, text.tries) == (SmsState.ACCEPTED, SECOND, 1)


def test_a_provider_busy_for_a_moment_only_gets_the_text(first, text, pauses):
    first.answers.extend([Busy(), Overloaded(), Busy()])
    delivery.deliver(text.pk)
    text.refresh_from_db()
    assert (text.state, text.tries) == (SmsState.ACCEPTED, 1)
    assert sum(pauses) < routing.BUSY_FOR


@pytest.mark.parametrize("error", [Unreachable, SenderFault, AccountFault])
def test_a_surely_unsent_text_takes_the_other_route_at_once(first, second, text, pauses, error):
    first.answers.append(error())
    delivery.deliver(text.pk)
    text.refresh_from_db()
    assert (text.state, text.route, text.tries) == (SmsState.ACCEPTED, SECOND, 1)
    assert pauses == []


@pytest.mark.parametrize("error", [Unreachable, SenderFault, AccountFault, Busy])
def test_without_another_route_it_waits_and_the_sweep_sends_it(first, text, pauses, error):
    first.answers.extend([error()] * (4 if error is Busy else 1))
    delivery.deliver(text.pk)
    text.refresh_from_db()
    assert (text.state, text.tries, text.problem) == (SmsState.QUEUED, 0, error.default_problem)
    calls = len(first.texts)
    delivery.sweep()
    assert len(first.texts) == calls  # not yet
    with later(10):
        breaker.breaker_of.cache_clear()
        delivery.sweep()
    text.refresh_from_db()
    assert (text.state, text.tries) == (SmsState.ACCEPTED, 1)


def test_a_refused_number_ends_the_text_and_flags_the_device(first, second, text, claire):
    first.answers.append(Rejected(Problem.NOT_A_MOBILE))
    delivery.deliver(text.pk)
    text.refresh_from_db()
    assert (text.state, text.problem) == (SmsState.FAILED, Problem.NOT_A_MOBILE)
    assert second.texts == []
    device = SmsDevice.objects.get(user=claire.user)
    assert device.flag == Problem.NOT_A_MOBILE
    assert device.flagged_at
    (event,) = events("sms.failed")
    assert event.details["problem"] == "not_a_mobile"
    assert claire.phone not in str(event.details)
    assert events("signin.code_sent") == []


def test_a_refusal_for_another_reason_does_not_flag_the_device(first, text, claire):
    first.answers.append(Rejected(Problem.REFUSED))
    delivery.deliver(text.pk)
    text.refresh_from_db()
    assert text.state == SmsState.FAILED
    assert SmsDevice.objects.get(user=claire.user).flagged_at is None


def test_an_account_fault_opens_the_breaker_with_one_alarm(first, claire, caplog):
    first.answers.extend([AccountFault()] * 50)
    with caplog.at_level(logging.INFO, logger="members"):
        for _ in range(5):
            delivery.deliver(queued_text(claire).pk)
    assert len(first.texts) == 1
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert breaker.is_disturbed()
    assert SmsMessage.objects.filter(state=SmsState.QUEUED).count() == 5


def test_an_unforeseen_error_of_a_gateway_counts_as_uncertain_and_tells_nothing(
    first, text, claire, caplog
):
    first.answers.append(RuntimeError(f"cannot send to {claire.phone}"))
    delivery.deliver(text.pk)
    text.refresh_from_db()
    assert (text.state, text.tries, text.problem) == (SmsState.UNKNOWN, 1, Problem.GATEWAY_BUG)
    assert "RuntimeError" in caplog.text
    assert claire.phone not in caplog.text


# Uncertain answers


def test_an_uncertain_text_waits_four_seconds_then_is_sent_once_more(first, second, text):
    first.answers.append(Uncertain())
    delivery.deliver(text.pk)
    text.refresh_from_db()
    assert (text.state, text.tries) == (SmsState.UNKNOWN, 1)
    assert second.texts == []  # another route could send it twice
    with later(3):
        delivery.sweep()
        delivery.deliver(text.pk)
    assert len(first.texts) == 1
    with later(5):
        delivery.sweep()
    text.refresh_from_db()
    assert (text.state, text.tries) == (SmsState.ACCEPTED, 2)
    assert first.texts[0].body.splitlines()[-1] == first.texts[1].body.splitlines()[-1]
    assert len(events("signin.code_sent")) == 1


def test_a_receipt_proves_that_an_uncertain_text_was_accepted(first, text):
    first.answers.append(Uncertain())
    delivery.deliver(text.pk)
    assert delivery.record_receipt(text.pk, ACCEPTED)
    with later(10):
        delivery.sweep()
    text.refresh_from_db()
    assert (text.state, text.provider_id, text.tries) == (SmsState.ACCEPTED, "ref-1", 1)
    assert len(first.texts) == 1
    assert len(events("signin.code_sent")) == 1


def test_a_text_twice_uncertain_is_not_sent_a_third_time(first, text):
    first.answers.extend([Uncertain(), Uncertain()])
    delivery.deliver(text.pk)
    for seconds in (5, 20, 60, 200):
        with later(seconds):
            delivery.sweep()
            delivery.deliver(text.pk)
    text.refresh_from_db()
    assert (text.state, text.tries) == (SmsState.UNKNOWN, 2)
    with later(301):
        delivery.sweep()
    text.refresh_from_db()
    assert text.state == SmsState.EXPIRED
    assert len(first.texts) == 2


def test_what_was_uncertain_stays_so_when_the_second_call_is_surely_lost(first, text):
    first.answers.extend([Uncertain(), Unreachable()])
    delivery.deliver(text.pk)
    with later(5):
        delivery.sweep()
    text.refresh_from_db()
    assert (text.state, text.tries) == (SmsState.UNKNOWN, 1)
    assert delivery.record_receipt(text.pk, DELIVERED)  # of the first call


def test_a_worker_killed_during_the_call_leaves_the_text_to_the_sweep(first, text):
    first.answers.append(Killed())
    with pytest.raises(Killed):
        delivery.deliver(text.pk)
    text.refresh_from_db()
    assert (text.state, text.tries) == (SmsState.SENDING, 1)
    delivery.deliver(text.pk)  # the task is delivered again at once
    with later(14):
        delivery.sweep()
    assert len(first.texts) == 1
    with later(16):
        delivery.sweep()
    text.refresh_from_db()
    assert (text.state, text.tries) == (SmsState.ACCEPTED, 2)


def test_a_worker_that_wakes_after_the_sweep_took_over_disturbs_nothing(first, text):
    def sleeps_too_long(sent):
        with later(30):
            delivery.sweep()  # sends the second and last time
        return Unreachable()

    first.answers.append(sleeps_too_long)
    delivery.deliver(text.pk)
    text.refresh_from_db()
    assert (text.state, text.tries) == (SmsState.ACCEPTED, 2)


@pytest.mark.parametrize("answer", [Unreachable, Uncertain, lambda: Rejected(Problem.LOST)])
def test_a_late_worker_does_not_release_the_claim_of_another(first, text, answer):
    def is_overtaken(sent):
        SmsMessage.objects.filter(pk=text.pk).update(
            state=SmsState.SENDING, state_at=timezone.now() + timedelta(seconds=16), tries=2
        )
        return answer()

    first.answers.append(is_overtaken)
    delivery.deliver(text.pk)
    text.refresh_from_db()
    assert (text.state, text.tries) == (SmsState.SENDING, 2)


def test_a_call_does_not_begin_late(first, second, text, pauses, monkeypatch):
    def slowly(sent):
        pauses.append(9)
        return Unreachable()

    first.answers.append(slowly)
    delivery.deliver(text.pk)
    text.refresh_from_db()
    assert second.texts == []
    assert (text.state, text.problem) == (SmsState.QUEUED, Problem.UNREACHABLE)


# Receipts


def test_a_receipt_during_the_call_is_kept_and_the_answer_adds_its_reference(first, text):
    def receipt_first(sent):
        delivery.record_receipt(text.pk, Receipt(SmsState.DELIVERED))
        return "ref-1"

    first.answers.append(receipt_first)
    delivery.deliver(text.pk)
    text.refresh_from_db()
    assert (text.state, text.route, text.provider_id) == (SmsState.DELIVERED, FIRST, "ref-1")
    assert len(events("signin.code_sent")) == 1


def test_receipts_in_any_order_end_the_same(first, claire):
    for order in (["sent", "delivered"], ["delivered", "sent"], ["delivered", "sent", "accepted"]):
        text = queued_text(claire)
        delivery.deliver(text.pk)
        text.refresh_from_db()
        for state in order * 2:
            delivery.record_receipt(text.pk, Receipt(SmsState(state), text.provider_id))
        text.refresh_from_db()
        assert text.state == SmsState.DELIVERED


def test_a_delivered_text_never_fails_afterwards(first, text, claire):
    delivery.deliver(text.pk)
    assert delivery.record_receipt(text.pk, DELIVERED)
    assert not delivery.record_receipt(
        text.pk, Receipt(SmsState.FAILED, "ref-1", Problem.NUMBER_INVALID)
    )
    text.refresh_from_db()
    assert text.state == SmsState.DELIVERED
    assert SmsDevice.objects.get(user=claire.user).flagged_at is None


def test_an_undelivered_text_is_recorded_once(first, text):
    delivery.deliver(text.pk)
    assert delivery.record_receipt(text.pk, UNDELIVERED)
    assert not delivery.record_receipt(text.pk, UNDELIVERED)
    text.refresh_from_db()
    assert (text.state, text.problem) == (SmsState.UNDELIVERED, Problem.HANDSET_OFF)
    assert len(events("sms.failed")) == 1


def test_a_number_that_turns_out_unable_is_flagged(first, text, claire):
    delivery.deliver(text.pk)
    delivery.record_receipt(text.pk, Receipt(SmsState.UNDELIVERED, "ref-1", Problem.NOT_A_MOBILE))
    assert SmsDevice.objects.get(user=claire.user).flag == Problem.NOT_A_MOBILE


def test_bad_news_about_an_old_number_does_not_flag_the_new_one(first, text, claire):
    delivery.deliver(text.pk)
    claire.phone = "+33698765432"
    claire.save()
    delivery.record_receipt(text.pk, Receipt(SmsState.UNDELIVERED, "ref-1", Problem.NOT_A_MOBILE))
    assert SmsDevice.objects.get(user=claire.user).flagged_at is None


def test_bad_news_about_the_first_of_two_sends_does_not_end_the_second(first, text):
    first.answers.extend([Uncertain(), "second"])
    delivery.deliver(text.pk)
    with later(5):
        delivery.sweep()
    assert not delivery.record_receipt(text.pk, UNDELIVERED)  # of another call
    text.refresh_from_db()
    assert text.state == SmsState.ACCEPTED
    assert delivery.record_receipt(text.pk, DELIVERED)  # good news is good from either


@pytest.mark.parametrize("state", [SmsState.QUEUED, SmsState.CANCELLED, SmsState.EXPIRED])
def test_a_receipt_for_what_was_not_sent_changes_nothing(text, state):
    SmsMessage.objects.filter(pk=text.pk).update(state=state)
    assert not delivery.record_receipt(text.pk, DELIVERED)


# The sweep


def test_the_sweep_leaves_young_texts_to_their_task(first, text):
    with later(1):
        assert delivery.sweep() == 0
    with later(3):
        assert delivery.sweep() == 1
    assert len(first.texts) == 1


def test_the_sweep_ends_what_died_waiting(first, claire):
    dying, dead, alive = (queued_text(claire, lives=lives) for lives in (50, 100, 300))
    _dead(dead, 10)
    with later(3):
        delivery.sweep()
    states = dict(SmsMessage.objects.values_list("pk", "state"))
    assert states == {
        dying.pk: SmsState.EXPIRED,
        dead.pk: SmsState.EXPIRED,
        alive.pk: SmsState.ACCEPTED,
    }


def test_workers_stopped_for_six_minutes_send_no_dead_code(first, claire):
    texts = [queued_text(claire) for _ in range(5)]
    with later(360):
        delivery.sweep()
        for text in texts:
            delivery.deliver(text.pk)
    assert first.texts == []
    assert set(SmsMessage.objects.values_list("state", flat=True)) == {SmsState.EXPIRED}


def test_one_text_that_cannot_be_handled_does_not_hold_up_the_others(
    first, claire, monkeypatch, caplog
):
    texts = [queued_text(claire) for _ in range(3)]
    deliver = delivery.deliver

    def trips_over_one(message_id):
        if message_id == texts[0].pk:
            raise ValueError
        deliver(message_id)

    monkeypatch.setattr(delivery, "deliver", trips_over_one)
    with later(3):
        delivery.sweep()
    assert SmsMessage.objects.filter(state=SmsState.ACCEPTED).count() == 2
    assert "could not be handled" in caplog.text


def test_a_sweep_with_nothing_to_do_is_cheap(first, db, django_assert_num_queries):
    # queued and dead · uncertain and dead · stuck · waiting
    with django_assert_num_queries(4):
        delivery.sweep()


def test_the_loop_survives_a_database_that_is_away_and_stops_when_told(monkeypatch, caplog):
    rounds = []

    def fails_once(each):
        rounds.append(each)
        if len(rounds) == 1:
            raise OperationalError("the row holds a secret")
        loop._stop.set()

    monkeypatch.setattr(sweeper, "EVERY", 0.01)
    monkeypatch.setattr(delivery, "sweep", fails_once)
    loop = sweeper.Sweeper()
    loop.start()
    loop._thread.join(5)
    assert len(rounds) == 2
    assert "OperationalError" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.django_db(transaction=True)
def test_the_loop_sends_many_texts_at_once(first, monkeypatch):
    monkeypatch.setattr(sweeper, "EVERY", 0.01)
    monkeypatch.setattr(delivery, "WAKE_UP_LATE", timedelta(0))
    claire = make_member()
    together = threading.Barrier(4)
    first.answers.extend([lambda _: f"ref-{together.wait(5)}"] * 4)
    for _ in range(4):
        queued_text(claire)
    loop = sweeper.Sweeper()
    loop.start()
    while SmsMessage.objects.exclude(state=SmsState.ACCEPTED).exists():
        time.sleep(0.02)
    loop.stop()
    assert len(first.texts) == 4


def test_old_requests_are_purged_with_their_texts(claire):
    old, young = queued_text(claire), queued_text(claire)
    Challenge.objects.filter(pk=old.challenge_id).update(
        created_at=timezone.now() - timedelta(days=91)
    )
    assert delivery.purge() == 1
    assert list(SmsMessage.objects.values_list("pk", flat=True)) == [young.pk]


# Races


def _in_threads(functions):
    def run(function):
        try:
            function()
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[function]) for function in functions]
    for thread in threads:
        thread.start()
    return threads


@pytest.mark.django_db(transaction=True)
def test_one_text_handed_out_fifty_times_is_sent_once(first):
    text = queued_text(make_member())
    first.answers.append(lambda _: time.sleep(0.1) or "ref")
    start = threading.Barrier(10)

    def deliver_five_times():
        start.wait()
        for _ in range(5):
            delivery.deliver(text.pk)

    for thread in _in_threads([deliver_five_times] * 10):
        thread.join()
    text.refresh_from_db()
    assert (len(first.texts), text.state, text.tries) == (1, SmsState.ACCEPTED, 1)


@pytest.mark.django_db(transaction=True)
def test_a_claim_that_waited_for_another_claim_finds_nothing(first):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite lets one writer in at a time.")
    text = queued_text(make_member())
    with transaction.atomic():
        SmsMessage.objects.filter(pk=text.pk).update(
            state=SmsState.SENDING, state_at=timezone.now(), tries=1
        )
        (thread,) = _in_threads([lambda: delivery.deliver(text.pk)])
        thread.join(0.3)
        assert thread.is_alive()  # it waits for this transaction
    thread.join()
    assert first.texts == []


@pytest.mark.django_db(transaction=True)
def test_two_receipts_at_once_leave_the_better_news(first):
    text = queued_text(make_member())
    delivery.deliver(text.pk)
    start = threading.Barrier(8)

    def receive(state):
        start.wait()
        delivery.record_receipt(text.pk, Receipt(state, "ref-1"))

    states = [SmsState.SENT, SmsState.DELIVERED] * 4
    for thread in _in_threads([lambda state=state: receive(state) for state in states]):
        thread.join()
    text.refresh_from_db()
    assert text.state == SmsState.DELIVERED


# Any history at all

MAY_HAVE_SENT = ("accepts", "loses the answer", "dies", "has a bug")
ANSWERS = {
    "accepts": lambda: "ref",
    "loses the answer": Uncertain,
    "dies": Killed,
    "has a bug": RuntimeError,
    "is busy": Busy,
    "is away": Unreachable,
    "refuses the number": lambda: Rejected(Problem.NUMBER_INVALID),
    "refuses the account": AccountFault,
}
receipts = st.sampled_from(
    [SmsState.ACCEPTED, SmsState.SENT, SmsState.DELIVERED, SmsState.UNDELIVERED, SmsState.FAILED]
)
steps = st.one_of(
    st.tuples(
        st.sampled_from(["task", "sweep"]),
        st.sampled_from(sorted(ANSWERS)),
        st.lists(receipts, max_size=2),
    ),
    st.tuples(st.just("receipt"), receipts),
    st.tuples(st.just("wait"), st.sampled_from([1, 3, 5, 16, 100, 250])),
    st.tuples(st.just("used")),
)


class History:
    """Watches one text, and fails at the first move that the table does not allow."""

    def __init__(self, text):
        self.text = text
        self.state = SmsState.QUEUED
        self.perhaps_sent = 0

    def look(self):
        self.text.refresh_from_db()
        state = SmsState(self.text.state)
        assert state == self.state or self.state.can_become(state), (self.state, state)
        self.state = state

    def call(self, answer, during):
        def send(sent):
            self.look()
            assert self.state == SmsState.SENDING
            challenge = self.text.challenge
            challenge.refresh_from_db()
            assert challenge.used_at is None
            assert challenge.expires_at >= timezone.now() + timedelta(seconds=59)
            self.perhaps_sent += answer in MAY_HAVE_SENT
            for state in during:
                delivery.record_receipt(self.text.pk, Receipt(state, "ref", Problem.LOST))
                self.look()
            return ANSWERS[answer]()

        return send

    def step(self, step, first, clock):
        match step:
            case ("task" | "sweep" as who, answer, during):
                first.answers.clear()
                first.answers.extend([self.call(answer, during)] * 5)
                with contextlib.suppress(Killed):
                    delivery.deliver(self.text.pk) if who == "task" else delivery.sweep()
            case ("receipt", state):
                delivery.record_receipt(self.text.pk, Receipt(state, "ref", Problem.LOST))
            case ("wait", seconds):
                clock.shift(seconds)
            case ("used",):
                Challenge.objects.consume(self.text.challenge)
        self.look()


@hypothesis_settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(history=st.lists(steps, max_size=10))
def test_no_history_sends_more_than_twice_or_leaves_the_allowed_moves(
    history, first, claire, pauses
):
    SmsMessage.objects.all().delete()
    breaker.breaker_of.cache_clear()
    pauses.clear()
    with time_machine.travel(timezone.now(), tick=False) as clock:
        watched = History(queued_text(claire))
        before = len(events("signin.code_sent"))
        for step in history:
            watched.step(step, first, clock)
        assert watched.perhaps_sent <= 2
        assert len(events("signin.code_sent")) - before <= 1
