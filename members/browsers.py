"""Known browsers: those that both factors opened within thirty days. (signin.md §2)

A cookie holds a random token, the database its digest. A known browser has its own budget of wrong
passwords, so that nobody can lock its member out, and rings no alarm. It never replaces the code.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db.models import DateTimeField, OuterRef, QuerySet, Subquery
from django.utils import timezone
from django.utils.crypto import salted_hmac

from members.addresses import browser, client_address, shown_prefix
from members.limits import limit
from members.models import KnownBrowser, User
from members.prepared import Prepared, Slot

REFRESH_AFTER = timedelta(days=1)
MOST_COOKIES = 8  # accounts that share one browser; more are not looked at
DIGESTS = [f"digest_{number}" for number in range(MOST_COOKIES)]


@dataclass(frozen=True)
class Acquaintance:
    """Whether a browser is known to an account, by which digest, and whether that was noted today."""

    digest: str = ""
    is_noted: bool = False

    def __bool__(self):
        return bool(self.digest)


STRANGER = Acquaintance()


def brought_by(request) -> dict:
    """The values of `with_browser`'s slots: what this browser shows, now."""
    tokens = [
        token
        for name, token in request.COOKIES.items()
        if name.startswith(settings.BROWSER_COOKIE_PREFIX)
    ]
    digests = dict(zip(DIGESTS, map(_digest, tokens), strict=False))
    return {"browser_at": timezone.now(), **dict.fromkeys(DIGESTS, ""), **digests}


def with_browser(accounts: QuerySet) -> QuerySet:
    """Accounts, each with the `browser_digest` by which it knows this browser, and since when it was
    last noted; None for a stranger's. To be prepared: its slots are filled by `brought_by`."""
    met = KnownBrowser.objects.live(Slot("browser_at", DateTimeField())).filter(
        user=OuterRef("pk"), digest__in=[Slot(name) for name in DIGESTS]
    )
    return accounts.annotate(
        browser_digest=Subquery(met.values("digest")[:1]),
        browser_seen_at=Subquery(met.values("last_seen_at")[:1]),
    )


def acquaintance(user: User | None) -> Acquaintance:
    """What `with_browser` found for `user`."""
    if user is None or not user.browser_digest:
        return STRANGER
    return Acquaintance(user.browser_digest, timezone.now() - user.browser_seen_at < REFRESH_AFTER)


def acquaintance_of(request, user: User) -> Acquaintance:
    return acquaintance(_account.first(id=user.pk, **brought_by(request)))


_account = Prepared(with_browser(User.objects.filter(pk=Slot("id"))))


def remember(request, user: User, digest: str = "") -> None:
    """Makes this browser known to `user`, or notes that he used the known one of `digest`.

    A stranger always gets a new token: one that somebody planted would be known to him too. The cookie
    goes out with the answer.
    """
    now = timezone.now()
    expires_at = now + timedelta(seconds=limit("KNOWN_BROWSER_LIFETIME"))
    name = _cookie(user)
    if digest:
        known = KnownBrowser.objects.live().filter(user=user, digest=digest)
        known.update(last_seen_at=now, expires_at=expires_at)
        request.browser_cookie = name, request.COOKIES.get(name, "")
        return
    token = secrets.token_urlsafe(32)
    KnownBrowser.objects.create(
        user=user,
        digest=_digest(token),
        browser=browser(request),
        address_prefix=shown_prefix(client_address(request)),
        expires_at=expires_at,
    )
    request.browser_cookie = name, token


def keep_cookie(request, response) -> None:
    """Sets the cookie that `remember` noted on the request, if any."""
    name, token = getattr(request, "browser_cookie", ("", ""))
    if token:
        response.set_cookie(
            name,
            token,
            max_age=limit("KNOWN_BROWSER_LIFETIME"),
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )


def forget(user: User, pk: int) -> bool:
    """Forgets one browser of `user`; False when it is not his."""
    known = KnownBrowser.objects.live().filter(user=user, pk=pk)
    return bool(known.update(revoked_at=timezone.now()))


def forget_all(user: User) -> None:
    KnownBrowser.objects.live().filter(user=user).update(revoked_at=timezone.now())


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _cookie(user: User) -> str:
    """A cookie for each account that uses this browser; its name tells nobody which."""
    mark = salted_hmac("members.browsers", str(user.pk), algorithm="sha256").hexdigest()[:10]
    return f"{settings.BROWSER_COOKIE_PREFIX}{mark}"
