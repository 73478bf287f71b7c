"""Settings from the environment. Every secret NAME can also come from a file named in NAME_FILE."""

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

ORIGIN = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]+)?")


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, default).strip()


def integer(name: str, default: int) -> int:
    value = text(name)
    try:
        return int(value) if value else default
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number.") from None


def boolean(name: str, default: bool = False) -> bool:
    value = text(name).lower()
    if value not in ("", "0", "1", "true", "false", "yes", "no", "on", "off"):
        raise ImproperlyConfigured(f"{name} must be 1 or 0.")
    return value in ("1", "true", "yes", "on") if value else default


def words(name: str, default: str = "") -> list[str]:
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def origin(name: str, default: str) -> str:
    """A scheme and a host as browsers write them, perhaps a port: no path, nothing in capitals."""
    value = os.environ.get(name, default).strip().removesuffix("/")
    try:
        parts = urlsplit(value)
        whole = bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    if not whole or not ORIGIN.fullmatch(value):
        raise ImproperlyConfigured(
            f"{name} must look like https://espace.example.fr: https or http, a host in small "
            "letters, no path."
        )
    return value


def secret(name: str, *, demo: str | None = None, required: bool = True) -> str:
    """The secret `name`, from NAME or the file NAME_FILE; `demo` stands in for it in demo mode only.

    Raises ImproperlyConfigured, naming the variable and never its value.
    """
    path = text(f"{name}_FILE")
    if path:
        try:
            value = Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ImproperlyConfigured(f"{name}_FILE cannot be read: {error.strerror}.") from None
        except UnicodeDecodeError:
            raise ImproperlyConfigured(f"{name}_FILE is not a text: it must be UTF-8.") from None
    else:
        value = text(name)
    if not value and demo is not None and boolean("DEBUG"):
        return demo
    if not value and required:
        raise ImproperlyConfigured(f"{name} is missing: set it, or {name}_FILE.")
    return value
