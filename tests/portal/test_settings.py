"""What a production refuses to start with, tried as an operator would: a process and its environment."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured

from members.limits import DEFAULTS, RANGES
from portal import checks, env

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = {
    "SECRET_KEY": "kitchen-oyster-lighthouse-marsh-" * 2,
    "OTP_PEPPER": "saltmarsh-rigging-quayside-" * 2,
    "FIELD_ENCRYPTION_KEYS": "ZGVtby1vbmx5LWZpZWxkLWVuY3J5cHRpb24ta2V5LTE=",
    "DATABASE_URL": "sqlite://:memory:",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "PUBLIC_URL": "https://espace.example.fr",
    "TRUSTED_PROXIES": "1",
    "SMS_GATEWAY": "twilio",
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN": "t" * 32,
    "TWILIO_FROM": "RIVAGE",
}


def start(command=("manage.py", "check", "--deploy", "--fail-level", "WARNING"), **environment):
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    settings = {
        name: value for name, value in (PRODUCTION | environment).items() if value is not None
    }
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=inherited | settings,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_whole_production_starts_without_a_warning():
    done = start()
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "name", ["SECRET_KEY", "OTP_PEPPER", "FIELD_ENCRYPTION_KEYS", "TWILIO_AUTH_TOKEN"]
)
def test_a_missing_secret_is_named(name):
    done = start(**{name: None})
    assert done.returncode != 0
    assert f"{name} is missing" in done.stderr
    assert not any(secret in done.stderr for secret in ("kitchen-oyster", "saltmarsh", "t" * 32))


def test_a_secret_may_come_from_a_file(tmp_path):
    secret = tmp_path / "key"
    secret.write_text("foghorn-granite-harbour-" * 3 + "\n")
    assert start(SECRET_KEY=None, SECRET_KEY_FILE=str(secret)).returncode == 0
    missing = start(SECRET_KEY=None, SECRET_KEY_FILE=str(tmp_path / "none"))
    assert "SECRET_KEY_FILE cannot be read" in missing.stderr


@pytest.mark.parametrize("gateway", ["memory", "console", "members.sms.memory.MemoryGateway"])
@pytest.mark.parametrize("name", ["SMS_GATEWAY", "SMS_FALLBACK_GATEWAY"])
def test_no_gateway_that_shows_codes_in_production(name, gateway):
    done = start(**{name: gateway})
    assert done.returncode != 0
    assert "portal.E001" in done.stderr


@pytest.mark.parametrize(
    "backend",
    ["members.mail.memory.MemoryBackend", "django.core.mail.backends.console.EmailBackend"],
)
def test_no_mail_backend_that_shows_links_in_production(backend):
    done = start(EMAIL_BACKEND=backend)
    assert done.returncode != 0
    assert "portal.E006" in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("-c", "import portal.wsgi"),
        ("-m", "celery", "-A", "portal", "worker"),
        ("manage.py", "migrate"),
    ],
)
def test_every_process_refuses_not_only_the_check(command):
    done = start(command, SMS_GATEWAY="memory")
    assert done.returncode != 0
    assert "portal.E001" in done.stderr


def test_the_demo_phone_and_the_demo_accounts_do_not_exist_in_production():
    done = start(
        (
            "-c",
            "import django, os; os.environ['DJANGO_SETTINGS_MODULE'] = 'portal.settings'; django.setup();"
            "from django.template import Context, Template; from django.urls import resolve, Resolver404;"
            "assert not Template('{% load demo %}{% demo_accounts %}').render(Context()).strip()\n"
            "try: resolve('/demo/telephone/')\n"
            "except Resolver404: print('closed')",
        )
    )
    assert done.stdout.strip() == "closed", done.stderr


def test_demonstration_never_goes_with_a_public_address():
    done = start(DEBUG="1", SMS_GATEWAY="memory")
    assert done.returncode != 0
    assert "portal.E003" in done.stderr


def test_an_operator_reads_everything_that_is_wrong_at_once():
    done = start(
        ("manage.py", "check"),
        SECRET_KEY="a" * 50,
        DATABASE_URL=None,
        FIELD_ENCRYPTION_KEYS=",",
        SMS_GATEWAY="twillio",
        TRUSTED_PROXIES="-1",
        LIMIT_CODE_DIGITS="0",
    )
    assert done.returncode != 0
    found = {f"portal.E{number:03}" for number in (2, 4, 7, 8, 9, 10)}
    assert set(re.findall(r"portal\.E\d{3}", done.stderr)) == found
    assert "Traceback" not in done.stderr


def test_http_on_this_machine_may_run_as_production():
    done = start(("manage.py", "check"), PUBLIC_URL="http://127.0.0.1:8123/", TRUSTED_PROXIES=None)
    assert done.returncode == 0, done.stderr


def test_a_sender_must_be_chosen():
    assert "portal.E005" in start(TWILIO_FROM=None).stderr


def test_a_limit_comes_from_the_environment_and_must_be_a_number():
    show = ("-c", "from portal import settings; print(settings.LIMITS['CODE_LIFETIME'])")
    assert start(show, LIMIT_CODE_LIFETIME="120").stdout.strip() == "120"
    assert "must be a whole number" in start(show, LIMIT_CODE_LIFETIME="two").stderr


# One by one, in this process


@pytest.fixture
def production(settings):
    """The settings of a whole production, to be spoilt."""
    settings.DEMO, settings.HTTPS, settings.SECURE_SSL_REDIRECT = False, True, True
    settings.PUBLIC_HOST = "espace.example.fr"
    settings.ALLOWED_HOSTS = ["espace.example.fr"]
    settings.TRUSTED_PROXIES = 1
    for name in ("SECRET_KEY", "OTP_PEPPER", "DATABASE_URL", "TWILIO_ACCOUNT_SID", "TWILIO_FROM"):
        setattr(settings, name, PRODUCTION[name])
    settings.FIELD_ENCRYPTION_KEYS = [PRODUCTION["FIELD_ENCRYPTION_KEYS"]]
    settings.TWILIO_AUTH_TOKEN = PRODUCTION["TWILIO_AUTH_TOKEN"]
    settings.SMS_GATEWAY, settings.SMS_FALLBACK_GATEWAY = settings.SMS_GATEWAYS["twilio"], ""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    assert not found()
    return settings


@pytest.fixture
def demonstration(settings):
    settings.DEMO, settings.HTTPS = True, False
    settings.PUBLIC_HOST, settings.ALLOWED_HOSTS = "localhost", ["localhost"]
    assert not found()
    return settings


def found() -> dict[str, str]:
    """What the checks say, by their ids."""
    return {one.id: one.msg for one in run_checks(tags=[checks.TAG])}


@pytest.mark.parametrize("host", ["espace.example.fr", "192.168.1.20", "localhost.example.fr", ""])
def test_a_demonstration_is_never_reached_by_others(demonstration, host):
    demonstration.PUBLIC_HOST = host
    assert "portal.E003" in found()


@pytest.mark.parametrize("host", ["espace.example.fr", "*", ".example.fr", "0.0.0.0"])
def test_nor_under_another_name(demonstration, host):
    demonstration.ALLOWED_HOSTS = ["localhost", host]
    assert "portal.E003" in found()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "demo.localhost", "testserver"])
def test_this_machine_has_several_names(demonstration, host):
    demonstration.PUBLIC_HOST, demonstration.ALLOWED_HOSTS = host, [host, "[::1]"]
    assert not found()


@pytest.mark.parametrize("weak", ["short", "demo-only-secret-key-" + "0" * 40, "a" * 50, "ab" * 25])
@pytest.mark.parametrize("name", ["SECRET_KEY", "OTP_PEPPER"])
def test_weak_secrets_are_refused(production, name, weak):
    setattr(production, name, weak)
    assert name in found()["portal.E002"]


def test_one_secret_never_serves_twice(production):
    production.OTP_PEPPER = production.SECRET_KEY
    assert "OTP_PEPPER must not be SECRET_KEY" in found()["portal.E002"]


def test_the_key_of_the_demonstration_seals_nobody(production):
    production.FIELD_ENCRYPTION_KEYS += [production.DEMO_FIELD_KEY]
    assert "FIELD_ENCRYPTION_KEYS" in found()["portal.E002"]


@pytest.mark.parametrize("keys", [["not a key"], []])
def test_a_field_key_must_be_one(production, keys):
    production.FIELD_ENCRYPTION_KEYS = keys
    assert "portal.E004" in found()


def test_production_names_its_database(production):
    production.DATABASE_URL = ""
    assert "DATABASE_URL is missing" in found()["portal.E007"]


@pytest.mark.parametrize("name", ["SMS_GATEWAY", "SMS_FALLBACK_GATEWAY"])
@pytest.mark.parametrize(
    "path", ["twillio", "members.sms.twilio.Nothing", "nowhere.Gateway", "members.sms.gateway.Text"]
)
def test_a_gateway_must_exist(production, name, path):
    setattr(production, name, path)
    assert f"{name} names no gateway" in found()["portal.E008"]


def test_texts_need_a_gateway(production):
    production.SMS_GATEWAY = ""
    assert "portal.E008" in found()


def test_proxies_are_counted_from_nought(production):
    production.TRUSTED_PROXIES = -1
    assert "portal.E009" in found()


def test_https_without_a_proxy_is_a_warning_that_explains_itself(production):
    production.TRUSTED_PROXIES = 0
    assert "every page leads to itself" in found()["portal.W003"]
    production.SECURE_SSL_REDIRECT = False
    assert not found()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CODE_DIGITS", 0),
        ("CODE_DIGITS", 5),
        ("CODE_DIGITS", 11),
        ("CODE_ATTEMPTS", -1),
        ("CODE_ATTEMPTS", 1_000_000),
        ("CODE_LIFETIME", 86_400),
        ("SENDS_GLOBAL_HOUR", 2**31),  # the counters of the database end before
        ("GATE_QUEUE", 0),
    ],
)
def test_a_limit_out_of_range_is_named(production, name, value):
    production.LIMITS = {**production.LIMITS, name: value}
    assert f"LIMIT_{name} must be from" in found()["portal.E010"]


def test_quotas_and_waits_may_be_raised_as_benchmarks_do(production):
    production.LIMITS = {
        **production.LIMITS,
        "SENDS_GLOBAL_HOUR": 100_000_000,
        "SENDS_PER_PHONE_HOUR": 1_000_000,
        "PASSWORD_FAILURES_ACCOUNT": 1_000_000,
        "CODE_FAILURES_PER_HOUR": 1_000_000,
        "RESEND_FIRST_WAIT": 0,
        "GATE_QUEUE": 1_000_000,
    }
    assert not found()


def test_every_limit_has_a_range_and_a_default_within_it():
    assert RANGES.keys() == DEFAULTS.keys()
    for name, (lowest, highest) in RANGES.items():
        assert lowest <= DEFAULTS[name] <= highest, name


@pytest.mark.parametrize(
    "address",
    [
        "",
        "espace.example.fr",
        "ftp://espace.example.fr",
        "HTTPS://espace.example.fr",
        "https://Espace.example.fr",
        "https://espace.example.fr/portail",
        "https://espace.example.fr?x",
        "https://user@espace.example.fr",
        "https://",
        "https://[",
        "https://espace.example.fr:99999",
        "https://espace.example.fr:0",
    ],
)
def test_the_public_address_is_a_scheme_and_a_host(monkeypatch, address):
    monkeypatch.setenv("PUBLIC_URL", address)
    with pytest.raises(ImproperlyConfigured, match="PUBLIC_URL must look like"):
        env.origin("PUBLIC_URL", "")


@pytest.mark.parametrize(
    "address",
    ["https://espace.example.fr", "http://127.0.0.1:8123", "http://localhost", "http://[::1]:80"],
)
def test_a_slash_at_its_end_does_not_matter(monkeypatch, address):
    for written in (address, f"{address}/", f" {address} "):
        monkeypatch.setenv("PUBLIC_URL", written)
        assert env.origin("PUBLIC_URL", "") == address


def test_a_secret_in_a_file_is_a_text(tmp_path, monkeypatch):
    (tmp_path / "key").write_bytes(bytes(range(128, 255)))
    monkeypatch.setenv("SECRET_KEY_FILE", str(tmp_path / "key"))
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY_FILE is not a text"):
        env.secret("SECRET_KEY")
