"""Sessions on the server: one row per browser, found by a digest of its key, ended by idleness and age.

Django's session engine (settings.SESSION_ENGINE). The row brings its account, so that a signed-in page
starts with one statement. (signin.md §2; NIST SP 800-63B-4 §2.2.3)
"""

import hashlib
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.base import SessionBase, UpdateError
from django.utils import timezone
from django.utils.crypto import constant_time_compare, get_random_string

from members.addresses import browser, client_address, shown_prefix
from members.limits import limit
from members.models import Session

KEY_LENGTH = 32


class SessionStore(SessionBase):
    def __init__(self, session_key=None):
        super().__init__(session_key)
        self.row: Session | None = None
        self.address_prefix = self.browser = ""
        self._replaces: str | None = None

    def exists(self, session_key):
        return Session.objects.filter(pk=_digest(session_key)).exists()

    def _get_new_session_key(self):
        # 190 random bits: no need to ask the database; the primary key would refuse a double
        return get_random_string(KEY_LENGTH)

    def load(self):
        now = timezone.now()
        self.row = (
            Session.objects.select_related("user__member", "user__sms_device")
            .filter(pk=_digest(self.session_key), expires_at__gt=now)
            .first()
        )
        if self.row is None:
            self._session_key = None
            return {}
        if self.row.user_id and now - self.row.seen_at > timedelta(seconds=limit("SESSION_TOUCH")):
            self.row.seen_at, self.row.expires_at = now, self._expiry(now, self.row.started_at)
            self.row.save(update_fields=["seen_at", "expires_at"])
        return self.decode(self.row.data)

    def create(self):
        self._session_key = self._get_new_session_key()
        self.save(must_create=True)
        self.modified = True

    def cycle_key(self):
        """A new key for the same row: one statement at the next save, and the old key is dead."""
        self._get_session()
        if self.session_key:
            self._replaces = self._replaces or self.session_key
            self._session_key = self._get_new_session_key()
        self.modified = True

    def save(self, must_create=False):
        if self.session_key is None:
            return self.create()
        data = self._get_session(no_load=must_create)
        now = timezone.now()
        user_id = data.get(SESSION_KEY)
        started_at = self.row.started_at if self.row else now
        if user_id and not (self.row and self.row.user_id):
            started_at = now  # the absolute age counts from the sign-in
        columns = {
            "key_digest": _digest(self.session_key),
            "user_id": user_id,
            "data": self.encode(data),
            "started_at": started_at,
            "seen_at": now,
            "expires_at": self._expiry(now, started_at)
            if user_id
            else now + timedelta(seconds=limit("PENDING_LIFETIME")),
        }
        if self.browser or self.address_prefix:
            columns |= {"address_prefix": self.address_prefix, "browser": self.browser}
        if must_create:
            self.row = Session.objects.create(**columns)
            return
        current = _digest(self._replaces or self.session_key)
        if not Session.objects.filter(pk=current).update(**columns):
            raise UpdateError  # ended meanwhile, from another browser or by a change of password
        self._replaces = None

    def delete(self, session_key=None):
        keys = [session_key] if session_key else [self.session_key, self._replaces]
        digests = [_digest(key) for key in keys if key]
        if digests:
            Session.objects.filter(pk__in=digests).delete()

    @classmethod
    def clear_expired(cls):
        Session.objects.filter(expires_at__lte=timezone.now()).delete()

    @staticmethod
    def _expiry(now: datetime, started_at: datetime) -> datetime:
        return min(
            now + timedelta(seconds=limit("SESSION_IDLE")),
            started_at + timedelta(seconds=limit("SESSION_ABSOLUTE")),
        )


def _digest(session_key: str | None) -> str:
    return hashlib.sha256((session_key or "").encode()).hexdigest()


def remember(request) -> None:
    """Notes on the session which browser opened it and, roughly, from where."""
    request.session.browser = browser(request)
    request.session.address_prefix = shown_prefix(client_address(request))


def account_of(request):
    """The account that this session signed in, or AnonymousUser.

    A change of password, phone or status since then ends the session here. (signin.md §2)
    """
    session = request.session
    user_id = session.get(SESSION_KEY)
    if not user_id or session.row is None or str(session.row.user_id) != user_id:
        return AnonymousUser()
    user = session.row.user
    signed = session.get(HASH_SESSION_KEY, "")
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    if not user.may_sign_in or not any(
        constant_time_compare(signed, user.state_fingerprint(key)) for key in keys
    ):
        session.flush()
        return AnonymousUser()
    return user


def end_others(request) -> int:
    """Ends every session of who is signed in here but this one; how many."""
    others = Session.objects.filter(user=request.user).exclude(pk=request.session.row.pk)
    return others.delete()[0]


def end_all(user) -> int:
    """Ends every session of `user`; how many."""
    return Session.objects.filter(user=user).delete()[0]
