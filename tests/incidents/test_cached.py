import pickle
from types import SimpleNamespace

import pytest
from django.core.cache import cache
from django.urls import reverse

from incidents import banners, cached, information


def raw(key):
    return cache._cache.get_client(key)


def test_what_redis_keeps_is_json_and_no_pickle():
    cache.set("kept", {"reference": "2024-02", "enough": [1, 2]})
    kept = raw("kept").get(cache.make_key("kept"))
    assert kept == b'{"reference": "2024-02", "enough": [1, 2]}'


@pytest.mark.parametrize("planted", [pickle.dumps(["anything"]), b"not JSON"])
def test_what_somebody_else_wrote_there_is_never_run_and_costs_a_statement(
    client, february_2024, planted
):
    public = reverse("public_notice", args=[february_2024.reference])
    assert client.get(public).status_code == 200
    for key in (information.CACHE_KEY, f"incidents.public.{banners.current()[0].version_id}"):
        raw(key).set(cache.make_key(key), planted)
        assert "Viamedis" in client.get(public).content.decode()


class Away:
    """A cache that fails, and counts what was asked of it."""

    def __init__(self):
        self.asked = 0

    def get(self, *args):
        self.asked += 1
        raise TimeoutError

    set = delete = get


@pytest.fixture
def away(monkeypatch):
    monkeypatch.setattr(cached, "_ask_from", 0.0)
    monkeypatch.setattr(cached, "cache", Away())
    return cached.cache


def test_a_cache_that_failed_is_left_alone_for_five_seconds(away, monkeypatch):
    seconds = [1000.0]
    monkeypatch.setattr(
        cached, "time", SimpleNamespace(monotonic=lambda: seconds[0], time=lambda: seconds[0])
    )
    assert [cached.remember("key", 60, lambda: 1) for _page in range(50)] == [1] * 50
    assert away.asked == 1
    seconds[0] += 4.9
    cached.remember("key", 60, lambda: 1)
    assert away.asked == 1
    seconds[0] += 1.2
    cached.remember("key", 60, lambda: 1)
    assert away.asked == 2


def test_a_cache_that_reads_but_does_not_write_is_left_alone_too(away):
    away.get = lambda key: None
    assert [cached.remember("key", 60, lambda: 1) for _page in range(50)] == [1] * 50
    assert away.asked == 1


def test_what_is_wrong_from_now_on_is_forgotten_even_while_the_cache_rests(away):
    cached.remember("key", 60, lambda: 1)
    cached.forget("key")
    assert away.asked == 2
