from django.core.management.base import BaseCommand, CommandError

from members import audit
from members.models import AuditEvent, AuditLink


class Command(BaseCommand):
    help = "Reads the whole trail; exits with 1 and names the first broken row, if any."

    def handle(self, **options):
        breach = audit.verify()
        if breach:
            raise CommandError(f"broken: {breach}", returncode=1)
        events, links = AuditEvent.objects.count(), AuditLink.objects.count()
        self.stdout.write(f"{events} events as written, {links} of them chained.")
