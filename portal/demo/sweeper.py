"""In a demonstration texts live in the web process, so what retries them must live there too."""

from django.conf import settings

from members.sms.sweeper import Sweeper


def start() -> None:
    """Starts the sweeper beside the pages, when the gateway is this process's memory."""
    if settings.DEMO and settings.SMS_GATEWAY.startswith("members.sms.memory."):
        Sweeper().start()
