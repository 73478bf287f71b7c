"""Keeps e-mails in this process: what tests read, and what the demonstration shows."""

from collections import deque
from dataclasses import dataclass
from datetime import datetime

from django.core.mail.backends.base import BaseEmailBackend
from django.utils import timezone


@dataclass(frozen=True, slots=True)
class Sent:
    to: str
    subject: str
    body: str
    at: datetime


outbox: deque[Sent] = deque(maxlen=500)


class MemoryBackend(BaseEmailBackend):
    def send_messages(self, messages):
        for message in messages:
            outbox.append(Sent(message.to[0], message.subject, message.body, timezone.now()))
        return len(messages)
