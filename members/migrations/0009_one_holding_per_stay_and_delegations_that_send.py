from django.db import migrations, models
from django.db.models import Q


def ask_what_was_sent(apps, schema_editor):
    """Nobody can guess it: whoever knows says it in the admin, before this migration."""
    delegations = apps.get_model("members", "Delegation").objects
    empty = delegations.using(schema_editor.connection.alias).filter(categories=0)
    numbers = list(empty.values_list("contract__number", flat=True).distinct()[:20])
    if numbers:
        raise RuntimeError(
            f"Say first which data these contracts send to their operators: {', '.join(numbers)}."
        )


class Migration(migrations.Migration):

    dependencies = [
        ('members', '0008_activation_before_an_account'),
    ]

    operations = [
        migrations.RunPython(ask_what_was_sent, migrations.RunPython.noop, elidable=True),
        migrations.AddConstraint(
            model_name='delegation',
            constraint=models.CheckConstraint(
                condition=Q(('categories__gt', 0)),
                name='delegation_sends_something',
                violation_error_message="Indiquez les données transmises à l'opérateur.",
            ),
        ),
        migrations.RemoveConstraint(
            model_name='holding',
            name='holding_once_per_operator_and_contract',
        ),
        migrations.AddConstraint(
            model_name='holding',
            constraint=models.UniqueConstraint(
                condition=Q(('purged_on__isnull', True)),
                fields=('operator', 'contract'),
                name='holding_one_open_per_operator_and_contract',
                violation_error_message='Une détention sans effacement est déjà connue.',
            ),
        ),
        migrations.AddConstraint(
            model_name='holding',
            constraint=models.UniqueConstraint(
                fields=('operator', 'contract', 'purged_on'),
                name='holding_once_per_purge',
                violation_error_message='Cet effacement est déjà connu.',
            ),
        ),
    ]
