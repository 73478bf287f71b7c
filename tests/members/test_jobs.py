"""Long work that a person can watch: taken once, in turns, taken up again, stopped, its files kept."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.db import IntegrityError, connection
from django.test import Client
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice

from members import files, job_turns, jobs, retention
from members.models import AuditEvent, Job, JobFile, User
from members.models.job import LOST_AFTER, JobState
from tests.members.test_codes import at_once
from tests.signing import sign_in


class Counter:
    """A work of five steps that remembers which ones it did."""

    def __init__(self):
        self.did, self.meanwhile = [], lambda job: None

    def __call__(self, job):
        for number in range(job.cursor.get("next", 0), 5):
            self.did.append(number)
            self.meanwhile(job)
            yield jobs.Step(done=number + 1, total=5, cursor={"next": number + 1})
        return {"étapes": 5}


@pytest.fixture
def counter(monkeypatch):
    counter = Counter()
    kind = jobs.Kind("test.count", "Compter jusqu'à cinq", "members.view_member", counter)
    monkeypatch.setitem(jobs.kinds, "test.count", kind)
    return counter


@pytest.fixture
def in_short_turns(monkeypatch):
    monkeypatch.setattr(job_turns, "TURN", -1)


@pytest.fixture
def hugo(db):
    return colleague("hugo", "view_member")


@pytest.fixture(autouse=True)
def private_folder(settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path)


def colleague(identifiant, *rights):
    user = User.objects.create(identifiant=identifiant, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    device = TOTPDevice.objects.create(user=user, name="totp", confirmed=True)
    client = sign_in(Client(), user, device)
    client.user = user
    return client


def asked(**columns):
    return Job.objects.create(**{"kind": "test.count"} | columns)


def ended(**columns):
    return asked(**{"state": JobState.DONE, "finished_at": timezone.now()} | columns)


def now(job):
    return Job.objects.get(pk=job.pk)


# Turns


def test_a_job_is_started_woken_on_commit_and_done(
    counter, hugo, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        job = jobs.start("test.count", by=hugo.user)
        assert now(job).state == JobState.WAITING
    job = now(job)
    assert (job.state, job.done, job.total, job.result) == (JobState.DONE, 5, 5, {"étapes": 5})
    assert AuditEvent.objects.filter(action="job.started", actor=hugo.user).exists()


def test_each_turn_begins_where_the_last_one_ended(counter, db, in_short_turns):
    job = asked()
    turns = 1
    while job_turns.take_turn(job.pk):
        assert now(job).state == JobState.WAITING
        turns += 1
    assert (turns, counter.did) == (6, [0, 1, 2, 3, 4])
    assert now(job).state == JobState.DONE


def test_what_a_dead_worker_left_is_taken_up_after_a_while_and_not_before(counter, db):
    job = asked(state=JobState.RUNNING, seen_at=timezone.now(), turn=1, done=2, cursor={"next": 2})
    assert not job_turns.take_turn(job.pk)
    assert not job_turns.waiting()
    with time_machine.travel(timezone.now() + LOST_AFTER + timedelta(seconds=1)):
        assert job_turns.waiting() == [job.pk]
        job_turns.take_turn(job.pk)
    assert counter.did == [2, 3, 4]


def test_who_was_taken_for_lost_stops_at_his_next_step_and_undoes_nothing(counter, db):
    job = asked()

    def another_takes_over(job):
        Job.objects.filter(pk=job.pk).update(turn=7, done=4)

    counter.meanwhile = another_takes_over
    assert not job_turns.take_turn(job.pk)
    assert counter.did == [0]
    assert (now(job).done, now(job).state) == (4, JobState.RUNNING)


def test_a_failure_that_a_person_can_mend_is_told_in_its_words(counter, db):
    job = asked()

    def missing(job):
        raise jobs.Failed("Le dossier est vide.")

    counter.meanwhile = missing
    job_turns.take_turn(job.pk)
    assert (now(job).state, now(job).problem) == (JobState.FAILED, "Le dossier est vide.")


def test_an_error_is_no_secret_shown_and_the_job_resumes_where_it_was(counter, hugo):
    job = asked(cursor={"next": 3})

    def broken(job):
        raise ValueError("+33612345678")

    counter.meanwhile = broken
    job_turns.take_turn(job.pk)
    assert now(job).state == JobState.FAILED
    assert "336" not in now(job).problem
    counter.meanwhile = lambda job: None
    assert jobs.resume(now(job), by=hugo.user)
    job_turns.take_turn(job.pk)
    assert now(job).state == JobState.DONE
    assert counter.did == [3, 3, 4]


def test_a_stop_ends_it_after_the_present_step(counter, hugo):
    job = asked()
    counter.meanwhile = lambda running: jobs.stop(now(job), by=hugo.user)
    job_turns.take_turn(job.pk)
    assert counter.did == [0]
    assert now(job).state == JobState.STOPPED
    assert not jobs.stop(now(job), by=hugo.user)


def test_what_was_told_to_stop_during_a_step_is_taken_up_by_nobody_before_that_step_ends(
    counter, hugo
):
    job = jobs.start("test.count", by=hugo.user, key="incident 1")
    found = []

    def stopped(running):
        assert jobs.stop(now(job), by=hugo.user)
        found.append(now(job).state)
        assert not jobs.stop(now(job), by=hugo.user), "once"
        assert not jobs.resume(now(job), by=hugo.user)
        assert jobs.start("test.count", by=hugo.user, key="incident 1") == job
        assert not job_turns.take_turn(job.pk)

    counter.meanwhile = stopped
    job_turns.take_turn(job.pk)
    assert (found, counter.did) == ([JobState.STOPPING], [0])
    assert now(job).state == JobState.STOPPED
    counter.meanwhile = lambda job: None
    assert jobs.resume(now(job), by=hugo.user)


def test_work_whose_last_step_ends_as_it_is_told_to_stop_is_done(hugo, monkeypatch):
    job = asked()

    def told_to_stop(job):
        jobs.stop(now(job), by=hugo.user)
        return iter(())

    kind = jobs.Kind("test.count", "Rien à faire", "members.view_member", told_to_stop)
    monkeypatch.setitem(jobs.kinds, "test.count", kind)
    job_turns.take_turn(job.pk)
    assert now(job).state == JobState.DONE


def test_what_was_told_to_stop_and_whose_worker_died_ends_after_a_while(counter, hugo):
    job = asked(state=JobState.RUNNING, seen_at=timezone.now(), turn=1, key="incident 1")
    assert jobs.stop(job, by=hugo.user)
    job_turns.waiting()
    assert now(job).state == JobState.STOPPING
    with time_machine.travel(timezone.now() + LOST_AFTER + timedelta(seconds=1)):
        assert not job_turns.waiting()
        assert now(job).state == JobState.STOPPED
        assert jobs.resume(now(job), by=hugo.user)


def test_of_one_key_one_job_is_active(counter, hugo):
    first = jobs.start("test.count", by=hugo.user, key="incident 1")
    assert jobs.start("test.count", by=hugo.user, key="incident 1") == first
    assert jobs.start("test.count", by=hugo.user, key="incident 2") != first
    jobs.stop(first, by=hugo.user)
    second = jobs.start("test.count", by=hugo.user, key="incident 1")
    assert second != first
    assert not jobs.resume(now(first), by=hugo.user)


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("connection.vendor != 'postgresql'")
def test_two_workers_that_are_woken_at_once_do_the_work_once(counter):
    job = asked()
    at_once(4, lambda: job_turns.take_turn(job.pk))
    assert counter.did == [0, 1, 2, 3, 4]
    assert connection.vendor == "postgresql"


# The page


def test_its_page_tells_how_far_it_is_and_comes_again_unless_told_to_stay(counter, hugo):
    job = asked(state=JobState.RUNNING, done=2, total=5, seen_at=timezone.now())
    page = hugo.get(f"/admin/members/job/{job.pk}/")
    assert page["Refresh"] == "3"
    assert "40 %" in page.content.decode()
    assert "Refresh" not in hugo.get(f"/admin/members/job/{job.pk}/?fixe").headers
    assert "Refresh" not in hugo.get(f"/admin/members/job/{ended().pk}/").headers


def test_it_is_stopped_and_resumed_from_its_page_by_post_alone(counter, hugo):
    job = asked()
    assert hugo.get(f"/admin/members/job/{job.pk}/arreter/").status_code == 405
    hugo.post(f"/admin/members/job/{job.pk}/arreter/")
    assert now(job).state == JobState.STOPPED
    hugo.post(f"/admin/members/job/{job.pk}/reprendre/")
    assert now(job).state == JobState.WAITING
    again = hugo.post(f"/admin/members/job/{job.pk}/reprendre/", follow=True).content.decode()
    assert "ne peut pas reprendre" in again


def test_only_who_may_see_its_kind_sees_a_job(counter, hugo):
    job = ended()
    jobs.keep(job, "liste.csv", "text/csv", [b"a;b\n"])
    made = JobFile.objects.get()
    for client, kind in ((colleague("paul", "view_auditevent"), 403), (hugo, 200)):
        for path in ("", f"{job.pk}/", f"{job.pk}/fichiers/{made.pk}/"):
            answer = client.get(f"/admin/members/job/{path}")
            answer.getvalue()
            assert answer.status_code == kind, path
    other = asked(kind="test.other")
    assert hugo.get(f"/admin/members/job/{other.pk}/").status_code == 404
    assert hugo.get(f"/admin/members/job/{other.pk}/fichiers/{made.pk}/").status_code == 404
    assert str(other.pk) not in hugo.get("/admin/members/job/").content.decode()


def test_a_file_is_given_as_an_attachment_that_runs_nothing_and_the_trail_says_who_read_it(
    counter, hugo
):
    job = ended()
    jobs.keep(job, "lettres.pdf", "application/pdf", [b"%PDF-", b"1.7"])
    jobs.keep(job, "lettres.pdf", "application/pdf", [b"%PDF-2"])
    made = JobFile.objects.get()
    answer = hugo.get(f"/admin/members/job/{job.pk}/fichiers/{made.pk}/")
    assert b"".join(answer.streaming_content) == b"%PDF-2"
    assert (made.size, len(made.sha256)) == (6, 64)
    assert answer["Content-Disposition"] == 'attachment; filename="lettres.pdf"'
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]
    assert "no-store" in answer["Cache-Control"]
    assert AuditEvent.objects.latest("id").action == "job.file_read"
    made.file.delete(save=False)
    assert hugo.get(f"/admin/members/job/{job.pk}/fichiers/{made.pk}/").status_code == 404


def test_old_jobs_go_with_their_files(counter, db, tmp_path):
    jobs.keep(ended(), "liste.csv", "text/csv", [b"a"])
    young = asked()
    with time_machine.travel(timezone.now() + timedelta(days=91)):
        Job.objects.filter(pk=young.pk).update(asked_at=timezone.now())
        retention.purge()
    assert list(Job.objects.all()) == [young]
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


# Private files


def test_the_name_of_a_stored_file_tells_nothing_and_its_folder_is_closed(counter, db, tmp_path):
    jobs.keep(ended(), "Dupont Claire.pdf", "application/pdf", [b"a"])
    stored = JobFile.objects.get().file
    assert re.fullmatch(r"jobs/\d{4}-\d\d/[0-9a-f]{32}", stored.name)
    path = tmp_path / stored.name
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    with pytest.raises(ValueError, match="no address"):
        _address = stored.url


def test_an_earlier_file_that_cannot_be_deleted_takes_no_new_one_along(
    counter, db, monkeypatch, django_capture_on_commit_callbacks
):
    job = ended()
    jobs.keep(job, "liste.csv", "text/csv", [b"a"])

    def refused(storage, name):
        raise PermissionError

    monkeypatch.setattr(files.PrivateStorage, "delete", refused)
    with django_capture_on_commit_callbacks(execute=True):
        jobs.keep(job, "liste.csv", "text/csv", [b"bb"])
    assert JobFile.objects.get().file.size == 2


def test_a_job_keeps_nothing_of_a_file_that_fails_half_way(counter, db, tmp_path):
    def half():
        yield b"a"
        raise jobs.Failed("Non.")

    with pytest.raises(jobs.Failed):
        jobs.keep(ended(), "liste.csv", "text/csv", half())
    assert not JobFile.objects.exists()
    assert not list(tmp_path.rglob("*"))


def test_a_file_whose_row_cannot_be_written_does_not_stay_on_the_disk(db, tmp_path, monkeypatch):
    def refused(self, **options):
        raise IntegrityError

    job = ended()
    monkeypatch.setattr(JobFile, "save", refused)
    with pytest.raises(IntegrityError):
        jobs.keep(job, "liste.csv", "text/csv", [b"nir;nom"])
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
