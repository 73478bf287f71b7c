from datetime import date
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from members import audit, audit_export


class Command(BaseCommand):
    help = "Writes the events of a period to a file, as CSV or JSON lines; both days are included."

    def add_arguments(self, parser):
        parser.add_argument("first", type=date.fromisoformat, metavar="AAAA-MM-JJ")
        parser.add_argument("last", type=date.fromisoformat, metavar="AAAA-MM-JJ")
        parser.add_argument("--format", choices=audit_export.FORMATS, default="csv")
        parser.add_argument("--output", type=Path, required=True)

    def handle(self, first, last, **options):
        try:
            with options["output"].open("x", encoding="utf-8", newline="") as file:
                file.writelines(audit_export.lines(first, last, options["format"]))
        except OSError as error:
            raise CommandError(f"{options['output']}: {error.strerror}") from None
        audit.record("audit.exported", first=str(first), last=str(last), format=options["format"])
        self.stdout.write(str(options["output"]))
