"""Counters that bound what anyone may try: reserved before the act, in one statement, in the database.

A burst of parallel requests cannot pass a counter that is incremented before it is read. Losing the
cache loses no count, and a database that is away refuses the act: the limits fail closed.
(signin.md §2; decision docs/decisions/0006-conditional-updates.md)
"""

import logging
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import connection
from django.db.models import Max
from django.utils.crypto import salted_hmac

from members.limits import limit
from members.models import Throttle

log = logging.getLogger("members.alarm")

GLOBAL_SHARDS = 16  # one hot row for every text of the country would queue all sign-ins behind it


@dataclass(frozen=True)
class Rule:
    """`allowed` hits in `window` seconds. Then no more until the window ends or, when `doubling`, a wait
    of WAIT_FIRST seconds that doubles with each further hit up to WAIT_LONGEST."""

    name: str
    allowed: str
    window: str | int
    doubling: bool = False
    alarm: bool = False
    shards: int = 1


PASSWORD_PAIR = Rule("password.pair", "PASSWORD_FAILURES_PAIR", "PASSWORD_WINDOW", doubling=True)
PASSWORD_ACCOUNT = Rule(
    "password.account", "PASSWORD_FAILURES_ACCOUNT", "PASSWORD_WINDOW", doubling=True
)
PASSWORD_ADDRESS = Rule(
    "password.address", "PASSWORD_FAILURES_ADDRESS", "PASSWORD_WINDOW", doubling=True, alarm=True
)
TOTP = Rule("totp", "TOTP_FAILURES", "TOTP_WINDOW", doubling=True)
SENDS_PHONE_HOUR = Rule("sends.phone.hour", "SENDS_PER_PHONE_HOUR", 3600)
SENDS_PHONE_DAY = Rule("sends.phone.day", "SENDS_PER_PHONE_DAY", 86_400)
SENDS_ADDRESS = Rule(
    "sends.address", "SENDS_PER_ADDRESS", "SENDS_PER_ADDRESS_WINDOW", alarm=True
)
SENDS_GLOBAL = Rule("sends.global", "SENDS_GLOBAL_HOUR", 3600, alarm=True, shards=GLOBAL_SHARDS)


@dataclass(frozen=True)
class Hit:
    """One act to count under a rule; `change=-1` gives back one that turned out to be innocent."""

    rule: Rule
    subject: str
    change: int = 1

    @property
    def key(self) -> str:
        return salted_hmac(
            "members.throttle", f"{self.rule.name}\0{self.subject}", algorithm="sha256"
        ).hexdigest()

    def refunded(self) -> "Hit":
        return Hit(self.rule, self.subject, -1)


def global_hit() -> Hit:
    return Hit(SENDS_GLOBAL, str(secrets.randbelow(GLOBAL_SHARDS)))


class Throttled(Exception):
    """Refused without being counted. `until`: when the next try may be made."""

    def __init__(self, until: datetime):
        super().__init__(until)
        self.until = until


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
        window = limit(rule.window) if isinstance(rule.window, str) else rule.window
        allowed = max(limit(rule.allowed) // rule.shards, 1)
        parameters += [key, hit.change, allowed, int(rule.doubling), now + window]
    with connection.cursor() as cursor:
        cursor.execute(_statement(len(rows), len(charged), now), [*parameters, *charged])
        counted = {row[0] for row in cursor.fetchall()}
    if counted < rows.keys():
        refused = [hit for key, hit in rows.items() if key in charged and key not in counted]
        _alarm(refused)
        raise Throttled(_until([hit.key for hit in refused], now))


def purge() -> int:
    """Deletes the counters whose window is over; how many."""
    return Throttle.objects.filter(ends_at__lt=int(time.time())).delete()[0]


def _statement(rows: int, charged: int, now: int) -> str:
    value = "(CAST(%s AS TEXT), CAST(%s AS SMALLINT), CAST(%s AS INTEGER), CAST(%s AS SMALLINT), CAST(%s AS BIGINT))"
    first, longest = limit("WAIT_FIRST"), limit("WAIT_LONGEST")
    # the new count, then until when it blocks
    count = f"""(CASE WHEN t.ends_at <= {now} THEN CASE WHEN excluded.change > 0 THEN 1 ELSE 0 END
                 WHEN t.count + excluded.change < 0 THEN 0
                 ELSE t.count + excluded.change END)"""
    ends = f"""(CASE WHEN t.ends_at <= {now} OR excluded.doubling = 1 THEN excluded.ends_at
                ELSE t.ends_at END)"""
    steps = f"({count} - excluded.allowed)"
    wait = f"""(CASE WHEN {steps} >= 15 OR ({first} << {steps}) > {longest} THEN {longest}
                ELSE {first} << {steps} END)"""
    blocked = f"""(CASE WHEN {count} < excluded.allowed THEN 0
                   WHEN excluded.change < 0 THEN t.blocked_until
                   WHEN excluded.doubling = 1 THEN {now} + {wait}
                   ELSE {ends} END)"""
    return f"""
        INSERT INTO members_throttle AS t
               (key, change, allowed, doubling, ends_at, count, blocked_until)
        SELECT column1, column2, column3, column4, column5,
               CASE WHEN column2 > 0 THEN 1 ELSE 0 END,
               CASE WHEN column2 < 0 OR column3 > 1 THEN 0
                    WHEN column4 = 1 THEN {now} + {first} ELSE column5 END
          FROM (VALUES {", ".join([value] * rows)}) AS v
         WHERE NOT EXISTS (SELECT 1 FROM members_throttle b
                            WHERE b.key IN ({", ".join(["%s"] * charged)})
                              AND b.blocked_until > {now})
        ON CONFLICT (key) DO UPDATE
           SET count = {count}, ends_at = {ends}, blocked_until = {blocked},
               change = excluded.change, allowed = excluded.allowed, doubling = excluded.doubling
         WHERE excluded.change < 0 OR t.blocked_until <= {now}
        RETURNING key"""


def _until(keys: list[str], now: int) -> datetime:
    latest = Throttle.objects.filter(key__in=keys).aggregate(at=Max("blocked_until"))["at"]
    return datetime.fromtimestamp(max(latest or 0, now + 1), UTC)


def _alarm(refused: list[Hit]) -> None:
    for rule in {hit.rule for hit in refused if hit.rule.alarm}:
        log.error("limit reached: %s", rule.name)
