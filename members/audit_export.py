"""The trail for the auditor: every event of a period, as CSV or as lines of JSON, one at a time."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

from django.utils import timezone

from members.models import AuditEvent
from members.spreadsheets import cell

COLUMNS = (
    "id",
    "at",
    "action",
    "user",
    "actor",
    "address",
    "browser",
    "details",
    "digest",
    "position",
    "chain",
)
EARLIEST = date(2000, 1, 1)
FORMATS = ("csv", "json")


def rows(first: date, last: date) -> Iterator[dict]:
    """The events from `first` to `last`, both included, in Paris time; each with its link.

    Days before the portal and after today are as good as its first day and today.
    """
    first, last = max(first, EARLIEST), min(last, timezone.localdate())
    begin = timezone.make_aware(datetime.combine(first, time.min))
    end = timezone.make_aware(datetime.combine(last + timedelta(days=1), time.min))
    events = AuditEvent.objects.filter(at__gte=begin, at__lt=end).order_by("id")
    for event in events.select_related("user", "actor", "link").iterator(2_000):
        link = getattr(event, "link", None)
        yield {
            "id": event.pk,
            "at": event.at.isoformat(),
            "action": event.action,
            "user": str(event.user or ""),
            "actor": str(event.actor or ""),
            "address": event.address,
            "browser": event.browser,
            "details": event.details,
            "digest": event.digest,
            "position": link.position if link else None,
            "chain": link.chain if link else "",
        }


def lines(first: date, last: date, kind: str) -> Iterator[str]:
    """The lines of a file: CSV with a header, semicolons and safe cells, or one JSON object each."""
    if kind == "json":
        for row in rows(first, last):
            yield json.dumps(row, ensure_ascii=False) + "\n"
        return
    yield _csv(COLUMNS)
    for row in rows(first, last):
        details = json.dumps(row["details"], ensure_ascii=False, sort_keys=True)
        yield _csv([cell(value) for value in (row | {"details": details}).values()])


def _csv(values) -> str:
    line = io.StringIO()
    csv.writer(line, delimiter=";").writerow(values)
    return line.getvalue()
