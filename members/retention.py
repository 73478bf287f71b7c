"""Rows that have served their time. What happened stays in the trail, for its year; numbers and addresses
that are not the member's any more stay nowhere."""

from datetime import datetime, timedelta
from uuid import UUID

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from members import job_turns
from members.feed import work
from members.models import (
    Demande,
    DemandeDocument,
    EmailChange,
    Job,
    JobFile,
    KnownBrowser,
    LetterCode,
    OneTimeLink,
    PhoneChange,
    Recovery,
)
from members.models.demande import State

KEPT_FOR = timedelta(days=90)
DRAFTS_KEPT_FOR = timedelta(days=30)
BATCH = 1_000


def purge() -> int:
    """Deletes links, letters, recoveries and known browsers that expired 90 days ago, changes of phone or
    address asked 90 days ago and not waiting to serve, jobs asked 90 days ago and their files unless one is
    still owed, drafts of demandes untouched for 30 days and their documents; how many."""
    before = timezone.now() - KEPT_FOR
    waiting = PhoneChange.objects.waiting().values("pk")
    over = Job.objects.filter(asked_at__lt=before, finished_at__isnull=False)
    jobs = over.exclude(pk__in=_unfinished(over))
    for made in JobFile.objects.filter(job__in=jobs).iterator():
        made.file.delete(save=False)
    _files_kept_less()
    return (
        _purge_drafts()
        + oldest(OneTimeLink.objects.all(), "expires_at", before)
        + oldest(LetterCode.objects.all(), "expires_at", before)
        + oldest(Recovery.objects.all(), "expires_at", before)
        + oldest(KnownBrowser.objects.all(), "expires_at", before, moves=True)
        + oldest(PhoneChange.objects.exclude(pk__in=waiting), "asked_at", before)
        + oldest(EmailChange.objects.all(), "asked_at", before)
        + work.purge()
        + jobs.delete()[0]
    )


def _unfinished(ended: QuerySet) -> list[UUID]:
    """Those of `ended` that still owe a file."""
    owing = {
        kind.name: kind.is_unfinished for kind in job_turns.kinds.values() if kind.is_unfinished
    }
    return [job.pk for job in ended.filter(kind__in=owing) if owing[job.kind](job)]


def _files_kept_less() -> None:
    """Deletes the files of the kinds of work that keep theirs for a shorter time."""
    for kind in job_turns.kinds.values():
        if kind.kept:
            over = JobFile.objects.filter(
                job__kind=kind.name, made_at__lt=timezone.now() - kind.kept
            )
            for made in over.iterator():
                made.file.delete(save=False)
                made.delete()


def _purge_drafts() -> int:
    """How many. One whose member comes back at this instant is left, with its documents."""
    before, purged = timezone.now() - DRAFTS_KEPT_FOR, 0
    drafts = Demande.objects.filter(state=State.DRAFT, touched_at__lt=before)
    while batch := list(drafts.order_by("touched_at").values_list("pk", flat=True)[:BATCH]):
        for pk in batch:
            with transaction.atomic():
                if not drafts.filter(pk=pk).hold():
                    continue
                rows = DemandeDocument.objects.filter(demande=pk)
                places = list(rows.values_list("file", flat=True))
                rows.delete()
                Demande.objects.filter(pk=pk).delete()
            for place in places:
                default_storage.delete(place)
            purged += 1
    return purged


def oldest(rows: QuerySet, day: str, before: datetime, *, moves: bool = False) -> int:
    """Deletes those of `rows` whose `day` is earlier than `before`; how many.

    Reads from the oldest row on and stops at a batch without any: no scan of a table of millions. A `day`
    that `moves` on while its row lives has an index of its own, and rows are read in its order.
    """
    purged, first = 0, rows.order_by(day if moves else "pk").values_list("pk", day)
    while old := [pk for pk, at in first[:BATCH] if at < before]:
        rows.filter(pk__in=old).delete()
        purged += len(old)
    return purged
