from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from members import anchors, audit
from members.models import AuditEvent, AuditLink


class Command(BaseCommand):
    help = (
        "Reads the whole trail and compares it with the anchors kept outside; exits with 1 and names "
        "the first broken row, if any."
    )

    def add_arguments(self, parser):
        parser.add_argument(
            "--anchors", type=Path, help="a file of anchors; by default that of AUDIT_ANCHOR_DIR"
        )

    def handle(self, **options):
        breach = audit.verify()
        path = options["anchors"]
        if path is None and settings.AUDIT_ANCHOR_DIR:
            path = Path(settings.AUDIT_ANCHOR_DIR) / anchors.FILE
        if path and not breach:
            try:
                breach = anchors.verify(path)
            except (OSError, anchors.Unreadable) as error:
                raise CommandError(f"the anchors cannot be read: {error}", returncode=2) from None
        if breach:
            raise CommandError(f"broken: {breach}", returncode=1)
        events, links = AuditEvent.objects.count(), AuditLink.objects.count()
        self.stdout.write(f"{events} events as written, {links} of them chained.")
        if path is None:
            self.stdout.write("No anchor compared: set AUDIT_ANCHOR_DIR, or give --anchors.")
