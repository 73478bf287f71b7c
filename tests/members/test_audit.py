from datetime import timedelta

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from members import audit
from members.models import AuditEvent, AuditLink
from members.models.written_once import WrittenOnce


@pytest.fixture
def trail(claire):
    """Five events, chained."""
    long_ago = timezone.now() - timedelta(minutes=5)
    with time_machine.travel(long_ago):
        for number in range(5):
            audit.record("test.happened", user=claire.user, number=number)
    assert audit.seal() == 5
    return list(AuditEvent.objects.order_by("id"))


def sql(statement, *parameters):
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def test_an_untouched_trail_verifies(trail, capsys):
    call_command("verify_audit")
    assert capsys.readouterr().out.strip() == "5 events as written, 5 of them chained."


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
