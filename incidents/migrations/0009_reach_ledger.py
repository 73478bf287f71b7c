"""The reach ledger. The database refuses to rewrite what was sent: a letter may come back, an e-mail may
leave or fail, and nothing else of a row changes, nor does it disappear.

SQLite drops the triggers of a table that it makes again: a later migration that alters incidents_dispatch
there repeats them.
"""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


TABLE, RULE = "incidents_dispatch", "dispatch_is_written_once"
KEPT = ("id", "person_id", "version_id", "channel", "round", "made_at", "mail", "reference", "job")
KEPT += ("file", "told")
MOVES = "('queued>sent', 'queued>failed', 'printed>returned')"


def protect(apps, schema_editor):
    is_postgresql = schema_editor.connection.vendor == "postgresql"
    for statement in _postgresql() if is_postgresql else _sqlite():
        schema_editor.execute(statement, params=None)


def release(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"DROP TRIGGER {RULE} ON {TABLE}")
        schema_editor.execute(f"DROP FUNCTION {RULE}()")
    else:
        schema_editor.execute(f"DROP TRIGGER {RULE}")
        schema_editor.execute(f"DROP TRIGGER {RULE}_forever")


def _forbidden(differs):
    changed = " OR ".join(f"NEW.{name} {differs} OLD.{name}" for name in KEPT)
    return f"{changed} OR OLD.state || '>' || NEW.state NOT IN {MOVES}"


def _postgresql():
    yield f"""
        CREATE FUNCTION {RULE}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'UPDATE' THEN
                IF NOT ({_forbidden("IS DISTINCT FROM")}) THEN RETURN NEW; END IF;
            END IF;
            RAISE EXCEPTION '{RULE}' USING
                ERRCODE = 'integrity_constraint_violation', CONSTRAINT = '{RULE}', TABLE = '{TABLE}';
        END $$"""
    yield f"""
        CREATE TRIGGER {RULE} BEFORE UPDATE OR DELETE ON {TABLE}
        FOR EACH ROW EXECUTE FUNCTION {RULE}()"""


def _sqlite():
    refuse = f"BEGIN SELECT RAISE(ABORT, '{RULE}'); END"
    yield f"CREATE TRIGGER {RULE} BEFORE UPDATE ON {TABLE} WHEN {_forbidden('IS NOT')} {refuse}"
    yield f"CREATE TRIGGER {RULE}_forever BEFORE DELETE ON {TABLE} {refuse}"


class Migration(migrations.Migration):

    dependencies = [
        ('incidents', '0008_attestations'),
        ('members', '0010_long_work_that_a_person_can_watch'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Census',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('facts_digest', models.CharField(max_length=64, verbose_name='empreinte des faits')),
                ('as_of', models.DateField(verbose_name='âges au')),
                ('started_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='commencé le')),
                ('finished_at', models.DateTimeField(null=True, verbose_name='fini le')),
                ('figures', models.JSONField(default=dict, verbose_name='chiffres')),
                ('incident', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='censuses', to='incidents.incident', verbose_name='incident')),
            ],
            options={
                'verbose_name': 'actualisation du registre',
                'verbose_name_plural': 'actualisations du registre',
                'ordering': ['-pk'],
            },
        ),
        migrations.CreateModel(
            name='Reach',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('capacity', models.CharField(choices=[('adherent', 'adhérent'), ('ancien_adherent', 'ancien adhérent'), ('ayant_droit', 'ayant droit majeur')], max_length=20, verbose_name='qualité')),
                ('is_concerned', models.BooleanField(default=True, verbose_name='concerné')),
                ('added_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='inscrit le')),
                ('unreachable', models.CharField(blank=True, choices=[('sans_adresse', 'aucune adresse connue'), ('revenu', 'courrier revenu, aucune autre adresse'), ('revenu_deux_fois', 'courrier revenu deux fois'), ('decede', 'personne décédée'), ('protege', 'adresse tenue secrète par décision de justice'), ('refus', 'refuse tout contact'), ('autre', 'autre raison, dite en note')], default='', max_length=20, verbose_name='injoignable')),
                ('unreachable_note', models.CharField(blank=True, default='', max_length=300, verbose_name='preuve')),
                ('unreachable_at', models.DateTimeField(null=True, verbose_name='injoignable depuis')),
                ('ayant_droit', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='reach', to='members.ayantdroit', verbose_name='ayant droit')),
                ('incident', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='reach', to='incidents.incident', verbose_name='incident')),
                ('member', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='reach', to='members.member', verbose_name='adhérent')),
                ('unreachable_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='constaté par')),
            ],
            options={
                'verbose_name': 'personne à informer',
                'verbose_name_plural': 'personnes à informer',
                'permissions': [('refresh_reach', 'Peut actualiser le registre des personnes à informer'), ('mail_reach', "Peut envoyer les e-mails d'un incident"), ('print_reach', "Peut imprimer les courriers d'un incident et classer leurs retours"), ('excuse_reach', 'Peut déclarer une personne injoignable'), ('tell_employers', 'Peut produire les avis aux employeurs')],
            },
        ),
        migrations.CreateModel(
            name='Dispatch',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('channel', models.CharField(choices=[('mail', 'e-mail'), ('letter', 'courrier')], max_length=10, verbose_name='canal')),
                ('round', models.PositiveSmallIntegerField(default=1, verbose_name='tirage')),
                ('state', models.CharField(choices=[('queued', 'en attente'), ('sent', 'envoyé'), ('failed', 'échoué'), ('printed', 'imprimé'), ('returned', 'revenu')], max_length=10, verbose_name='état')),
                ('made_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='le')),
                ('state_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='depuis')),
                ('mail', models.UUIDField(null=True, unique=True)),
                ('reference', models.CharField(blank=True, default='', max_length=12, verbose_name='référence')),
                ('job', models.UUIDField(null=True)),
                ('file', models.PositiveIntegerField(null=True, verbose_name='fichier')),
                ('told', models.JSONField(default=list, verbose_name='contenu')),
                ('version', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='dispatches', to='incidents.noticeversion', verbose_name='version')),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='dispatches', to='incidents.reach', verbose_name='personne')),
            ],
            options={
                'verbose_name': 'envoi',
                'verbose_name_plural': 'envois',
                'ordering': ['pk'],
            },
        ),
        migrations.AddIndex(
            model_name='reach',
            index=models.Index(fields=['incident', 'id'], name='reach_by_incident'),
        ),
        migrations.AddConstraint(
            model_name='reach',
            constraint=models.UniqueConstraint(condition=models.Q(('ayant_droit__isnull', True)), fields=('incident', 'member'), name='reach_member_once_per_incident'),
        ),
        migrations.AddConstraint(
            model_name='reach',
            constraint=models.UniqueConstraint(condition=models.Q(('ayant_droit__isnull', False)), fields=('incident', 'ayant_droit'), name='reach_ayant_droit_once_per_incident'),
        ),
        migrations.AddConstraint(
            model_name='reach',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('ayant_droit__isnull', False), ('capacity', 'ayant_droit')), models.Q(('ayant_droit__isnull', True), ('capacity__in', ['adherent', 'ancien_adherent'])), _connector='OR'), name='reach_capacity_is_that_of_the_person'),
        ),
        migrations.AddConstraint(
            model_name='reach',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('unreachable', ''), ('unreachable_at__isnull', True), ('unreachable_note', '')), models.Q(('unreachable__in', ['sans_adresse', 'revenu', 'revenu_deux_fois', 'decede', 'protege', 'refus', 'autre']), ('unreachable_at__isnull', False), models.Q(('unreachable_note', ''), _negated=True)), _connector='OR'), name='reach_unreachable_has_a_reason_and_a_proof'),
        ),
        migrations.AddIndex(
            model_name='dispatch',
            index=models.Index(fields=['job', 'file'], name='dispatch_by_file'),
        ),
        migrations.AddIndex(
            model_name='dispatch',
            index=models.Index(condition=models.Q(('state', 'queued')), fields=['id'], name='dispatch_queued'),
        ),
        migrations.AddConstraint(
            model_name='dispatch',
            constraint=models.UniqueConstraint(fields=('person', 'version', 'channel', 'round'), name='dispatch_once_per_person_version_and_round'),
        ),
        migrations.AddConstraint(
            model_name='dispatch',
            constraint=models.UniqueConstraint(condition=models.Q(('reference', ''), _negated=True), fields=('reference',), name='dispatch_reference_of_one_letter'),
        ),
        migrations.AddConstraint(
            model_name='dispatch',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('channel', 'mail'), ('mail__isnull', False), ('reference', ''), ('state__in', ['queued', 'sent', 'failed'])), models.Q(('channel', 'letter'), ('mail__isnull', True), ('state__in', ['printed', 'returned']), models.Q(('reference', ''), _negated=True)), _connector='OR'), name='dispatch_is_a_mail_or_a_letter'),
        ),
        migrations.RunPython(protect, release),
    ]
