"""What an operator must set right before the portal starts. Errors here refuse every command."""

from cryptography.fernet import Fernet
from django.conf import settings
from django.core import checks
from django.core.management.base import SystemCheckError

TAG = "portal"
DEMONSTRATION_BACKENDS = (
    "members.mail.memory.",
    *(f"django.core.mail.backends.{kind}." for kind in ("console", "dummy", "filebased", "locmem")),
)
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
        if "demo-only" in value or len(value) < 32:
            found.append(
                checks.Error(f"{name} must be at least 32 random characters.", id="portal.E002")
            )
    return found


@checks.register(TAG)
def demonstration_stays_at_home(app_configs, **kwargs):
    if settings.DEMO and settings.HTTPS:
        return [
            checks.Error(
                "DEBUG=1 shows every code on a page: it never goes with a public https address.",
                hint="Unset DEBUG, or use an http://localhost PUBLIC_URL.",
                id="portal.E003",
            )
        ]
    return []


@checks.register(TAG)
def field_keys_are_fernet_keys(app_configs, **kwargs):
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
    return found
