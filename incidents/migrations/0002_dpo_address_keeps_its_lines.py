from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("incidents", "0001_incidents_claims_notices_and_acknowledgements"),
    ]

    operations = [
        migrations.AlterField(
            model_name="incident",
            name="dpo_address",
            field=models.TextField(
                blank=True, max_length=250, verbose_name="adresse postale du délégué"
            ),
        ),
    ]
