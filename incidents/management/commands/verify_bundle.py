from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from incidents.dossiers import bundle_check


class Command(BaseCommand):
    help = (
        "Checks a bundle of evidence without a database: each file, each notice, the trail; exits with 1 "
        "and names the first broken entry, if any."
    )
    requires_system_checks = []

    def add_arguments(self, parser):
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--without-key",
            action="store_true",
            help="leaves the seal and the trail unchecked, for who does not hold the portal's key",
        )

    def handle(self, *, file, without_key, **options):
        checked = bundle_check.check(file, with_key=not without_key)
        if checked.breach:
            raise CommandError(f"broken: {checked.breach}", returncode=1)
        found = f"{checked.incident}: {checked.files} files and {checked.events} events"
        if without_key:
            self.stdout.write(f"{found}, consistent with each other.")
            self.stdout.write(
                "Neither the seal nor the chain was checked: that takes the portal's key. "
                "Anybody can write a file that is consistent."
            )
        else:
            self.stdout.write(f"{found} as they were written.")
        self.stdout.write(f"SHA-256 of the whole: {checked.sha256}")
