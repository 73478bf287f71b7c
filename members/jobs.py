"""Asking for long work, stopping it, taking it up again. How it is done: members/job_turns.py."""

from django.db import IntegrityError, transaction

from members import audit, tasks
from members.job_turns import Failed, Kind, Step, keep, kinds, new_file, seen_by, work
from members.models import Job, User

__all__ = [
    "Failed",
    "Kind",
    "Step",
    "keep",
    "kinds",
    "new_file",
    "resume",
    "seen_by",
    "start",
    "stop",
    "work",
]


def start(kind: str, *, by: User | None, request=None, key: str = "", **parameters) -> Job:
    """Asks for work; a worker is woken on commit.

    With a `key`, nothing new is asked while a job of that kind and key is active: that job is returned.
    """
    job = Job(kind=kinds[kind].name, key=key, parameters=parameters, by=by)
    try:
        with transaction.atomic():
            job.save(force_insert=True)
            audit.record("job.started", actor=by, request=request, kind=kind, job=str(job.pk))
    except IntegrityError:
        active = Job.objects.filter(kind=kind, key=key, finished_at__isnull=True).first()
        if active is None:
            return start(kind, by=by, request=request, key=key, **parameters)
        return active
    transaction.on_commit(lambda: tasks.wake_job(job.pk), robust=True)
    return job


def stop(job: Job, *, by: User, request=None) -> bool:
    """Ends a job after its present step. False when it had ended, or was asked to already."""
    with transaction.atomic():
        stopped = Job.objects.stop(job)
        if stopped:
            audit.record("job.stopped", actor=by, request=request, kind=job.kind, job=str(job.pk))
    return stopped


def resume(job: Job, *, by: User, request=None) -> bool:
    """Takes up a job that an error or a person ended, where it was. False when it cannot be."""
    try:
        with transaction.atomic():
            resumed = Job.objects.resume(job)
            if resumed:
                audit.record(
                    "job.resumed", actor=by, request=request, kind=job.kind, job=str(job.pk)
                )
    except IntegrityError:  # another one of its key is active
        return False
    if resumed:
        transaction.on_commit(lambda: tasks.wake_job(job.pk), robust=True)
    return resumed
