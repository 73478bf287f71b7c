from django.core.management.base import BaseCommand, CommandError

from incidents import evidence
from incidents.models import Evidence


class Command(BaseCommand):
    help = (
        "Reads every file of evidence and compares it with its digest; exits with 1 and names the first "
        "one that is not what was received, if any."
    )

    def handle(self, **options):
        breach = evidence.verify()
        if breach:
            raise CommandError(f"broken: {breach}", returncode=1)
        kept = Evidence.objects.kept().count()
        self.stdout.write(f"{kept} files as received.")
