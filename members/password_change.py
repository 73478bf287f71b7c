"""A new password chosen from inside the space, by who has just typed the present one."""

from django.contrib.auth import update_session_auth_hash
from django.db import transaction

from members import alerts, audit, passwords, sessions
from members.models import User


class Changed(Exception):
    """Somebody changed this password a moment before: nothing was done."""


def change(request, password: str) -> None:
    """Sets the password of who is signed in here. Every other session ends, this one gets a new key.

    Raises gate.Busy, or Changed when another request was faster.
    """
    user = request.user
    before, after = user.password, passwords.encode(password)
    with transaction.atomic():
        if not User.objects.filter(pk=user.pk, password=before).update(password=after):
            raise Changed
        user.password = after
        sessions.end_all(request.user, but=request)
        audit.record("password.changed", user=user, request=request)
        alerts.tell(user, "password_changed", request=request)
    update_session_auth_hash(request, user)
