"""The bundle of evidence: the same content gives the same bytes, and whatever is changed is named."""

import io
import json
import struct
import tracemalloc
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
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            bundle._add(archive, name, [text])
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
    with zipfile.ZipFile(whole) as archive:
        # the last bits of an entry fill its last byte and mean nothing
        fillers = {one.header_offset - 1 for one in archive.infolist()} | {archive.start_dir - 1}
    for place in {*range(0, len(text), max(1, len(text) // 60))} - fillers:
        path.write_bytes(text[:place] + bytes([text[place] ^ 0x10]) + text[place + 1 :])
        assert bundle_check.check(path).breach, place


def test_a_flipped_bit_anywhere_in_the_directory_breaks_it(whole, tmp_path):
    text, path = whole.read_bytes(), tmp_path / "x.zip"
    with zipfile.ZipFile(whole) as archive:
        directory = archive.start_dir
    # its first line, its last one, and its end
    for place in (*range(directory, directory + 46), *range(len(text) - 22 - 59, len(text))):
        path.write_bytes(text[:place] + bytes([text[place] ^ 1]) + text[place + 1 :])
        assert bundle_check.check(path).breach, place


def test_a_bundle_beyond_two_gigabytes_is_told_in_longer_numbers(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 1000)
    path = packed(tmp_path / "x.zip", contents(whole))
    assert b"PK\6\7" in path.read_bytes()
    assert bundle_check.check(path).breach is None


def told_again(
    text: bytes, *, comment=b"", extra=b"", own_extra=b"", tail=b"", moment=b""
) -> bytes:
    """The zip written again from its raw parts, with one thing more in its second entry."""
    with zipfile.ZipFile(io.BytesIO(text)) as archive:
        entries = archive.infolist()
    whole, directory = bytearray(), bytearray()
    for number, one in enumerate(entries):
        start = one.header_offset
        head = text[start : start + 30]
        body = start + 50 + len(one.filename)
        raw = text[body : body + one.compress_size]
        more, said, own, when = b"", b"", b"", head[10:14]
        if number == 1:
            raw, more, said, own, when = raw + tail, extra, comment, own_extra, moment or when
        name, place = one.filename.encode(), len(whole)
        sizes = struct.pack("<HHQQ", 1, 16, one.file_size, len(raw)) + own
        whole += head[:10] + when + head[14:26] + struct.pack("<HH", len(name), len(sizes))
        whole += name + sizes + raw
        directory += b"PK\1\2\x2d\3" + head[4:10] + when + head[14:18]
        directory += struct.pack(
            "<LL5HLL",
            len(raw),
            one.file_size,
            len(name),
            len(more),
            len(said),
            0,
            0,
            one.external_attr,
            place,
        )
        directory += name + more + said
    end = (len(entries), len(entries), len(directory), len(whole), 0)
    return bytes(whole + directory + b"PK\5\6" + struct.pack("<HHHHLLH", 0, 0, *end))


def test_nothing_hides_in_what_a_zip_may_say_besides_its_files(whole, tmp_path):
    path, text = tmp_path / "x.zip", whole.read_bytes()
    assert told_again(text) == text
    secret = struct.pack("<HH", 0xCAFE, 5) + b"cache"
    for hidden in (
        {"comment": b"cache"},
        {"extra": secret},
        {"own_extra": secret},
        {"moment": b"\x21\x50\x21\x50"},
    ):
        path.write_bytes(told_again(text, **hidden))
        assert contents(path) == contents(whole)
        assert breach(path) == "incident.json: not told as we tell it", hidden
    path.write_bytes(told_again(text, tail=b"cache" * 1000))
    assert contents(path) == contents(whole)
    assert breach(path) == "incident.json: altered"


def test_nothing_hides_before_between_or_after_the_files(whole, tmp_path):
    path, text = tmp_path / "x.zip", whole.read_bytes()
    path.write_bytes(b"cache" + text)
    assert "not where it should stand" in breach(path)
    with zipfile.ZipFile(path, "w") as archive:
        for number, (name, content) in enumerate(contents(whole).items()):
            if number == 2:  # its bytes stay where they are, without a line in the directory
                bundle._add(archive, "cache.txt", [b"cache"])
                archive.filelist.pop()
                del archive.NameToInfo["cache.txt"]
            bundle._add(archive, name, [content])
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
            entry = bundle.entry_of(name)
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
    files = contents(whole) | {"calls.json": b"0" * (16 << 20)}
    read = []
    once = bundle_check._unpacked

    def counting(archive, entry):
        for chunk in once(archive, entry):
            read.append(len(chunk))
            yield chunk

    monkeypatch.setattr(bundle_check, "_unpacked", counting)
    assert breach(packed(tmp_path / "x.zip", files)) == "calls.json: longer than it says"
    assert max(read) <= bundle_check.CHUNK
    assert len(read) < 100
    path = packed(tmp_path / "y.zip", files, sealed=True)
    monkeypatch.setattr(bundle, "TEXT", 1 << 20)
    assert breach(path) == "calls.json: heavier than any file of a bundle"


def test_what_would_be_refused_as_too_heavy_is_not_written(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "TEXT", 1 << 20)
    with pytest.raises(jobs.Failed, match="trop lourd pour être vérifié"):
        packed(tmp_path / "x.zip", contents(whole) | {"calls.json": b"0" * (2 << 20)})


def test_a_trail_of_millions_of_lines_stops_at_the_first_wrong_one(whole, tmp_path):
    files = contents(whole) | {bundle.EVENTS: b"{}\n" * (16 << 20)}
    path = packed(tmp_path / "x.zip", files, sealed=True)
    tracemalloc.start()
    try:
        assert breach(path, with_key=False) == "archive: not laid out as a bundle of ours"
        _now, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 100 << 20  # bytes
    files[bundle.EVENTS] = b"[" * (3 << 20)
    path = packed(path, files, sealed=True)
    assert breach(path) == "trail/events.jsonl: a line too long"


def test_what_another_hand_wrote_is_told_without_playing_with_the_terminal(whole, tmp_path):
    path, files = tmp_path / "x.zip", contents(whole)
    manifest = json.loads(files[bundle.MANIFEST])
    for reference in ("x\x1b[31m", "x: 1 files as they were written.\nSHA-256", ""):
        text = json.dumps(manifest | {"incident": reference}).encode()
        packed(path, files | {bundle.MANIFEST: text})
        assert breach(path, with_key=False) == "manifest.json: not a manifest of ours"
    listed = [*manifest["files"], manifest["files"][0] | {"name": "a\x1b[31m\n"}]
    text = json.dumps(manifest | {"files": listed}).encode()
    packed(path, files | {bundle.MANIFEST: text})
    assert breach(path, with_key=False) == r"'a\x1b[31m\n': missing"
    for depth in (900, 50_000):
        deep = b'{"digest": "x", "sealed": ' + b"[" * depth + b"]" * depth + b"}"
        packed(path, files | {"notices/v1.json": deep}, sealed=True)
        assert breach(path, with_key=False)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ééé", b"x")
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xff\xff"))
    assert breach(path) == "x.zip: not a zip that can be read"


def test_a_manifest_of_another_hand_is_refused(whole, tmp_path):
    files = contents(whole) | {"calls.json": b"[]\n"}
    with override_settings(SECRET_KEY="une autre clef", SECRET_KEY_FALLBACKS=[]):
        path = packed(tmp_path / "x.zip", files, sealed=True)
    assert breach(path) == "manifest.seal: not written by this portal"


def test_another_portal_checks_the_files_and_says_that_it_lacks_the_key(whole, capsys):
    with override_settings(SECRET_KEY="une autre clef", SECRET_KEY_FALLBACKS=[]):
        assert breach(whole) == "manifest.seal: not written by this portal"
        call_command("verify_bundle", str(whole), without_key=True)
    told = capsys.readouterr().out
    assert "Neither the seal nor the chain was checked" in told
    assert "consistent" in told
    assert "as they were written" not in told


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
