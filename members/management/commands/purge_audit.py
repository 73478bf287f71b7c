from django.core.management.base import BaseCommand, CommandError

from members import audit


class Command(BaseCommand):
    help = "Deletes the events of the trail older than a year, once verified; the chain goes on."

    def handle(self, **options):
        try:
            self.stdout.write(f"{audit.purge()} events deleted.")
        except audit.Broken as broken:
            raise CommandError(f"broken: {broken}", returncode=1) from None
