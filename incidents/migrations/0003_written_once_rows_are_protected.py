import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("members", "0001_people_cover_and_sign_in"),
        ("incidents", "0002_dpo_address_keeps_its_lines"),
    ]

    operations = [
        migrations.AlterField(
            model_name="acknowledgement",
            name="member",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="acknowledgements",
                to="members.member",
                verbose_name="adhérent",
            ),
        ),
        migrations.AlterField(
            model_name="claim",
            name="target",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="claims",
                to="incidents.target",
                verbose_name="opérateur touché",
            ),
        ),
        migrations.AlterField(
            model_name="claim",
            name="superseded_by",
            field=models.OneToOneField(
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="supersedes",
                to="incidents.claim",
                verbose_name="remplacé par",
            ),
        ),
    ]
