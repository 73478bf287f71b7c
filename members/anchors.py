"""Where the trail stood each day, told outside of the database: whoever cuts its end off, or writes another
one, is found by comparing. (docs/decisions/0014-audit-chain.md)
"""

import json
import logging
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from members import audit
from members.models import AuditCheckpoint, AuditLink, Mail
from members.models.audit import KEPT_DAYS

log = logging.getLogger(__name__)

FILE = "trail-anchors.jsonl"
# An event may have happened that long before an anchor which does not hold it yet: it was not sealed.
SEALED_WITHIN = timedelta(hours=1)


@dataclass(frozen=True)
class Anchor:
    """The head of the chain at one moment."""

    at: str
    position: int
    chain: str

    @property
    def moment(self) -> datetime:
        return datetime.fromisoformat(self.at)


class Unreadable(Exception):
    """A file of anchors with a line that is none; its number is told."""


def drop() -> Anchor:
    """Tells the head of the chain outside: one line of the log, of a file, and an e-mail.

    The file is in AUDIT_ANCHOR_DIR, the e-mail goes to AUDIT_ANCHOR_EMAIL; each only where it is set.
    """
    position, chain = audit.head()
    anchor = Anchor(timezone.now().isoformat(timespec="seconds"), position, chain)
    line = json.dumps(asdict(anchor))
    log.info("trail anchor %s", line)
    if settings.AUDIT_ANCHOR_DIR:
        with (Path(settings.AUDIT_ANCHOR_DIR) / FILE).open("a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
    if settings.AUDIT_ANCHOR_EMAIL:
        # no task is woken: the sweep sends it
        Mail.objects.create(
            to=settings.AUDIT_ANCHOR_EMAIL, kind="trail_anchor", facts=asdict(anchor)
        )
    return anchor


def read(path: Path) -> Iterator[Anchor]:
    """The anchors of a file, in order. Raises Unreadable."""
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                told = json.loads(line)
                anchor = Anchor(told["at"], told["position"], told["chain"])
                is_dated = anchor.moment.tzinfo is not None
            except (ValueError, KeyError, TypeError):
                is_dated = False
            if not is_dated:
                raise Unreadable(f"line {number}")
            yield anchor


def verify(path: Path) -> audit.Breach | None:
    """The first place where the trail is not what an anchor told, or None. Raises Unreadable.

    What stood below the checkpoint is gone: rightly where the anchor was a year old by then, for what
    came after it was purged too.
    """
    begin = AuditCheckpoint.objects.order_by("-position").first()
    if begin:
        purged_at = min(begin.at, timezone.now())
        served = purged_at - timedelta(days=KEPT_DAYS) + SEALED_WITHIN
    for anchor in read(path):
        if anchor.position == 0:
            continue
        if begin and anchor.position < begin.position:
            if anchor.moment >= served:
                what = f"deleted before its year, it stood on {anchor.at}"
                return audit.Breach(f"link {anchor.position}", what)
            continue
        here = AuditLink.objects.filter(position=anchor.position).first()
        if here is None and begin and begin.position == anchor.position:
            here = begin
        if here is None:
            return audit.Breach(f"link {anchor.position}", f"cut off, it stood on {anchor.at}")
        if here.chain != anchor.chain:
            return audit.Breach(f"link {anchor.position}", f"not what it was on {anchor.at}")
    return None
