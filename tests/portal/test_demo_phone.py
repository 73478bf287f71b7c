"""The phone of a demonstration: what the invented members receive, and what the staff's apps show."""

import re

import pytest
import time_machine
from django.urls import reverse
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice

from members.models import User
from members.sms import memory
from members.sms.memory import Sent


@pytest.fixture(autouse=True)
def _empty_outbox():
    memory.outbox.clear()
    yield
    memory.outbox.clear()


@pytest.fixture
def device(db):
    hugo = User.objects.create(identifiant="hugo", is_staff=True)
    return TOTPDevice.objects.create(user=hugo, name="totp", confirmed=True)


def receive(body):
    memory.outbox.append(Sent(to="+33612345678", body=body, user="claire", at=timezone.now()))


def test_it_lists_texts_newest_first_with_masked_numbers(client, db):
    receive("111111 : premier")
    receive("222222 : second")
    page = client.get(reverse("demo_phone")).text
    assert page.index("222222 : second") < page.index("111111 : premier")
    assert "06 •• •• •• 78" in page
    assert "612345678" not in page.replace(" ", "")


def test_it_shows_the_code_that_a_staff_app_shows(client, device):
    with time_machine.travel(1_790_000_010, tick=False):
        context = client.get(reverse("demo_phone")).context
        (shown,) = context["staff_codes"]
        assert shown["identifiant"] == "hugo"
        assert 0 < shown["seconds_left"] <= 30
        assert re.fullmatch(r"\d{6}", shown["code"])
        assert device.verify_token(shown["code"])


def test_the_seconds_left_count_down_to_the_next_code(client, device):
    codes = {}
    for second in range(1_790_000_000, 1_790_000_060):
        with time_machine.travel(second, tick=False):
            (shown,) = client.get(reverse("demo_phone")).context["staff_codes"]
            codes.setdefault(shown["code"], []).append(shown["seconds_left"])
    for seconds_left in codes.values():
        assert seconds_left == sorted(seconds_left, reverse=True)
    assert [seconds[-1] for seconds in codes.values()][:-1] == [1] * (len(codes) - 1)


def test_it_takes_no_orders(client, db):
    assert client.post(reverse("demo_phone")).status_code == 405


def test_outside_a_demonstration_it_is_not_there(client, db, settings):
    settings.DEMO = False
    assert client.get("/demo/telephone/").status_code == 404
