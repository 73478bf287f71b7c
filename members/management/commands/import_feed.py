import time
from datetime import date
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from members.feed import layout, work
from members.feed.importing import OUTCOMES, Options
from members.job_turns import Failed


class Command(BaseCommand):
    help = (
        "Imports the files of the mutual's management system (docs/feed.md). Run again after an "
        "interruption, it goes on where it was; run again after its end, it changes nothing."
    )

    def add_arguments(self, parser):
        parser.add_argument("folder", type=Path, metavar="FOLDER")
        parser.add_argument("--dry-run", action="store_true", help="check all, write nothing")
        parser.add_argument(
            "--whole",
            nargs="+",
            default=[],
            choices=[of.name for of in layout.ENDED],
            metavar="FILE",
            help="files that list everything: what they no longer list ends",
        )
        parser.add_argument(
            "--ends-on",
            type=date.fromisoformat,
            metavar="DAY",
            help="last day of what ends (yesterday)",
        )
        parser.add_argument(
            "--at-most",
            type=int,
            default=5,
            metavar="PERCENT",
            help="of what is open may end; above, nothing is written (5)",
        )
        parser.add_argument(
            "--rejects", type=Path, metavar="FOLDER", help="where refused lines go (FOLDER/rejets)"
        )

    def handle(self, folder, dry_run, whole, ends_on, at_most, rejects, **options):
        rejects = rejects or folder / "rejets"
        asked = Options(
            ends_on=ends_on or work.yesterday(),
            dry_run=dry_run,
            whole=frozenset(whole),
            at_most=at_most,
        )
        if not folder.is_dir():
            raise CommandError(f"{folder}: no such folder.")
        try:
            counts, files = self._run(work.by_hand(folder, asked, rejects))
        except Failed as failure:
            raise CommandError(str(failure)) from None
        if dry_run:
            self.stdout.write("Vérification : rien n'est écrit.")
        self.stdout.write(f"{'':18}" + "".join(f"{work.WORDS[name]!s:>12}" for name in OUTCOMES))
        for name, told in counts.items():
            self.stdout.write(f"{name:18}" + "".join(f"{told[one]:>12}" for one in OUTCOMES))
        for path in files:
            self.stdout.write(f"→ {path}")

    def _run(self, steps):
        told = time.monotonic()
        while True:
            try:
                step = next(steps)
            except StopIteration as finished:
                return finished.value
            if step.total and time.monotonic() - told > 5:
                told = time.monotonic()
                self.stderr.write(f"… {step.done} / {step.total}")
