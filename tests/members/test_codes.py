import threading
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from members import codes, throttle
from members.models import AuditEvent, Challenge, SmsDevice, SmsMessage, Throttle
from tests.members.conftest import make_member
from tests.members.steps import read_code, type_code, type_password, wrong

BINDING = "this browser"
ADDRESS = "198.51.100.7"


def ask(member, binding=BINDING):
    return codes.request(member.user, binding, ADDRESS, refund=[])


def fails(member, times, binding=BINDING):
    """Types `times` wrong codes, asking for new ones as needed."""
    for start in range(0, times, 5):
        challenge = ask(member, binding)
        for _ in range(min(5, times - start)):
            with pytest.raises(codes.WrongCode):
                codes.check(challenge.pk, binding, wrong(challenge.code()))


@pytest.fixture
def challenge(claire):
    return ask(claire)


def test_the_code_is_six_digits_and_always_the_same(challenge):
    again = Challenge.objects.get(pk=challenge.pk)
    assert again.code() == challenge.code()
    assert len(again.code()) == 6
    assert again.code().isascii()
    assert again.code().isdigit()


def test_another_pepper_or_another_user_gives_another_code(challenge, settings):
    code = challenge.code()
    other = Challenge(
        nonce=challenge.nonce, purpose=challenge.purpose, user_id=challenge.user_id + 1
    )
    assert other.code() != code
    settings.OTP_PEPPER = "another pepper"
    assert challenge.code() != code


def test_no_column_of_the_database_holds_the_code(challenge):
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            assert challenge.code() not in str(cursor.fetchall()), table


@given(st.binary(min_size=16, max_size=16))
def test_every_nonce_gives_a_code_and_a_reference_of_two_consonants(nonce):
    challenge = Challenge(nonce=nonce, purpose="signin", user_id=1)
    assert len(challenge.code()) == 6
    assert len(challenge.reference) == 2
    assert not set(challenge.reference) & set("AEIOUY")


def test_the_right_code_opens_once(challenge):
    assert codes.check(challenge.pk, BINDING, challenge.code()) == challenge
    with pytest.raises(codes.DeadCode):
        codes.check(challenge.pk, BINDING, challenge.code())


def test_a_right_code_costs_three_statements(challenge, django_assert_num_queries):
    # the challenge with its account and failures, the claim, the consumption
    with django_assert_num_queries(3):
        codes.check(challenge.pk, BINDING, challenge.code())


def test_the_code_of_another_browser_opens_nothing(challenge):
    with pytest.raises(codes.DeadCode):
        codes.check(challenge.pk, "another browser", challenge.code())


def test_the_code_dies_after_five_minutes(challenge):
    with (
        time_machine.travel(timezone.now() + timedelta(seconds=301)),
        pytest.raises(codes.DeadCode),
    ):
        codes.check(challenge.pk, BINDING, challenge.code())


def test_five_wrong_codes_kill_the_challenge_even_for_the_right_one(challenge):
    left = []
    for _ in range(5):
        with pytest.raises(codes.WrongCode) as refused:
            codes.check(challenge.pk, BINDING, wrong(challenge.code()))
        left.append(refused.value.attempts_left)
    assert left == [4, 3, 2, 1, 0]
    with pytest.raises(codes.DeadCode):
        codes.check(challenge.pk, BINDING, challenge.code())


def test_after_ten_failures_the_right_code_says_wait_and_costs_no_attempt(claire):
    fails(claire, 10)
    challenge = ask(claire)
    with pytest.raises(codes.WaitUntil) as refused:
        codes.check(challenge.pk, BINDING, challenge.code())
    assert 0 < (refused.value.until - timezone.now()).total_seconds() <= 30
    challenge.refresh_from_db()
    assert challenge.attempts == 0


def test_the_wait_doubles_with_each_further_failure_and_then_lets_the_right_code_in(claire):
    fails(claire, 10)
    with time_machine.travel(timezone.now(), tick=False) as clock:
        challenge = ask(claire)
        clock.shift(31)
        with pytest.raises(codes.WrongCode):
            codes.check(challenge.pk, BINDING, wrong(challenge.code()))
        clock.shift(31)
        with pytest.raises(codes.WaitUntil):
            codes.check(challenge.pk, BINDING, challenge.code())
        clock.shift(30)
        assert codes.check(challenge.pk, BINDING, challenge.code())


def test_a_new_code_never_resets_the_failures(claire):
    fails(claire, 10)
    challenge = ask(claire, "a new browser")
    with pytest.raises(codes.WaitUntil):
        codes.check(challenge.pk, "a new browser", challenge.code())


def test_no_wait_is_ever_longer_than_fifteen_minutes(claire):
    device = claire.user.sms_device
    device.failures, device.last_failure_at = 80, timezone.now()
    assert 800 < (codes.wait_until(device) - timezone.now()).total_seconds() <= 900


def test_an_hour_without_failure_forgets_the_waits_but_not_the_row(claire):
    with time_machine.travel(timezone.now(), tick=False) as clock:
        fails(claire, 10)
        clock.shift(3601)
        fails(claire, 1)
    device = SmsDevice.objects.get(user=claire.user)
    assert (device.failures, device.failures_in_a_row) == (1, 11)
    assert codes.wait_until(device) is None


def test_a_hundred_failures_in_a_row_need_another_way_in(claire, settings):
    settings.LIMITS = {**settings.LIMITS, "CODE_FAILURES_IN_A_ROW": 5}
    fails(claire, 5)
    challenge = ask(claire)
    with pytest.raises(codes.TooManyFailures):
        codes.check(challenge.pk, BINDING, challenge.code())


def test_a_success_ends_the_row_of_failures(claire, settings):
    settings.LIMITS = {**settings.LIMITS, "CODE_FAILURES_IN_A_ROW": 6}
    fails(claire, 5)
    first = ask(claire)
    codes.check(first.pk, BINDING, first.code())
    second = ask(claire)
    with pytest.raises(codes.WrongCode):
        codes.check(second.pk, BINDING, wrong(second.code()))
    assert codes.check(second.pk, BINDING, second.code())


def test_one_members_failures_leave_the_others_alone(claire):
    other = make_member("denis", nir="178067512345644", phone="+33612345679")
    fails(claire, 10)
    challenge = ask(other)
    assert codes.check(challenge.pk, BINDING, challenge.code())


# The trail


@pytest.fixture
def at_the_code(client, claire, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        type_password(client)
    return client


def reasons():
    events = AuditEvent.objects.filter(action__in=["signin.code_failed", "signin.locked"])
    return [event.details["reason"] for event in events.order_by("id")]


def test_every_code_that_was_looked_at_is_in_the_trail_and_what_follows_once(at_the_code):
    code = wrong(read_code())
    for _try in range(30):
        type_code(at_the_code, code)
    assert reasons() == ["WrongCode"] * 5 + ["DeadCode"]


def test_waits_are_in_the_trail_once_for_each_sign_in(client, claire):
    fails(claire, 10)
    for _sign_in in range(2):
        type_password(client)
        for _try in range(20):
            assert type_code(client, "123456").status_code == 429
    assert reasons() == ["WaitUntil"] * 2


def test_so_are_those_of_an_app(client, hugo, settings):
    settings.LIMITS = {**settings.LIMITS, "TOTP_FAILURES": 2}
    type_password(client, "hugo")
    for _try in range(20):
        type_code(client, "123456")
    assert reasons() == ["WrongCode"] * 2 + ["WaitUntil"]


# Texts


def test_a_resend_sends_the_same_code_of_the_same_challenge(challenge):
    code = challenge.code()
    with time_machine.travel(timezone.now() + timedelta(seconds=31)):
        codes.resend(codes.waiting(challenge.pk, BINDING), ADDRESS)
    challenge.refresh_from_db()
    assert (challenge.sends, challenge.code(), challenge.attempts) == (2, code, 0)
    assert SmsMessage.objects.filter(challenge=challenge).count() == 2


def test_resends_wait_30_then_60_then_120_seconds(challenge):
    with time_machine.travel(challenge.created_at, tick=False) as clock:
        for wait in (30, 60, 120):
            clock.shift(wait - 1)
            with pytest.raises(codes.WaitUntil):
                codes.resend(codes.waiting(challenge.pk, BINDING), ADDRESS)
            clock.shift(1)
            codes.resend(codes.waiting(challenge.pk, BINDING), ADDRESS)
        assert codes.resend_at(codes.waiting(challenge.pk, BINDING)) is None


def test_a_code_with_less_than_a_minute_to_live_is_not_sent_again(challenge):
    late = challenge.created_at + timedelta(seconds=245)
    with time_machine.travel(late), pytest.raises(codes.DeadCode):
        codes.resend(codes.waiting(challenge.pk, BINDING), ADDRESS)


def test_a_sixth_text_within_the_hour_is_refused_before_anything_is_written(claire):
    for _ in range(5):
        ask(claire)
    with pytest.raises(throttle.Throttled):
        ask(claire)
    assert Challenge.objects.count() == SmsMessage.objects.count() == 5


def test_an_eleventh_text_within_the_day_is_refused(claire):
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for _ in range(10):
            ask(claire)
            clock.shift(1200)
        with pytest.raises(throttle.Throttled):
            ask(claire)


def test_one_address_cannot_ask_for_texts_without_end_whatever_the_phones(db, settings):
    settings.LIMITS = {**settings.LIMITS, "SENDS_PER_ADDRESS": 3}
    nirs = ("178067512345644", "281091300104217", "105079205011880", "180062A00403319")
    family = [
        make_member(f"member{rank}", phone=f"+3361234567{rank}", nir=nir)
        for rank, nir in enumerate(nirs)
    ]
    for member in family[:3]:
        ask(member)
    with pytest.raises(throttle.Throttled):
        ask(family[3])


# Races, on real threads


def at_once(count, act):
    """Runs `act` in `count` threads; what each returned or raised, as class names or values."""
    outcomes = []

    def run():
        try:
            outcomes.append(act())
        except Exception as error:
            outcomes.append(type(error))
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


@pytest.mark.django_db(transaction=True)
def test_of_fifty_right_codes_at_once_one_opens():
    challenge = ask(make_member())
    outcomes = at_once(50, lambda: codes.check(challenge.pk, BINDING, challenge.code()))
    assert outcomes.count(challenge) == 1


@pytest.mark.django_db(transaction=True)
def test_of_fifty_wrong_codes_at_once_five_are_compared():
    challenge = ask(make_member())
    code = wrong(challenge.code())
    outcomes = at_once(50, lambda: codes.check(challenge.pk, BINDING, code))
    challenge.refresh_from_db()
    assert outcomes.count(codes.WrongCode) == challenge.attempts <= 5


@pytest.mark.django_db(transaction=True)
def test_of_thirty_resends_at_once_one_sends():
    challenge = ask(make_member())
    Challenge.objects.update(last_send_at=timezone.now() - timedelta(seconds=40))
    row = codes.waiting(challenge.pk, BINDING)
    at_once(30, lambda: codes.resend(row, ADDRESS))
    assert SmsMessage.objects.filter(challenge=challenge).count() == 2
    phone = throttle.Hit(throttle.SENDS_PHONE_HOUR, challenge.destination)
    assert Throttle.objects.get(pk=phone.key).count == 2, "who lost the race is not charged"
