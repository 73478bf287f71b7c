"""What an operator must set right before the portal starts. Errors here refuse every command."""

import ipaddress

from cryptography.fernet import Fernet
from django.conf import settings
from django.core import checks
from django.core.management.base import SystemCheckError
from django.utils.module_loading import import_string

from members.limits import LARGEST, RANGES

TAG = "portal"
DEMONSTRATION_BACKENDS = (
    "members.mail.memory.",
    *(f"django.core.mail.backends.{kind}." for kind in ("console", "dummy", "filebased", "locmem")),
)
FEWEST_CHARACTERS = 5  # different ones in a secret; Django asks as many of its own
DEMONSTRATION_GATEWAYS = ("members.sms.console.", "members.sms.memory.")


def insist() -> None:
    """Stops a server that would start with wrong settings. Raises SystemCheckError.

    Commands run every check by themselves; WSGI servers and workers run none.
    """
    errors = [found for found in checks.run_checks(tags=[TAG]) if found.is_serious()]
    if errors:
        raise SystemCheckError("\n".join(map(str, errors)))


@checks.register(TAG)
def no_demonstration_in_production(app_configs, **kwargs):
    if settings.DEMO:
        return []
    found = []
    for name in ("SMS_GATEWAY", "SMS_FALLBACK_GATEWAY"):
        if getattr(settings, name).startswith(DEMONSTRATION_GATEWAYS):
            found.append(
                checks.Error(
                    f"{name} sends no text: it shows codes on this machine.",
                    hint="Use twilio, or set DEBUG=1 for a demonstration with invented people.",
                    id="portal.E001",
                )
            )
    if settings.EMAIL_BACKEND.startswith(DEMONSTRATION_BACKENDS):
        found.append(
            checks.Error(
                "EMAIL_BACKEND sends no e-mail: it shows links on this machine.",
                hint="Unset it to use SMTP, or set DEBUG=1 for a demonstration.",
                id="portal.E006",
            )
        )
    for name in ("SECRET_KEY", "OTP_PEPPER"):
        value = getattr(settings, name)
        if "demo-only" in value or len(value) < 32 or len(set(value)) < FEWEST_CHARACTERS:
            found.append(
                checks.Error(f"{name} must be at least 32 random characters.", id="portal.E002")
            )
    if settings.SECRET_KEY == settings.OTP_PEPPER:
        found.append(
            checks.Error(
                "OTP_PEPPER must not be SECRET_KEY: whoever has one would have both.",
                id="portal.E002",
            )
        )
    if settings.DEMO_FIELD_KEY in settings.FIELD_ENCRYPTION_KEYS:
        found.append(
            checks.Error(
                "FIELD_ENCRYPTION_KEYS holds the key of the demonstration, which everybody can read.",
                hint="manage.py new_field_key prints another.",
                id="portal.E002",
            )
        )
    if not settings.DATABASE_URL:
        found.append(
            checks.Error(
                "DATABASE_URL is missing: people would be kept in a file beside the code.",
                hint="Set it, or DATABASE_URL_FILE. Production runs PostgreSQL: docs/operations.md.",
                id="portal.E007",
            )
        )
    return found


@checks.register(TAG)
def demonstration_stays_at_home(app_configs, **kwargs):
    if not settings.DEMO:
        return []
    hosts = {settings.PUBLIC_HOST, *settings.ALLOWED_HOSTS}
    if settings.HTTPS or not all(_is_at_home(host) for host in hosts):
        return [
            checks.Error(
                "DEBUG=1 shows every code on a page: it never goes with an address that others reach.",
                hint="Unset DEBUG, or use http://localhost in PUBLIC_URL and ALLOWED_HOSTS.",
                id="portal.E003",
            )
        ]
    return []


def _is_at_home(host: str) -> bool:
    """Whether `host` names this machine only; « testserver » is what Django's test client says."""
    if host in ("localhost", "testserver") or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@checks.register(TAG)
def field_keys_are_fernet_keys(app_configs, **kwargs):
    if not settings.FIELD_ENCRYPTION_KEYS:
        return [checks.Error("FIELD_ENCRYPTION_KEYS holds no key.", id="portal.E004")]
    for position, key in enumerate(settings.FIELD_ENCRYPTION_KEYS, start=1):
        try:
            Fernet(key)
        except ValueError:
            return [
                checks.Error(
                    f"FIELD_ENCRYPTION_KEYS: key {position} is not a Fernet key.",
                    hint="manage.py new_field_key prints one.",
                    id="portal.E004",
                )
            ]
    return []


@checks.register(TAG)
def gateways_exist(app_configs, **kwargs):
    found = []
    for name in ("SMS_GATEWAY", "SMS_FALLBACK_GATEWAY"):
        path = getattr(settings, name)
        try:
            exists = not path or callable(import_string(path).send)
        except (ImportError, AttributeError):
            exists = False
        if not exists or (not path and name == "SMS_GATEWAY"):
            found.append(
                checks.Error(
                    f"{name} names no gateway.",
                    hint=f"One of {', '.join(settings.SMS_GATEWAYS)}, or the path of a class.",
                    id="portal.E008",
                )
            )
    return found


@checks.register(TAG)
def clamd_has_an_address(app_configs, **kwargs):
    address = settings.CLAMD_ADDRESS
    host, _colon, port = address.rpartition(":")
    if not address or address.startswith("/") or (host and port.isdecimal() and port.isascii()):
        return []
    return [
        checks.Error("CLAMD_ADDRESS must be host:port, or the path of a socket.", id="portal.E011")
    ]


@checks.register(TAG)
def two_people_above_an_amount(app_configs, **kwargs):
    if 0 <= settings.REQUESTS_TWO_PEOPLE_CENTS <= LARGEST:
        return []
    return [checks.Error("REQUESTS_TWO_PEOPLE_CENTS must be 0 or more cents.", id="portal.E012")]


@checks.register(TAG)
def figures_are_in_range(app_configs, **kwargs):
    found = []
    if settings.TRUSTED_PROXIES < 0:
        found.append(checks.Error("TRUSTED_PROXIES must be 0 or more.", id="portal.E009"))
    for name, (lowest, highest) in RANGES.items():
        if not lowest <= settings.LIMITS[name] <= highest:
            found.append(
                checks.Error(f"LIMIT_{name} must be from {lowest} to {highest}.", id="portal.E010")
            )
    return found


@checks.register(TAG)
def twilio_is_whole(app_configs, **kwargs):
    if "twilio" not in settings.SMS_GATEWAY + settings.SMS_FALLBACK_GATEWAY:
        return []
    missing = [
        name for name in ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN") if not getattr(settings, name)
    ]
    if not settings.TWILIO_FROM and not settings.TWILIO_MESSAGING_SERVICE_SID:
        missing.append("TWILIO_FROM or TWILIO_MESSAGING_SERVICE_SID")
    return [checks.Error(f"{name} is missing.", id="portal.E005") for name in missing]


@checks.register(TAG)
def production_has_real_parts(app_configs, **kwargs):
    if settings.DEMO:
        return []
    found = []
    if not settings.REDIS_URL:
        found.append(
            checks.Warning(
                "No REDIS_URL: texts are sent inside the web process.",
                hint="Production runs Redis and a worker: docs/operations.md.",
                id="portal.W001",
            )
        )
    if not settings.HTTPS:
        found.append(
            checks.Warning("PUBLIC_URL is not https.", id="portal.W002"),
        )
    if settings.SECURE_SSL_REDIRECT and not settings.TRUSTED_PROXIES:
        found.append(
            checks.Warning(
                "No TRUSTED_PROXIES: behind a proxy that ends TLS, every page leads to itself.",
                hint="Set it to the number of proxies; 0 is right only if this process speaks TLS.",
                id="portal.W003",
            )
        )
    return found
