"""The trail: append-only events, each sealed by a keyed digest, then chained one to the next.

An event is written in the transaction of what it tells, without touching any shared row. A task chains
the events some seconds later, in order of id: no sign-in waits for another. What a row says is therefore
protected at once, and that it exists once it is chained. (docs/decisions/0014-audit-chain.md)
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from members.addresses import browser, client_address
from members.models import AuditCheckpoint, AuditEvent, AuditLink
from members.models.audit import KEPT_DAYS

SETTLED_AFTER = timedelta(seconds=5)  # longer than any transaction of ours: no id comes in later
LATECOMERS = 10_000
BATCH = 2_000


def record(action: str, *, user=None, actor=None, request=None, **details) -> AuditEvent:
    """Writes one event in the caller's transaction; the actor is the signed-in user unless said.

    `details` must be fit for JSON, and never holds a code, a password, a whole phone number or a NIR.
    """
    if actor is None and request is not None and request.user.is_authenticated:
        actor = request.user
    event = AuditEvent(
        action=action,
        user_id=user.pk if user else None,
        actor_id=actor.pk if actor else None,
        address=client_address(request) if request else "",
        browser=browser(request) if request else "",
        details=details,
    )
    event.digest = _event_digest(event)
    event.save(force_insert=True)
    return event


def seal() -> int:
    """Chains the settled events, in order; how many. Safe to run in several places at once."""
    try:
        with transaction.atomic():
            return _seal()
    except IntegrityError:  # another process chained them: the position is a primary key
        return 0


def _seal() -> int:
    last = AuditLink.objects.order_by("-position").first()
    events = AuditEvent.objects.filter(link=None, at__lte=timezone.now() - SETTLED_AFTER)
    if last:
        events = events.filter(id__gt=last.event_id - LATECOMERS)
    position, chain = head(last)
    links = []
    for event in events.order_by("id")[:BATCH]:
        position, chain = position + 1, _chain(chain, event)
        links.append(AuditLink(position=position, event=event, chain=chain))
    AuditLink.objects.bulk_create(links)
    return len(links)


def head(last: AuditLink | None = None) -> tuple[int, str]:
    """The position and the chain of the last link, or of the checkpoint where the chain begins."""
    end = last or AuditLink.objects.order_by("-position").first() or _beginning()
    return end.position, end.chain


def _beginning() -> AuditCheckpoint:
    begin = AuditCheckpoint.objects.order_by("-position").first()
    return begin or AuditCheckpoint(position=0, chain="")


def purge(before: datetime | None = None) -> int:
    """Deletes the events older than a year, all of them chained and verified; how many.

    One checkpoint keeps the place and the digest where the chain goes on, so that it still verifies; it is
    sealed, so that nobody else makes a place for it to begin.
    Raises Broken when what would go does not verify: proof of a breach is not thrown away.
    """
    year = timezone.now() - timedelta(days=KEPT_DAYS)
    before = min(before or year, year)
    purged = 0
    while batch := list(
        AuditLink.objects.filter(event__at__lt=before)
        .select_related("event")
        .order_by("position")[:BATCH]
    ):
        young = AuditLink.objects.filter(position__lt=batch[-1].position, event__at__gte=before)
        if young.exists():  # a clock that went back: wait until those too have served their time
            batch = batch[: young.order_by("position").first().position - batch[0].position]
        if not batch:
            break
        purged += _purge(batch)
    return purged


def _purge(batch: list[AuditLink]) -> int:
    before = _beginning()
    if breach := next(_breaches_of_checkpoint(), None):
        raise Broken(breach)
    for link in batch:
        if (
            link.position != before.position + 1
            or not is_genuine(link.event)
            or not is_linked(before.chain, link)
        ):
            raise Broken(Breach(f"link {before.position + 1}", "altered or missing"))
        before = link
    with transaction.atomic():
        checkpoint = AuditCheckpoint(
            position=before.position, chain=before.chain, events=len(batch)
        )
        checkpoint.seal = checkpoint_seal(checkpoint)
        checkpoint.save(force_insert=True)
        AuditLink.objects.filter(position__lte=before.position).end_of_retention()
        AuditEvent.objects.filter(pk__in=[link.event_id for link in batch]).end_of_retention()
    return len(batch)


class Broken(Exception):
    """The trail is not as it was written; the first breach says where."""


@dataclass(frozen=True)
class Breach:
    """The first row that is not as it was written."""

    row: str
    what: str

    def __str__(self):
        return f"{self.row}: {self.what}"


def verify() -> Breach | None:
    """Reads the whole trail; the first broken row, or None."""
    return (
        next(_breaches_of_checkpoint(), None)
        or next(_breaches_of_events(), None)
        or next(_breaches_of_chain(), None)
        or next(_events_never_chained(), None)
    )


def _breaches_of_checkpoint() -> Iterator[Breach]:
    """The last one alone: the chain begins there, and who wrote it held the key."""
    begin = _beginning()
    if begin.position and not _is_sealed(begin):
        yield Breach(f"checkpoint {begin.position}", "not written by the purge")


def _breaches_of_events() -> Iterator[Breach]:
    for event in AuditEvent.objects.order_by("id").iterator(BATCH):
        if not is_genuine(event):
            yield Breach(f"event {event.pk} ({event.action})", "altered")


def _breaches_of_chain() -> Iterator[Breach]:
    links = AuditLink.objects.select_related("event").order_by("position").iterator(BATCH)
    for previous, link in pairwise(_prepend(_beginning(), links)):
        if link.position != previous.position + 1:
            yield Breach(f"link {previous.position + 1}", "missing")
        elif link.event is None or not is_linked(previous.chain, link):
            yield Breach(f"link {link.position} (event {link.event_id})", "altered")


def _events_never_chained() -> Iterator[Breach]:
    """Events so far behind the chain that no sealing will take them: their links were deleted."""
    last = AuditLink.objects.order_by("-position").first()
    if last:
        behind = AuditEvent.objects.filter(link=None, id__lte=last.event_id - LATECOMERS)
        for event in behind.order_by("id")[:1]:
            yield Breach(f"event {event.pk} ({event.action})", "not chained")


def _prepend(first, rest):
    yield first
    yield from rest


def _secrets() -> list[str]:
    return [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]


def is_genuine(event: AuditEvent) -> bool:
    """Whether this portal wrote the event as it stands, in the database or out of it."""
    return any(constant_time_compare(event.digest, _event_digest(event, key)) for key in _secrets())


def is_linked(before: str, link: AuditLink) -> bool:
    """Whether this portal chained the event of `link` after `before`."""
    return any(
        constant_time_compare(link.chain, _chain(before, link.event, key)) for key in _secrets()
    )


def _is_sealed(checkpoint: AuditCheckpoint) -> bool:
    return any(
        constant_time_compare(checkpoint.seal, checkpoint_seal(checkpoint, key))
        for key in _secrets()
    )


def checkpoint_seal(checkpoint: AuditCheckpoint, secret: str | None = None) -> str:
    """What stands in `seal`: a keyed digest of the place, the chain, the count and the moment.

    The migration that sealed the checkpoints of older releases holds a copy of it.
    """
    at = checkpoint.at.astimezone(timezone.get_default_timezone()).isoformat()
    return salted_hmac(
        "members.audit.checkpoint",
        f"{checkpoint.position}\0{checkpoint.chain}\0{checkpoint.events}\0{at}",
        secret=secret,
        algorithm="sha256",
    ).hexdigest()


def _event_digest(event: AuditEvent, secret: str | None = None) -> str:
    content = [
        event.at.astimezone(timezone.get_default_timezone()).isoformat(),
        event.action,
        event.user_id,
        event.actor_id,
        event.address,
        event.browser,
        event.details,
    ]
    return salted_hmac(
        "members.audit.event",
        json.dumps(content, sort_keys=True, ensure_ascii=False),
        secret=secret,
        algorithm="sha256",
    ).hexdigest()


def _chain(before: str, event: AuditEvent, secret: str | None = None) -> str:
    return salted_hmac(
        "members.audit.chain",
        f"{before}\0{event.pk}\0{event.digest}",
        secret=secret,
        algorithm="sha256",
    ).hexdigest()
