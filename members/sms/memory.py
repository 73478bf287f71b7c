"""Keeps texts in this process: what tests read, and what the demo phone shows."""

from collections import deque
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from members.sms.gateway import Text


@dataclass(frozen=True, slots=True)
class Sent:
    to: str
    body: str
    user: str
    at: datetime
    channel: str = "text"


outbox: deque[Sent] = deque(maxlen=500)


class MemoryGateway:
    can_call = True

    def send(self, text: Text) -> str:
        outbox.append(Sent(text.to, text.body, text.user, timezone.now(), text.channel))
        return f"memory-{text.id}"
