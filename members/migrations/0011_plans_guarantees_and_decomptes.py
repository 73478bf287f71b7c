import django.core.validators
import django.db.models.deletion
import django.db.models.expressions
import django.utils.timezone
from django.db import migrations, models


# SQLite checks every trigger when it makes a table again, and refuses where one names that table: there,
# only the forms keep an ayant droit in his family. A card's rule names its own table alone.
FAMILY = """
CREATE FUNCTION decompteline_beneficiary_of_the_member() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.ayant_droit_id IS NULL OR EXISTS (
        SELECT 1 FROM members_decompte d JOIN members_ayantdroit a ON a.member_id = d.member_id
        WHERE d.id = NEW.decompte_id AND a.id = NEW.ayant_droit_id
    ) THEN RETURN NEW; END IF;
    RAISE EXCEPTION 'decompteline_beneficiary_of_the_member' USING
        ERRCODE = 'integrity_constraint_violation',
        CONSTRAINT = 'decompteline_beneficiary_of_the_member', TABLE = 'members_decompteline';
END $$;
CREATE TRIGGER decompteline_beneficiary_of_the_member BEFORE INSERT OR UPDATE ON members_decompteline
    FOR EACH ROW EXECUTE FUNCTION decompteline_beneficiary_of_the_member();
CREATE FUNCTION decompte_keeps_its_member() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.member_id = OLD.member_id THEN RETURN NEW; END IF;
    RAISE EXCEPTION 'decompte_keeps_its_member' USING
        ERRCODE = 'integrity_constraint_violation',
        CONSTRAINT = 'decompte_keeps_its_member', TABLE = 'members_decompte';
END $$;
CREATE TRIGGER decompte_keeps_its_member BEFORE UPDATE OF member_id ON members_decompte
    FOR EACH ROW EXECUTE FUNCTION decompte_keeps_its_member();
CREATE FUNCTION card_is_written_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'card_is_written_once' USING
        ERRCODE = 'integrity_constraint_violation',
        CONSTRAINT = 'card_is_written_once', TABLE = 'members_card';
END $$;
CREATE TRIGGER card_is_written_once BEFORE UPDATE OR DELETE ON members_card
    FOR EACH ROW EXECUTE FUNCTION card_is_written_once();
"""
FAMILY_BACK = """
DROP TRIGGER decompteline_beneficiary_of_the_member ON members_decompteline;
DROP FUNCTION decompteline_beneficiary_of_the_member();
DROP TRIGGER decompte_keeps_its_member ON members_decompte;
DROP FUNCTION decompte_keeps_its_member();
DROP TRIGGER card_is_written_once ON members_card;
DROP FUNCTION card_is_written_once();
"""
REFUSE = "BEGIN SELECT RAISE(ABORT, 'card_is_written_once'); END"
SQLITE = {
    "card_is_written_once": f"BEFORE UPDATE ON members_card {REFUSE}",
    "card_is_written_once_forever": f"BEFORE DELETE ON members_card {REFUSE}",
}


def name_the_plans(apps, schema_editor):
    """One plan for each text that contracts carry; staff give it a better code afterwards."""
    using = schema_editor.connection.alias
    plans = apps.get_model("members", "Plan").objects.using(using)
    contracts = apps.get_model("members", "Contract").objects.using(using)
    names = contracts.values_list("plan_name", flat=True).order_by("plan_name").distinct()
    plan = apps.get_model("members", "Plan")
    plans.bulk_create(
        plan(code=f"FORMULE-{position:03}", name=name)
        for position, name in enumerate(names, start=1)
    )
    same_name = plans.filter(name=models.OuterRef("plan_name")).values("pk")[:1]
    contracts.update(plan=models.Subquery(same_name))


def write_the_plans(apps, schema_editor):
    using = schema_editor.connection.alias
    plans = apps.get_model("members", "Plan").objects.using(using)
    name = plans.filter(pk=models.OuterRef("plan")).values("name")[:1]
    contracts = apps.get_model("members", "Contract").objects.using(using)
    contracts.update(plan_name=models.Subquery(name))


def protect(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(FAMILY, params=None)
        return
    for name, body in SQLITE.items():
        schema_editor.execute(f"CREATE TRIGGER {name} {body}")


def unprotect(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(FAMILY_BACK, params=None)
        return
    for name in SQLITE:
        schema_editor.execute(f"DROP TRIGGER {name}")


class Migration(migrations.Migration):

    dependencies = [
        ('members', '0010_long_work_that_a_person_can_watch'),
    ]

    operations = [
        migrations.CreateModel(
            name='Card',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField(verbose_name="numéro d'ordre")),
                ('code', models.CharField(max_length=20, unique=True, verbose_name='code de vérification')),
                ('valid_from', models.DateField(verbose_name='valable du')),
                ('valid_until', models.DateField(verbose_name="valable jusqu'au (inclus)")),
                ('issued_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='éditée le')),
                ('content', models.JSONField(verbose_name='contenu')),
            ],
            options={
                'verbose_name': 'carte de tiers payant',
                'verbose_name_plural': 'cartes de tiers payant',
                'ordering': ['-pk'],
            },
        ),
        migrations.CreateModel(
            name='CardDomain',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('rate', models.PositiveSmallIntegerField(blank=True, null=True, verbose_name='taux, en %')),
                ('needs_agreement', models.BooleanField(default=False, verbose_name='prise en charge à demander (PEC)')),
            ],
            options={
                'verbose_name': 'domaine de la carte',
                'verbose_name_plural': 'domaines de la carte',
                'ordering': ['domain__position', 'domain__code'],
            },
        ),
        migrations.CreateModel(
            name='Decompte',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.CharField(max_length=30, unique=True, validators=[django.core.validators.RegexValidator('^[0-9A-Z-]{1,30}\\Z', 'Chiffres, majuscules et tirets.')], verbose_name='numéro de décompte')),
                ('paid_on', models.DateField(verbose_name='payé le')),
                ('payee', models.CharField(choices=[('adherent', "l'adhérent"), ('professionnel', 'le professionnel de santé, en tiers payant')], max_length=15, verbose_name='payé à')),
            ],
            options={
                'verbose_name': 'décompte',
                'verbose_name_plural': 'décomptes',
                'ordering': ['-paid_on', '-pk'],
            },
        ),
        migrations.CreateModel(
            name='DecompteLine',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('position', models.PositiveSmallIntegerField(default=1, verbose_name='ligne')),
                ('care_on', models.DateField(verbose_name='date de soins')),
                ('act', models.CharField(max_length=150, verbose_name='acte')),
                ('expense', models.PositiveIntegerField(verbose_name='dépense, en centimes')),
                ('base', models.PositiveIntegerField(verbose_name='base de remboursement, en centimes')),
                ('ro_rate', models.PositiveSmallIntegerField(verbose_name="taux de l'Assurance Maladie, en %")),
                ('ro_amount', models.PositiveIntegerField(verbose_name="part de l'Assurance Maladie, en centimes")),
                ('rc_amount', models.PositiveIntegerField(verbose_name='part de la mutuelle, en centimes')),
                ('flat_charge', models.PositiveIntegerField(default=0, verbose_name='participation forfaitaire, en centimes')),
                ('deductible', models.PositiveIntegerField(default=0, verbose_name='franchise, en centimes')),
                ('left_amount', models.PositiveIntegerField(verbose_name='reste à charge, en centimes')),
            ],
            options={
                'verbose_name': 'ligne de décompte',
                'verbose_name_plural': 'lignes de décompte',
                'ordering': ['position', 'pk'],
            },
        ),
        migrations.CreateModel(
            name='Guarantee',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('start', models.DateField(verbose_name='début')),
                ('end', models.DateField(blank=True, null=True, verbose_name='fin (incluse)')),
                ('heading', models.CharField(choices=[('hospitalisation', 'Hospitalisation'), ('dentaire', 'Dentaire'), ('optique', 'Optique'), ('aides_auditives', 'Aides auditives'), ('soins_courants', 'Soins courants')], max_length=20, verbose_name='rubrique')),
                ('label', models.CharField(max_length=150, verbose_name='garantie')),
                ('level', models.CharField(help_text='Par exemple « 150 % BR » ou « 300 € par an ».', max_length=100, verbose_name='niveau')),
                ('position', models.PositiveSmallIntegerField(default=100, verbose_name='ordre')),
                ('example_act', models.CharField(blank=True, max_length=150, verbose_name='exemple : acte')),
                ('example_price', models.PositiveIntegerField(blank=True, null=True, verbose_name='exemple : prix, en centimes')),
                ('example_ro', models.PositiveIntegerField(blank=True, null=True, verbose_name="exemple : part de l'Assurance Maladie, en centimes")),
                ('example_rc', models.PositiveIntegerField(blank=True, null=True, verbose_name='exemple : part de la mutuelle, en centimes')),
                ('example_left', models.PositiveIntegerField(blank=True, null=True, verbose_name='exemple : reste à charge, en centimes')),
            ],
            options={
                'verbose_name': 'garantie',
                'verbose_name_plural': 'garanties',
                'ordering': ['position', 'pk'],
            },
        ),
        migrations.CreateModel(
            name='Plan',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.CharField(max_length=30, unique=True, validators=[django.core.validators.RegexValidator('^[0-9A-Z-]{1,30}\\Z', 'Chiffres, majuscules et tirets.')], verbose_name='code')),
                ('name', models.CharField(max_length=100, verbose_name='nom')),
            ],
            options={
                'verbose_name': 'formule de garanties',
                'verbose_name_plural': 'formules de garanties',
                'ordering': ['name', 'code'],
            },
        ),
        migrations.AddField(
            model_name='ayantdroit',
            name='noemie',
            field=models.CharField(choices=[('relie', 'reliée'), ('non_relie', 'non reliée'), ('inconnu', 'non connue')], default='inconnu', max_length=10, verbose_name='liaison Noémie'),
        ),
        migrations.AddField(
            model_name='member',
            name='noemie',
            field=models.CharField(choices=[('relie', 'reliée'), ('non_relie', 'non reliée'), ('inconnu', 'non connue')], default='inconnu', max_length=10, verbose_name='liaison Noémie'),
        ),
        migrations.AddConstraint(
            model_name='ayantdroit',
            constraint=models.CheckConstraint(condition=models.Q(('noemie__in', ['relie', 'non_relie', 'inconnu'])), name='ayantdroit_noemie_known', violation_error_message='Choisissez un état de la liste.'),
        ),
        migrations.AddConstraint(
            model_name='member',
            constraint=models.CheckConstraint(condition=models.Q(('noemie__in', ['relie', 'non_relie', 'inconnu'])), name='member_noemie_known', violation_error_message='Choisissez un état de la liste.'),
        ),
        migrations.AddField(
            model_name='card',
            name='contract',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='cards', to='members.contract', verbose_name='contrat'),
        ),
        migrations.AddField(
            model_name='card',
            name='member',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='cards', to='members.member', verbose_name='adhérent'),
        ),
        migrations.AddField(
            model_name='carddomain',
            name='domain',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='members.caredomain', verbose_name='domaine de soins'),
        ),
        migrations.AddField(
            model_name='decompte',
            name='member',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='decomptes', to='members.member', verbose_name='adhérent'),
        ),
        migrations.AddField(
            model_name='decompteline',
            name='ayant_droit',
            field=models.ForeignKey(blank=True, help_text="Vide : l'adhérent lui-même.", null=True, on_delete=django.db.models.deletion.RESTRICT, related_name='decompte_lines', to='members.ayantdroit', verbose_name='ayant droit'),
        ),
        migrations.AddField(
            model_name='decompteline',
            name='decompte',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='lines', to='members.decompte', verbose_name='décompte'),
        ),
        migrations.AddField(
            model_name='decompteline',
            name='domain',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='members.caredomain', verbose_name='domaine de soins'),
        ),
        migrations.AddField(
            model_name='guarantee',
            name='plan',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='guarantees', to='members.plan', verbose_name='formule'),
        ),
        migrations.AddField(
            model_name='carddomain',
            name='plan',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='card_domains', to='members.plan', verbose_name='formule'),
        ),
        migrations.RenameField(model_name='contract', old_name='plan', new_name='plan_name'),
        migrations.AlterField(  # for the way back: the column is made again without a text
            model_name='contract',
            name='plan_name',
            field=models.CharField(default='', max_length=100),
        ),
        migrations.AddField(
            model_name='contract',
            name='plan',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='contracts', to='members.plan'),
        ),
        migrations.RunPython(name_the_plans, write_the_plans),
        migrations.AlterField(
            model_name='contract',
            name='plan',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='contracts', to='members.plan', verbose_name='formule de garanties'),
        ),
        migrations.RemoveField(model_name='contract', name='plan_name'),
        migrations.AddConstraint(
            model_name='card',
            constraint=models.UniqueConstraint(fields=('member', 'contract', 'number'), name='card_number_once_per_contract'),
        ),
        migrations.AddConstraint(
            model_name='card',
            constraint=models.CheckConstraint(condition=models.Q(('valid_until__gte', models.F('valid_from'))), name='card_period_in_order', violation_error_message='La fin précède le début.'),
        ),
        migrations.AddIndex(
            model_name='decompte',
            index=models.Index(fields=['member', '-paid_on', '-id'], name='decompte_of_member_latest'),
        ),
        migrations.AddConstraint(
            model_name='decompte',
            constraint=models.CheckConstraint(condition=models.Q(('payee__in', ['adherent', 'professionnel'])), name='decompte_payee_known', violation_error_message='Choisissez à qui le décompte fut payé.'),
        ),
        migrations.AddConstraint(
            model_name='decompteline',
            constraint=models.UniqueConstraint(fields=('decompte', 'position'), name='decompteline_position_once', violation_error_message='Cette ligne du décompte est déjà connue.'),
        ),
        migrations.AddConstraint(
            model_name='decompteline',
            constraint=models.CheckConstraint(condition=models.Q(('base__gte', 0), ('deductible__gte', 0), ('expense__gte', 0), ('flat_charge__gte', 0), ('left_amount__gte', 0), ('rc_amount__gte', 0), ('ro_amount__gte', 0)), name='decompteline_amounts_not_negative', violation_error_message="Aucun montant n'est négatif."),
        ),
        migrations.AddConstraint(
            model_name='decompteline',
            constraint=models.CheckConstraint(condition=models.Q(('expense', django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('ro_amount'), '+', models.F('rc_amount')), '+', models.F('left_amount')))), name='decompteline_amounts_add_up', violation_error_message='La dépense est la somme des deux parts et du reste à charge.'),
        ),
        migrations.AddConstraint(
            model_name='decompteline',
            constraint=models.CheckConstraint(condition=models.Q(('left_amount__gte', django.db.models.expressions.CombinedExpression(models.F('flat_charge'), '+', models.F('deductible')))), name='decompteline_charges_are_left_to_pay', violation_error_message='Participation et franchise font partie du reste à charge.'),
        ),
        migrations.AddConstraint(
            model_name='decompteline',
            constraint=models.CheckConstraint(condition=models.Q(('ro_rate__range', (0, 100))), name='decompteline_ro_rate_0_to_100', violation_error_message='Le taux va de 0 à 100.'),
        ),
        migrations.AddConstraint(
            model_name='guarantee',
            constraint=models.CheckConstraint(condition=models.Q(('end__isnull', True), ('end__gte', models.F('start')), _connector='OR'), name='guarantee_period_in_order', violation_error_message='La fin précède le début.'),
        ),
        migrations.AddConstraint(
            model_name='guarantee',
            constraint=models.CheckConstraint(condition=models.Q(('heading__in', ['hospitalisation', 'dentaire', 'optique', 'aides_auditives', 'soins_courants'])), name='guarantee_heading_known', violation_error_message='Choisissez une rubrique de la liste.'),
        ),
        migrations.AddConstraint(
            model_name='guarantee',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('example_act', ''), ('example_left__isnull', True), ('example_price__isnull', True), ('example_rc__isnull', True), ('example_ro__isnull', True)), models.Q(models.Q(('example_act', ''), _negated=True), ('example_left__isnull', False), ('example_price__isnull', False), ('example_rc__isnull', False), ('example_ro__isnull', False)), _connector='OR'), name='guarantee_example_whole_or_none', violation_error_message="Un exemple dit l'acte, son prix et les trois parts. Sinon, laissez tout vide."),
        ),
        migrations.AddConstraint(
            model_name='guarantee',
            constraint=models.CheckConstraint(condition=models.Q(('example_price__isnull', True), ('example_price', django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('example_ro'), '+', models.F('example_rc')), '+', models.F('example_left'))), _connector='OR'), name='guarantee_example_adds_up', violation_error_message="Les trois parts de l'exemple ne font pas son prix."),
        ),
        migrations.AddConstraint(
            model_name='carddomain',
            constraint=models.UniqueConstraint(fields=('plan', 'domain'), name='carddomain_once_per_plan', violation_error_message='Ce domaine figure déjà sur la carte de cette formule.'),
        ),
        migrations.AddConstraint(
            model_name='carddomain',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('rate__isnull', False), ('rate__range', (1, 500))), models.Q(('needs_agreement', True), ('rate__isnull', True)), _connector='OR'), name='carddomain_rate_or_agreement', violation_error_message='Indiquez un taux de 1 à 500, ou une prise en charge.'),
        ),
        migrations.RunPython(protect, unprotect),
    ]
