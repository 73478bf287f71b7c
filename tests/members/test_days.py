"""Days and hours in French, whoever writes them."""

from datetime import UTC, date, datetime

import pytest
import time_machine
from django.template import Context, Template
from django.template.loader import render_to_string

from members import days

NBSP = "\u00a0"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (date(2024, 2, 1), "1er février 2024"),
        (date(2024, 2, 11), "11 février 2024"),
        (date(2024, 1, 31), "31 janvier 2024"),
        (datetime(2024, 1, 31, 23, 30, tzinfo=UTC), "1er février 2024"),  # the next day in Paris
    ],
)
def test_french_counts_the_first_day_of_a_month_and_only_that_one(value, told):
    assert days.day(value) == told
    assert Template("{% load days %}{{ value|day }}").render(Context({"value": value})) == told


def test_an_hour_is_that_of_paris_and_is_never_cut():
    assert days.hour(datetime(2024, 7, 1, 6, 5, tzinfo=UTC)) == f"8{NBSP}h{NBSP}05"
    assert days.hour(datetime(2024, 7, 1, 22, 0, tzinfo=UTC)) == f"0{NBSP}h{NBSP}00"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("2024-07-01T12:05:00", "à partir de 14 h 05"),
        ("2024-07-01T12:05:01", "à partir de 14 h 06"),
        ("2024-07-01T21:59:59", "demain à partir de 0 h 00"),
        ("2024-07-02T06:05:00", "demain à partir de 8 h 05"),
        ("2024-07-03T06:05:00", "le 3 juillet à partir de 8 h 05"),
        ("2024-08-01T06:05:00", "le 1er août à partir de 8 h 05"),
    ],
)
def test_from_when_is_a_whole_minute_never_too_early_with_its_day_if_not_today(value, told):
    with time_machine.travel("2024-07-01T12:04:30Z", tick=False):
        at = datetime.fromisoformat(value).replace(tzinfo=UTC)
        assert days.from_hour(at).replace(NBSP, " ") == told


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"since": date(2024, 1, 1), "until": None}, "Depuis le 1er janvier 2024"),
        ({"since": None, "until": date(2024, 1, 2)}, "Jusqu'au 2 janvier 2024"),
        (
            {"since": date(2024, 1, 1), "until": date(2024, 1, 2)},
            "Du 1er janvier 2024 au 2 janvier 2024",
        ),
        (
            {"since": date(2024, 1, 1), "until": None, "of": "cover"},
            "Couverture depuis le 1er janvier 2024",
        ),
        ({"since": None, "until": None}, "Période inconnue"),
    ],
)
def test_a_period_says_what_lasts_and_both_its_days(options, told):
    assert render_to_string("components/period.html", options) == told
