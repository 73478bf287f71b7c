"""What a way of sending texts promises, and the words in which it answers.

A gateway takes one `Text` and either returns the provider's reference, or raises one of the errors
below. Each says what matters to the caller: may it have been sent, and is it worth another try. No
provider's own code, and no exception of a provider's library, goes further than its gateway.
"""

import os
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol
from uuid import UUID

from django.conf import settings
from django.db.models import TextChoices
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

from members.models.sms import Channel, SmsState


class Problem(TextChoices):
    """Why a text did not go, or did not arrive: in the words that staff will read."""

    NUMBER_INVALID = "number_invalid", _("numéro inexistant")
    NOT_A_MOBILE = "not_a_mobile", _("numéro qui ne reçoit pas de SMS")
    REGION_CLOSED = "region_closed", _("pays non desservi")
    STOPPED = "stopped", _("destinataire désabonné (STOP)")
    HANDSET_OFF = "handset_off", _("téléphone éteint ou hors réseau")
    FILTERED = "filtered", _("filtré par l'opérateur télécom")
    LOST = "lost", _("perdu par l'opérateur télécom")
    REFUSED = "refused", _("refusé par le prestataire")
    BUSY = "busy", _("prestataire saturé")
    UNREACHABLE = "unreachable", _("prestataire injoignable")
    NO_ANSWER = "no_answer", _("réponse du prestataire perdue")
    SENDER = "sender", _("expéditeur saturé ou refusé")
    ACCOUNT = "account", _("compte du prestataire refusé")
    NO_ROUTE = "no_route", _("aucune voie d'envoi disponible")
    PHONE_CHANGED = "phone_changed", _("téléphone changé entre-temps")
    ACCOUNT_CLOSED = "account_closed", _("compte fermé entre-temps")
    CODE_USED = "code_used", _("code déjà utilisé")
    CODE_DEAD = "code_dead", _("code expiré avant l'envoi")
    GATEWAY_BUG = "gateway_bug", _("erreur du portail")

    @classmethod
    def words(cls, code: str) -> str:
        """The words for a stored code; the code itself where an older release had other ones."""
        return str(dict(cls.choices).get(code, code))

    @property
    def is_the_numbers_fault(self) -> bool:
        """True when no other text to this number will do better: the device is flagged."""
        return self in _NUMBERS_FAULT


_NUMBERS_FAULT = {
    Problem.NUMBER_INVALID,
    Problem.NOT_A_MOBILE,
    Problem.REGION_CLOSED,
    Problem.STOPPED,
}


@dataclass(frozen=True, slots=True)
class Text:
    """One text to send. Its number and its words stay out of `repr`, hence out of logs."""

    id: UUID
    to: str = field(repr=False)
    body: str = field(repr=False)
    lifetime: int  # seconds after which the provider must give up
    user: str = ""  # whose it is, for the demo phone; never given to a provider
    channel: Channel = Channel.TEXT  # a call speaks the body


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a provider says later about one text, in our words."""

    state: SmsState
    provider_id: str = ""
    problem: Problem | None = None


class SmsError(Exception):
    """A text was not accepted. Its message is a `Problem`: never a number, never a code."""

    default_problem = Problem.REFUSED

    def __init__(self, problem: Problem | None = None):
        self.problem = problem or self.default_problem
        super().__init__(self.problem.value)


class NotSent(SmsError):
    """The provider surely did not take it: sending again, or elsewhere, cannot send twice."""


class Unreachable(NotSent):
    """No connection could be made."""

    default_problem = Problem.UNREACHABLE


class Busy(NotSent):
    """Too many calls: worth another try in a moment."""

    default_problem = Problem.BUSY


class Overloaded(Busy):
    """The provider itself is in trouble: as `Busy`, and it speaks against the route."""


class SenderFault(NotSent):
    """Our sender is saturated or refused; another route may do."""

    default_problem = Problem.SENDER


class AccountFault(NotSent):
    """Our account is refused: no call on this route can succeed before someone acts."""

    default_problem = Problem.ACCOUNT


class Rejected(SmsError):
    """Permanent: this text will never go to this number."""


class Uncertain(SmsError):
    """The call was made and its answer is lost: it may have been sent."""

    default_problem = Problem.NO_ANSWER


class Gateway(Protocol):
    can_call: bool  # whether it also speaks texts whose channel is a call

    def send(self, text: Text) -> str:
        """Hands `text` over and returns the provider's reference. Raises an `SmsError` only.

        Called by several threads at once.
        """


@lru_cache(maxsize=8)
def get_gateway(path: str) -> Gateway:
    """The gateway at this dotted path: one instance per process, made at first use."""
    return import_string(path)()


# A forked child must not speak through its parent's sockets.
os.register_at_fork(after_in_child=get_gateway.cache_clear)


def offers_calls() -> bool:
    """Whether some route speaks codes. A gateway that says nothing of calls makes none."""
    return any(getattr(get_gateway(path), "can_call", False) for path in routes())


def routes() -> list[str]:
    """The dotted paths to try, in order."""
    paths = [settings.SMS_GATEWAY, settings.SMS_FALLBACK_GATEWAY]
    return list(dict.fromkeys(path for path in paths if path))
