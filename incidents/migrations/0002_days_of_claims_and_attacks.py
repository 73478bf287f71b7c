import incidents.models.claim
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('incidents', '0001_incidents_claims_notices_and_acknowledgements'),
    ]

    operations = [
        migrations.AlterField(
            model_name='claim',
            name='stated_on',
            field=models.DateField(validators=[incidents.models.claim.not_in_the_future], verbose_name='affirmé le'),
        ),
        migrations.AlterField(
            model_name='target',
            name='detected_on',
            field=models.DateField(help_text="Une date inconnue de l'attaque est cherchée jusqu'à un an avant, ou après, ce jour.", verbose_name='connu le'),
        ),
    ]
