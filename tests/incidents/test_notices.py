"""From draft to published: completeness, four eyes, frozen facts, races."""

from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from io import StringIO
from threading import Barrier, Thread
from time import sleep

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, connections, transaction
from django.db.models import ProtectedError
from django.utils import timezone

from incidents import acknowledgements, attestations, banners, exposure, facts, lifecycle, notices
from incidents.completeness import gaps
from incidents.models import Acknowledgement, Claim, Incident, NoticeVersion
from members.models import AuditEvent, Member, User
from members.models.written_once import WrittenOnce
from portal.demo import incident as february
from portal.demo import people
from portal.demo.incident import NOTICE
from tests.cast import nobody_left_to_inform
from tests.incidents.embedded import embedded_database


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
        "employer.what_happened",
        "employer.what_to_do",
        "support.what_happened",
        "support.what_to_do",
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


@pytest.mark.parametrize(
    "nothing", ["\u200b", " \u00a0\u2060", "\u00ad\ufe0f", "\u3164", "\u2800", "…"]
)
def test_characters_that_nobody_sees_say_nothing(cast, february_2024, draft, nothing):
    draft.change_note = draft.consequences = nothing
    february_2024.targets.update(window_source=nothing)
    february_2024.steps.update(text=nothing)
    codes = {gap.code for gap in gaps(draft, facts.of(february_2024))}
    assert codes == {
        "consequences",
        "change_note",
        "dates.VIAMEDIS",
        "dates.ALMERYS",
        "steps",
    }


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
    read = notices.as_read(submitted, facts.of(submitted.incident))
    submitted.incident.steps.create(kind="autre", actor="Nous", text="Une mesure de plus.")
    with pytest.raises(notices.FactsChanged):
        notices.publish(submitted, by=cast.approbateur, read=read)


def test_a_text_that_is_not_the_one_that_was_read_is_not_published(cast, draft):
    draft.change_note = "Le texte lu."
    read = notices.as_read(draft, facts.of(draft.incident))
    draft.change_note = "Un texte que personne n'a lu."
    draft.save()
    notices.submit(draft, by=cast.auteur)
    with pytest.raises(notices.FactsChanged):
        notices.publish(draft, by=cast.approbateur, read=read)
    draft.refresh_from_db()
    assert draft.is_submitted


def test_what_was_read_covers_every_text_every_hour_and_every_fact(draft):
    known = facts.of(draft.incident)
    read = notices.as_read(draft, known)
    for name in ("headline", "change_note", "what_to_do"):
        changed = NoticeVersion.objects.get(pk=draft.pk)
        setattr(changed, name, "Autre chose.")
        assert notices.as_read(changed, known) != read
    for name in ("appears_at", "expires_at"):
        changed = NoticeVersion.objects.get(pk=draft.pk)
        setattr(changed, name, timezone.now())
        assert notices.as_read(changed, known) != read
    assert notices.as_read(draft, replace(known, title="Autre chose")) != read


def test_what_became_incomplete_is_not_published(cast, submitted):
    submitted.incident.steps.all().delete()
    with pytest.raises(notices.Incomplete):
        notices.publish(submitted, by=cast.approbateur)
    submitted.refresh_from_db()
    assert not submitted.is_published


def test_nothing_is_published_about_a_closed_incident(cast, submitted):
    lifecycle.close(nobody_left_to_inform(submitted.incident), by=cast.approbateur)
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


@pytest.mark.django_db(transaction=True)
def test_a_draft_saved_during_its_submission_stays_submitted(cast, draft):
    draft.change_note = "Une précision."
    draft.save()
    stale = NoticeVersion.objects.get(pk=draft.pk)
    stale.headline = "Autre titre"
    outcomes = []

    def save():
        try:
            stale.save()
            outcomes.append("saved")
        except WrittenOnce:
            outcomes.append("refused")
        finally:
            connection.close()

    thread = Thread(target=save)
    with transaction.atomic():
        notices.submit(draft, by=cast.auteur)
        thread.start()
        wait_for_a_lock()
    thread.join()
    assert outcomes == ["refused"]
    draft.refresh_from_db()
    assert (draft.state, draft.headline) == ("submitted", NOTICE["headline"])


def wait_for_a_lock():
    """Until another connection waits for what this transaction holds."""
    for _try in range(200):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if cursor.fetchone()[0]:
                return
        sleep(0.05)
    raise AssertionError("nobody waits")


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


# What the database refuses to rewrite, whoever asks


def raw(statement, *values, alias="default"):
    with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
        cursor.execute(statement, values)


def refuses_to_rewrite(alias):
    """Every rewriting of the incident of February 2024, in plain SQL."""
    version = "UPDATE incidents_noticeversion SET"
    for change in (
        "headline = 'Autre'",
        "public_summary = 'Autre'",
        "what_happened = 'Autre'",
        "consequences = 'Autre'",
        "what_to_do = 'Autre'",
        "reassurance = 'Autre'",
        "change_note = 'Autre'",
        "material = NOT material",
        "audiences = '{}'",
        "appears_at = created_at",
        "expires_at = created_at",
        "revision_reason = 'Autre'",
        "approved_at = created_at",
        "approved_facts = 'x'",
        "approval_reason = 'Autre'",
        "held_back_at = created_at",
        "emergency_by_id = approver_id",
        "emergency_reason = 'Autre'",
        "number = 7",
        "facts = '{}'",
        "digest = 'x'",
        "author_id = approver_id, approver_id = author_id",
        "published_at = created_at",
        "submitted_at = created_at",
        "created_at = published_at",
        "withdrawn_reason = 'Motif'",
        "state = 'draft', submitted_at = NULL, published_at = NULL",
        "state = 'submitted', published_at = NULL",
        "state = 'scheduled', published_at = NULL",
    ):
        with pytest.raises(IntegrityError, match="notice_version_is_written_once"):
            raw(f"{version} {change}", alias=alias)
    with pytest.raises(IntegrityError, match="attestation_is_written_once"):
        raw("UPDATE incidents_attestation SET people = 9", alias=alias)
    claim = "UPDATE incidents_claim SET"
    for change in ("state = 'non_exposee'", "source = 'Autre'", "stated_on = '2024-01-01'"):
        with pytest.raises(IntegrityError, match="claim_is_written_once"):
            raw(f"{claim} {change}", alias=alias)
    reading = "UPDATE incidents_acknowledgement SET"
    for change in (
        "shown = '{}'",
        "fingerprint = 'x'",
        "acknowledged_at = NULL",
        "shown_at = NULL",
    ):
        with pytest.raises(IntegrityError, match="acknowledgement_is_written_once"):
            raw(f"{reading} {change}", alias=alias)
    for table in ("noticeversion", "claim", "acknowledgement", "attestation"):
        with pytest.raises(IntegrityError, match="written_once"):
            raw(f"DELETE FROM incidents_{table}", alias=alias)
    with pytest.raises(IntegrityError, match="target_keeps_its_operator"):
        raw("UPDATE incidents_target SET operator_id = operator_id + 100", alias=alias)


def read_by(member, version):
    acknowledgements.show(member, version, exposure.of_member(member, notices.facts_of(version)))
    acknowledgements.acknowledge(member, version)
    attestations.issue(attestations.draft(member, version.incident.reference))


def test_postgresql_rewrites_nothing_that_was_said(cast, february_2024):
    read_by(cast.antoine, notices.latest(february_2024))
    refuses_to_rewrite("default")


@pytest.fixture
def embedded(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), embedded_database() as alias:
        yield alias


def test_sqlite_rewrites_nothing_that_was_said(embedded):
    people.load(known_secrets=True)
    author, approver = (
        User.objects.get(identifiant=identifiant) for identifiant in ("auteur", "approbateur")
    )
    incident = february.load(author=author, approver=approver)
    member = Member.objects.select_related("user").get(number="10000001")
    version = notices.latest(incident)
    read_by(member, version)
    refuses_to_rewrite(embedded)
    # and what may move still does
    target = incident.targets.first()
    said = {"source": "Appel", "stated_on": date(2024, 2, 12), "by": author}
    lifecycle.record_claim(target, category="NIR", state="en_verification", **said)
    correction = notices.revise(version, author=author)
    correction.change_note = "Une précision."
    correction.save()
    notices.submit(correction, by=author)
    notices.publish(correction, by=approver)
    notices.withdraw(correction, by=approver, reason="Erreur")
    assert correction.state == "withdrawn"
    assert notices.verify() is None


def test_a_submitted_text_is_out_of_reach_too(submitted):
    with pytest.raises(IntegrityError, match="notice_version_is_written_once"):
        raw("UPDATE incidents_noticeversion SET headline = 'Autre' WHERE number = 2")


# What shows that someone went around it


@contextmanager
def unguarded(table):
    """As the owner of the database could."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield cursor
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def verify():
    out = StringIO()
    call_command("verify_notices", stdout=out)
    return out.getvalue()


def test_versions_as_they_were_published_are_verified(cast, submitted):
    notices.publish(submitted, by=cast.approbateur)
    assert verify() == "2 versions as published.\n"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("reassurance = 'Tout va bien.'", "altered"),
        ("facts = jsonb_set(facts, '{targets,0,window_until}', '\"2024-02-03\"')", "altered"),
        ("digest = 'x'", "altered"),
    ],
)
def test_the_first_altered_version_is_named(cast, submitted, change, what):
    notices.publish(submitted, by=cast.approbateur)
    with unguarded("incidents_noticeversion") as cursor:
        cursor.execute(f"UPDATE incidents_noticeversion SET {change} WHERE number = 2")
    with pytest.raises(CommandError, match=f"2024-02-tiers-payant · v2: {what}") as refusal:
        verify()
    assert refusal.value.returncode == 1


def test_an_alteration_with_its_digest_is_seen_in_the_trail(february_2024):
    version = notices.latest(february_2024)
    version.headline = "Autre"
    digest = notices.digest(version, version.facts)
    with unguarded("incidents_noticeversion") as cursor:
        cursor.execute(
            "UPDATE incidents_noticeversion SET headline = 'Autre', digest = %s", [digest]
        )
    with pytest.raises(CommandError, match="v1: not the one that the trail says published"):
        verify()


def test_a_version_that_disappeared_is_named(cast, submitted):
    notices.publish(submitted, by=cast.approbateur)
    with unguarded("incidents_noticeversion") as cursor:
        cursor.execute("DELETE FROM incidents_noticeversion WHERE number = 2")
    with pytest.raises(CommandError, match="2024-02-tiers-payant · v2: missing"):
        verify()


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


def test_the_same_claim_twice_is_said_once(cast, february_2024):
    target = february_2024.targets.first()
    before = Claim.objects.live().get(target=target, category="NIR")
    names = ("state", "source", "stated_on", "confidence")
    same = {name: getattr(before, name) for name in names}
    events = AuditEvent.objects.count()
    assert lifecycle.record_claim(target, category="NIR", by=cast.auteur, **same) == before
    assert AuditEvent.objects.count() == events
    later = same | {"stated_on": date(2024, 2, 12)}
    assert lifecycle.record_claim(target, category="NIR", by=cast.auteur, **later) != before


def test_nothing_is_claimed_about_a_closed_incident(cast, february_2024):
    lifecycle.close(nobody_left_to_inform(february_2024), by=cast.approbateur)
    with pytest.raises(lifecycle.Moved):
        lifecycle.record_claim(
            february_2024.targets.first(),
            category="EMAIL",
            state="exposee",
            source="Appel",
            stated_on=date(2024, 2, 12),
        )


# Withdrawal


def test_the_version_before_a_withdrawn_one_is_in_force_again(cast, submitted):
    notices.publish(submitted, by=cast.approbateur)
    notices.withdraw(submitted, by=cast.approbateur, reason="Erreur de date")
    assert notices.latest(submitted.incident).number == 1
    assert [notice.number for notice in banners.current()] == [1]


def test_nobody_starts_a_version_for_a_closed_incident(cast, february_2024):
    version = notices.latest(february_2024)
    lifecycle.close(nobody_left_to_inform(february_2024), by=cast.approbateur)
    with pytest.raises(notices.TooLate):
        notices.revise(version, author=cast.auteur)
    with pytest.raises(notices.TooLate):
        notices.start(february_2024, author=cast.auteur)
    assert february_2024.versions.count() == 1
    assert not AuditEvent.objects.filter(
        action="incident.version_started", details__version=2
    ).exists()


def test_a_draft_that_is_given_up_leaves_room_for_another(cast, draft):
    notices.withdraw(draft, by=cast.auteur, reason="Doublon")
    assert notices.revise(notices.latest(draft.incident), author=cast.auteur).number == 3


def test_only_a_live_incident_can_be_closed(cast, february_2024):
    lifecycle.close(nobody_left_to_inform(february_2024), by=cast.approbateur)
    assert february_2024.is_closed
    with pytest.raises(lifecycle.NotLive):
        lifecycle.close(nobody_left_to_inform(february_2024), by=cast.approbateur)
