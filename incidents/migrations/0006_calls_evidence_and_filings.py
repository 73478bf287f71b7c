"""Calls, evidence, clocks and filings; who recorded a claim, and how sure it is.

The regimes are the law as data. The rows that prove something are guarded by the database, as those of
migration 0005 are; the claims, whose table SQLite makes again for its new columns, are guarded anew.
"""

from datetime import date
from importlib import import_module

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import incidents.models.call
import incidents.models.claim
import members.files

before = import_module("incidents.migrations.0005_what_was_said_cannot_be_rewritten")

DORA = {"article": "Règlement (UE) 2022/2554 (DORA), art. 19", "applies_from": date(2025, 1, 17)}
REGIMES = [
    {
        "code": "rgpd-33",
        "name": "Notification à la CNIL",
        "article": "RGPD, art. 33",
        "per_operator": True,
        "trigger": "connaissance",
        "hours": 72,
        "applies_from": date(2018, 5, 25),
    },
    {
        "code": "rgpd-34",
        "name": "Information des personnes",
        "article": "RGPD, art. 34",
        "trigger": "connaissance",
        "hours": 72,
        "applies_from": date(2018, 5, 25),
        "house_rule": True,
    },
    {
        "code": "plainte",
        "name": "Plainte, pour l'assurance cyber",
        "article": "Code des assurances, art. L12-10-1",
        "per_operator": True,
        "trigger": "connaissance",
        "hours": 72,
        "applies_from": date(2023, 4, 24),
    },
    {
        "code": "dora-initial",
        "name": "DORA : notification initiale",
        "trigger": "classement",
        "hours": 4,
        "cap_hours": 24,
        **DORA,
    },
    {
        "code": "dora-intermediaire",
        "name": "DORA : rapport intermédiaire",
        "trigger": "premier_depot",
        "follows": "dora-initial",
        "hours": 72,
        **DORA,
    },
    {
        "code": "dora-final",
        "name": "DORA : rapport final",
        "trigger": "dernier_depot",
        "follows": "dora-intermediaire",
        "months": 1,
        **DORA,
    },
]

STRUCK = "OLD.struck_at IS NOT NULL"
RECORDED = "id,recorded_at,recorded_by_id"
GUARDED = {
    "incidents_call": (
        "call_is_written_once",
        (
            STRUCK,
            f"{{changed:{RECORDED},target_id,called_at,channel,caller_name,caller_role,said}}",
        ),
        True,
    ),
    "incidents_classification": (
        "classification_is_written_once",
        (STRUCK, f"{{changed:{RECORDED},incident_id,classified_at,is_major,grounds}}"),
        True,
    ),
    "incidents_filing": (
        "filing_is_written_once",
        (
            STRUCK,
            f"{{changed:{RECORDED},incident_id,target_id,regime_id,submitted_at,reference,evidence_id,"
            "due_at,late_reason}",
        ),
        True,
    ),
    "incidents_evidence": (
        "evidence_is_written_once",
        (
            "OLD.removed_at IS NOT NULL",
            "OLD.legal_hold AND NEW.removed_at IS NOT NULL",
            f"{{changed:{RECORDED},incident_id,target_id,kind,name,content_type,file,size,sha256,"
            "received_from,received_at,note}",
        ),
        True,
    ),
    "incidents_claim": (
        "claim_is_written_once",
        (
            f"{{changed:{RECORDED},target_id,category,state,source,stated_on,confidence}}",
            *before.GUARDED["incidents_claim"][1][1:],
        ),
        True,
    ),
}


def seed(apps, schema_editor=None):
    alias = schema_editor.connection.alias if schema_editor else "default"
    rows = apps.get_model("incidents", "Regime").objects.using(alias)
    for position, regime in enumerate(REGIMES, start=1):
        rows.create(
            **{"per_operator": False, "house_rule": False, **regime}, position=position
        )


def unguard_claims(apps, schema_editor):
    rule = "claim_is_written_once"
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"DROP TRIGGER {rule} ON incidents_claim")
        schema_editor.execute(f"DROP FUNCTION {rule}()")
    else:
        schema_editor.execute(f"DROP TRIGGER IF EXISTS {rule}")
        schema_editor.execute(f"DROP TRIGGER IF EXISTS {rule}_forever")


def guard(apps, schema_editor):
    make = before._postgresql if schema_editor.connection.vendor == "postgresql" else before._sqlite
    for table, (rule, forbidden, forever) in GUARDED.items():
        for statement in make(table, rule, forbidden, forever):
            schema_editor.execute(statement, params=None)


class Migration(migrations.Migration):
    dependencies = [
        ("incidents", "0005_what_was_said_cannot_be_rewritten"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunPython(unguard_claims),
        migrations.CreateModel(
            name="Call",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "recorded_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, editable=False, verbose_name="saisi le"
                    ),
                ),
                (
                    "struck_at",
                    models.DateTimeField(editable=False, null=True, verbose_name="rayé le"),
                ),
                (
                    "struck_reason",
                    models.CharField(
                        blank=True,
                        editable=False,
                        max_length=250,
                        verbose_name="motif de la rature",
                    ),
                ),
                (
                    "called_at",
                    models.DateTimeField(
                        validators=[incidents.models.call.not_yet], verbose_name="appel reçu le"
                    ),
                ),
                (
                    "channel",
                    models.CharField(
                        choices=[
                            ("telephone", "téléphone"),
                            ("courriel", "e-mail"),
                            ("courrier", "courrier"),
                            ("reunion", "réunion"),
                            ("autre", "autre, dont la presse"),
                        ],
                        max_length=10,
                        verbose_name="par",
                    ),
                ),
                (
                    "caller_name",
                    models.CharField(max_length=100, verbose_name="nom de l'interlocuteur"),
                ),
                ("caller_role", models.CharField(max_length=100, verbose_name="sa fonction")),
                ("said", models.TextField(max_length=4000, verbose_name="ce qui est dit")),
            ],
            options={
                "verbose_name": "appel d'un opérateur",
                "verbose_name_plural": "appels des opérateurs",
                "ordering": ["called_at", "pk"],
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Classification",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "recorded_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, editable=False, verbose_name="saisi le"
                    ),
                ),
                (
                    "struck_at",
                    models.DateTimeField(editable=False, null=True, verbose_name="rayé le"),
                ),
                (
                    "struck_reason",
                    models.CharField(
                        blank=True,
                        editable=False,
                        max_length=250,
                        verbose_name="motif de la rature",
                    ),
                ),
                (
                    "classified_at",
                    models.DateTimeField(
                        validators=[incidents.models.call.not_yet], verbose_name="classé le"
                    ),
                ),
                ("is_major", models.BooleanField(verbose_name="incident majeur")),
                ("grounds", models.TextField(max_length=2000, verbose_name="pourquoi")),
            ],
            options={
                "verbose_name": "classement DORA",
                "verbose_name_plural": "classements DORA",
                "ordering": ["classified_at", "pk"],
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Evidence",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("courriel", "e-mail"),
                            ("courrier", "courrier"),
                            ("accuse", "accusé de réception"),
                            ("rapport", "rapport ou document"),
                            ("capture", "capture d'écran"),
                            ("autre", "autre pièce"),
                        ],
                        max_length=10,
                        verbose_name="nature",
                    ),
                ),
                ("name", models.CharField(max_length=150, verbose_name="nom du fichier")),
                (
                    "content_type",
                    models.CharField(max_length=80, verbose_name="type, d'après le contenu"),
                ),
                (
                    "file",
                    models.FileField(
                        max_length=200,
                        upload_to=members.files.NamedAtRandom("evidence"),
                        verbose_name="fichier",
                    ),
                ),
                ("size", models.PositiveBigIntegerField(verbose_name="taille")),
                ("sha256", models.CharField(max_length=64, verbose_name="empreinte SHA-256")),
                ("received_from", models.CharField(max_length=150, verbose_name="reçue de")),
                (
                    "received_at",
                    models.DateTimeField(
                        validators=[incidents.models.call.not_yet], verbose_name="reçue le"
                    ),
                ),
                ("note", models.CharField(blank=True, max_length=250, verbose_name="note")),
                (
                    "recorded_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, editable=False, verbose_name="versée le"
                    ),
                ),
                (
                    "legal_hold",
                    models.BooleanField(
                        default=False, editable=False, verbose_name="conservation imposée"
                    ),
                ),
                (
                    "removed_at",
                    models.DateTimeField(
                        editable=False, null=True, verbose_name="fichier retiré le"
                    ),
                ),
                (
                    "removed_reason",
                    models.CharField(
                        blank=True, editable=False, max_length=250, verbose_name="motif du retrait"
                    ),
                ),
            ],
            options={
                "verbose_name": "pièce",
                "verbose_name_plural": "pièces",
                "ordering": ["received_at", "pk"],
                "permissions": [
                    ("hold_evidence", "Peut imposer la conservation d'une pièce, et la lever"),
                    ("remove_evidence", "Peut retirer le fichier d'une pièce"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Filing",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "recorded_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, editable=False, verbose_name="saisi le"
                    ),
                ),
                (
                    "struck_at",
                    models.DateTimeField(editable=False, null=True, verbose_name="rayé le"),
                ),
                (
                    "struck_reason",
                    models.CharField(
                        blank=True,
                        editable=False,
                        max_length=250,
                        verbose_name="motif de la rature",
                    ),
                ),
                (
                    "submitted_at",
                    models.DateTimeField(
                        validators=[incidents.models.call.not_yet], verbose_name="déposé le"
                    ),
                ),
                (
                    "reference",
                    models.CharField(
                        blank=True, max_length=100, verbose_name="référence donnée par l'autorité"
                    ),
                ),
                (
                    "due_at",
                    models.DateTimeField(editable=False, null=True, verbose_name="échéance alors"),
                ),
                (
                    "late_reason",
                    models.CharField(blank=True, max_length=250, verbose_name="motif du retard"),
                ),
            ],
            options={
                "verbose_name": "dépôt",
                "verbose_name_plural": "dépôts",
                "ordering": ["submitted_at", "pk"],
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Regime",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("code", models.SlugField(max_length=30, verbose_name="code")),
                ("name", models.CharField(max_length=100, verbose_name="obligation")),
                ("article", models.CharField(max_length=100, verbose_name="texte")),
                ("position", models.PositiveSmallIntegerField(verbose_name="rang d'affichage")),
                ("per_operator", models.BooleanField(verbose_name="une fois par opérateur")),
                (
                    "trigger",
                    models.CharField(
                        choices=[
                            ("connaissance", "la mutuelle l'apprend"),
                            ("classement", "l'incident est classé majeur"),
                            ("premier_depot", "le premier dépôt d'une autre obligation"),
                            ("dernier_depot", "le dernier dépôt d'une autre obligation"),
                        ],
                        max_length=15,
                        verbose_name="démarre quand",
                    ),
                ),
                (
                    "follows",
                    models.SlugField(blank=True, max_length=30, verbose_name="après l'obligation"),
                ),
                (
                    "hours",
                    models.PositiveSmallIntegerField(blank=True, null=True, verbose_name="heures"),
                ),
                (
                    "months",
                    models.PositiveSmallIntegerField(blank=True, null=True, verbose_name="mois"),
                ),
                (
                    "cap_hours",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        null=True,
                        verbose_name="au plus, en heures depuis la connaissance",
                    ),
                ),
                ("applies_from", models.DateField(verbose_name="s'applique depuis le")),
                (
                    "house_rule",
                    models.BooleanField(
                        help_text="Le texte ne donne aucun délai chiffré.",
                        verbose_name="repère interne",
                    ),
                ),
            ],
            options={
                "verbose_name": "obligation",
                "verbose_name_plural": "obligations et délais",
                "ordering": ["position", "applies_from"],
            },
        ),
        migrations.CreateModel(
            name="Reminder",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("code", models.SlugField(max_length=30)),
                ("due_at", models.DateTimeField()),
                ("percent", models.PositiveSmallIntegerField()),
                ("sent_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "ordering": ["sent_at", "pk"],
            },
        ),
        migrations.AddField(
            model_name="claim",
            name="confidence",
            field=models.CharField(
                choices=[
                    ("ecrite", "confirmée par écrit"),
                    ("dite", "dite au téléphone"),
                    ("supposee", "supposée"),
                ],
                default="dite",
                max_length=10,
                verbose_name="certitude",
            ),
        ),
        migrations.AddField(
            model_name="claim",
            name="recorded_by",
            field=models.ForeignKey(
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="saisi par",
            ),
        ),
        migrations.AddConstraint(
            model_name="claim",
            constraint=models.CheckConstraint(
                condition=models.Q(("confidence__in", ["ecrite", "dite", "supposee"])),
                name="claim_confidence_is_known",
            ),
        ),
        migrations.AddField(
            model_name="call",
            name="recorded_by",
            field=models.ForeignKey(
                editable=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="saisi par",
            ),
        ),
        migrations.AddField(
            model_name="call",
            name="struck_by",
            field=models.ForeignKey(
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="rayé par",
            ),
        ),
        migrations.AddField(
            model_name="call",
            name="target",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="calls",
                to="incidents.target",
                verbose_name="opérateur touché",
            ),
        ),
        migrations.AddField(
            model_name="classification",
            name="incident",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="classifications",
                to="incidents.incident",
                verbose_name="incident",
            ),
        ),
        migrations.AddField(
            model_name="classification",
            name="recorded_by",
            field=models.ForeignKey(
                editable=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="saisi par",
            ),
        ),
        migrations.AddField(
            model_name="classification",
            name="struck_by",
            field=models.ForeignKey(
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="rayé par",
            ),
        ),
        migrations.AddField(
            model_name="evidence",
            name="incident",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="evidence",
                to="incidents.incident",
                verbose_name="incident",
            ),
        ),
        migrations.AddField(
            model_name="evidence",
            name="recorded_by",
            field=models.ForeignKey(
                editable=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="versée par",
            ),
        ),
        migrations.AddField(
            model_name="evidence",
            name="removed_by",
            field=models.ForeignKey(
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="fichier retiré par",
            ),
        ),
        migrations.AddField(
            model_name="evidence",
            name="target",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="evidence",
                to="incidents.target",
                verbose_name="opérateur touché",
            ),
        ),
        migrations.AddField(
            model_name="filing",
            name="evidence",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="filings",
                to="incidents.evidence",
                verbose_name="pièce justificative",
            ),
        ),
        migrations.AddField(
            model_name="filing",
            name="incident",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="filings",
                to="incidents.incident",
                verbose_name="incident",
            ),
        ),
        migrations.AddField(
            model_name="filing",
            name="recorded_by",
            field=models.ForeignKey(
                editable=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="saisi par",
            ),
        ),
        migrations.AddField(
            model_name="filing",
            name="struck_by",
            field=models.ForeignKey(
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="rayé par",
            ),
        ),
        migrations.AddField(
            model_name="filing",
            name="target",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="filings",
                to="incidents.target",
                verbose_name="opérateur touché",
            ),
        ),
        migrations.AddConstraint(
            model_name="regime",
            constraint=models.UniqueConstraint(
                fields=("code", "applies_from"), name="regime_once_per_code_and_day"
            ),
        ),
        migrations.AddConstraint(
            model_name="regime",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "trigger__in",
                        ["connaissance", "classement", "premier_depot", "dernier_depot"],
                    )
                ),
                name="regime_trigger_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="regime",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("hours__gt", 0), ("months__isnull", True)),
                    models.Q(("hours__isnull", True), ("months__gt", 0)),
                    _connector="OR",
                ),
                name="regime_counts_hours_or_months",
            ),
        ),
        migrations.AddConstraint(
            model_name="regime",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("trigger__in", ["premier_depot", "dernier_depot"]),
                        models.Q(("follows", ""), _negated=True),
                    ),
                    models.Q(("follows", ""), ("trigger__in", ["connaissance", "classement"])),
                    _connector="OR",
                ),
                name="regime_follows_a_filing_or_none",
            ),
        ),
        migrations.AddConstraint(
            model_name="regime",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("cap_hours__gt", 0), ("trigger", "classement")),
                    models.Q(
                        models.Q(("trigger", "classement"), _negated=True),
                        ("cap_hours__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="regime_classification_has_a_cap",
            ),
        ),
        migrations.AddField(
            model_name="filing",
            name="regime",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="filings",
                to="incidents.regime",
                verbose_name="obligation",
            ),
        ),
        migrations.AddField(
            model_name="reminder",
            name="incident",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="reminders",
                to="incidents.incident",
            ),
        ),
        migrations.AddField(
            model_name="reminder",
            name="target",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="reminders",
                to="incidents.target",
            ),
        ),
        migrations.AddConstraint(
            model_name="call",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("struck_at__isnull", True),
                        ("struck_by__isnull", True),
                        ("struck_reason", ""),
                    ),
                    models.Q(
                        ("struck_at__isnull", False),
                        ("struck_by__isnull", False),
                        models.Q(("struck_reason", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="call_struck_by_whom_and_why",
            ),
        ),
        migrations.AddConstraint(
            model_name="call",
            constraint=models.UniqueConstraint(
                condition=models.Q(("struck_at__isnull", True)),
                fields=("target", "called_at"),
                name="call_once_per_target_and_moment",
            ),
        ),
        migrations.AddConstraint(
            model_name="call",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("channel__in", ["telephone", "courriel", "courrier", "reunion", "autre"])
                ),
                name="call_channel_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="call",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("caller_name", ""), _negated=True),
                    models.Q(("caller_role", ""), _negated=True),
                ),
                name="call_has_a_caller",
            ),
        ),
        migrations.AddConstraint(
            model_name="classification",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("struck_at__isnull", True),
                        ("struck_by__isnull", True),
                        ("struck_reason", ""),
                    ),
                    models.Q(
                        ("struck_at__isnull", False),
                        ("struck_by__isnull", False),
                        models.Q(("struck_reason", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="classification_struck_by_whom_and_why",
            ),
        ),
        migrations.AddConstraint(
            model_name="classification",
            constraint=models.UniqueConstraint(
                condition=models.Q(("struck_at__isnull", True)),
                fields=("incident",),
                name="classification_one_stands",
            ),
        ),
        migrations.AddConstraint(
            model_name="evidence",
            constraint=models.UniqueConstraint(
                condition=models.Q(("removed_at__isnull", True)),
                fields=("incident", "sha256"),
                name="evidence_once_per_incident",
            ),
        ),
        migrations.AddConstraint(
            model_name="evidence",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("kind__in", ["courriel", "courrier", "accuse", "rapport", "capture", "autre"])
                ),
                name="evidence_kind_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="evidence",
            constraint=models.CheckConstraint(
                condition=models.Q(("size__gt", 0), ("size__lte", 26214400)),
                name="evidence_size_is_allowed",
            ),
        ),
        migrations.AddConstraint(
            model_name="evidence",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("removed_at__isnull", True),
                        ("removed_by__isnull", True),
                        ("removed_reason", ""),
                    ),
                    models.Q(
                        ("removed_at__isnull", False),
                        ("removed_by__isnull", False),
                        models.Q(("removed_reason", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="evidence_removed_by_whom_and_why",
            ),
        ),
        migrations.AddConstraint(
            model_name="evidence",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("legal_hold", False), ("removed_at__isnull", True), _connector="OR"
                ),
                name="evidence_held_is_not_removed",
            ),
        ),
        migrations.AddConstraint(
            model_name="filing",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("struck_at__isnull", True),
                        ("struck_by__isnull", True),
                        ("struck_reason", ""),
                    ),
                    models.Q(
                        ("struck_at__isnull", False),
                        ("struck_by__isnull", False),
                        models.Q(("struck_reason", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="filing_struck_by_whom_and_why",
            ),
        ),
        migrations.AddConstraint(
            model_name="filing",
            constraint=models.UniqueConstraint(
                condition=models.Q(("struck_at__isnull", True), ("target__isnull", True)),
                fields=("incident", "regime", "submitted_at"),
                name="filing_once_per_incident_and_moment",
            ),
        ),
        migrations.AddConstraint(
            model_name="filing",
            constraint=models.UniqueConstraint(
                condition=models.Q(("struck_at__isnull", True)),
                fields=("target", "regime", "submitted_at"),
                name="filing_once_per_target_and_moment",
            ),
        ),
        migrations.AddConstraint(
            model_name="filing",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("due_at__isnull", True),
                    ("submitted_at__lte", models.F("due_at")),
                    models.Q(("late_reason", ""), _negated=True),
                    _connector="OR",
                ),
                name="filing_late_says_why",
                violation_error_message="Ce dépôt est en retard : dites pourquoi.",
            ),
        ),
        migrations.AddConstraint(
            model_name="reminder",
            constraint=models.UniqueConstraint(
                condition=models.Q(("target__isnull", True)),
                fields=("incident", "code", "due_at", "percent"),
                name="reminder_once_per_incident_and_step",
            ),
        ),
        migrations.AddConstraint(
            model_name="reminder",
            constraint=models.UniqueConstraint(
                fields=("target", "code", "due_at", "percent"),
                name="reminder_once_per_target_and_step",
            ),
        ),
        migrations.RunPython(seed, migrations.RunPython.noop),
        migrations.RunPython(guard),
    ]
