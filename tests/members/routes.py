"""Two ways of sending texts that answer as a test tells them, and texts to send."""

from collections import deque
from datetime import timedelta

from django.utils import timezone

from members.models import Challenge, SmsMessage
from members.models.challenge import Purpose, phone_digest
from members.sms.gateway import Text


class Killed(BaseException):
    """The worker dies in the middle of a call."""


class ScriptedGateway:
    """Each answer serves one call: a reference to return, an error to raise, or a function of the text
    that returns either. Once the answers are used up, texts are accepted."""

    def __init__(self):
        self.texts: list[Text] = []
        self.answers = deque()

    def send(self, text: Text) -> str:
        self.texts.append(text)
        answer = self.answers.popleft() if self.answers else f"ref-{len(self.texts)}"
        if callable(answer) and not isinstance(answer, type):
            answer = answer(text)
        if isinstance(answer, str):
            return answer
        raise answer


class First(ScriptedGateway):
    pass


class Second(ScriptedGateway):
    pass


FIRST, SECOND = f"{__name__}.First", f"{__name__}.Second"


def queued_text(member, *, lives=300, **challenge_fields) -> SmsMessage:
    """A text that waits, with a code that lives so many seconds more."""
    now = timezone.now()
    challenge = Challenge.objects.create(
        user=member.user,
        purpose=Purpose.SIGN_IN,
        binding="browser",
        phone_digest=phone_digest(member.phone),
        created_at=now - timedelta(seconds=max(0, 300 - lives)),
        expires_at=now + timedelta(seconds=lives),
        **challenge_fields,
    )
    return SmsMessage.objects.create(user=member.user, challenge=challenge)
