"""The on-call colleagues hear of a deadline at half of its time, at 80 % and once it is over."""

import logging
from datetime import datetime

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone

from incidents import clocks
from incidents.clocks import Clock
from incidents.models import Incident, Reminder
from members import alerts

log = logging.getLogger(__name__)

STEPS = (50, 80, 100)  # percent


def remind(now: datetime | None = None) -> int:
    """Queues one e-mail per person on call for each step that a deadline has reached; how many steps.

    A step is told once, whoever else runs this. After a silence only the highest one is told. What is met,
    waits or does not apply is silent; so is everything while nobody is on call.
    """
    if not settings.INCIDENT_ONCALL:
        return 0
    now = now or timezone.now()
    told = 0
    for incident in Incident.objects.all():
        try:
            told += sum(_tell(incident, clock) for clock in clocks.of(incident, now))
        except Exception:  # one that cannot be handled never silences the others
            log.exception("The deadlines of the incident %s could not be told.", incident.pk)
    return told


def _tell(incident: Incident, clock: Clock) -> bool:
    if not clock.is_open:
        return False
    reached = max((step for step in STEPS if clock.percent >= step), default=None)
    if reached is None:
        return False
    same = {
        "incident": incident,
        "target": clock.target,
        "code": clock.regime.code,
        "due_at": clock.due_at,
    }
    last = Reminder.objects.filter(**same).aggregate(last=Max("percent"))["last"] or 0
    if last >= reached:
        return False
    try:
        with transaction.atomic():
            Reminder.objects.create(**same, percent=reached)
            due = timezone.localtime(clock.due_at)
            for address in settings.INCIDENT_ONCALL:
                alerts.send(
                    None,
                    "deadline",
                    to=address,
                    percent=reached,
                    duty=clock.name,
                    article=clock.regime.article,
                    incident=incident.reference,
                    due_day=f"{due:%d/%m/%Y}",
                    due_time=f"{due:%H:%M}",
                )
    except IntegrityError:  # another worker told it at the same moment
        return False
    return True
