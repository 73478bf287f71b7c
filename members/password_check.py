"""Checking a password: one hash exactly, at a cost that does not tell who exists.

(docs/decisions/0013-argon2.md)
"""

from django.contrib.auth.hashers import check_password, get_hasher, make_password
from django.db.models import Case, Q, QuerySet, Subquery, When
from django.db.models.functions import Coalesce
from django.utils.crypto import salted_hmac

from members.gate import Busy, password_gate
from members.models import User
from members.prepared import Prepared, Slot

LARGEST_DRAW = 28  # bits: twice as many accounts as there are people in France
KEYS = [f"key_{bits}" for bits in range(1, LARGEST_DRAW)]


def verify(read: User | None, password: str) -> bool:
    """Whether `password` is that of `read`, from `named_or_drawn`. One hash exactly, also for None."""
    return check_password(password, read.password if read else make_password(None))


def named_or_drawn(accounts: Prepared[User], identifiant: str, **values) -> User | None:
    """The account of that name or, for an unknown one, another account whose hash to verify instead. One
    statement, made ready by `drawing`; `values` fill slots of its caller's.

    While the cost of hashes changes, some accounts still have the old one. An unknown name then costs
    what an account costs: one is drawn by a keyed digest, the same each time for the same name, and each
    as often as another, so that nobody sees a pattern. None without any account.
    """
    digest = salted_hmac("members.password_check", identifiant, algorithm="sha256").digest()
    drawn = int.from_bytes(digest[:8])
    keys = {name: drawn % 2**bits for bits, name in enumerate(KEYS, start=1)}
    return accounts.first(identifiant=identifiant, **keys, **values)


def drawing(accounts: QuerySet) -> Prepared[User]:
    """What `named_or_drawn` asks: the account named, else one of `accounts` by the keys drawn."""
    # Of these, the largest that exists: a draw among all keys up to the last one. The last one itself
    # stands in where none of them exists. Each key is given once: psycopg reads a statement of more
    # than fifty values anew each time.
    everybody = User.objects.order_by("-pk").values("pk")
    drawn = everybody.filter(pk__in=[Slot(name) for name in KEYS])
    named = Q(identifiant=Slot("identifiant"))
    stands_in = Q(pk=Coalesce(Subquery(drawn[:1]), Subquery(everybody[:1])))
    rank = Case(When(named, then=0), default=1)
    return Prepared(accounts.filter(named | stands_in).order_by(rank)[:1])


def renew(user: User, password: str) -> None:
    """Hashes the right `password` of `user` again if its stored hash has another cost than today's.

    Only for somebody who is about to learn that it was right: this second hash takes time. It is left
    to the next sign-in when the gate is busy.
    """
    if not get_hasher().must_update(user.password):
        return
    try:
        with password_gate.passage():
            renewed = make_password(password)
    except Busy:
        return
    if User.objects.filter(pk=user.pk, password=user.password).update(password=renewed):
        user.password = renewed
