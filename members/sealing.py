"""Encryption at rest of what must not be read from a stolen database, and keyed digests.

Keys come from FIELD_ENCRYPTION_KEYS (Fernet keys, newest first): the first one seals, all of them open.
`manage.py rotate_field_keys` seals everything again under the first key: docs/operations.md.
"""

import hashlib
import hmac
import uuid
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class CannotOpen(Exception):
    """No configured key opens this value."""


@lru_cache(maxsize=4)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def seal(text: str) -> str:
    return _fernet(tuple(settings.FIELD_ENCRYPTION_KEYS)).encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    """The text under `sealed`. Raises CannotOpen when no key fits or the value was altered."""
    try:
        return _fernet(tuple(settings.FIELD_ENCRYPTION_KEYS)).decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise CannotOpen from None


def seal_bytes(content: bytes) -> bytes:
    return _fernet(tuple(settings.FIELD_ENCRYPTION_KEYS)).encrypt(content)


def unseal_bytes(sealed: bytes) -> bytes:
    """The content under `sealed`. Raises CannotOpen when no key fits or the value was altered."""
    try:
        return _fernet(tuple(settings.FIELD_ENCRYPTION_KEYS)).decrypt(sealed)
    except InvalidToken:
        raise CannotOpen from None


def is_current(sealed: str) -> bool:
    """Whether the first key sealed this value."""
    try:
        Fernet(settings.FIELD_ENCRYPTION_KEYS[0]).decrypt(sealed.encode())
    except InvalidToken:
        return False
    return True


def digests(text: str, purpose: str) -> list[uuid.UUID]:
    """Keyed digests of `text`, one per key, newest first: to find a row during a key rotation."""
    return [_digest(key, text, purpose) for key in settings.FIELD_ENCRYPTION_KEYS]


def digest(text: str, purpose: str) -> uuid.UUID:
    """The 128-bit keyed digest to store: equal texts are equal digests, and no key means no search."""
    return _digest(settings.FIELD_ENCRYPTION_KEYS[0], text, purpose)


def peppered(message: bytes) -> bytes:
    """HMAC-SHA256 of `message` under OTP_PEPPER: what derives codes and links, and keeps printed codes."""
    return hmac.new(settings.OTP_PEPPER.encode(), message, hashlib.sha256).digest()


def _digest(key: str, text: str, purpose: str) -> uuid.UUID:
    mac = _begun(key, purpose).copy()
    mac.update(text.encode())
    return uuid.UUID(bytes=mac.digest()[:16])


@lru_cache(maxsize=16)
def _begun(key: str, purpose: str):
    """The part of a digest that is the same for a million texts."""
    return hmac.new(key.encode(), f"{purpose}\0".encode(), hashlib.sha256)
