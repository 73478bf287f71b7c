import signal
from threading import Event

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from members.sms import sweeper


class Command(BaseCommand):
    help = "Sends the texts that a dead broker or worker left. Needs only the database."

    def handle(self, *args, **options):
        if settings.SMS_GATEWAY.startswith("members.sms.memory."):
            raise CommandError(
                "The memory gateway lives in the web process, which runs its own sweeper."
            )
        stop = Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stop.set())
        self.stdout.write("Sweeping texts each second.")
        sweeper.run(stop)
