"""Texts of each audience, a time to appear and one to end, two words in an emergency.

The guard of the versions is taken down and put up again: it knows the new columns, and SQLite drops the
triggers of a table that it makes again.
"""

from importlib import import_module

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

guard = import_module("incidents.migrations.0005_what_was_said_cannot_be_rewritten")

TABLE, RULE = "incidents_noticeversion", "notice_version_is_written_once"
FORBIDDEN = (
    "{changed:id,incident_id,number,author_id,created_at,revision_reason}",
    "OLD.state <> 'draft' AND ({changed:headline,public_summary,what_happened,consequences,what_to_do,"
    "reassurance,change_note,material,audiences,appears_at,expires_at})",
    # an approval comes and goes with a move, and is frozen by the publication
    "NOT (OLD.state IN ('submitted', 'scheduled') AND NEW.state <> OLD.state AND NEW.state <> 'withdrawn')"
    " AND ({changed:approver_id,approved_at,approved_facts})",
    "NOT (OLD.state IN ('submitted', 'scheduled') AND NEW.state = 'published')"
    " AND ({changed:published_at,facts,digest,approval_reason})",
    "NOT (OLD.state = 'submitted' AND NEW.state = 'submitted')"
    " AND ({changed:emergency_by_id,emergency_at,emergency_reason,emergency_facts})",
    "NOT (OLD.state = 'scheduled' AND NEW.state = 'submitted') AND ({changed:held_back_at})",
    "NOT (OLD.state = 'draft' AND NEW.state = 'submitted') AND ({changed:submitted_at})",
    "NOT (OLD.state <> 'withdrawn' AND NEW.state = 'withdrawn')"
    " AND ({changed:withdrawn_at,withdrawn_reason})",
    "OLD.state <> NEW.state AND OLD.state || '>' || NEW.state NOT IN"
    " ('draft>submitted', 'draft>withdrawn', 'submitted>scheduled', 'submitted>published',"
    " 'submitted>withdrawn', 'scheduled>published', 'scheduled>submitted', 'scheduled>withdrawn',"
    " 'published>withdrawn')",
)


def take_down(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"DROP TRIGGER {RULE} ON {TABLE}")
        schema_editor.execute(f"DROP FUNCTION {RULE}()")
        return
    schema_editor.execute(f"DROP TRIGGER IF EXISTS {RULE}")
    schema_editor.execute(f"DROP TRIGGER IF EXISTS {RULE}_forever")


def put_up(forbidden):
    def operation(apps, schema_editor):
        vendor = schema_editor.connection.vendor
        make = guard._postgresql if vendor == "postgresql" else guard._sqlite
        for statement in make(TABLE, RULE, forbidden, True):
            schema_editor.execute(statement, params=None)

    return operation


AS_BEFORE = put_up(guard.GUARDED[TABLE][1])


class Migration(migrations.Migration):

    dependencies = [
        ('incidents', '0006_calls_evidence_and_filings'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunPython(take_down, AS_BEFORE),
        migrations.AlterModelOptions(
            name='noticeversion',
            options={'ordering': ['-incident_id', '-number'], 'permissions': [('publish_noticeversion', 'Peut publier une version rédigée par un autre'), ('preview_noticeversion', 'Peut voir une version comme un adhérent'), ('override_noticeversion', 'Peut publier en urgence, à deux')], 'verbose_name': "version de l'information", 'verbose_name_plural': "versions de l'information"},
        ),
        migrations.RemoveConstraint(
            model_name='noticeversion',
            name='notice_one_version_under_way',
        ),
        migrations.RemoveConstraint(
            model_name='noticeversion',
            name='notice_state_is_known',
        ),
        migrations.RemoveConstraint(
            model_name='noticeversion',
            name='notice_submitted_has_a_date',
        ),
        migrations.AddField(
            model_name='noticeversion',
            name='appears_at',
            field=models.DateTimeField(blank=True, help_text='Vide : dès son approbation.', null=True, verbose_name='paraît le'),
        ),
        migrations.AddField(
            model_name='noticeversion',
            name='approval_reason',
            field=models.CharField(blank=True, editable=False, max_length=250, verbose_name='motif du second collègue'),
        ),
        migrations.AddField(
            model_name='noticeversion',
            name='approved_at',
            field=models.DateTimeField(editable=False, null=True, verbose_name='approuvée le'),
        ),
        migrations.AddField(
            model_name='noticeversion',
            name='approved_facts',
            field=models.CharField(blank=True, editable=False, max_length=64),
        ),
        migrations.AddField(
            model_name='noticeversion',
            name='audiences',
            field=models.JSONField(blank=True, default=dict, verbose_name='textes des autres publics'),
        ),
        migrations.AddField(
            model_name='noticeversion',
            name='emergency_at',
            field=models.DateTimeField(editable=False, null=True, verbose_name='urgence demandée le'),
        ),
        migrations.AddField(
            model_name='noticeversion',
            name='emergency_by',
            field=models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='urgence demandée par'),
        ),
        migrations.AddField(
            model_name='noticeversion',
            name='emergency_facts',
            field=models.CharField(blank=True, editable=False, max_length=64),
        ),
        migrations.AddField(
            model_name='noticeversion',
            name='emergency_reason',
            field=models.CharField(blank=True, editable=False, max_length=250, verbose_name="motif de l'urgence"),
        ),
        migrations.AddField(
            model_name='noticeversion',
            name='expires_at',
            field=models.DateTimeField(blank=True, help_text="La page reste lisible. Vide : jusqu'à la clôture de l'incident.", null=True, verbose_name="n'interrompt plus à partir du"),
        ),
        migrations.AddField(
            model_name='noticeversion',
            name='held_back_at',
            field=models.DateTimeField(editable=False, null=True, verbose_name='retenue le'),
        ),
        migrations.AddField(
            model_name='noticeversion',
            name='revision_reason',
            field=models.CharField(blank=True, editable=False, max_length=250, verbose_name='motif de la correction'),
        ),
        migrations.AlterField(
            model_name='noticeversion',
            name='state',
            field=models.CharField(choices=[('draft', 'brouillon'), ('submitted', 'soumise'), ('scheduled', 'programmée'), ('published', 'publiée'), ('withdrawn', 'retirée')], default='draft', editable=False, max_length=10, verbose_name='état'),
        ),
        migrations.AddConstraint(
            model_name='noticeversion',
            constraint=models.UniqueConstraint(condition=models.Q(('state__in', ['draft', 'submitted', 'scheduled'])), fields=('incident',), name='notice_one_version_under_way', violation_error_message='Une autre version est déjà en cours.'),
        ),
        migrations.AddConstraint(
            model_name='noticeversion',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['draft', 'submitted', 'scheduled', 'published', 'withdrawn'])), name='notice_state_is_known'),
        ),
        migrations.AddConstraint(
            model_name='noticeversion',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state', 'draft'), ('submitted_at__isnull', True)), ('state', 'withdrawn'), models.Q(('state__in', ['submitted', 'scheduled', 'published']), ('submitted_at__isnull', False)), _connector='OR'), name='notice_submitted_has_a_date'),
        ),
        migrations.AddConstraint(
            model_name='noticeversion',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state', 'scheduled'), _negated=True), models.Q(('appears_at__isnull', False), ('approved_at__isnull', False), ('approver__isnull', False), models.Q(('approved_facts', ''), _negated=True)), _connector='OR'), name='notice_scheduled_has_approver_time_and_facts'),
        ),
        migrations.AddConstraint(
            model_name='noticeversion',
            constraint=models.CheckConstraint(condition=models.Q(('expires_at__isnull', True), ('appears_at__isnull', True), ('expires_at__gt', models.F('appears_at')), _connector='OR'), name='notice_expires_after_it_appears', violation_error_message='La fin suit la parution.'),
        ),
        migrations.AddConstraint(
            model_name='noticeversion',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('emergency_at__isnull', True), ('emergency_by__isnull', True), ('emergency_facts', ''), ('emergency_reason', '')), models.Q(('emergency_at__isnull', False), ('emergency_by__isnull', False), models.Q(('emergency_by', models.F('author')), _negated=True), models.Q(('emergency_reason', ''), _negated=True), models.Q(('emergency_facts', ''), _negated=True)), _connector='OR'), name='notice_emergency_is_not_its_author'),
        ),
        migrations.AddConstraint(
            model_name='noticeversion',
            constraint=models.CheckConstraint(condition=models.Q(('approval_reason', ''), models.Q(('emergency_by__isnull', False), ('published_at__isnull', False), models.Q(('emergency_by', models.F('approver')), _negated=True)), _connector='OR'), name='notice_emergency_takes_two'),
        ),
        migrations.RunPython(put_up(FORBIDDEN), take_down),
    ]
