import json
import urllib.error
import urllib.request

import psycopg
import pytest

from members.models import Operator


@pytest.fixture(scope="module")
def portal(portal_server):
    return portal_server()


def test_it_answers_over_http(portal):
    with urllib.request.urlopen(portal.url + "/sante/pret/") as answer:
        assert json.load(answer)["status"] == "ok"


@pytest.mark.parametrize("parameter", ["charset=hex", "charset*=nope''41"])
def test_it_refuses_another_charset_before_it_reads_the_address(portal, parameter):
    asked = urllib.request.Request(
        portal.url + "/connexion/?next=/%41", headers={"Content-Type": f"text/plain; {parameter}"}
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(asked)
    with refused.value as answer:
        assert answer.code == 400
        assert '<html lang="fr">' in answer.read().decode()


def test_its_database_is_read_and_written_through_the_models(portal):
    with portal.orm():
        Operator.objects.create(name="Rivage Flux")
    assert portal.sql("SELECT name FROM members_operator") == [("Rivage Flux",)]
    assert "Rivage Flux" in portal.dump()["database"]


def test_its_database_can_be_away(portal):
    with portal.database_away(), pytest.raises(psycopg.OperationalError):
        portal.sql("SELECT 1")
    assert portal.sql("SELECT 1") == [(1,)]


def test_a_real_worker_runs_its_tasks(portal, celery_worker):
    worker = celery_worker(portal)
    assert worker.is_running()
    worker.stop()
    assert not worker.is_running()
