"""What a production refuses to start with, tried as an operator would: a process and its environment."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = {
    "SECRET_KEY": "kitchen-oyster-lighthouse-marsh-" * 2,
    "OTP_PEPPER": "p" * 50,
    "FIELD_ENCRYPTION_KEYS": "ZGVtby1vbmx5LWZpZWxkLWVuY3J5cHRpb24ta2V5LTE=",
    "DATABASE_URL": "sqlite://:memory:",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "PUBLIC_URL": "https://espace.example.fr",
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
    assert not any(secret in done.stderr for secret in ("kitchen-oyster", "p" * 50, "t" * 32))


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


@pytest.mark.parametrize("weak", ["short", "demo-only-secret-key-" + "0" * 40])
def test_weak_secrets_are_refused(weak):
    assert "portal.E002" in start(SECRET_KEY=weak).stderr


def test_a_field_key_must_be_one():
    assert "portal.E004" in start(FIELD_ENCRYPTION_KEYS="not a key").stderr


def test_a_sender_must_be_chosen():
    assert "portal.E005" in start(TWILIO_FROM=None).stderr


def test_a_limit_comes_from_the_environment_and_must_be_a_number():
    show = ("-c", "from portal import settings; print(settings.LIMITS['CODE_LIFETIME'])")
    assert start(show, LIMIT_CODE_LIFETIME="120").stdout.strip() == "120"
    assert "must be a whole number" in start(show, LIMIT_CODE_LIFETIME="two").stderr
