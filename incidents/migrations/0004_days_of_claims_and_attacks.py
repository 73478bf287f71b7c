import incidents.models.claim
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('incidents', '0003_written_once_rows_are_protected'),
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
