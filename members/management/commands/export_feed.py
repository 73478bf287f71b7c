from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from members import sealing
from members.feed import exporting


class Command(BaseCommand):
    help = (
        "Writes the files that import_feed reads, of one moment. They hold NIRs in clear: delete them once "
        "they have served."
    )

    def add_arguments(self, parser):
        parser.add_argument("folder", type=Path, metavar="FOLDER")
        parser.add_argument("--overwrite", action="store_true", help="replace files that are there")

    def handle(self, folder, overwrite, **options):
        try:
            counts = exporting.export(folder, overwrite=overwrite)
        except exporting.FolderNotEmpty as there:
            raise CommandError(f"Already there: {there}. See --overwrite.") from None
        except OSError as error:
            raise CommandError(f"{folder}: {error.strerror or error}") from None
        except sealing.CannotOpen:
            raise CommandError(
                "No key of FIELD_ENCRYPTION_KEYS opens a NIR. Nothing is kept."
            ) from None
        for name, count in counts.items():
            self.stdout.write(f"{name:18}{count:>12}")
