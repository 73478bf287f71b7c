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


outbox: deque[Sent] = deque(maxlen=500)


class MemoryGateway:
    def send(self, text: Text) -> str:
        outbox.append(Sent(to=text.to, body=text.body, user=text.user, at=timezone.now()))
        return f"memory-{text.id}"
