"""From draft to published: completeness, four eyes, frozen facts, races."""

from datetime import date
from threading import Barrier, Thread

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError

from incidents import banners, facts, lifecycle, notices
from incidents.completeness import gaps
from incidents.models import Acknowledgement, Claim, Incident, NoticeVersion
from members.models import AuditEvent, Member
from members.models.written_once import WrittenOnce
from portal.demo.incident import NOTICE


@pytest.fixture
def draft(cast, february_2024):
    """A second version, not submitted yet."""
    return notices.revise(notices.latest(february_2024), author=cast.auteur)


@pytest.fixture
def submitted(draft, cast):
    draft.change_note = "Almerys précise les dates."
    draft.save()
    notices.submit(draft, by=cast.auteur)
    return draft


def refused(rows, **changes):
    """Whether the database itself refuses `changes`, whatever the code above it says."""
    with pytest.raises(IntegrityError), transaction.atomic():
        rows._move(**changes)
    return True


# Completeness


def test_a_notice_without_its_elements_cannot_be_submitted(cast, db):
    incident = Incident.objects.create(
        reference="vide", title="Vide", detected_on=date(2024, 2, 1), created_by=cast.auteur
    )
    version = notices.start(incident, author=cast.auteur)
    with pytest.raises(notices.Incomplete) as refusal:
        notices.submit(version, by=cast.auteur)
    assert {gap.code for gap in refusal.value.gaps} == {
        "headline",
        "public_summary",
        "what_happened",
        "consequences",
        "what_to_do",
        "targets",
        "dpo",
        "steps",
    }
    version.refresh_from_db()
    assert version.is_draft


def test_each_operator_must_say_which_data(cast, february_2024, draft):
    february_2024.targets.update(window_source="")
    Claim.objects.live().filter(target=february_2024.targets.first(), state="exposee").supersede()
    codes = [gap.code for gap in gaps(draft, facts.of(february_2024))]
    assert codes == ["change_note", "dates.VIAMEDIS", "categories.VIAMEDIS", "dates.ALMERYS"]


def test_the_first_version_always_asks_to_be_acknowledged(cast, february_2024):
    first = NoticeVersion(incident=february_2024, number=1, material=False, **NOTICE)
    assert [gap.code for gap in gaps(first, facts.of(february_2024))] == ["material"]


# Four eyes


def test_another_person_publishes(cast, submitted, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        notices.publish(submitted, by=cast.approbateur)
    assert submitted.is_published
    assert notices.latest(submitted.incident) == submitted
    event = AuditEvent.objects.filter(action="incident.version_published").first()
    assert event.actor == cast.approbateur
    assert event.details == {
        "incident": "2024-02-tiers-payant",
        "version": 2,
        "digest": submitted.digest,
    }


def test_the_author_cannot_approve(cast, submitted):
    with pytest.raises(notices.AuthorCannotApprove):
        notices.publish(submitted, by=cast.auteur)
    row = NoticeVersion.objects.filter(pk=submitted.pk)
    assert not row.publish(approver=cast.auteur, facts={}, digest="x")
    assert refused(row, approver=cast.auteur)


def test_only_its_author_submits_a_draft(cast, draft):
    with pytest.raises(notices.NotTheAuthor):
        notices.submit(draft, by=cast.approbateur)


def test_a_draft_cannot_be_published(cast, draft):
    draft.change_note = "Une précision."
    draft.save()
    with pytest.raises(notices.TooLate):
        notices.publish(draft, by=cast.approbateur)


def test_facts_that_changed_since_they_were_read_are_not_published(cast, submitted):
    read = notices.facts_digest(facts.of(submitted.incident))
    submitted.incident.steps.create(kind="autre", actor="Nous", text="Une mesure de plus.")
    with pytest.raises(notices.FactsChanged):
        notices.publish(submitted, by=cast.approbateur, read=read)


def test_what_became_incomplete_is_not_published(cast, submitted):
    submitted.incident.steps.all().delete()
    with pytest.raises(notices.Incomplete):
        notices.publish(submitted, by=cast.approbateur)
    submitted.refresh_from_db()
    assert not submitted.is_published


def test_nothing_is_published_about_a_closed_incident(cast, submitted):
    lifecycle.close(submitted.incident, by=cast.approbateur)
    with pytest.raises(notices.TooLate):
        notices.publish(submitted, by=cast.approbateur)


@pytest.mark.django_db(transaction=True)
def test_of_two_approvers_at_once_one_publishes(cast, submitted):
    outcomes, start = [], Barrier(2)

    def approve():
        start.wait()
        try:
            notices.publish(NoticeVersion.objects.get(pk=submitted.pk), by=cast.approbateur)
            outcomes.append("published")
        except notices.TooLate:
            outcomes.append("too late")
        finally:
            connection.close()

    threads = [Thread(target=approve) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["published", "too late"]
    published = AuditEvent.objects.filter(
        action="incident.version_published", details__version=submitted.number
    )
    assert published.count() == 1


# Immutable


def test_nobody_edits_a_version_once_submitted(submitted):
    submitted.headline = "Autre titre"
    with pytest.raises(WrittenOnce):
        submitted.save()


def test_a_copy_read_before_the_submission_cannot_be_saved_after_it(cast, draft):
    stale = NoticeVersion.objects.get(pk=draft.pk)
    draft.change_note = "Une précision."
    draft.save()
    notices.submit(draft, by=cast.auteur)
    stale.headline = "Autre titre"
    with pytest.raises(WrittenOnce):
        stale.save()


def test_versions_and_claims_have_no_general_door(submitted):
    for rows in (NoticeVersion.objects.all(), Claim.objects.all()):
        with pytest.raises(WrittenOnce):
            rows.update(pk=0)
        with pytest.raises(WrittenOnce):
            rows.delete()
        with pytest.raises(WrittenOnce):
            rows.first().delete()
    with pytest.raises(WrittenOnce):
        Claim.objects.first().save()


def test_nothing_said_disappears_with_what_it_was_said_about(as_member, cast, february_2024):
    as_member(cast.antoine).get(f"/incidents/{february_2024.reference}/")
    target = february_2024.targets.first()
    before = Claim.objects.count(), Acknowledgement.objects.count()
    assert all(before)
    for row in (february_2024, target, target.operator, cast.antoine):
        with pytest.raises(ProtectedError):
            row.delete()
    with pytest.raises(ProtectedError):
        Member.objects.all().delete()
    assert (Claim.objects.count(), Acknowledgement.objects.count()) == before


def test_an_incident_that_nobody_spoke_of_may_still_be_deleted(cast):
    incident = Incident.objects.create(
        reference="erreur", title="Saisie", detected_on=date(2024, 2, 1), created_by=cast.auteur
    )
    incident.delete()
    assert not Incident.objects.filter(reference="erreur").exists()


def test_what_members_read_does_not_change_with_the_rows(cast, february_2024):
    version = notices.latest(february_2024)
    target = february_2024.targets.first()
    lifecycle.record_claim(
        target,
        category="TELEPHONE",
        state="exposee",
        source="Appel",
        stated_on=date(2024, 2, 12),
        by=cast.auteur,
    )
    assert "TELEPHONE" not in notices.facts_of(version).targets[0].categories("exposee")
    assert "TELEPHONE" in facts.of(february_2024).targets[0].categories("exposee")


def test_the_digest_covers_texts_and_facts(february_2024):
    version = notices.latest(february_2024)
    assert version.digest == notices.digest(version, version.facts)
    version.reassurance += " "
    assert version.digest != notices.digest(version, version.facts)


# Rules that the database keeps by itself


def test_the_database_refuses_an_incomplete_publication(submitted):
    rows = NoticeVersion.objects.filter(pk=submitted.pk)
    assert refused(rows, state="published")
    assert refused(rows, state="withdrawn")
    assert refused(rows, state="draft")
    assert refused(rows, state="other")


def test_one_version_at_a_time_is_written(cast, draft):
    with pytest.raises(notices.AlreadyUnderWay):
        notices.revise(notices.latest(draft.incident), author=cast.approbateur)


def test_one_claim_is_live_for_an_operator_and_a_category(cast, february_2024):
    target = february_2024.targets.first()
    with pytest.raises(IntegrityError), transaction.atomic():
        Claim.objects.create(
            target=target,
            category="NIR",
            state="non_exposee",
            source="Autre",
            stated_on=date(2024, 2, 12),
        )


def test_a_later_claim_supersedes_and_nothing_disappears(cast, february_2024):
    target = february_2024.targets.first()
    before = Claim.objects.live().get(target=target, category="NIR")
    after = lifecycle.record_claim(
        target,
        category="NIR",
        state="en_verification",
        source="Courriel de l'opérateur",
        stated_on=date(2024, 2, 12),
        by=cast.auteur,
    )
    before.refresh_from_db()
    assert before.superseded_by == after
    assert before.superseded_at is not None
    assert Claim.objects.live().get(target=target, category="NIR") == after


# Withdrawal


def test_the_version_before_a_withdrawn_one_is_in_force_again(cast, submitted):
    notices.publish(submitted, by=cast.approbateur)
    notices.withdraw(submitted, by=cast.approbateur, reason="Erreur de date")
    assert notices.latest(submitted.incident).number == 1
    assert [notice.number for notice in banners.current()] == [1]


def test_a_draft_that_is_given_up_leaves_room_for_another(cast, draft):
    notices.withdraw(draft, by=cast.auteur, reason="Doublon")
    assert notices.revise(notices.latest(draft.incident), author=cast.auteur).number == 3


def test_only_a_live_incident_can_be_closed(cast, february_2024):
    lifecycle.close(february_2024, by=cast.approbateur)
    assert february_2024.is_closed
    with pytest.raises(lifecycle.NotLive):
        lifecycle.close(february_2024, by=cast.approbateur)
