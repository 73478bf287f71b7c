"""What workers run. A task takes an id or nothing, calls one function, owns the retry policy."""

import logging
import time
from uuid import UUID

from celery import shared_task

from members import anchors, audit, figures, job_turns, retention, sessions, throttle
from members.mail import delivery as mail_delivery
from members.sms import delivery

log = logging.getLogger(__name__)


# No retry here, and none is missing: the row waits, and the sweep takes it two seconds later. A
# task held back by a countdown sits unacknowledged in a worker and is delivered again to another.
@shared_task(expires=45, acks_late=True, reject_on_worker_lost=True, max_retries=0)
def send_sms(message_id: str) -> None:
    delivery.deliver(message_id)


@shared_task(expires=300, acks_late=True, reject_on_worker_lost=True, max_retries=0)
def send_mail(mail_id: str) -> None:
    mail_delivery.deliver(mail_id)


BROKER_REST = 5.0  # seconds without asking a broker that failed: a hung one costs a page a second

_ask_broker_from = 0.0


def wake_sender(message_id: UUID, *, urgent: bool = True) -> None:
    """Tells a worker that this text waits. Never raises: without broker the sweep finds it.

    Codes have a lane of their own; what is not `urgent` never stands in their way.
    """
    _wake(send_sms, message_id, **({} if urgent else {"queue": "background"}))


def wake_mailer(mail_id: UUID) -> None:
    """Tells a worker that this e-mail waits. Never raises: without broker the sweep finds it."""
    _wake(send_mail, mail_id)


# acknowledged when it begins: a turn may last longer than the broker waits, and a lost one is swept up
@shared_task(max_retries=0)
def take_turn(job_id: str) -> None:
    if job_turns.take_turn(job_id):
        wake_job(UUID(job_id))


@shared_task
def sweep_jobs() -> None:
    for job_id in job_turns.waiting():
        wake_job(job_id)


def wake_job(job_id: UUID) -> None:
    """Tells a worker that this job waits. Never raises: without broker the sweep finds it."""
    _wake(take_turn, job_id)


def _wake(task, row_id: UUID, **options) -> None:
    global _ask_broker_from
    if time.monotonic() < _ask_broker_from:
        return
    try:
        task.apply_async([str(row_id)], **options)
    except Exception as error:
        _ask_broker_from = time.monotonic() + BROKER_REST
        log.warning("No broker (%s): messages are left to the sweep.", type(error).__name__)


@shared_task
def seal_audit() -> None:
    """Ten batches at most: beat comes again in some seconds."""
    for _batch in range(10):
        if audit.seal() < audit.BATCH:
            return


@shared_task
def anchor_audit() -> None:
    anchors.drop()


@shared_task
def purge_audit() -> None:
    audit.purge()


@shared_task
def count_figures() -> None:
    figures.count()


@shared_task
def purge_texts() -> None:
    delivery.purge()


@shared_task
def purge_mails() -> None:
    mail_delivery.purge()


@shared_task
def purge_what_served() -> None:
    retention.purge()


@shared_task
def purge_sessions() -> None:
    sessions.SessionStore.clear_expired()


@shared_task
def purge_limits() -> None:
    throttle.purge()
