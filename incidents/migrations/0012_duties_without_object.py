"""Decisions that a duty does not apply to an incident, guarded as the rows of migration 0006 are."""

from importlib import import_module

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

triggers = import_module("incidents.migrations.0005_what_was_said_cannot_be_rewritten")
records = import_module("incidents.migrations.0006_calls_evidence_and_filings")

TABLE, RULE = "incidents_ruling", "ruling_is_written_once"
FORBIDDEN = (
    records.STRUCK,
    f"{{changed:{records.RECORDED},incident_id,target_id,regime_id,applies,reason,evidence_id}}",
)


def guard(apps, schema_editor):
    is_postgresql = schema_editor.connection.vendor == "postgresql"
    make = triggers._postgresql if is_postgresql else triggers._sqlite
    for statement in make(TABLE, RULE, FORBIDDEN, True):
        schema_editor.execute(statement, params=None)


def remove(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"DROP TRIGGER {RULE} ON {TABLE}")
        schema_editor.execute(f"DROP FUNCTION {RULE}()")
        return
    schema_editor.execute(f"DROP TRIGGER {RULE}")
    schema_editor.execute(f"DROP TRIGGER {RULE}_forever")


class Migration(migrations.Migration):

    dependencies = [
        ('incidents', '0010_the_audience_of_an_incident'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Ruling',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('recorded_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='saisi le')),
                ('struck_at', models.DateTimeField(editable=False, null=True, verbose_name='rayé le')),
                ('struck_reason', models.CharField(blank=True, editable=False, max_length=250, verbose_name='motif de la rature')),
                ('applies', models.BooleanField(verbose_name="s'applique")),
                ('reason', models.CharField(max_length=250, verbose_name='motif')),
                ('evidence', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='rulings', to='incidents.evidence', verbose_name='pièce justificative')),
                ('incident', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='rulings', to='incidents.incident', verbose_name='incident')),
                ('recorded_by', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='saisi par')),
                ('regime', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='rulings', to='incidents.regime', verbose_name='obligation')),
                ('struck_by', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='rayé par')),
                ('target', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='rulings', to='incidents.target', verbose_name='opérateur touché')),
            ],
            options={
                'verbose_name': 'décision sur une obligation',
                'verbose_name_plural': 'décisions sur les obligations',
                'ordering': ['recorded_at', 'pk'],
                'abstract': False,
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('struck_at__isnull', True), ('struck_by__isnull', True), ('struck_reason', '')), models.Q(('struck_at__isnull', False), ('struck_by__isnull', False), models.Q(('struck_reason', ''), _negated=True)), _connector='OR'), name='ruling_struck_by_whom_and_why'), models.UniqueConstraint(condition=models.Q(('struck_at__isnull', True), ('target__isnull', True)), fields=('incident', 'regime'), name='ruling_one_stands_per_incident_and_duty'), models.UniqueConstraint(condition=models.Q(('struck_at__isnull', True)), fields=('target', 'regime'), name='ruling_one_stands_per_target_and_duty'), models.CheckConstraint(condition=models.Q(('reason', ''), _negated=True), name='ruling_says_why')],
            },
        ),
        migrations.RunPython(guard, remove),
    ]
