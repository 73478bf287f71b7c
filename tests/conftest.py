"""Real parts that any test may ask for. What a fixture starts, it stops."""

import itertools
import os

import hypothesis
import pytest

from tests.services.plugin import redis_numbers, shared_folder
from tests.services.redis import RedisServer
from tests.services.templates import MissingVariable
from tests.services.twilio import TwilioStandIn

# A busy machine is no bug; and what was handed in is judged by the same examples each time.
hypothesis.settings.register_profile(
    "tests", deadline=None, derandomize=os.environ.get("CI") == "true"
)
hypothesis.settings.load_profile("tests")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix):
    """Migrations run once per run: each worker's test database is a copy."""
    from django.db import connection

    from tests.services.portal import in_process_template

    connection.settings_dict["TEST"]["TEMPLATE"] = in_process_template()


@pytest.fixture(scope="session")
def django_db_keepdb():
    """Test databases are not dropped: their whole server is."""
    return True


@pytest.fixture(scope="session", autouse=True)
def strict_templates():
    from django.conf import settings
    from django.template import engines

    settings.TEMPLATES[0]["OPTIONS"]["string_if_invalid"] = MissingVariable()
    engines["django"].engine.string_if_invalid = MissingVariable()


@pytest.fixture(scope="session", autouse=True)
def duties_after_a_flush(django_db_setup):
    """A test that commits ends with a flush, which empties what migrations wrote: the duties come again."""
    from importlib import import_module

    from django.apps import apps
    from django.db.models.signals import post_migrate

    from incidents.models import Regime

    migration = import_module("incidents.migrations.0006_calls_evidence_and_filings")

    def seed(using, **kwargs):
        if using == "default" and not Regime.objects.exists():
            migration.seed(apps)

    post_migrate.connect(seed, sender=apps.get_app_config("incidents"), weak=False)
    yield
    post_migrate.disconnect(seed, sender=apps.get_app_config("incidents"))


@pytest.fixture(autouse=True)
def empty_cache():
    """No test sees what another one left in the cache."""
    yield
    from django.core.cache import cache

    from incidents import cached

    cached._ask_from = 0.0  # a cache that failed in one test does not rest in the next
    cached.forget_near()
    cache.clear()


# Processes


@pytest.fixture(scope="session")
def _numbers():
    return itertools.count(1)


@pytest.fixture(scope="module")
def portal_server(django_db_blocker, _numbers):
    """A factory of portals that run for real; see `tests.services.portal.Portal`.

    `cast`: the database holds what `manage.py demo` loads, else it is empty.
    `demo`: DEBUG=1, texts on the demo phone, tasks in the web process; else as in production.
    `twilio`: the stand-in that receives its texts. `redis`: a server to use instead of the shared one.
    `host`: how browsers name this machine.
    """
    from tests.services.portal import DEMO, Portal

    portals = []

    def start(
        *,
        cast=False,
        demo=False,
        twilio=None,
        redis=None,
        env=None,
        threads=8,
        host="127.0.0.1",
    ) -> Portal:
        number = next(_numbers)
        redis_url = os.environ["TESTS_REDIS_URL"] + str(redis_numbers()[number])
        if redis:
            redis_url = redis.url()
        elif demo:
            redis_url = ""
        portal = Portal(
            f"portal_{os.environ.get('PYTEST_XDIST_WORKER', 'gw0')}_{number}",
            django_db_blocker,
            redis_url=redis_url,
            cast=cast,
            env={**(DEMO if demo else {}), **(twilio.env if twilio else {}), **(env or {})},
            threads=threads,
            host=host,
        )
        portals.append(portal)
        portal.start()
        return portal

    yield start
    for portal in portals:
        portal.stop()


@pytest.fixture(scope="module")
def celery_worker():
    """A factory: `celery_worker(portal, "-Q", "codes")` is a real worker process, once it is ready."""

    def start(portal, *arguments, env=None):
        return portal.start_worker(*arguments, env=env)

    return start


@pytest.fixture(scope="module")
def redis_server(_numbers):
    """A factory of Redis servers that a test may stop, kill or suspend."""
    servers = []

    def start() -> RedisServer:
        worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
        servers.append(RedisServer(shared_folder(), f"redis-{worker}-{next(_numbers)}"))
        servers[-1].start()
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="module")
def twilio_standin():
    """Twilio's Messages API over HTTP, for portals that live as long as a module."""
    stand_in = TwilioStandIn()
    stand_in.start()
    yield stand_in
    stand_in.stop()


@pytest.fixture
def twilio(twilio_standin):
    """The same stand-in with no request in it, accepting everything."""
    twilio_standin.reset()
    return twilio_standin


# Browser


@pytest.fixture(scope="session")
def browser():
    """Chromium; without one the test is skipped, or fails where REQUIRE_BROWSER=1."""
    from playwright.sync_api import sync_playwright

    from tests.services import chromium

    with sync_playwright() as playwright:
        path = chromium.executable(playwright, shared_folder())
        if not path and os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail(chromium.ABSENT)
        if not path:
            pytest.skip(chromium.ABSENT)
        browser = playwright.chromium.launch(executable_path=path, args=chromium.ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def new_page(browser):
    """A factory of pages, each in a browser context of its own: `new_page(java_script_enabled=False)`.

    An error in a script, or anything that the content security policy stops, fails the test.
    """
    contexts, errors = [], []

    def open_page(**options):
        options = {"locale": "fr-FR", "timezone_id": "Europe/Paris", **options}
        context = browser.new_context(**options)
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on(
            "console",
            lambda message: (
                errors.append(message.text)
                if "Content Security Policy" in message.text or "Content-Security" in message.text
                else None
            ),
        )
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not errors, "\n".join(errors)


@pytest.fixture
def page(new_page):
    return new_page()


# The admin's colours pass slowly from one scheme to the other.
COLOURS_AT_REST = """async () => {
    await new Promise(requestAnimationFrame);
    await Promise.all(document.getAnimations().map(move => move.finished));
}"""


@pytest.fixture(scope="session")
def axe():
    """`axe(page)` asserts that no accessibility rule is broken on the page as it is shown.

    `preload=False` on pages whose sheets import others: to read these, axe adds inline styles, which the
    content security policy stops. `dark`: its colours are judged in the dark as well.
    """
    from axe_playwright_python.sync_playwright import Axe

    from tests.services import chromium

    checker = Axe()

    def check(page, ignore=(), preload=True, dark=False):
        asked = {"preload": preload}
        with chromium.scriptable(page) as shown:
            found = checker.run(shown, options=asked).response["violations"]
            if dark:
                shown.emulate_media(color_scheme="dark")
                shown.evaluate(COLOURS_AT_REST)
                asked["runOnly"] = ["color-contrast", "link-in-text-block"]
                found += checker.run(shown, options=asked).response["violations"]
                shown.emulate_media(color_scheme="light")
        broken = [
            f"{rule['id']} ({rule['impact']}): {rule['help']}\n"
            + "\n".join(
                f"    {node['html']}\n    {node['failureSummary']}" for node in rule["nodes"]
            )
            for rule in found
            if rule["id"] not in ignore
        ]
        assert not broken, f"{page.url}\n" + "\n".join(broken)

    return check
