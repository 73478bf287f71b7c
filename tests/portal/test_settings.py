"""What a production refuses to start with, tried as an operator would: a process and its environment."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from members.limits import DEFAULTS, RANGES

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


def test_a_secret_in_a_file_is_a_text(tmp_path):
    secret = tmp_path / "key"
    secret.write_bytes(bytes(range(128, 255)))
    done = start(SECRET_KEY=None, SECRET_KEY_FILE=str(secret))
    assert "SECRET_KEY_FILE is not a text" in done.stderr
    assert "UnicodeDecodeError" not in done.stderr


def refuses(check, **environment):
    """Whether every process would refuse to start, and says which variable is wrong."""
    done = start(("manage.py", "check"), **environment)
    assert done.returncode != 0, done.stderr
    assert check in done.stderr
    assert "Traceback" not in done.stderr
    return True


@pytest.mark.parametrize("gateway", ["memory", "console", "members.sms.memory.MemoryGateway"])
@pytest.mark.parametrize("name", ["SMS_GATEWAY", "SMS_FALLBACK_GATEWAY"])
def test_no_gateway_that_shows_codes_in_production(name, gateway):
    done = start(**{name: gateway})
    assert done.returncode != 0
    assert "portal.E001" in done.stderr


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


DEMO = {"DEBUG": "1", "SMS_GATEWAY": "memory", "DATABASE_URL": None}


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"PUBLIC_URL": "http://espace.example.fr"},
        {"PUBLIC_URL": "http://192.168.1.20:8000"},
        {"PUBLIC_URL": "http://localhost:8000", "ALLOWED_HOSTS": "espace.example.fr"},
        {"PUBLIC_URL": "http://localhost:8000", "ALLOWED_HOSTS": "localhost,*"},
        {"PUBLIC_URL": "http://localhost.example.fr"},
    ],
)
def test_demonstration_never_goes_with_an_address_that_others_reach(environment):
    assert refuses("portal.E003", **DEMO, **environment)


@pytest.mark.parametrize(
    "address",
    ["http://localhost:8000", "http://127.0.0.1:1", "http://127.8.8.8", "http://[::1]:80"],
)
def test_demonstration_stays_on_this_machine(address):
    assert start(("manage.py", "check"), **DEMO, PUBLIC_URL=address).returncode == 0


@pytest.mark.parametrize("weak", ["short", "demo-only-secret-key-" + "0" * 40, "a" * 50, "ab" * 25])
@pytest.mark.parametrize("name", ["SECRET_KEY", "OTP_PEPPER"])
def test_weak_secrets_are_refused(name, weak):
    assert refuses("portal.E002", **{name: weak})


def test_one_secret_never_serves_twice():
    assert refuses("portal.E002", OTP_PEPPER=PRODUCTION["SECRET_KEY"])


def test_the_key_of_the_demonstration_seals_nobody():
    public = "ZGVtby1vbmx5LWZpZWxkLWVuY3J5cHRpb24ta2V5LTA="
    assert refuses("portal.E002", FIELD_ENCRYPTION_KEYS=public)
    keys = f"{PRODUCTION['FIELD_ENCRYPTION_KEYS']},{public}"
    assert refuses("portal.E002", FIELD_ENCRYPTION_KEYS=keys)


@pytest.mark.parametrize("keys", ["not a key", ",", " , "])
def test_a_field_key_must_be_one(keys):
    assert refuses("portal.E004", FIELD_ENCRYPTION_KEYS=keys)


def test_production_names_its_database():
    assert refuses("portal.E007", DATABASE_URL=None)
    assert refuses("portal.E007", DATABASE_URL="")


@pytest.mark.parametrize("name", ["SMS_GATEWAY", "SMS_FALLBACK_GATEWAY"])
@pytest.mark.parametrize(
    "gateway",
    ["twillio", "members.sms.twilio.Nothing", "nowhere.Gateway", "members.sms.gateway.Text"],
)
def test_a_gateway_must_exist(name, gateway):
    assert refuses(f"{name} names no gateway", **{name: gateway})


def test_texts_need_a_gateway():
    assert refuses("portal.E008", SMS_GATEWAY="")


def test_proxies_are_counted_from_nought():
    assert refuses("portal.E009", TRUSTED_PROXIES="-1")


def test_https_without_a_proxy_is_a_warning_that_explains_itself():
    done = start(TRUSTED_PROXIES="0")
    assert "portal.W003" in done.stderr
    assert "every page leads to itself" in done.stderr
    assert start(("manage.py", "check"), TRUSTED_PROXIES="0").returncode == 0
    assert "portal.W003" not in start(TRUSTED_PROXIES="0", SSL_REDIRECT="0").stderr


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
def test_the_public_address_is_a_scheme_and_a_host(address):
    done = start(PUBLIC_URL=address)
    assert done.returncode != 0
    assert "PUBLIC_URL must look like" in done.stderr


def test_http_on_this_machine_may_run_as_production():
    done = start(("manage.py", "check"), PUBLIC_URL="http://127.0.0.1:8123/", TRUSTED_PROXIES=None)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "limit",
    [
        ("CODE_DIGITS", "0"),
        ("CODE_DIGITS", "5"),
        ("CODE_DIGITS", "11"),
        ("CODE_ATTEMPTS", "-1"),
        ("CODE_ATTEMPTS", "1000000"),
        ("CODE_LIFETIME", "86400"),
        ("SENDS_GLOBAL_HOUR", "2147483648"),  # the counters of the database end before
        ("GATE_QUEUE", "0"),
    ],
)
def test_a_limit_out_of_range_is_named(limit):
    name, value = limit
    assert refuses(f"LIMIT_{name} must be from", **{f"LIMIT_{name}": value})


def test_quotas_and_waits_may_be_raised_as_benchmarks_do():
    raised = {
        "LIMIT_SENDS_GLOBAL_HOUR": "100000000",
        "LIMIT_SENDS_PER_PHONE_HOUR": "1000000",
        "LIMIT_PASSWORD_FAILURES_ACCOUNT": "1000000",
        "LIMIT_CODE_FAILURES_PER_HOUR": "1000000",
        "LIMIT_RESEND_FIRST_WAIT": "0",
        "LIMIT_GATE_QUEUE": "1000000",
    }
    assert start(("manage.py", "check"), **raised).returncode == 0


def test_every_limit_has_a_range_and_a_default_within_it():
    assert RANGES.keys() == DEFAULTS.keys()
    for name, (lowest, highest) in RANGES.items():
        assert lowest <= DEFAULTS[name] <= highest, name


def test_a_sender_must_be_chosen():
    assert "portal.E005" in start(TWILIO_FROM=None).stderr


def test_a_limit_comes_from_the_environment_and_must_be_a_number():
    show = ("-c", "from portal import settings; print(settings.LIMITS['CODE_LIFETIME'])")
    assert start(show, LIMIT_CODE_LIFETIME="120").stdout.strip() == "120"
    assert "must be a whole number" in start(show, LIMIT_CODE_LIFETIME="two").stderr
