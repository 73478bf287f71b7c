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
from django.db.models import DateTimeField, Q, QuerySet
from django.utils import timezone
from django.utils.crypto import constant_time_compare, get_random_string

from members.addresses import browser, client_address, shown_prefix
from members.limits import limit
from members.models import Session, User
from members.prepared import Prepared, Slot

KEY_LENGTH = 32
STAFF = "staff"  # mark in the data of a colleague's session: his idle time is another one


class SessionStore(SessionBase):
    def __init__(self, session_key=None):
        super().__init__(session_key)
        self.row: Session | None = None
        self.is_asleep = False
        self.address_prefix = self.browser = ""
        self._replaces: str | None = None
        self._ended = False

    def exists(self, session_key):
        return Session.objects.filter(pk=_digest(session_key)).exists()

    def _get_new_session_key(self):
        # 190 random bits: no need to ask the database; the primary key would refuse a double
        return get_random_string(KEY_LENGTH)

    def load(self):
        now = timezone.now()
        self.row = _with_account.first(key=_digest(self.session_key), now=now, oldest=_oldest(now))
        if self.row is None:
            self._session_key = None
            return {}
        data = self.decode(self.row.data)
        self.is_asleep = self.row.expires_at <= now
        touch_after = timedelta(seconds=limit("SESSION_TOUCH"))
        if self.row.user_id and not self.is_asleep and now - self.row.seen_at > touch_after:
            try:
                self._touch(data)
            except UpdateError:
                self.row = self._session_key = None
                return {}
        return data

    def touch(self) -> int:
        """Notes that somebody is there, now; seconds until the session falls asleep. Raises UpdateError
        when it ended meanwhile."""
        return self._touch(self._get_session())

    def _touch(self, data: dict) -> int:
        now = timezone.now()
        expires_at = _expiry(data, now, self.row.started_at)
        if not Session.objects.filter(pk=self.row.pk).update(seen_at=now, expires_at=expires_at):
            raise UpdateError  # ended since it was read
        self.row.seen_at, self.row.expires_at = now, expires_at
        return int((expires_at - now).total_seconds())

    def wake(self) -> None:
        """After the idle end, its holder showed his password: the session goes on, under a new key."""
        self._get_session()
        self.is_asleep = False
        self.cycle_key()

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
        }
        if not self.is_asleep:  # noting something on a sleeping session does not wake it
            columns |= {"seen_at": now, "expires_at": _expiry(data, now, started_at)}
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

    def flush(self):
        super().flush()
        # what follows is another session: neither as old as this one, nor asleep
        self.row = self._replaces = None
        self.is_asleep = False
        self._ended = True

    def is_empty(self):
        """Django asks before it deletes the cookie: only when this very request ended the session.

        A key that opens nothing may be one that a request beside this one has just replaced (a double
        click): to delete the cookie by its name would then delete the new key, and sign the browser out.
        """
        return self._ended and super().is_empty()

    @classmethod
    def clear_expired(cls):
        now = timezone.now()
        Session.objects.exclude(_not_over(now, _oldest(now))).delete()


def _not_over(now: datetime | Slot, oldest: datetime | Slot) -> Q:
    """Awake, or asleep and not as old as any session may become."""
    return Q(expires_at__gt=now) | Q(user__isnull=False, started_at__gt=oldest)


def _oldest(now: datetime) -> datetime:
    return now - timedelta(seconds=limit("SESSION_ABSOLUTE"))


_with_account = Prepared(
    Session.objects.select_related("user__member", "user__sms_device").filter(
        _not_over(Slot("now", DateTimeField()), Slot("oldest", DateTimeField())), pk=Slot("key")
    )
)


def _expiry(data: dict, now: datetime, started_at: datetime) -> datetime:
    if SESSION_KEY not in data:
        return now + timedelta(seconds=limit("PENDING_LIFETIME"))
    idle = "SESSION_IDLE_STAFF" if data.get(STAFF) else "SESSION_IDLE"
    return min(
        now + timedelta(seconds=limit(idle)),
        started_at + timedelta(seconds=limit("SESSION_ABSOLUTE")),
    )


def _digest(session_key: str | None) -> str:
    return hashlib.sha256((session_key or "").encode()).hexdigest()


def remember(request) -> None:
    """Notes on the session which browser opened it and, roughly, from where; and for whom."""
    if request.user.is_staff:
        request.session[STAFF] = True
    request.session.browser = browser(request)
    request.session.address_prefix = shown_prefix(client_address(request))


def account_of(request):
    """The account that this session signed in, or AnonymousUser.

    A change of password, phone or status since then ends the session here. (signin.md §2)
    """
    session = request.session
    user = _holder(session)
    if user is None or session.is_asleep:
        return AnonymousUser()
    return user


def sleeper(request) -> User | None:
    """Whose session fell asleep in this browser: his password alone wakes it. Never the staff's."""
    user = _holder(request.session)
    return user if user and request.session.is_asleep and not user.is_staff else None


def _holder(session: SessionStore) -> User | None:
    user_id = session.get(SESSION_KEY)
    if not user_id or session.row is None or str(session.row.user_id) != user_id:
        return None
    user = session.row.user
    signed = session.get(HASH_SESSION_KEY, "")
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    if not user.may_sign_in or not any(
        constant_time_compare(signed, user.state_fingerprint(key)) for key in keys
    ):
        session.flush()
        return None
    return user


def of(user) -> QuerySet:
    """The sessions of `user` that are not over, the latest seen first."""
    now = timezone.now()
    return Session.objects.filter(_not_over(now, _oldest(now)), user=user).order_by("-seen_at")


def is_current(session: Session, request) -> bool:
    return session.pk == _digest(request.session.session_key)


def end_all(user, *, but=None) -> int:
    """Ends every session of `user`, or every one but that of the request `but`; how many."""
    ended = Session.objects.filter(user=user)
    if but is not None:
        ended = ended.exclude(pk=_digest(but.session.session_key))
    return ended.delete()[0]


def end_one(user, key_digest: str) -> bool:
    """Ends one session of `user`; False when it is not his, or over already."""
    return bool(Session.objects.filter(user=user, pk=key_digest).delete()[0])
