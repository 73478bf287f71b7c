"""Tasks that compose: what they run sends alerts, which wake tasks of `members`."""

from celery import shared_task

from members import contacts


@shared_task
def apply_phone_changes() -> None:
    contacts.apply_due()
