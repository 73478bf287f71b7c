"""What workers run by the clock for incidents. A task takes nothing, calls one function."""

from celery import shared_task

from incidents import reach
from incidents.models import Dispatch


@shared_task
def settle_dispatches() -> None:
    Dispatch.objects.settle()


@shared_task
def refresh_ledgers() -> None:
    reach.refresh_live()
