"""The attack suite: over HTTP alone, against the portal as it runs for real. (docs/security.md)

Short in `make test`; `make attack` sends larger bursts, takes more samples and prints the table.
"""

import os

import pytest

from tests.attack.leaks import leaks
from tests.attack.town import PROCESSES, Town
from tests.services.plugin import redis_numbers
from tests.services.portal import Portal
from tests.services.smtp import SmtpStandIn
from tests.services.twilio import TwilioStandIn

ROW = "attack"


@pytest.fixture(scope="session")
def town(django_db_blocker, _numbers):
    """One portal for the whole suite: web processes, PostgreSQL, Redis, a worker, texts, e-mails.

    When the last attack is over, nothing at rest and no log may tell a secret.
    """
    twilio, smtp = TwilioStandIn(), SmtpStandIn()
    twilio.start()
    smtp.start()
    number = next(_numbers)
    portal = Portal(
        f"portal_{os.environ.get('PYTEST_XDIST_WORKER', 'gw0')}_{number}",
        django_db_blocker,
        redis_url=os.environ["TESTS_REDIS_URL"] + str(redis_numbers()[number]),
        cast=True,
        env={**twilio.env, **smtp.env, "TRUSTED_PROXIES": "1"},
        threads=16,
        workers=PROCESSES,
    )
    portal.start()
    portal.start_worker()
    town = Town(portal, twilio, smtp)
    yield town
    told = leaks(town)
    portal.stop()
    smtp.stop()
    twilio.stop()
    assert not told, "\n".join(told)


@pytest.fixture
def verdict(record_property):
    """`verdict(tried, through)` writes a line of the table; more than `may` let through fails the test."""

    def say(tried: int, through: int, may: int = 0, what: object = ""):
        record_property(ROW, [tried, through, may])
        assert through <= may, what or f"{through} of {tried} passed, {may} may"

    return say


def pytest_terminal_summary(terminalreporter, config):
    if os.environ.get("ATTACK") != "long":
        return
    told = [
        report
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        if report.when == "call" and "tests/attack/" in report.nodeid
    ]
    attacks: dict[str, list] = {}
    for report in sorted(told, key=lambda report: report.nodeid):
        sentence = report.nodeid.partition("::test_")[2].partition("[")[0].replace("_", " ")
        attacks.setdefault(sentence, []).append(report)
    rows = [("attack", "tried", "let through", "verdict")]
    for sentence, reports in attacks.items():
        counts = [dict(report.user_properties).get(ROW) or (0, 0, 0) for report in reports]
        tried, through, may = (sum(column) for column in zip(*counts, strict=True))
        let = f"{through} of {may} allowed" if may else str(through)
        held = all(report.passed for report in reports)
        rows.append((sentence, str(tried or ""), let, "held" if held else "BROKEN"))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    terminalreporter.section("attacks")
    for sentence, tried, let, verdict in rows:
        terminalreporter.write_line(
            f"{sentence:{widths[0]}}  {tried:>{widths[1]}}  {let:>{widths[2]}}  {verdict}"
        )
