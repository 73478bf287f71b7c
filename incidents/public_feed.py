"""The public list of incidents for programs: an Atom feed, and JSON. (RFC 4287; docs/information.md)"""

import html
import re
from datetime import datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.urls import reverse
from django.utils.feedgenerator import Atom1Feed
from django.utils.translation import gettext as _

from incidents import information
from incidents.information import Entry, Update
from members.days import day

ATOM = "application/atom+xml; charset=utf-8"
MOST = 50  # versions in the feed, the latest ones
SCHEMA = 1

# What XML 1.0 cannot say, even escaped.
FORBIDDEN = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def atom(entries: list[Entry]) -> bytes:
    """One entry per version that was published and not withdrawn, the latest first."""
    address = settings.PUBLIC_URL + reverse("public_list")
    feed = _Feed(
        title=_("Information sur les incidents, Mutuelle du Rivage"),
        link=address,
        description="",
        language="fr",
        author_name=_("Mutuelle du Rivage"),
        feed_url=settings.PUBLIC_URL + reverse("public_atom"),
        feed_guid=address,
        changed_at=information.changed_at(entries),
    )
    told = [(entry, update) for entry in entries for update in entry.updates]
    told = [(entry, update) for entry, update in told if not update.withdrawn_at]
    for entry, update in sorted(told, key=lambda one: one[1].published_at, reverse=True)[:MOST]:
        feed.add_item(
            title=_told(
                _("%(headline)s (version %(number)d)")
                % {"headline": update.headline, "number": update.number}
            ),
            link=settings.PUBLIC_URL + entry.url,
            description=html.escape(_told(_summary(entry, update))),  # Atom reads it as HTML
            unique_id=_identity(entry, update),
            pubdate=update.published_at,
            updateddate=update.published_at,
        )
    return feed.writeString("utf-8").encode()


class _Feed(Atom1Feed):
    """Django's, which otherwise says that a feed of nothing changed just now."""

    def latest_post_date(self) -> datetime:
        return self.feed["changed_at"]


def _identity(entry: Entry, update: Update) -> str:
    """A name that stays when addresses change. (RFC 4151)"""
    host = urlsplit(settings.PUBLIC_URL).hostname
    since = f"{update.published_at:%Y-%m-%d}"
    return f"tag:{host},{since}:information/{entry.reference}/{update.number}"


def _summary(entry: Entry, update: Update) -> str:
    if update.change_note:
        return update.change_note
    if update.number == entry.number:
        return entry.summary
    return _("Version publiée le %(day)s.") % {"day": day(update.published_at)}


def _told(text: str) -> str:
    return FORBIDDEN.sub("", text)


def data(entries: list[Entry]) -> dict:
    return {
        "schema": SCHEMA,
        "publisher": _("Mutuelle du Rivage"),
        "updated_at": information.changed_at(entries).isoformat() if entries else None,
        "incidents": [
            {
                "reference": entry.reference,
                "url": settings.PUBLIC_URL + entry.url,
                "state": "live" if entry.is_live else "closed",
                "detected_on": entry.detected_on.isoformat(),
                "closed_at": entry.closed_at.isoformat() if entry.closed_at else None,
                "headline": entry.headline,
                "summary": entry.summary,
                "version": entry.number,
                "updates": [
                    {
                        "version": update.number,
                        "published_at": update.published_at.isoformat(),
                        "withdrawn_at": (
                            update.withdrawn_at.isoformat() if update.withdrawn_at else None
                        ),
                        "change_note": update.change_note,
                    }
                    for update in entry.updates
                ],
            }
            for entry in entries
        ],
    }
