"""Days and hours as French writes them, in Python and in templates alike. Hours are those of Paris."""

from datetime import date, datetime, timedelta

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _


def day(value: date) -> str:
    """« 1er février 2024 »: French counts the first day of a month, and only that one."""
    return _day(value, "F Y")


def hour(value: datetime) -> str:
    """« 14 h 05 », which no line end ever cuts."""
    value = timezone.localtime(value)
    return f"{value.hour}\u00a0h\u00a0{value:%M}"


def from_hour(value: datetime) -> str:
    """« à partir de 14 h 05 », with its day if it is not today. Whole minutes, never too early."""
    at = timezone.localtime(value + timedelta(minutes=1) - timedelta(microseconds=1))
    told = {"hour": hour(at), "day": _day(at, "F")}
    match (at.date() - timezone.localdate()).days:
        case 0:
            return _("à partir de %(hour)s") % told
        case 1:
            return _("demain à partir de %(hour)s") % told
    return _("le %(day)s à partir de %(hour)s") % told


def years_before(day: date, years: int) -> date:
    """The latest birth date of who has `years` on `day`; born on 29 February, one ages on 1 March."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return day.replace(year=day.year - years, day=28)


def _day(value: date, rest: str) -> str:
    if isinstance(value, datetime):
        value = timezone.localtime(value)
    return f"{'1er' if value.day == 1 else value.day} {date_format(value, rest)}"
