"""« Codes de secours »: codes that a member prints, each good once, for the day his phone is lost.

Random, 78 bits each, so that a keyed digest is enough to keep: nobody tries them through. They are shown
once, by the answer to the request that made them. (NIST SP 800-63B-4 §3.1.2, « look-up secrets »)
"""

from django.db import transaction
from django.utils.crypto import get_random_string

from members import alerts, audit, sealing
from members.limits import limit
from members.models import RecoveryCode, User

# No I, L, O, U, 0 or 1: nothing that is read for something else, and no word. 30 characters.
LETTERS = "ABCDEFGHJKMNPQRSTVWXYZ23456789"
GROUPS, GROUP_LENGTH = 4, 4
LONGEST_TYPED = 64


class AccountChanged(Exception):
    """The account was closed or changed since `user` was read: nothing was made."""


def make(user: User, *, request) -> list[str]:
    """New codes for `user`, to be shown once; the earlier ones are void. Raises AccountChanged."""
    made = [_new() for _ in range(limit("RECOVERY_CODES"))]
    with transaction.atomic():
        if not User.objects.lock_unchanged(user):  # locked: of two makers at once, one set remains
            raise AccountChanged
        RecoveryCode.objects.filter(user=user).delete()
        RecoveryCode.objects.bulk_create(
            RecoveryCode(user=user, digest=_digest(user, code)) for code in made
        )
        audit.record("codes.made", user=user, request=request, count=len(made))
        alerts.tell(user, "codes_made", request=request)
    return made


def left(user: User) -> int:
    return RecoveryCode.objects.left().filter(user=user).count()


def use(user: User, typed: str) -> bool:
    """Uses up the code that was typed, in any case and with any separators; True for one caller only."""
    return len(typed) <= LONGEST_TYPED and RecoveryCode.objects.use(user, _digest(user, typed))


def _new() -> str:
    """« K7PM-2QXD-9HVB-TR4C »."""
    return "-".join(get_random_string(GROUP_LENGTH, LETTERS) for _ in range(GROUPS))


def _digest(user: User, code: str) -> str:
    plain = "".join(character for character in code.upper() if character.isalnum())
    message = f"saved code\0{user.pk}\0{plain}".encode()
    return sealing.peppered(message).hex()
