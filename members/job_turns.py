"""Long work as a task that a person can watch: in turns of some seconds, each from where the last ended.

A turn that a dead worker left is taken up by another, so every step must be safe to do again. Its kind is
a generator: it does a batch in a transaction of its own, then yields a `Step`. In between no transaction
is open, and a sign-in never waits for it.
"""

import logging
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.core.files import File
from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from members import files
from members.models import Job, JobFile, User
from members.models.job import JobState

log = logging.getLogger(__name__)

TURN = 10.0  # seconds: then others on the same worker have theirs


class Failed(Exception):
    """The work cannot go on; the text says why, in French, to whoever asked for it."""


@dataclass(frozen=True)
class Step:
    """What is done, of how much (0: unknown), and where the next turn begins."""

    done: int = 0
    total: int = 0
    cursor: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Kind:
    """`permission` lets a colleague see such a job, stop it, take it up again and read its files; where
    there is none, no colleague may. `kept`: how long its files are, where that is less than the job.
    `is_unfinished`: whether an ended job still owes a file; it is not purged until that is made."""

    name: str
    title: str | Promise
    permission: str
    run: Callable[[Job], Iterator[Step]]
    kept: timedelta | None = None
    is_unfinished: Callable[[Job], bool] | None = None


kinds: dict[str, Kind] = {}


def work(
    name: str,
    *,
    title: str | Promise,
    permission: str,
    kept: timedelta | None = None,
    is_unfinished: Callable[[Job], bool] | None = None,
):
    """Registers a generator function as the work of a kind; what it returns becomes the job's result."""

    def register(run):
        kinds[name] = Kind(name, title, permission, run, kept, is_unfinished)
        return run

    return register


def seen_by(user: User) -> list[str]:
    """The kinds of work that `user` may see."""
    return [
        kind.name for kind in kinds.values() if kind.permission and user.has_perm(kind.permission)
    ]


def take_turn(job_id: UUID | str) -> bool:
    """Works at a job for about `TURN` seconds, if nobody else does; whether more remains to be done."""
    job = Job.objects.to_take().filter(pk=job_id).first()
    if job is None or not Job.objects.take(job):
        return False
    job.refresh_from_db()
    try:
        return _work(job)
    except Failed as failure:
        Job.objects.end(job, JobState.FAILED, problem=str(failure)[:250])
    except Exception:
        log.exception("The job %s (%s) failed.", job.pk, job.kind)
        Job.objects.end(
            job, JobState.FAILED, problem=_("Erreur imprévue, signalée à l'équipe technique.")
        )
    return False


def _work(job: Job) -> bool:
    ends = time.monotonic() + TURN
    steps = kinds[job.kind].run(job)
    while True:
        try:
            step = next(steps)
        except StopIteration as finished:
            Job.objects.end(job, JobState.DONE, result=finished.value or {})
            return False
        job.done, job.total, job.cursor = step.done, step.total, step.cursor
        columns = {"done": step.done, "total": step.total, "cursor": step.cursor}
        is_over = time.monotonic() > ends
        if is_over:
            columns["state"] = JobState.WAITING
        if not Job.objects.advance(job, **columns):  # asked to stop, or taken for lost
            steps.close()
            Job.objects.end(job, JobState.STOPPED)
            return False
        if is_over:
            steps.close()
            return True


@contextmanager
def new_file(job: Job, name: str, content_type: str):
    """A file to write to, kept under `name` when the block ends well; it replaces one of that name."""
    with tempfile.TemporaryFile() as content:
        yield content
        size, sha256 = content.tell(), files.digest(content)
        before = JobFile.objects.filter(job=job, name=name).first()
        made = JobFile(job=job, name=name, content_type=content_type, size=size, sha256=sha256)
        made.file.save(name, File(content), save=False)
        try:
            with transaction.atomic():
                if before:
                    before.delete()
                    transaction.on_commit(lambda: before.file.delete(save=False), robust=True)
                made.save(force_insert=True)
        except BaseException:
            made.file.delete(save=False)  # no row will ever lead to it, nor to its end
            raise


def keep(job: Job, name: str, content_type: str, chunks: Iterable[bytes]) -> None:
    """Keeps a file that the job made; `name` tells nothing of a person."""
    with new_file(job, name, content_type) as content:
        for chunk in chunks:
            content.write(chunk)


def waiting() -> list[UUID]:
    """What waits, and what a dead worker left: the oldest first, a hundred at most.

    What was to stop, and whose worker died, ends here.
    """
    Job.objects.end_stops_of_the_lost()
    return list(Job.objects.to_take().order_by("asked_at").values_list("pk", flat=True)[:100])
