import pytest
from django.db import OperationalError

from portal import health


def test_alive_asks_nothing_of_anybody(client, django_assert_num_queries, db):
    with django_assert_num_queries(0):
        assert client.get("/sante/vivant/").json() == {"status": "ok"}


def test_ready_when_database_cache_and_broker_answer(client, db):
    response = client.get("/sante/pret/")
    assert response.status_code == 200
    assert response.json()["parts"] == {"database": "ok", "cache": "ok", "broker": "ok"}


@pytest.mark.parametrize("part", ["database", "cache", "broker"])
def test_not_ready_names_the_part_that_is_down_and_not_why(client, db, monkeypatch, part):
    def fails():
        raise OperationalError("password=secret host=db.internal")

    monkeypatch.setattr(health, f"_{part}", fails)
    response = client.get("/sante/pret/")
    assert response.status_code == 503
    assert response.json()["parts"][part] == "down"
    assert b"secret" not in response.content
