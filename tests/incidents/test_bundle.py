"""The bundle of evidence: the same content gives the same bytes, and whatever is changed is named."""

import io
import json
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.test import override_settings
from django.utils import timezone

from incidents import acknowledgements, counting, evidence, reach
from incidents.dossiers import bundle, bundle_check
from incidents.models import Evidence, NoticeVersion
from members import anchors, audit, job_turns, jobs, trail
from members.models import AuditEvent, JobFile
from members.models.job import JobState
from portal import roles
from tests.incidents.test_reach import posted, row_of


@pytest.fixture(autouse=True)
def private_folder(settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path / "files")


@pytest.fixture
def counted(ledger, cast, settings, tmp_path):
    """The incident of February 2024, counted, its events chained and an anchor dropped outside."""
    settings.AUDIT_ANCHOR_DIR = str(tmp_path)
    counting.ask(ledger, by=cast.auteur)
    with time_machine.travel(timezone.now() + timedelta(minutes=1)):
        while audit.seal():
            pass
        anchors.drop()
    return ledger


def written(incident, problems=()) -> bytes:
    file = io.BytesIO()
    bundle.write(file, incident, dict(problems))
    return file.getvalue()


KEPT: dict[str, bytes] = {}


@pytest.fixture
def whole(request, tmp_path) -> Path:
    """A bundle on disk. It is made once: whoever tampers with it needs no database, and gets none."""
    if not KEPT:
        KEPT["whole"] = written(request.getfixturevalue("counted"))
    path = tmp_path / "preuves.zip"
    path.write_bytes(KEPT["whole"])
    return path


def contents(path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(path, files: dict[str, bytes], *, sealed=False) -> Path:
    """The bundle made of these files. `sealed`: by a manifest of their own, as an insider could."""
    files = dict(files)
    if sealed:
        listed = [
            {"name": name, "size": len(text), "sha256": bundle.hashlib.sha256(text).hexdigest()}
            for name, text in files.items()
            if name not in (bundle.MANIFEST, bundle.SEAL)
        ]
        manifest = json.loads(files[bundle.MANIFEST]) | {"files": listed}
        files[bundle.MANIFEST] = json.dumps(manifest).encode()
        files[bundle.SEAL] = bundle.seal(files[bundle.MANIFEST]).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def breach(path, **told) -> str:
    return str(bundle_check.check(path, **told).breach)


# What it holds


def test_the_same_content_gives_the_same_bytes_on_another_day(counted):
    first = written(counted)
    with time_machine.travel(timezone.now() + timedelta(days=3)):
        assert written(counted) == first


def test_a_whole_bundle_is_checked_without_any_database(whole, capsys):
    call_command("verify_bundle", str(whole))
    told = capsys.readouterr().out
    assert "2024-02-tiers-payant" in told
    assert bundle_check.check(whole).events > 10
    assert bundle_check.check(whole).sha256 in told


def test_it_holds_what_was_said_filed_and_handed_over(counted, tmp_path):
    path = tmp_path / "b.zip"
    path.write_bytes(written(counted))
    files = contents(path)
    version = NoticeVersion.objects.get(incident=counted)
    notice = json.loads(files["notices/v1.json"])
    assert notice["digest"] == version.digest
    assert notice["sealed"]["facts"] == version.facts
    pieces = json.loads(files[bundle.PIECES])
    assert len(pieces) == Evidence.objects.filter(incident=counted).count() > 0
    for piece in pieces:
        assert bundle.hashlib.sha256(files[piece["path"]]).hexdigest() == piece["sha256"]
    assert json.loads(files[bundle.FILINGS])["filings"]
    assert any(one["kind"] == "call" for one in json.loads(files["timeline.json"]))
    assert files[bundle.ANCHORS]


def test_of_members_it_holds_totals_only_and_they_are_the_ledger_s(
    counted, cast, version, tmp_path, as_member
):
    posted(row_of(counted, cast.cesar), version)
    as_member(cast.antoine).get(f"/incidents/{counted.reference}/")
    acknowledgements.acknowledge(cast.antoine, version)
    path = tmp_path / "b.zip"
    path.write_bytes(written(counted))
    files = contents(path)
    everything = b"\n".join(files.values()).decode()
    for member in (cast.antoine, cast.cesar, cast.bianca):
        for secret in (
            member.number,
            member.last_name,
            member.phone or "§",
            str(member.nir or "§"),
        ):
            assert secret not in everything, secret
    told = json.loads(files["ledger.json"])
    totals = reach.totals(counted)
    assert told["reach"]["states"] == totals.states
    assert told["reach"]["informed"] == totals.informed > 0
    kept = counting.kept(counted, version).figures
    assert told["audience"]["totals"] == kept["totals"]
    assert "contracts" not in everything
    assert json.loads(files["trail/left-out.json"])["incident.acknowledged"] == 1


def test_every_action_about_an_incident_is_extracted_counted_or_of_dossiers():
    topics = ("incident.", "call.", "evidence.", "filing.", "ruling.", "attestation.")
    known = {*bundle.EXTRACTED, *bundle.OF_PERSONS, *bundle.OF_DOSSIERS}
    known.add("incident.register_exported")  # of all incidents
    assert {action for action in trail.LABELS if action.startswith(topics)} == known


def test_an_event_of_a_member_s_account_never_enters(counted, cast):
    audit.record("incident.changed", user=cast.antoine.user, incident=counted.reference)
    events = bundle._events(counted)
    assert events
    assert all(event.user_id is None for event in events)


def test_a_piece_that_is_not_what_was_received_is_told_and_left_out(counted, tmp_path):
    piece = Evidence.objects.filter(incident=counted).first()
    Path(piece.file.path).write_bytes(b"autre")
    path = tmp_path / "b.zip"
    path.write_bytes(written(counted, {str(piece.pk): evidence.problem(piece)}))
    row = json.loads(contents(path)[bundle.PIECES])[0]
    assert (row["path"], row["problem"]) == ("", "altered")
    assert bundle_check.check(path).breach is None


@pytest.mark.parametrize("act", [Path.unlink, lambda path: path.write_bytes(b"autre")])
def test_a_piece_that_changes_while_it_is_read_stops_the_work_with_a_sentence(counted, act):
    act(Path(Evidence.objects.filter(incident=counted).first().file.path))
    with pytest.raises(jobs.Failed, match="Une pièce a changé pendant sa lecture"):
        written(counted)


# The job


@pytest.fixture
def dpo(colleague):
    return colleague("deleguee", roles.DPO)


def test_the_job_keeps_a_file_its_digest_and_an_event_whatever_its_turns(
    counted, dpo, monkeypatch, tmp_path
):
    monkeypatch.setattr(job_turns, "TURN", -1)
    job = bundle.ask(counted, by=dpo)
    assert bundle.ask(counted, by=dpo) == job
    turns = 0
    while job_turns.take_turn(job.pk):
        turns += 1
    assert turns == Evidence.objects.filter(incident=counted).count() + 1
    job.refresh_from_db()
    assert (job.state, job.percent) == (JobState.DONE, 100)
    made = JobFile.objects.get(job=job)
    event = AuditEvent.objects.get(action="incident.bundle_made")
    assert event.details["sha256"] == made.sha256
    path = tmp_path / "b.zip"
    with made.file:
        path.write_bytes(made.file.read())
    assert bundle_check.check(path).sha256 == made.sha256
    assert bundle_check.check(path).breach is None


def test_only_who_may_bundle_sees_the_job_and_its_file(counted, dpo, as_staff, cast):
    job = bundle.ask(counted, by=dpo)
    while job_turns.take_turn(job.pk):
        pass
    made = JobFile.objects.get(job=job)
    address = f"/admin/members/job/{job.pk}/fichiers/{made.pk}/"
    assert as_staff(cast.approbateur).get(address).status_code in (403, 404)
    response = as_staff(dpo).get(address)
    assert b"".join(response.streaming_content)[:2] == b"PK"


# Tampering, each kind


def test_a_changed_file_is_named(whole, tmp_path):
    for name in contents(whole):
        files = contents(whole)
        files[name] = files[name][:-2] + b"x\n"
        told = breach(packed(tmp_path / "x.zip", files))
        expected = bundle.SEAL if name in (bundle.MANIFEST, bundle.SEAL) else name
        assert told.startswith(f"{expected}: "), (name, told)


def test_a_flipped_byte_anywhere_in_the_file_breaks_it(whole, tmp_path):
    text = whole.read_bytes()
    path = tmp_path / "x.zip"
    for place in range(0, len(text), max(1, len(text) // 60)):
        path.write_bytes(text[:place] + bytes([text[place] ^ 0x10]) + text[place + 1 :])
        # a moment or a right in a header that says nothing of the content is no breach
        assert bundle_check.check(path).breach or contents(path) == contents(whole), place


def test_nothing_hides_before_between_or_after_the_files(whole, tmp_path):
    path, text = tmp_path / "x.zip", whole.read_bytes()
    path.write_bytes(b"cache" + text)
    assert "not where it should stand" in breach(path)
    with zipfile.ZipFile(path, "w") as archive:
        for number, (name, content) in enumerate(contents(whole).items()):
            if number == 2:  # its bytes stay where they are, without a line in the directory
                archive.writestr("cache.txt", b"cache")
                archive.filelist.pop()
                del archive.NameToInfo["cache.txt"]
            archive.writestr(name, content)
    assert "not where it should stand" in breach(path)
    path.write_bytes(text)
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"cache"
    assert breach(path) == "archive: carries more than its files"


def test_a_missing_or_unlisted_file_is_named(whole, tmp_path):
    files = contents(whole)
    del files["calls.json"]
    assert breach(packed(tmp_path / "x.zip", files)) == "calls.json: missing"
    files = contents(whole) | {"autre.txt": b"1"}
    assert breach(packed(tmp_path / "x.zip", files)) == "autre.txt: not listed"
    del files[bundle.MANIFEST]
    assert breach(packed(tmp_path / "x.zip", files)) == "manifest.json: missing"


@pytest.mark.parametrize(
    "name",
    [
        "../dehors",
        "/etc/passwd",
        "a/../../b",
        "C:\\x",
        "a/b/c",
        "./a",
        "é.txt",
        "a//b",
        ".a",
        "dir/",
    ],
)
def test_a_name_that_leads_elsewhere_is_refused_before_anything_is_read(whole, tmp_path, name):
    told = breach(packed(tmp_path / "x.zip", contents(whole) | {name: b"1"}))
    assert "a name that is not ours" in told
    assert not (tmp_path.parent / "dehors").exists()


def test_a_link_and_an_encrypted_entry_are_refused(whole, tmp_path):
    path = tmp_path / "x.zip"
    files = contents(whole)
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            entry = zipfile.ZipInfo(name)
            if name == "calls.json":
                entry.external_attr = 0o120777 << 16
            archive.writestr(entry, text)
    assert breach(path) == "calls.json: not a plain file"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_is_there_twice_is_refused(whole, tmp_path):
    path = packed(tmp_path / "x.zip", contents(whole))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("calls.json", b"[]")
    assert breach(path) == "calls.json: there twice"


def test_a_bomb_is_stopped_before_it_swells(whole, tmp_path, monkeypatch):
    files = contents(whole) | {"calls.json": b"0" * (64 << 20)}
    read = []
    once = zipfile.ZipExtFile.read
    monkeypatch.setattr(
        zipfile.ZipExtFile, "read", lambda self, n=-1: read.append(n) or once(self, n)
    )
    assert breach(packed(tmp_path / "x.zip", files)) == "calls.json: longer than it says"
    assert all(0 < n <= bundle_check.CHUNK for n in read)
    assert len(read) < 100
    monkeypatch.setattr(bundle_check, "TEXT", 1 << 20)
    told = breach(packed(tmp_path / "y.zip", files, sealed=True))
    assert told == "calls.json: heavier than any file of a bundle"


def test_a_manifest_of_another_hand_is_refused(whole, tmp_path):
    files = contents(whole) | {"calls.json": b"[]\n"}
    with override_settings(SECRET_KEY="une autre clef", SECRET_KEY_FALLBACKS=[]):
        path = packed(tmp_path / "x.zip", files, sealed=True)
    assert breach(path) == "manifest.seal: not written by this portal"


def test_another_portal_checks_the_files_and_says_that_it_lacks_the_key(whole, capsys):
    with override_settings(SECRET_KEY="une autre clef", SECRET_KEY_FALLBACKS=[]):
        assert breach(whole) == "manifest.seal: not written by this portal"
        call_command("verify_bundle", str(whole), without_key=True)
    assert "Neither the seal nor the chain was checked" in capsys.readouterr().out


# What an insider with the key of the seal alone would still not manage


def changed(path, tmp_path, name, change) -> str:
    files = contents(path)
    lines = [json.loads(line) for line in files[name].splitlines()]
    change(lines)
    files[name] = "".join(json.dumps(line) + "\n" for line in lines).encode()
    return breach(packed(tmp_path / "x.zip", files, sealed=True))


def test_an_event_told_otherwise_is_named(whole, tmp_path):
    told = changed(
        whole, tmp_path, bundle.EVENTS, lambda rows: rows[2].update(action="call.struck")
    )
    assert told.startswith("trail/events.jsonl:3 (event ")
    assert told.endswith("altered")


def test_an_event_that_was_moved_in_the_chain_is_named(whole, tmp_path):
    told = changed(whole, tmp_path, bundle.EVENTS, lambda rows: rows[3].update(before="0" * 64))
    assert told.startswith("trail/events.jsonl:4 ")
    assert told.endswith("not linked to what came before")
    assert "out of order" in changed(whole, tmp_path, bundle.EVENTS, lambda rows: rows.reverse())


def test_an_anchor_that_says_otherwise_is_named(whole, tmp_path):
    told = changed(whole, tmp_path, bundle.ANCHORS, lambda rows: rows[0].update(told="0" * 64))
    assert told == "trail/anchors.jsonl:1: not what was told outside"


def test_a_notice_told_otherwise_is_named(whole, tmp_path):
    files = contents(whole)
    notice = json.loads(files["notices/v1.json"])
    notice["sealed"]["texts"]["headline"] = "Rien de grave"
    files["notices/v1.json"] = json.dumps(notice).encode()
    path = packed(tmp_path / "x.zip", files, sealed=True)
    assert breach(path) == "notices/v1.json: not what was published"
    notice["digest"] = bundle_check.fingerprint(notice["sealed"])
    files["notices/v1.json"] = json.dumps(notice).encode()
    path = packed(tmp_path / "x.zip", files, sealed=True)
    assert breach(path) == "notices/v1.json: not the one that the trail says"


def test_a_piece_put_in_place_of_another_is_named(whole, tmp_path):
    files = contents(whole)
    name = next(name for name in files if name.startswith("evidence/"))
    files[name] = b"un autre accuse"
    told = breach(packed(tmp_path / "x.zip", files, sealed=True))
    assert told == f"{name}: not the piece that was received"


def test_what_is_no_bundle_ends_with_one_and_a_sentence(tmp_path):
    path = tmp_path / "x.zip"
    for text in (b"", b"PK\x03\x04 rien", b"%PDF-1.7"):
        path.write_bytes(text)
        with pytest.raises(CommandError, match=r"broken: x\.zip: not a zip") as refused:
            call_command("verify_bundle", str(path))
        assert refused.value.returncode == 1
    with pytest.raises(CommandError, match="broken: absent"):
        call_command("verify_bundle", str(tmp_path / "absent"))
    for manifest in (b"[]", b"{", b'{"schema": 1, "files": 3}', b"[" * 100_000):
        packed(path, {bundle.MANIFEST: manifest, bundle.SEAL: bundle.seal(manifest).encode()})
        assert breach(path).startswith("manifest.json: not "), manifest[:30]
