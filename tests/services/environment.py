"""The environment variables of a test run, and of the portals that it starts as real processes."""

import os

SECRETS = {
    "SECRET_KEY": "tests-only-secret-key-" + "".join(chr(ord("a") + n % 26) for n in range(60)),
    "OTP_PEPPER": "tests-only-pepper-" + "".join(chr(ord("z") - n % 26) for n in range(60)),
    "FIELD_ENCRYPTION_KEYS": "dGVzdHMtb25seS1maWVsZC1lbmNyeXB0aW9uLWtleTA=",
}

# In the test process itself: the demo's gateways, and a hash that costs next to nothing.
IN_PROCESS = {
    **SECRETS,
    "DEBUG": "1",
    "PUBLIC_URL": "http://testserver",
    "SMS_GATEWAY": "memory",
    "ARGON2_MEMORY_KIB": "64",
    "ARGON2_TIME": "1",
    "ARGON2_PARALLELISM": "1",
    # Playwright keeps an event loop in the thread of the tests, which are not asynchronous.
    "DJANGO_ALLOW_ASYNC_UNSAFE": "1",
}

_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH", "FILES_ROOT")


def production(public_url: str, database_url: str, redis_url: str, **others: str) -> dict[str, str]:
    """What an operator sets, and nothing of the test process."""
    return {
        **{name: os.environ[name] for name in _KEPT if name in os.environ},
        **SECRETS,
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "PUBLIC_URL": public_url,
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "SMS_GATEWAY": "twilio",
        "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
        "TWILIO_AUTH_TOKEN": "tests-only-token",
        "TWILIO_FROM": "RIVAGE",
        "TWILIO_BASE_URL": "http://127.0.0.1:1",  # nobody: no test ever reaches the real one
        "PYTHONUNBUFFERED": "1",
        **others,
    }
