"""Approved once, shown later: what appears on time, what is held back, what no longer interrupts."""

from datetime import timedelta
from html import unescape
from threading import Barrier, Thread

import pytest
import time_machine
from django.db import connection
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags

from incidents import banners, facts, lifecycle, notices
from incidents.models import NoticeVersion
from members.models import AuditEvent, Mail, User
from tests.cast import nobody_left_to_inform
from tests.forms import untouched
from tests.incidents.test_notices import draft, refused  # noqa: F401 - fixtures

PAGE = "/incidents/2024-02-tiers-payant/"
HOUR = timedelta(hours=1)


def text(response) -> str:
    return unescape(response.content.decode())


def at(name, version):
    return reverse(f"admin:incidents_noticeversion_{name}", args=[version.pk])


@pytest.fixture
def for_later(draft, cast):  # noqa: F811
    """Submitted, to appear in an hour and to end the day after."""
    draft.change_note = "Almerys précise les dates."
    draft.appears_at = timezone.now() + HOUR
    draft.expires_at = timezone.now() + 24 * HOUR
    draft.save()
    notices.submit(draft, by=cast.auteur)
    return draft


@pytest.fixture
def scheduled(for_later, cast):
    notices.approve(for_later, by=cast.approbateur)
    return for_later


def states(version):
    version.refresh_from_db()
    return version.state


def add_a_step(version):
    version.incident.steps.create(kind="autre", actor="Nous", text="Une mesure de plus.")


def test_what_was_approved_for_later_appears_on_time_and_not_before(cast, scheduled):
    assert (scheduled.state, scheduled.approver) == ("scheduled", cast.approbateur)
    assert notices.publish_due() == 0
    assert notices.latest(scheduled.incident).number == 1
    with time_machine.travel(timezone.now() + HOUR):
        assert notices.publish_due() == 1
        assert notices.publish_due() == 0
    assert states(scheduled) == "published"
    assert scheduled.approver == cast.approbateur
    assert scheduled.approved_at < scheduled.published_at
    assert scheduled.facts == facts.of(scheduled.incident).snapshot()
    assert notices.verify() is None
    event = AuditEvent.objects.filter(action="incident.version_published").latest("pk")
    assert (event.actor, event.details["scheduled"]) == (cast.approbateur, True)


def test_what_a_colleague_withdraws_at_that_moment_is_not_counted(monkeypatch, scheduled):
    def meanwhile(version, _facts):
        NoticeVersion.objects.filter(pk=version.pk).withdraw(reason="Doublon")
        return []

    monkeypatch.setattr(notices, "gaps", meanwhile)
    with time_machine.travel(timezone.now() + HOUR):
        assert notices.publish_due() == 0


def test_a_time_that_has_passed_is_now(cast, draft):  # noqa: F811
    draft.change_note = "Une précision."
    draft.appears_at = timezone.now() - HOUR
    draft.save()
    notices.submit(draft, by=cast.auteur)
    notices.approve(draft, by=cast.approbateur)
    assert draft.is_published


def test_its_author_approves_nothing_for_later(cast, for_later):
    with pytest.raises(notices.AuthorCannotApprove):
        notices.approve(for_later, by=cast.auteur)
    row = NoticeVersion.objects.filter(pk=for_later.pk)
    assert not row.schedule(approver=cast.auteur, facts_digest="x")
    assert refused(row, state="scheduled")


def test_facts_that_changed_since_the_approval_hold_it_back_and_both_are_told(cast, scheduled):
    User.objects.filter(pk=cast.auteur.pk).update(email="auteur@mutuelle.example")
    User.objects.filter(pk=cast.approbateur.pk).update(email="approbateur@mutuelle.example")
    add_a_step(scheduled)
    with time_machine.travel(timezone.now() + HOUR):
        assert notices.publish_due() == 0
    assert states(scheduled) == "submitted"
    assert (scheduled.approver, scheduled.approved_at) == (None, None)
    assert scheduled.held_back_at is not None
    event = AuditEvent.objects.get(action="incident.version_held_back")
    assert event.details["why"] == "facts"
    mails = Mail.objects.filter(kind="version_held_back")
    assert {mail.to for mail in mails} == {
        "auteur@mutuelle.example",
        "approbateur@mutuelle.example",
    }
    with time_machine.travel(timezone.now() + 2 * HOUR):
        notices.approve(scheduled, by=cast.approbateur)
    assert scheduled.is_published


def test_a_closed_incident_holds_back_what_was_to_come(cast, scheduled):
    lifecycle.close(nobody_left_to_inform(scheduled.incident), by=cast.approbateur)
    with time_machine.travel(timezone.now() + HOUR):
        assert notices.publish_due() == 0
    assert states(scheduled) == "submitted"
    assert AuditEvent.objects.get(action="incident.version_held_back").details["why"] == "closed"


def test_an_approval_for_later_opens_no_incident(cast, for_later):
    notices.withdraw(notices.latest(for_later.incident), by=cast.approbateur, reason="Essai")
    type(for_later.incident).objects.filter(pk=for_later.incident_id).update(state="draft")
    notices.approve(for_later, by=cast.approbateur)
    for_later.incident.refresh_from_db()
    assert for_later.incident.state == "draft"


def test_what_waits_is_given_up_by_its_author_or_published_without_waiting(
    as_staff, cast, scheduled
):
    assert "Publier sans attendre" not in text(as_staff(cast.auteur).get(at("change", scheduled)))
    browser = as_staff(cast.approbateur)
    assert "Publier sans attendre" in text(browser.get(at("change", scheduled)))
    read = browser.get(at("publish", scheduled)).context["hidden"]["read"]
    browser.post(at("publish", scheduled), {"read": read})
    assert states(scheduled) == "published"


def test_from_a_time_that_is_typed_to_the_page_that_members_read(
    as_staff,
    as_member,
    cast,
    draft,  # noqa: F811
):
    browser = as_staff(cast.auteur)
    posted = untouched(browser.get(at("change", draft)), "noticeversion_form")
    posted |= {"material": "on", "change_note": "Une précision."}
    wrong = posted | {
        "appears_at_0": "01/06/2030",
        "appears_at_1": "08:00",
        "expires_at_0": "01/06/2030",
        "expires_at_1": "07:00",
    }
    assert "La fin suit la parution." in text(browser.post(at("change", draft), wrong))
    right = wrong | {"expires_at_0": "03/06/2030"}
    assert browser.post(at("change", draft), right).status_code == 302
    browser.post(at("submit", draft))
    browser = as_staff(cast.approbateur)
    page = browser.get(at("publish", draft))
    assert "1er juin 2030, 8 h 00" in strip_tags(text(page)).replace("\u00a0", " ")
    browser.post(at("publish", draft), {"read": page.context["hidden"]["read"]})
    assert states(draft) == "scheduled"
    assert "Une précision." not in text(as_member(cast.antoine).get(PAGE))


# The end


def published(version, cast):
    notices.publish(version, by=cast.approbateur)
    banners.drop()


def test_after_its_end_a_version_interrupts_nobody_and_stays_readable(
    client, cast, for_later, rf, django_assert_num_queries
):
    published(for_later, cast)
    assert [notice.number for notice in banners.current()] == [2]  # and the cache is warm
    request = rf.get("/")
    request.user = cast.antoine.user
    assert banners.landing(request) == PAGE
    for_later.refresh_from_db()
    with time_machine.travel(for_later.expires_at, tick=False), django_assert_num_queries(0):
        assert banners.current() == []
        assert banners.landing(request) == ""
    with time_machine.travel(for_later.expires_at, tick=False):
        assert "Almerys précise les dates." in text(
            client.get("/information/2024-02-tiers-payant/")
        )
    assert notices.latest(for_later.incident) == for_later
    assert for_later.is_past(for_later.expires_at)
    assert not for_later.is_past(for_later.expires_at - HOUR)


def test_the_end_is_under_the_seal_and_must_be_to_come(cast, for_later):
    published(for_later, cast)
    for_later.expires_at += HOUR
    assert notices.digest(for_later, for_later.facts) != for_later.digest


def test_a_version_whose_end_has_passed_is_not_published(cast, scheduled):
    with time_machine.travel(timezone.now() + 25 * HOUR):
        assert notices.publish_due() == 0
    assert AuditEvent.objects.get(action="incident.version_held_back").details["missing"] == [
        "expires_at"
    ]


# Races


def at_once(*acts):
    """What became of each act, all begun at the same moment."""
    outcomes, start = [None] * len(acts), Barrier(len(acts))

    def run(number, act):
        start.wait()
        try:
            outcomes[number] = act() or "done"
        except notices.TooLate:
            outcomes[number] = "too late"
        finally:
            connection.close()

    threads = [Thread(target=run, args=(number, act)) for number, act in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


@pytest.mark.django_db(transaction=True)
def test_of_publishing_withdrawing_and_the_clock_at_once_the_trail_tells_one_story(cast, scheduled):
    copies = [NoticeVersion.objects.get(pk=scheduled.pk) for _ in range(4)]
    with time_machine.travel(timezone.now() + HOUR):
        outcomes = at_once(
            lambda: notices.publish(copies[0], by=cast.approbateur),
            lambda: notices.withdraw(copies[1], by=cast.auteur, reason="Erreur"),
            notices.publish_due,
            notices.publish_due,
        )
    published = AuditEvent.objects.filter(
        action="incident.version_published", details__version=scheduled.number
    ).count()
    withdrawn = AuditEvent.objects.filter(action="incident.version_withdrawn").count()
    # a withdrawal names the state that it takes back: it wins, or it is too late
    assert published + withdrawn == 1, outcomes
    assert states(scheduled) == ("withdrawn" if withdrawn else "published")
    assert not AuditEvent.objects.filter(action="incident.version_held_back").exists()
    assert notices.verify() is None


@pytest.mark.django_db(transaction=True)
def test_of_two_approvers_for_later_one_schedules(cast, for_later):
    copies = [NoticeVersion.objects.get(pk=for_later.pk) for _ in range(2)]
    outcomes = at_once(
        *(lambda copy=copy: notices.approve(copy, by=cast.approbateur) for copy in copies)
    )
    assert sorted(outcomes) == ["done", "too late"]
    assert AuditEvent.objects.filter(action="incident.version_scheduled").count() == 1
