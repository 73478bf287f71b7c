"""Tasks that compose: what they run sends alerts, which wake tasks of `members`."""

from celery import shared_task

from incidents import notices, reach, reminders
from members import bank, contacts


@shared_task
def apply_phone_changes() -> None:
    contacts.apply_due()


@shared_task
def apply_bank_changes() -> None:
    bank.apply_due()


@shared_task
def remind_of_deadlines() -> None:
    reminders.remind()


@shared_task
def publish_due_versions() -> None:
    notices.publish_due()


@shared_task
def settle_what_was_sent() -> None:
    reach.settle()


@shared_task
def refresh_ledgers() -> None:
    reach.refresh_live()


@shared_task
def forget_what_letters_told() -> None:
    reach.forget()
