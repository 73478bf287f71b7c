"""Twilio, through its own library. The only module that knows its names, its codes and its errors."""

import logging
import ssl
from functools import lru_cache
from uuid import UUID

import requests
import urllib3.exceptions
from django.conf import settings
from django.urls import reverse
from requests.adapters import HTTPAdapter
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from members.models.sms import SmsState
from members.sms.gateway import (
    AccountFault,
    Busy,
    NotSent,
    Overloaded,
    Problem,
    Receipt,
    Rejected,
    SenderFault,
    SmsError,
    Text,
    Uncertain,
    Unreachable,
)

log = logging.getLogger(__name__)

CONNECT_TIMEOUT = 2.0
READ_TIMEOUT = 5.0
POOL = 32  # connections kept: above the concurrency of a worker, or each call would dial again

# The one table of Twilio's codes. https://www.twilio.com/docs/api/errors
# What a refused call means:
_REFUSALS: dict[int, SmsError] = {
    429: Busy(),
    20429: Busy(),
    503: Overloaded(),
    20503: Overloaded(),
    21211: Rejected(Problem.NUMBER_INVALID),
    21614: Rejected(Problem.NOT_A_MOBILE),
    21635: Rejected(Problem.NOT_A_MOBILE),
    21408: Rejected(Problem.REGION_CLOSED),
    21612: Rejected(Problem.REGION_CLOSED),
    21610: Rejected(Problem.STOPPED),
    21611: SenderFault(),
    30001: SenderFault(),
    21212: SenderFault(),  # the sender is not a valid number or name
    21606: SenderFault(),  # nor ours
    21703: SenderFault(),  # the Messaging Service holds no sender
    401: AccountFault(),
    403: AccountFault(),
    404: AccountFault(),
    20003: AccountFault(),
    20005: AccountFault(),
    20404: AccountFault(),
    30002: AccountFault(),
}
