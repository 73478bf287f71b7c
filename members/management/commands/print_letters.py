from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from members import letters
from members.models import Member
from members.models.recovery import LetterPurpose


class Command(BaseCommand):
    help = (
        "Prints letters with a code into a PDF, one page per member. Each cancels the one before. The "
        "codes are in that file only: delete it once it is in the post."
    )

    def add_arguments(self, parser):
        parser.add_argument("numbers", nargs="+", metavar="NUMERO")
        parser.add_argument("--purpose", choices=LetterPurpose.values, default="activation")
        parser.add_argument("--output", required=True, type=Path, metavar="FILE")

    def handle(self, numbers, purpose, output, **options):
        found = Member.objects.select_related("user").in_bulk(set(numbers), field_name="number")
        unknown = sorted(set(numbers) - found.keys())
        if unknown:
            raise CommandError(f"Unknown: {', '.join(unknown)}.")
        try:
            output.touch(mode=0o600, exist_ok=False)  # before any code is made
        except OSError as error:
            raise CommandError(f"{output}: {error.strerror}") from None
        try:
            output.write_bytes(letters.print_batch(found.values(), purpose, by=None))
        except letters.NotPrintable as refusal:
            output.unlink()
            raise CommandError(str(refusal)) from None
        self.stdout.write(f"{output}: {len(found)}")
