"""One text over the routes: which is asked, how often, and what its answer says about it."""

import logging
import random
import time

from members.models.sms import Channel
from members.sms.breaker import Call, breaker_of
from members.sms.gateway import (
    AccountFault,
    Busy,
    Gateway,
    NotSent,
    Overloaded,
    Problem,
    Rejected,
    SenderFault,
    SmsError,
    Text,
    Uncertain,
    Unreachable,
    get_gateway,
    routes,
)

log = logging.getLogger(__name__)

BUSY_PAUSES = (0.25, 0.5, 1.0)
BUSY_FOR = 5.0  # seconds spent on one busy route
CALLS_BEGIN_WITHIN = 8.0  # seconds: with a gateway's own timeout, all is over before fifteen


def send(text: Text) -> tuple[str, str]:
    """Tries each route in turn; returns the one that took the text and the provider's reference.

    Makes another call only after an answer that says « not sent »: of all its calls, one at most
    may have sent. Raises Rejected, Uncertain or NotSent.
    """
    begin_before = time.monotonic() + CALLS_BEGIN_WITHIN
    problem = Problem.NO_ROUTE
    for route in routes():
        if text.channel == Channel.CALL and not getattr(get_gateway(route), "can_call", False):
            continue
        try:
            return route, _send_by(route, text, begin_before)
        except NotSent as error:
            if error.problem != Problem.NO_ROUTE:
                problem = error.problem
    raise NotSent(problem)


def _send_by(route: str, text: Text, begin_before: float) -> str:
    busy_until = time.monotonic() + BUSY_FOR
    pauses = iter(BUSY_PAUSES)
    while True:
        call = breaker_of(route).begin() if time.monotonic() < begin_before else None
        if call is None:
            raise NotSent(Problem.NO_ROUTE)
        try:
            return _call(get_gateway(route), text, call)
        except Busy:
            pause = next(pauses, None)
            if pause is None:
                raise
            pause *= random.uniform(0.75, 1.25)
            if time.monotonic() + pause > busy_until:
                raise
            time.sleep(pause)


def _call(gateway: Gateway, text: Text, call: Call) -> str:
    """One call, and what it says about the route."""
    try:
        provider_id = gateway.send(text)
    except Rejected:
        call.succeeded()
        raise
    except AccountFault:
        call.failed(account=True)
        raise
    except SenderFault:
        log.error("The SMS provider refuses our sender, or it is saturated.")
        call.failed()
        raise
    except Unreachable:
        call.failed(connecting=True)
        raise
    except (Overloaded, Uncertain):
        call.failed()
        raise
    except SmsError:
        raise
    except Exception as error:
        # Its message and its frames may hold the number and the code: only its type is told.
        log.error("An SMS gateway raised %s.", type(error).__name__)
        call.failed()
        raise Uncertain(Problem.GATEWAY_BUG) from None
    call.succeeded()
    return provider_id
