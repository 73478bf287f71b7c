import threading
import time

import pytest

from members.gate import Busy, Gate


@pytest.fixture
def small(settings):
    settings.LIMITS = {**settings.LIMITS, "GATE_QUEUE": 2, "GATE_WAIT_MS": 5_000}
    return Gate()


def inside(gate, *, entered, leave):
    with gate.passage():
        entered.set()
        leave.wait(5)


def test_one_at_a_time(small):
    together, most = [], []

    def work():
        with small.passage():
            together.append(1)
            most.append(len(together))
            time.sleep(0.01)
            together.pop()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1


def test_beyond_the_queue_one_is_told_at_once(small):
    entered, leave = threading.Event(), threading.Event()
    first = threading.Thread(
        target=inside, args=[small], kwargs={"entered": entered, "leave": leave}
    )
    first.start()
    entered.wait(5)
    queue = [
        threading.Thread(target=inside, args=[small], kwargs={"entered": entered, "leave": leave})
        for _ in range(2)
    ]
    for thread in queue:
        thread.start()
    while small._waiting < 2:
        time.sleep(0.001)
    with pytest.raises(Busy), small.passage():
        pass
    leave.set()
    for thread in (first, *queue):
        thread.join()
    with small.passage():  # and it opens again
        pass


def test_a_wait_too_long_ends_in_busy_and_leaves_the_queue(small, settings):
    settings.LIMITS = {**settings.LIMITS, "GATE_WAIT_MS": 10}
    with small.passage():
        for _ in range(5):  # each leaves its place to the next
            with pytest.raises(Busy), small.passage():
                pass


def test_an_error_inside_opens_the_gate_again(small):
    with pytest.raises(ZeroDivisionError), small.passage():
        raise ZeroDivisionError
    with small.passage():
        pass
