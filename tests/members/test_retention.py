"""What has served is not kept for ever; what still serves is."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from members import contacts, links, retention
from members.models import (
    EmailChange,
    KnownBrowser,
    LetterCode,
    OneTimeLink,
    PhoneChange,
    Recovery,
)
from members.models.contact import Proof
from members.models.link import LinkPurpose

LATER = timedelta(days=130)
KINDS = [EmailChange, KnownBrowser, LetterCode, OneTimeLink, PhoneChange, Recovery]


@pytest.fixture
def one_of_each(claire, hugo):
    def make():
        soon = timezone.now() + timedelta(days=30)
        user = claire.user
        links.make(user, LinkPurpose.NOT_ME)
        EmailChange.objects.create(
            user=user, new_email="a@exemple.invalid", cancelled_at=timezone.now()
        )
        PhoneChange.objects.create(
            user=user,
            new_phone="+33698765432",
            proof=Proof.LETTER,
            cancelled_at=timezone.now(),
        )
        KnownBrowser.objects.create(user=user, digest=str(soon), expires_at=soon)
        LetterCode.objects.create(
            member=claire, digest="x", expires_at=soon, used_at=timezone.now()
        )
        Recovery.objects.create(
            user=user, started_by=hugo, expires_at=soon, ended_at=timezone.now()
        )

    return make


def counts() -> list[int]:
    return [kind.objects.count() for kind in KINDS]


def test_what_was_over_for_ninety_days_is_deleted_and_nothing_else(one_of_each):
    one_of_each()
    with time_machine.travel(timezone.now() + LATER):
        one_of_each()
        assert counts() == [2] * len(KINDS)
        assert retention.purge() == len(KINDS)
        assert counts() == [1] * len(KINDS)
        assert retention.purge() == 0


def test_known_browsers_that_were_renewed_hide_no_older_one(claire, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 3)
    long_ago, soon = (timezone.now() + timedelta(days=days) for days in (-200, 30))
    for number, expires_at in enumerate([soon] * 6 + [long_ago] * 2):
        KnownBrowser.objects.create(user=claire.user, digest=str(number), expires_at=expires_at)
    assert retention.purge() == 2
    assert KnownBrowser.objects.count() == 6


def test_what_expired_yesterday_is_still_there(one_of_each):
    one_of_each()
    with time_machine.travel(timezone.now() + timedelta(days=31)):
        assert retention.purge() == 0


def test_a_change_of_phone_that_waits_is_kept_however_long_it_waits(claire, settings):
    settings.LIMITS = {**settings.LIMITS, "PHONE_CHANGE_DELAY": 200 * 86_400}
    change = contacts.open_phone(claire.user, "+33698765432", Proof.LETTER, request=None)
    contacts.confirm_phone(change, request=None)
    with time_machine.travel(timezone.now() + LATER):
        retention.purge()
        assert PhoneChange.objects.filter(pk=change.pk).exists()


def test_more_than_a_batch_goes_and_reading_stops_at_the_first_young_rows(
    claire, monkeypatch, django_assert_max_num_queries
):
    monkeypatch.setattr(retention, "BATCH", 3)
    for _ in range(8):
        links.make(claire.user, LinkPurpose.RESET)
    with time_machine.travel(timezone.now() + LATER):
        for _ in range(20):
            links.make(claire.user, LinkPurpose.RESET)
        before = timezone.now() - retention.KEPT_FOR
        with django_assert_max_num_queries(20):
            assert retention.oldest(OneTimeLink.objects.all(), "expires_at", before) == 8
    assert OneTimeLink.objects.count() == 20
