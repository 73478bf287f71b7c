import django.utils.timezone
from django.db import migrations, models

# What a program that holds the application's password cannot do by accident or by a stolen query. Who
# owns the tables can drop a trigger: docs/operations.md says how to run under a role that does not.
POSTGRESQL = """
CREATE FUNCTION members_audit_keep_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND OLD.at < now() - interval '365 days' THEN RETURN OLD; END IF;
    RAISE EXCEPTION 'the trail is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE FUNCTION members_audit_keep_link() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND EXISTS (
        SELECT 1 FROM members_auditcheckpoint WHERE position >= OLD.position
    ) THEN RETURN OLD; END IF;
    RAISE EXCEPTION 'the trail is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE FUNCTION members_audit_keep_all() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the trail is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER auditevent_append_only BEFORE UPDATE OR DELETE ON members_auditevent
    FOR EACH ROW EXECUTE FUNCTION members_audit_keep_event();
CREATE TRIGGER auditlink_append_only BEFORE UPDATE OR DELETE ON members_auditlink
    FOR EACH ROW EXECUTE FUNCTION members_audit_keep_link();
CREATE TRIGGER auditcheckpoint_append_only BEFORE UPDATE OR DELETE ON members_auditcheckpoint
    FOR EACH ROW EXECUTE FUNCTION members_audit_keep_all();
CREATE TRIGGER auditevent_no_truncate BEFORE TRUNCATE ON members_auditevent
    FOR EACH STATEMENT EXECUTE FUNCTION members_audit_keep_all();
CREATE TRIGGER auditlink_no_truncate BEFORE TRUNCATE ON members_auditlink
    FOR EACH STATEMENT EXECUTE FUNCTION members_audit_keep_all();
CREATE TRIGGER auditcheckpoint_no_truncate BEFORE TRUNCATE ON members_auditcheckpoint
    FOR EACH STATEMENT EXECUTE FUNCTION members_audit_keep_all();
REVOKE TRUNCATE ON members_auditevent, members_auditlink, members_auditcheckpoint FROM PUBLIC;
"""

POSTGRESQL_BACK = """
DROP TRIGGER auditevent_append_only ON members_auditevent;
DROP TRIGGER auditlink_append_only ON members_auditlink;
DROP TRIGGER auditcheckpoint_append_only ON members_auditcheckpoint;
DROP TRIGGER auditevent_no_truncate ON members_auditevent;
DROP TRIGGER auditlink_no_truncate ON members_auditlink;
DROP TRIGGER auditcheckpoint_no_truncate ON members_auditcheckpoint;
DROP FUNCTION members_audit_keep_event();
DROP FUNCTION members_audit_keep_link();
DROP FUNCTION members_audit_keep_all();
"""

REFUSE = "SELECT RAISE(ABORT, 'the trail is append-only');"
SQLITE = {
    f"{table}_no_{verb}": f"BEFORE {verb.upper()} ON members_{table} {when} BEGIN {REFUSE} END"
    for table, verb, when in (
        ("auditevent", "update", ""),
        ("auditevent", "delete", "WHEN OLD.at >= datetime('now', '-365 days')"),
        ("auditlink", "update", ""),
        (
            "auditlink",
            "delete",
            "WHEN NOT EXISTS (SELECT 1 FROM members_auditcheckpoint c"
            " WHERE c.position >= OLD.position)",
        ),
        ("auditcheckpoint", "update", ""),
        ("auditcheckpoint", "delete", ""),
    )
}


def protect(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(POSTGRESQL, params=None)
        return
    for name, body in SQLITE.items():
        schema_editor.execute(f"CREATE TRIGGER {name} {body}")


def unprotect(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(POSTGRESQL_BACK, params=None)
        return
    for name in SQLITE:
        schema_editor.execute(f"DROP TRIGGER {name}")



class Migration(migrations.Migration):

    dependencies = [
        ('members', '0003_ways_in_and_back_in'),
    ]

    operations = [
        migrations.CreateModel(
            name='AuditCheckpoint',
            fields=[
                ('position', models.BigIntegerField(primary_key=True, serialize=False)),
                ('chain', models.CharField(max_length=64)),
                ('events', models.BigIntegerField(verbose_name='événements supprimés')),
                ('at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='quand')),
            ],
            options={
                'ordering': ['position'],
            },
        ),
        migrations.AlterModelOptions(
            name='auditevent',
            options={'ordering': ['-id'], 'permissions': [('export_auditevent', 'Peut exporter le journal')], 'verbose_name': 'événement', 'verbose_name_plural': 'journal'},
        ),
        migrations.RunPython(protect, unprotect),
    ]
