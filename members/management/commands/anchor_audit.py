import json
from dataclasses import asdict

from django.core.management.base import BaseCommand

from members import anchors


class Command(BaseCommand):
    help = "Tells outside where the trail stands now: log, file and e-mail. Beat does it each day."

    def handle(self, **options):
        self.stdout.write(json.dumps(asdict(anchors.drop())))
