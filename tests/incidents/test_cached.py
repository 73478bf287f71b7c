import pickle

import pytest
from django.core.cache import cache
from django.urls import reverse

from incidents import banners


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
    for key in (banners.CACHE_KEY, f"incidents.public.{banners.current()[0].version_id}"):
        raw(key).set(cache.make_key(key), planted)
        assert "Viamedis" in client.get(public).content.decode()
