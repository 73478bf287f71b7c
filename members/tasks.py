"""What workers run. A task takes an id or nothing, calls one function, and owns the retry policy."""

from celery import shared_task

from members import audit
from members.sms import delivery


# No retry here, and none is missing: the row waits, and the sweep takes it two seconds later. A task
# held back by a countdown would sit unacknowledged in a worker and be delivered again to another.
@shared_task(
    queue="codes", expires=45, acks_late=True, reject_on_worker_lost=True, max_retries=0
)
def send_sms(message_id: str) -> None:
    delivery.deliver(message_id)


@shared_task
def seal_audit() -> None:
    audit.seal()


def wake_sender(message_id) -> None:
    """Wakes a worker for a queued text."""
    send_sms.apply_async([str(message_id)])
