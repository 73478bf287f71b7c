from django.core.management.base import BaseCommand

from members.models import AyantDroit, BankAccount, Joining, Member
from members.rotation import reseal, reseal_accounts


class Command(BaseCommand):
    help = (
        "Seals every encrypted field again under the first key of FIELD_ENCRYPTION_KEYS. "
        "Can be stopped and run again; sign-ins go on meanwhile."
    )

    def handle(self, **options):
        for model in (Member, AyantDroit, Joining):
            count = reseal(model, on_progress=self.stdout.write)
            self.stdout.write(f"{model._meta.verbose_name_plural}: {count} sealed again.")
        count = reseal_accounts(on_progress=self.stdout.write)
        self.stdout.write(f"{BankAccount._meta.verbose_name_plural}: {count} sealed again.")
