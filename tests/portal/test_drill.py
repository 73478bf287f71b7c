"""The drill: February 2024 on invented members, in a database that nobody else has."""

import json
import os
import signal
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from incidents import exposure, facts
from incidents.reasons import Reason
from members.models import Adhesion, AyantDroit, Contract, Delegation, Holding, Member, User
from portal.demo import incident as february
from portal.drill import database, people, stages
from tests.cast import *  # noqa: F403

STAGES = ["migrations", "import", "facts", "audience", "publication", "sign-in"]
STAGES += ["ledger", "letters", "dossiers"]


def databases() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database")
        return {name for (name,) in cursor.fetchall()}


def drills() -> set[str]:
    return {name for name in databases() if name.startswith(database.PREFIX)}


def test_every_stage_is_timed_and_nothing_is_left(db):
    before = drills()
    out = StringIO()
    call_command("drill", "--members", "60", "--json", stdout=out)
    told = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [one["stage"] for one in told] == [*STAGES, "in all"]
    assert all(one["seconds"] >= 0 for one in told)
    said = {one["stage"]: one["said"] for one in told}
    assert said["import"].startswith("71 members")  # with those of the demonstration
    assert int(said["audience"].split()[0]) > 60
    assert int(said["letters"].split()[0]) > 0
    assert "a bundle of" in said["dossiers"]
    assert drills() == before
    assert not Member.objects.exists()  # this process's own database was not touched


def test_the_process_that_plays_knows_no_other_database_and_no_secret(db, monkeypatch):
    for name in ("REDIS_URL", "SECRET_KEY", "TWILIO_AUTH_TOKEN", "FIELD_ENCRYPTION_KEYS"):
        monkeypatch.setenv(name, "of the real portal")
    with database.throw_away() as env:
        assert "of the real portal" not in env.values()
        url = urlsplit(env["DATABASE_URL"])
        assert url.netloc == urlsplit(settings.DATABASE_URL).netloc
        assert url.path.removeprefix("/") in drills()
        files = Path(env["FILES_ROOT"]).parent
        assert files.is_dir()
        assert os.environ["DATABASE_URL"] != env["DATABASE_URL"]
    assert not drills()
    assert not files.exists()


def test_the_database_is_dropped_when_the_drill_fails(db):
    with (
        pytest.raises(ZeroDivisionError),
        database.throw_away() as env,
        psycopg.connect(env["DATABASE_URL"]),  # even while somebody is connected
    ):
        raise ZeroDivisionError
    assert not drills()


def test_inside_refuses_any_database_that_is_not_new_and_a_drills(db, monkeypatch):
    with pytest.raises(CommandError, match="not one of a drill"):
        call_command("drill", "--inside")
    monkeypatch.setitem(connection.settings_dict, "NAME", "drill_that_has_tables")
    with pytest.raises(CommandError, match="not one of a drill"):
        call_command("drill", "--inside")
    assert not Member.objects.exists()


@pytest.mark.parametrize("members", ["0", "-5", "10000001"])
def test_an_absurd_size_is_refused_before_anything_is_made(db, members):
    with pytest.raises(CommandError, match="between 1 and"):
        call_command("drill", "--members", members)


def test_a_drill_that_is_stopped_removes_what_it_made(db):
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "drill"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        assert soon(drills)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) != 0
    assert not drills()


def soon(condition) -> bool:
    deadline = time.monotonic() + 60
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return bool(condition())


def test_a_stage_is_added_by_its_function(monkeypatch):
    monkeypatch.setattr(stages, "STAGES", [])

    @stages.stage("letters")
    def letters(drill):
        return f"{drill.members} letters"

    (timed,) = stages.play(stages.Drill(3))
    assert (timed.name, timed.said) == ("letters", "3 letters")


def test_invented_people_are_valid_and_meet_the_attack_in_every_way(cast, monkeypatch):
    monkeypatch.setattr(people, "BATCH", 70)  # several batches, and one that is not full
    monkeypatch.setattr(people, "STAFF_OF_EMPLOYER", 12)
    people.invent(150)
    version = february.record(cast.auteur)
    for model in (Member, AyantDroit, Adhesion, Contract, Delegation, Holding, User):
        for row in list(model.objects.order_by("pk"))[::7]:
            row.full_clean(validate_unique=False)
    invented = Member.objects.filter(number__startswith="9")
    assert invented.count() == 150
    digests = [member.nir_digest for member in invented if member.nir_sealed]
    assert len(set(digests)) == len(digests) > 100
    told = facts.of(version.incident)
    reasons = {
        one.reason
        for member in invented
        for person in exposure.of_member(member, told)
        for one in person.operators
    }
    assert reasons >= {
        Reason.DELEGATION,
        Reason.DETENTION,
        Reason.PURGE_ATTESTEE,
        Reason.NON_COUVERT,
        Reason.JAMAIS_DELEGUE,
    }
