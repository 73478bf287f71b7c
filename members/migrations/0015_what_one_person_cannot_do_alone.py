from django.db import migrations, models
from django.utils import timezone
from django.utils.crypto import salted_hmac

# SQLite makes the table of checkpoints again, without its triggers, and refuses while another table's
# trigger names it.
REFUSE = "SELECT RAISE(ABORT, 'the trail is append-only');"
SQLITE = {
    "auditcheckpoint_no_update": f"BEFORE UPDATE ON members_auditcheckpoint BEGIN {REFUSE} END",
    "auditcheckpoint_no_delete": f"BEFORE DELETE ON members_auditcheckpoint BEGIN {REFUSE} END",
    "auditlink_no_delete": (
        "BEFORE DELETE ON members_auditlink WHEN NOT EXISTS (SELECT 1 FROM members_auditcheckpoint c"
        f" WHERE c.position >= OLD.position) BEGIN {REFUSE} END"
    ),
}
TRIGGER = "ALTER TABLE members_auditcheckpoint {verb} TRIGGER auditcheckpoint_append_only"


def let_go(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(TRIGGER.format(verb="DISABLE"))
        return
    for name in SQLITE:
        schema_editor.execute(f"DROP TRIGGER {name}")


def hold_again(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(TRIGGER.format(verb="ENABLE"))
        return
    for name, body in SQLITE.items():
        schema_editor.execute(f"CREATE TRIGGER {name} {body}")


def seal_what_stands(apps, schema_editor):
    """Checkpoints of older releases are taken at their word, once: verify the trail before."""
    checkpoints = apps.get_model("members", "AuditCheckpoint").objects.using(
        schema_editor.connection.alias
    )
    for one in checkpoints.all():
        at = one.at.astimezone(timezone.get_default_timezone()).isoformat()
        told = f"{one.position}\0{one.chain}\0{one.events}\0{at}"
        seal = salted_hmac("members.audit.checkpoint", told, algorithm="sha256").hexdigest()
        checkpoints.filter(pk=one.pk).update(seal=seal)


def mark_who_did_both(apps, schema_editor):
    """Older releases let who made a ticket confirm it: what was done stays told as it was."""
    enrolments = apps.get_model("members", "StaffEnrolment").objects.using(
        schema_editor.connection.alias
    )
    enrolments.filter(confirmed_by=models.F("made_by")).update(confirmed_by_its_maker=True)


class Migration(migrations.Migration):
    dependencies = [("members", "0014_stopping_work_is_a_state")]

    operations = [
        migrations.RunPython(let_go, hold_again),
        migrations.AddField(
            model_name="auditcheckpoint",
            name="seal",
            field=models.CharField(default="", max_length=64),
            preserve_default=False,
        ),
        migrations.RunPython(seal_what_stands, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name="auditcheckpoint",
            constraint=models.CheckConstraint(
                condition=~models.Q(seal=""), name="auditcheckpoint_is_sealed"
            ),
        ),
        migrations.RunPython(hold_again, let_go),
        migrations.AddField(
            model_name="staffenrolment",
            name="confirmed_by_its_maker",
            field=models.BooleanField(default=False, editable=False),
        ),
        migrations.AddField(
            model_name="user",
            name="generation",
            field=models.PositiveIntegerField(default=0, editable=False),
        ),
        migrations.RunPython(mark_who_did_both, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name="staffenrolment",
            constraint=models.CheckConstraint(
                condition=models.Q(confirmed_by__isnull=True)
                | ~models.Q(confirmed_by=models.F("made_by"))
                | models.Q(confirmed_by_its_maker=True),
                name="staffenrolment_confirmed_by_another_than_its_maker",
            ),
        ),
    ]
