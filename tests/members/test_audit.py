import csv
import io
import json
from datetime import date, timedelta

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, connections, transaction
from django.utils import timezone

from members import anchors, audit, audit_export
from members.mail import words as mail_words
from members.models import AuditCheckpoint, AuditEvent, AuditLink, Mail
from members.models.written_once import WrittenOnce
from tests.incidents.embedded import embedded_database


@pytest.fixture
def trail(claire):
    """Five events, chained."""
    long_ago = timezone.now() - timedelta(minutes=5)
    with time_machine.travel(long_ago):
        for number in range(5):
            audit.record("test.happened", user=claire.user, number=number)
    assert audit.seal() == 5
    return list(AuditEvent.objects.order_by("id"))


TABLES = ("auditevent", "auditlink", "auditcheckpoint")


def sql(statement, *parameters):
    """What somebody does who owns the database, and puts its triggers out of action first."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in TABLES:
            cursor.execute(f"ALTER TABLE members_{table} DISABLE TRIGGER USER")
        cursor.execute(statement, parameters)
        for table in TABLES:
            cursor.execute(f"ALTER TABLE members_{table} ENABLE TRIGGER USER")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def test_an_untouched_trail_verifies(trail, capsys):
    call_command("verify_audit")
    assert capsys.readouterr().out.startswith("5 events as written, 5 of them chained.\n")


@pytest.mark.parametrize(
    ("column", "value"),
    [("action", "test.else"), ("address", "203.0.113.9"), ("details", "{}"), ("user_id", None)],
)
def test_a_changed_row_is_named(trail, column, value):
    victim = trail[2]
    sql(f"UPDATE members_auditevent SET {column} = %s WHERE id = %s", value, victim.pk)
    with pytest.raises(CommandError, match=f"event {victim.pk} .*altered") as broken:
        call_command("verify_audit")
    assert broken.value.returncode == 1


def test_a_row_not_chained_yet_is_protected_too(claire):
    event = audit.record("test.happened", user=claire.user)
    sql("UPDATE members_auditevent SET action = 'test.else' WHERE id = %s", event.pk)
    assert audit.verify().row.startswith(f"event {event.pk}")


def test_a_row_taken_out_of_the_middle_is_named(trail):
    sql("DELETE FROM members_auditlink WHERE position = 3")
    sql("DELETE FROM members_auditevent WHERE id = %s", trail[2].pk)
    assert str(audit.verify()) == "link 3: missing"


def test_closing_the_gap_does_not_help(trail):
    sql("DELETE FROM members_auditlink WHERE position = 3")
    sql("DELETE FROM members_auditevent WHERE id = %s", trail[2].pk)
    sql("UPDATE members_auditlink SET position = 3 WHERE position = 4")
    sql("UPDATE members_auditlink SET position = 4 WHERE position = 5")
    assert audit.verify().row.startswith("link 3 ")


def test_a_row_forged_with_the_digest_of_another_is_named(trail):
    sql(
        "UPDATE members_auditevent SET digest = %s, details = %s WHERE id = %s",
        trail[0].digest,
        '{"number": 0}',
        trail[1].pk,
    )
    assert audit.verify() is not None


def test_the_models_write_once(trail):
    event = trail[0]
    event.action = "test.else"
    with pytest.raises(WrittenOnce):
        event.save()
    with pytest.raises(WrittenOnce):
        event.delete()
    with pytest.raises(WrittenOnce):
        AuditEvent.objects.filter(pk=event.pk).update(action="test.else")
    with pytest.raises(WrittenOnce):
        AuditLink.objects.all().delete()


def test_recording_is_one_insert_and_touches_no_shared_row(claire, django_assert_num_queries):
    with django_assert_num_queries(1) as queries:
        audit.record("test.happened", user=claire.user)
    assert queries.captured_queries[0]["sql"].startswith("INSERT")


def test_an_event_of_a_running_transaction_waits_for_its_place(claire):
    audit.record("test.happened", user=claire.user)
    assert audit.seal() == 0
    with time_machine.travel(timezone.now() + timedelta(seconds=6)):
        assert audit.seal() == 1
        assert audit.seal() == 0


def test_the_chain_goes_on_from_batch_to_batch(claire, monkeypatch):
    monkeypatch.setattr(audit, "BATCH", 2)
    for number in range(5):
        audit.record("test.happened", user=claire.user, number=number)
    with time_machine.travel(timezone.now() + timedelta(seconds=6)):
        assert [audit.seal() for _ in range(4)] == [2, 2, 1, 0]
    assert audit.verify() is None


# In the database


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE members_auditevent SET action = 'test.else'",
        "DELETE FROM members_auditevent",
        "UPDATE members_auditlink SET chain = ''",
        "DELETE FROM members_auditlink",
        "DELETE FROM members_auditlink WHERE position = 5",
    ],
)
def test_the_database_refuses_what_the_models_refuse(trail, statement):
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert audit.verify() is None


def test_the_embedded_database_refuses_them_too(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), embedded_database() as alias:
        event = audit.record("test.happened")
        AuditLink.objects.create(position=1, event=event, chain="")
        AuditCheckpoint.objects.create(position=0, chain="", events=0, seal="x")
        for table in ("auditlink", "auditevent", "auditcheckpoint"):
            for verb in ("DELETE FROM members_%s", "UPDATE members_%s SET id = id"):
                statement = (verb % table).replace(
                    "SET id = id", "SET chain = 1" if table != "auditevent" else "SET digest = 1"
                )
                with (
                    pytest.raises(DatabaseError, match="append-only"),
                    connections[alias].cursor() as cursor,
                ):
                    cursor.execute(statement)


# Retention


def record_on(moment, user, number=0):
    with time_machine.travel(moment, tick=False):
        return audit.record("test.happened", user=user, number=number)


@pytest.fixture
def old_trail(claire, monkeypatch):
    """Four events of more than a year ago, three of this month; chained."""
    now = timezone.now()
    for number in range(4):
        record_on(now - timedelta(days=370 - number), claire.user, number)
    for number in range(3):
        record_on(now - timedelta(days=20 - number), claire.user, number)
    assert audit.seal() == 7


@pytest.mark.parametrize("batch", [2, 3, 2000])
def test_after_a_year_events_go_and_the_chain_goes_on(old_trail, claire, monkeypatch, batch):
    monkeypatch.setattr(audit, "BATCH", batch)
    assert audit.purge() == 4
    assert (AuditEvent.objects.count(), AuditLink.objects.count()) == (3, 3)
    assert audit.verify() is None
    record_on(timezone.now() - timedelta(minutes=1), claire.user)
    assert audit.seal() == 1
    assert AuditLink.objects.last().position == 8
    assert audit.verify() is None
    assert audit.purge() == 0


def test_nothing_younger_than_a_year_goes_whoever_asks(old_trail):
    assert audit.purge(before=timezone.now()) == 4


def test_what_does_not_verify_is_not_thrown_away(old_trail):
    sql(
        "UPDATE members_auditevent SET details = '{}' WHERE id = (SELECT min(id) FROM members_auditevent)"
    )
    with pytest.raises(audit.Broken):
        audit.purge()
    assert AuditEvent.objects.count() == 7


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE members_auditcheckpoint SET chain = repeat('0', 64)",
        "UPDATE members_auditcheckpoint SET position = 5",
        "UPDATE members_auditcheckpoint SET at = at - interval '1 day'",
        "UPDATE members_auditcheckpoint SET events = 3",
    ],
)
def test_a_checkpoint_cannot_be_moved(old_trail, statement):
    audit.purge()
    sql(statement)
    assert audit.verify().row.startswith("checkpoint ")


def test_a_checkpoint_cannot_be_taken_away(old_trail):
    audit.purge()
    sql("DELETE FROM members_auditcheckpoint")
    assert str(audit.verify()) == "link 1: missing"


INSERT = """INSERT INTO members_auditcheckpoint(position, chain, events, at, seal)
            VALUES (%s, %s, 0, now(), %s)"""


def test_a_checkpoint_that_the_purge_did_not_write_is_named(trail):
    sql(INSERT, 3, AuditLink.objects.get(position=3).chain, "0" * 64)
    sql("DELETE FROM members_auditlink WHERE position <= 3")
    sql("DELETE FROM members_auditevent WHERE id <= %s", trail[2].pk)
    with pytest.raises(CommandError, match="checkpoint 3: not written by the purge"):
        call_command("verify_audit")


def test_nor_does_it_help_without_owning_the_tables(trail):
    """The triggers let links go below a checkpoint: the checkpoint is what tells."""
    with connection.cursor() as cursor:
        cursor.execute(INSERT, [6, "x", "x"])
        cursor.execute("DELETE FROM members_auditlink")
    assert not AuditLink.objects.exists()
    assert audit.verify().row == "checkpoint 6"


def test_the_purge_does_not_go_on_from_a_checkpoint_of_somebody_else(old_trail):
    sql(INSERT, 2, AuditLink.objects.get(position=2).chain, "0" * 64)
    sql("DELETE FROM members_auditlink WHERE position <= 2")
    with pytest.raises(audit.Broken, match="checkpoint 2"):
        audit.purge()


def test_a_checkpoint_without_seal_is_refused_by_the_database(trail):
    with pytest.raises(DatabaseError, match="auditcheckpoint_is_sealed"), transaction.atomic():
        AuditCheckpoint.objects.create(position=5, chain="", events=5)


def test_an_event_that_the_chain_left_behind_is_named(trail, claire, monkeypatch):
    """Older than all that a sealing looks back for, and its link is gone without a gap."""
    monkeypatch.setattr(audit, "LATECOMERS", 2)
    with time_machine.travel(timezone.now() - timedelta(minutes=1)):
        late = audit.record("test.happened", user=claire.user)
    sql("UPDATE members_auditevent SET id = %s WHERE id = %s", trail[0].pk - 1, late.pk)
    assert audit.seal() == 0
    assert str(audit.verify()) == f"event {trail[0].pk - 1} (test.happened): not chained"


# Anchors


@pytest.fixture
def anchored(trail, tmp_path, settings):
    settings.AUDIT_ANCHOR_DIR, settings.AUDIT_ANCHOR_EMAIL = str(tmp_path), "audit@exemple.invalid"
    anchors.drop()
    return tmp_path / anchors.FILE


def test_an_anchor_is_a_line_outside_and_an_email(anchored):
    [anchor] = anchors.read(anchored)
    assert (anchor.position, anchor.chain) == audit.head()
    mail = Mail.objects.get()
    assert (mail.to, mail.facts["position"]) == ("audit@exemple.invalid", 5)
    assert anchor.chain in mail_words.body(mail)


def test_an_untouched_trail_agrees_with_its_anchors(anchored, capsys):
    call_command("verify_audit")
    assert "No anchor" not in capsys.readouterr().out


def test_an_end_that_was_cut_off_is_found(anchored, trail):
    sql("DELETE FROM members_auditlink WHERE position > 3")
    sql("DELETE FROM members_auditevent WHERE id > %s", trail[2].pk)
    assert audit.verify() is None
    with pytest.raises(CommandError, match="link 5: cut off"):
        call_command("verify_audit")


def test_a_trail_written_anew_is_found(anchored, trail):
    """Links deleted, one event too: the next sealing chains the rest as if nothing had been."""
    sql("DELETE FROM members_auditlink")
    sql("DELETE FROM members_auditevent WHERE id = %s", trail[2].pk)
    assert audit.seal() == 4
    assert audit.verify() is None
    with pytest.raises(CommandError, match="link 5: cut off"):
        call_command("verify_audit")


def test_anchors_older_than_the_retention_do_not_disturb(old_trail, tmp_path, settings):
    settings.AUDIT_ANCHOR_DIR = str(tmp_path)
    anchors.drop()
    audit.purge()
    anchors.drop()
    call_command("verify_audit")


def test_what_a_genuine_checkpoint_hides_before_its_year_is_found(anchored, trail):
    """Somebody who also holds SECRET_KEY, or a purge that went wrong."""
    audit.record("test.happened")
    with time_machine.travel(timezone.now() + timedelta(minutes=1)):
        audit.seal()
    checkpoint = AuditCheckpoint(position=6, chain=audit.head()[1], events=6)
    checkpoint.seal = audit.checkpoint_seal(checkpoint)
    checkpoint.save(force_insert=True)
    sql("DELETE FROM members_auditlink")
    sql("DELETE FROM members_auditevent")
    assert audit.verify() is None
    with pytest.raises(CommandError, match="link 5: deleted before its year"):
        call_command("verify_audit")


def test_an_anchor_of_the_last_hours_of_the_purged_year_does_not_disturb(
    claire, tmp_path, settings
):
    """Sealed a little after it happened: the anchor between is younger than the event it lacks."""
    settings.AUDIT_ANCHOR_DIR = str(tmp_path)
    start = timezone.now() - timedelta(days=365, minutes=10)
    record_on(start, claire.user)
    with time_machine.travel(start + timedelta(seconds=9), tick=False):
        audit.seal()
    record_on(start + timedelta(seconds=10), claire.user)
    with time_machine.travel(start + timedelta(seconds=20), tick=False):
        anchors.drop()
        audit.seal()
    with time_machine.travel(start + timedelta(days=365, seconds=15), tick=False):
        assert audit.purge() == 2
        call_command("verify_audit")


@pytest.mark.parametrize(
    "text", ["nothing", '{"at": "2026-01-01T00:00:00", "position": 1, "chain": "x"}']
)
def test_a_file_of_anchors_that_cannot_be_read_is_no_proof(anchored, text):
    anchored.write_text(f"{text}\n")
    with pytest.raises(CommandError, match="line 1") as refused:
        call_command("verify_audit")
    assert refused.value.returncode == 2


# Export


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_the_auditor_takes_every_event_of_a_period_with_its_place_in_the_chain(trail, kind):
    today = timezone.localdate()
    text = "".join(audit_export.lines(today, today, kind))
    if kind == "json":
        rows = [json.loads(line) for line in text.splitlines()]
    else:
        rows = list(csv.DictReader(io.StringIO(text), delimiter=";"))
    assert [int(row["position"]) for row in rows] == [1, 2, 3, 4, 5]
    assert rows[0]["user"] == "claire"
    assert not list(audit_export.rows(today - timedelta(days=9), today - timedelta(days=8)))


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_any_day_that_a_calendar_knows_may_be_asked_for(trail, kind):
    text = "".join(audit_export.lines(date.min, date.max, kind))
    assert text.count("test.happened") == 5


def test_a_cell_that_a_spreadsheet_would_run_is_made_harmless(rf, claire):
    request = rf.get("/", headers={"user-agent": "=HYPERLINK(1)"})
    request.user = claire.user
    audit.record("test.happened", request=request)
    today = timezone.localdate()
    assert "'=HYPERLINK" in "".join(audit_export.lines(today, today, "csv"))


def test_the_command_writes_a_new_file_and_says_so_in_the_trail(trail, tmp_path):
    today, file = str(timezone.localdate()), tmp_path / "trail.csv"
    call_command("export_audit", today, today, output=file)
    assert file.read_text().count("test.happened") == 5
    assert AuditEvent.objects.filter(action="audit.exported").exists()
    with pytest.raises(CommandError, match="exists"):
        call_command("export_audit", today, today, output=file)
