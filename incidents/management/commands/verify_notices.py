from django.core.management.base import BaseCommand, CommandError

from incidents import notices
from incidents.models import NoticeVersion


class Command(BaseCommand):
    help = "Reads every published version; exits with 1 and names the first altered one, if any."

    def handle(self, **options):
        breach = notices.verify()
        if breach:
            raise CommandError(f"broken: {breach}", returncode=1)
        number = NoticeVersion.objects.ever_published().count()
        self.stdout.write(f"{number} versions as published.")
