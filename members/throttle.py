"""Counters that bound what anyone may try: reserved before the act, in one statement, in the database.

A burst of parallel requests cannot pass a counter that is incremented before it is read. Losing the
cache loses no count, and a database that is away refuses the act: the limits fail closed.
(signin.md §2; decision docs/decisions/0006-conditional-updates.md)
"""

import logging
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from django.db import connection
from django.db.models import F, QuerySet
from django.utils.crypto import salted_hmac

from members.limits import limit
from members.models import Throttle

log = logging.getLogger("members.alarm")

GLOBAL_SHARDS = 16  # one hot row for every text of the country would queue all sign-ins behind it


@dataclass(frozen=True)
class Rule:
    """`allowed` hits in `window` seconds, both a figure or the name of a limit. Then no more until the
    window ends or, when `doubling`, a wait of WAIT_FIRST seconds that doubles with each further hit up to
    WAIT_LONGEST; each failure from the limit on starts the window anew, what is given back does not.
    `counts`: what was done too often, « tries », « texts »… (views/signin.wait_message)."""

    name: str
    allowed: str | int
    window: str | int
    doubling: bool = False
    alarm: bool = False
    shards: int = 1
    counts: str = "tries"


PASSWORD_PAIR = Rule("password.pair", "PASSWORD_FAILURES_PAIR", "PASSWORD_WINDOW", doubling=True)
PASSWORD_ACCOUNT = Rule(
    "password.account", "PASSWORD_FAILURES_ACCOUNT", "PASSWORD_WINDOW", doubling=True
)
PASSWORD_ADDRESS = Rule(
    "password.address", "PASSWORD_FAILURES_ADDRESS", "PASSWORD_WINDOW", doubling=True, alarm=True
)
PASSWORD_KNOWN = Rule("password.known", "PASSWORD_FAILURES_KNOWN", "PASSWORD_WINDOW", doubling=True)
TOTP = Rule("totp", "TOTP_FAILURES", "TOTP_WINDOW", doubling=True)
SENDS_PHONE_HOUR = Rule("sends.phone.hour", "SENDS_PER_PHONE_HOUR", 3600, counts="texts")
SENDS_PHONE_DAY = Rule("sends.phone.day", "SENDS_PER_PHONE_DAY", 86_400, counts="texts")
SENDS_ADDRESS = Rule(
    "sends.address", "SENDS_PER_ADDRESS", "SENDS_PER_ADDRESS_WINDOW", alarm=True, counts="texts"
)
SENDS_GLOBAL = Rule(
    "sends.global", "SENDS_GLOBAL_HOUR", 3600, alarm=True, shards=GLOBAL_SHARDS, counts="texts"
)
PASSKEYS_ADDRESS = Rule(
    "passkeys.address", "PASSKEYS_PER_ADDRESS", "PASSKEYS_PER_ADDRESS_WINDOW", alarm=True
)
LINKS_ACCOUNT = Rule("links.account", "LINKS_PER_ACCOUNT_HOUR", 3600, counts="links")
LINKS_ADDRESS = Rule(
    "links.address", "LINKS_PER_ADDRESS", "LINKS_PER_ADDRESS_WINDOW", alarm=True, counts="links"
)
RECOVERY = Rule("recovery", "RECOVERY_FAILURES", "RECOVERY_WINDOW", doubling=True)
# Not of what may be done, but of what is told: members.signin
FAILED_CODES = Rule("codes.failed", "CODE_FAILURES_UNTOLD", "CODE_ALERT_REST")
TOLD_OF_CODES = Rule("codes.told", 1, "CODE_ALERT_REST")
REFUSED_CODES = Rule("trail.refused_codes", 1, "PENDING_LIFETIME")
ACTIVATION_NUMBER = Rule(
    "activation.number", "ACTIVATION_TRIES_PER_NUMBER", "ACTIVATION_TRIES_WINDOW", doubling=True
)
ACTIVATION_TEXTS = Rule(
    "activation.texts", "ACTIVATION_TEXTS_PER_PHONE_DAY", 86_400, counts="texts"
)
ACTIVATION_ADDRESS = Rule(
    "activation.address",
    "ACTIVATION_TRIES_PER_ADDRESS",
    "ACTIVATION_TRIES_WINDOW",
    doubling=True,
    alarm=True,
)
ATTESTATIONS = Rule(
    "attestations.address",
    "ATTESTATION_TRIES_PER_ADDRESS",
    "ATTESTATION_TRIES_WINDOW",
    doubling=True,
    alarm=True,
)
# What a signed-in member hands in
DEMANDES_MEMBER = Rule("demandes.member", "DEMANDES_PER_DAY", 86_400, counts="demandes")
DEMANDE_MESSAGES = Rule("demandes.messages", "DEMANDE_MESSAGES_PER_HOUR", 3600, counts="messages")
DOCUMENTS_MEMBER = Rule("documents.member", "DOCUMENTS_PER_HOUR", 3600, counts="documents")


@dataclass(frozen=True)
class Hit:
    """One act to count under a rule; `change=-1` gives back one that turned out to be innocent."""

    rule: Rule
    subject: str
    change: int = 1

    @cached_property
    def key(self) -> str:
        return salted_hmac(
            "members.throttle", f"{self.rule.name}\0{self.subject}", algorithm="sha256"
        ).hexdigest()

    def refunded(self) -> "Hit":
        return Hit(self.rule, self.subject, -1)


def global_hit() -> Hit:
    return Hit(SENDS_GLOBAL, str(secrets.randbelow(GLOBAL_SHARDS)))


class Throttled(Exception):
    """Refused without being counted. `until`: when the next try may be made. `counts`: as in Rule."""

    def __init__(self, until: datetime, counts: str = "tries"):
        super().__init__(until)
        self.until = until
        self.counts = counts

    @property
    def seconds(self) -> int:
        """From now to `until`, at least one: the value of a Retry-After header."""
        return max(int(self.until.timestamp() - time.time()) + 1, 1)


def reserve(*hits: Hit) -> None:
    """Counts every hit, or none of those that a rule already blocks. Raises Throttled.

    One statement. The same on SQLite and PostgreSQL.
    """
    now = int(time.time())
    rows = {hit.key: hit for hit in sorted(hits, key=lambda hit: hit.key)}  # one order: no deadlock
    charged = [key for key, hit in rows.items() if hit.change > 0]
    parameters = []
    for key, hit in rows.items():
        rule = hit.rule
        allowed = max(_figure(rule.allowed) // rule.shards, 1)
        ends_at = now + _figure(rule.window)
        parameters += [key, hit.change, allowed, int(rule.doubling), ends_at]
    with connection.cursor() as cursor:
        cursor.execute(_statement(len(rows), len(charged), now), [*parameters, *charged])
        counted = {row[0] for row in cursor.fetchall()}
    if counted < rows.keys():
        refused = [rows[key] for key in charged if key not in counted]
        raise _refusal(refused, now)


def failed(*hits: Hit) -> None:
    """Says of hits reserved before that they were failures: where one reached its limit, the window starts
    anew. A right try in between never does that, so a shared address is not held up for ever."""
    now = int(time.time())
    hit_of = {hit.key: hit for hit in hits if hit.rule.doubling}
    for row in _full(hit_of, now):
        ends_at = now + _figure(hit_of[row.key].rule.window)
        Throttle.objects.filter(pk=row.key).update(ends_at=ends_at)


def forget(*hits: Hit) -> None:
    """Deletes the counters of these hits: an agent vouches for who made them."""
    Throttle.objects.filter(pk__in=[hit.key for hit in hits]).delete()


def purge() -> int:
    """Deletes the counters whose window is over; how many."""
    return Throttle.objects.filter(ends_at__lt=int(time.time())).delete()[0]


def _figure(value: str | int) -> int:
    return limit(value) if isinstance(value, str) else value


def _statement(rows: int, charged: int, now: int) -> str:
    types = ("TEXT", "SMALLINT", "INTEGER", "SMALLINT", "BIGINT")
    value = "(" + ", ".join(f"CAST(%s AS {kind})" for kind in types) + ")"
    free = "1 = 1"
    if charged:
        keys = ", ".join(["%s"] * charged)
        free = f"""NOT EXISTS (SELECT 1 FROM members_throttle b
                                WHERE b.key IN ({keys}) AND {_is_blocked("b", now)})"""
    return f"""
        INSERT INTO members_throttle AS t
               (key, change, allowed, doubling, ends_at, last_at, count)
        SELECT column1, column2, column3, column4, column5, {now},
               CASE WHEN column2 > 0 THEN 1 ELSE 0 END
          FROM (VALUES {", ".join([value] * rows)}) AS v
         WHERE {free}
        ON CONFLICT (key) DO UPDATE
           SET count = CASE WHEN t.ends_at <= {now} THEN excluded.count
                            WHEN t.count + excluded.change < 0 THEN 0
                            ELSE t.count + excluded.change END,
               ends_at = CASE WHEN t.ends_at <= {now} THEN excluded.ends_at ELSE t.ends_at END,
               last_at = CASE WHEN excluded.change < 0 THEN 0 ELSE excluded.last_at END,
               change = excluded.change,
               allowed = excluded.allowed, doubling = excluded.doubling
         WHERE excluded.change < 0 OR NOT ({_is_blocked("t", now)})
        RETURNING key"""


def _is_blocked(row: str, now: int) -> str:
    """SQL: whether the counter `row` refuses a hit now. `Throttle.blocked_until` says until when."""
    first, longest = limit("WAIT_FIRST"), limit("WAIT_LONGEST")
    doublings = (longest // max(first, 1)).bit_length()  # from there on, the longest wait
    return f"""{row}.ends_at > {now} AND {row}.count >= {row}.allowed AND (
        {row}.doubling = 0 OR {row}.last_at
            + CASE WHEN {row}.count - {row}.allowed >= {doublings} THEN {longest}
                   ELSE {first} << ({row}.count - {row}.allowed) END > {now})"""


def _full(keys: Iterable[str], now: int) -> QuerySet[Throttle]:
    """Those of these counters that reached what is allowed, in a window that runs."""
    return Throttle.objects.filter(key__in=list(keys), ends_at__gt=now, count__gte=F("allowed"))


def _refusal(refused: list[Hit], now: int) -> Throttled:
    """Until when, and in the words of what blocks longest. Rings for the limits that are full: those that
    were to be counted beside them are not."""
    soonest = datetime.fromtimestamp(now + 1, UTC)
    hits = {hit.key: hit for hit in refused}
    blocking = [(row.blocked_until, hits[row.key].rule) for row in _full(hits, now)]
    blocking = [(until, rule) for until, rule in blocking if until >= soonest]
    if not blocking:  # it opened between the two statements
        return Throttled(soonest, refused[0].rule.counts)
    for rule in {rule for _until, rule in blocking if rule.alarm}:
        log.error("limit reached: %s", rule.name)
    until, rule = max(blocking, key=lambda blocked: blocked[0])
    return Throttled(until, rule.counts)
