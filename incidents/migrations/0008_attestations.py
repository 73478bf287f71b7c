"""What a member had attested, and the rule that nobody rewrites or deletes it.

SQLite drops the triggers of a table that it makes again: a later migration that alters this one repeats them.
"""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

TABLE, RULE = "incidents_attestation", "attestation_is_written_once"


def install(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            f"""
            CREATE FUNCTION {RULE}() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                RAISE EXCEPTION '{RULE}' USING
                    ERRCODE = 'integrity_constraint_violation', CONSTRAINT = '{RULE}', TABLE = '{TABLE}';
            END $$""",
            params=None,
        )
        schema_editor.execute(
            f"CREATE TRIGGER {RULE} BEFORE UPDATE OR DELETE ON {TABLE}"
            f" FOR EACH ROW EXECUTE FUNCTION {RULE}()"
        )
        return
    for event in ("UPDATE", "DELETE"):
        schema_editor.execute(
            f"CREATE TRIGGER {RULE}_{event.lower()} BEFORE {event} ON {TABLE}"
            f" BEGIN SELECT RAISE(ABORT, '{RULE}'); END"
        )


def remove(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"DROP TRIGGER {RULE} ON {TABLE}")
        schema_editor.execute(f"DROP FUNCTION {RULE}()")
        return
    for event in ("update", "delete"):
        schema_editor.execute(f"DROP TRIGGER {RULE}_{event}")


class Migration(migrations.Migration):

    dependencies = [
        ('incidents', '0007_notices_for_each_audience'),
        ('members', '0010_long_work_that_a_person_can_watch'),
    ]

    operations = [
        migrations.CreateModel(
            name='Attestation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code_digest', models.CharField(max_length=64, unique=True, verbose_name='empreinte du code')),
                ('fingerprint', models.CharField(max_length=64, verbose_name='empreinte du contenu')),
                ('people', models.PositiveSmallIntegerField(verbose_name='nombre de personnes')),
                ('content', models.JSONField(verbose_name='contenu')),
                ('issued_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='établie le')),
                ('member', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='attestations', to='members.member', verbose_name='adhérent')),
                ('version', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='attestations', to='incidents.noticeversion', verbose_name='version')),
            ],
            options={
                'verbose_name': 'attestation',
                'verbose_name_plural': 'attestations',
                'ordering': ['-issued_at'],
                'constraints': [models.CheckConstraint(condition=models.Q(('people__gte', 1)), name='attestation_names_somebody'), models.CheckConstraint(condition=models.Q(models.Q(('code_digest', ''), _negated=True), models.Q(('fingerprint', ''), _negated=True)), name='attestation_has_its_digests')],
            },
        ),
        migrations.RunPython(install, remove),
    ]
