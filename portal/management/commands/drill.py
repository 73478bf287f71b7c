import json
import subprocess

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from portal.drill import database, stages


class Command(BaseCommand):
    help = (
        "Plays the incident of February 2024 on invented members, in a database of its own that it drops "
        "in the end, and says how long each stage took. The real one is neither read nor written."
    )
    requires_system_checks = []
    requires_migrations_checks = False

    def add_arguments(self, parser):
        parser.add_argument("--members", type=int, default=10_000, help="how many to invent")
        parser.add_argument("--json", action="store_true", help="one line of JSON for each stage")
        # how the process that plays is started; by hand it refuses any database that is not a drill's
        parser.add_argument("--inside", action="store_true", help="used by the command itself")

    def handle(self, members, inside, **options):
        if not 1 <= members <= 10_000_000:
            raise CommandError("Choose between 1 and 10,000,000 members.")
        if inside:
            self._play(members, as_json=options["json"])
        else:
            self._start(members, as_json=options["json"])

    def _start(self, members, *, as_json):
        arguments = ["drill", "--inside", "--members", str(members), *(["--json"] * as_json)]
        try:
            with database.stopped_cleanly(), database.throw_away() as env:
                for line in database.run_inside(arguments, env):
                    self.stdout.write(line, ending="")
        except DatabaseError as error:
            raise CommandError(f"No database could be made for the drill: {error}") from None
        except subprocess.CalledProcessError as error:
            raise CommandError(f"The drill failed ({error.returncode}).") from None

    def _play(self, members, *, as_json):
        try:
            database.check_ours()
        except database.NotOurs:
            raise CommandError("This database is not one of a drill.") from None
        total = 0.0
        try:
            for timed in stages.play(stages.Drill(members)):
                total += timed.seconds
                self._tell(timed, as_json=as_json)
        except stages.Failed as failure:
            raise CommandError(str(failure)) from None
        self._tell(stages.Timed("in all", total, f"{members} members invented"), as_json=as_json)

    def _tell(self, timed, *, as_json):
        seconds = round(timed.seconds, 2)
        if as_json:
            told = {"stage": timed.name, "seconds": seconds, "said": timed.said}
            self.stdout.write(json.dumps(told))
        else:
            self.stdout.write(f"{timed.name:14}{seconds:>9.2f} s   {timed.said}")
