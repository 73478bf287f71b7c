"""What each of the last days brought, counted in the background: no page counts millions of rows."""

from datetime import date, datetime, time, timedelta

from django.db.models import Count, Q
from django.utils import timezone

from members import trail
from members.models import AuditEvent, DayFigures, SmsMessage
from members.models.sms import SmsState

DAYS = 14
SETTLES_AFTER = timedelta(days=1)  # the receipts of a text come a day late at most
ACTIONS = {
    "signed_in": [trail.SIGNED_IN],
    "passwords_refused": ["signin.password_failed"],
    "codes_refused": ["signin.code_failed", "app.code_failed"],
}
LOST = [SmsState.UNDELIVERED, SmsState.FAILED, SmsState.EXPIRED]


def count() -> None:
    """Counts the last DAYS days, this one included; a day that cannot change any more is counted once.

    Two statements and one row for each day that is counted: three days, most of the time.
    """
    today = timezone.localdate()
    first = today - timedelta(days=DAYS - 1)
    counted = dict(DayFigures.objects.filter(day__gte=first).values_list("day", "counted_at"))
    for day in (first + timedelta(days=place) for place in range(DAYS)):
        begin, end = _bounds(day)
        if day not in counted or counted[day] < end + SETTLES_AFTER:
            DayFigures.objects.update_or_create(day=day, defaults=_figures(begin, end))


def recent() -> list[DayFigures]:
    """The last DAYS days that were counted, the earliest first. One statement."""
    first = timezone.localdate() - timedelta(days=DAYS - 1)
    return list(DayFigures.objects.filter(day__gte=first))


def _bounds(day: date) -> tuple[datetime, datetime]:
    begin, end = (
        timezone.make_aware(datetime.combine(one, time.min))
        for one in (day, day + timedelta(days=1))
    )
    return begin, end


def _figures(begin: datetime, end: datetime) -> dict:
    counted_at = timezone.now()
    wanted = [action for actions in ACTIONS.values() for action in actions]
    events = AuditEvent.objects.filter(action__in=wanted, at__gte=begin, at__lt=end)
    by_action = dict(events.values_list("action").annotate(Count("pk")).order_by())
    texts = SmsMessage.objects.filter(created_at__gte=begin, created_at__lt=end).aggregate(
        texts=Count("pk"),
        texts_delivered=Count("pk", filter=Q(state=SmsState.DELIVERED)),
        texts_lost=Count("pk", filter=Q(state__in=LOST)),
    )
    told = {
        name: sum(by_action.get(action, 0) for action in actions)
        for name, actions in ACTIONS.items()
    }
    return {**told, **texts, "counted_at": counted_at}
