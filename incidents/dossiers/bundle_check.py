"""Checks a bundle of evidence offline: no database, and no trust in what the file says of itself.

Nothing is written to disk, so that no name leads outside; sizes are bounded while reading, so that nothing
swells. The first entry that is wrong is named. (docs/dossiers.md)
"""

import hashlib
import json
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.validators import slug_re
from django.utils.crypto import constant_time_compare

from incidents.dossiers import bundle
from incidents.fingerprint import fingerprint
from members import audit
from members.audit import Breach
from members.models import AuditEvent, AuditLink

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)?", re.ASCII)
ENTRIES = 20_000
TOGETHER = 16 << 30  # bytes of all of them
CHUNK = 1 << 20
BEYOND = 0xFFFF_FFFF  # stands where a number would that is told in 64 bits
LONGEST = 200  # signs of a name that is told as it is
LINE = 1 << 20  # bytes of one event
DIGEST = re.compile(r"[0-9a-f]{64}")


class _Broken(Exception):
    """`row` may come from the file: what would play with a terminal is told by its signs."""

    def __init__(self, row: str, what: str):
        super().__init__(row, what)
        self.breach = Breach(
            row if row.isprintable() and len(row) < LONGEST else ascii(row[:LONGEST]), what
        )


@dataclass(frozen=True)
class Checked:
    """`breach`: the first entry that is not as it was written, or None. `incident`, `files`, `events`:
    what the file holds; `sha256`: of the whole file, to compare with the trail's."""

    breach: Breach | None
    sha256: str = ""
    incident: str = ""
    files: int = 0
    events: int = 0


def check(path: Path, *, with_key: bool = True) -> Checked:
    """Reads everything. `with_key`: also what only this portal's key shows: the seal and the trail."""
    try:
        with path.open("rb") as file:
            whole = hashlib.file_digest(file, "sha256").hexdigest()
        with zipfile.ZipFile(path) as archive:
            manifest, files = _files(archive, with_key)
            events = _contents(archive, files, with_key)
    except _Broken as broken:
        return Checked(broken.breach)
    except OSError as problem:
        return Checked(Breach(path.name, problem.strerror or "unreadable"))
    except (
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        UnicodeDecodeError,
    ):
        return Checked(Breach(path.name, "not a zip that can be read"))
    return Checked(None, whole, manifest["incident"], len(files), events)


# The files


def _files(archive: zipfile.ZipFile, with_key: bool) -> tuple[dict[str, Any], dict[str, dict]]:
    """The manifest, and the files that it lists, each read whole and compared."""
    entries = archive.infolist()
    if len(entries) > ENTRIES:
        raise _Broken("archive", f"more than {ENTRIES} entries")
    names = set()
    for entry in entries:
        _insist_on_form(entry)
        if entry.filename in names:
            raise _Broken(entry.filename, "there twice")
        names.add(entry.filename)
    _insist_on_layout(archive, entries)
    text = _read(archive, bundle.MANIFEST)
    if with_key:
        told = _read(archive, bundle.SEAL).decode("ascii", "replace").strip()
        if not any(constant_time_compare(told, one) for one in bundle.seals(text)):
            raise _Broken(bundle.SEAL, "not written by this portal")
    manifest, files = _manifest(text)
    own = {bundle.MANIFEST, bundle.SEAL}
    for name in sorted(names - set(files) - own):
        raise _Broken(name, "not listed")
    for name, one in files.items():
        if name not in names or name in own:
            raise _Broken(name, "missing")
        _compare(archive, name, one)
    return manifest, files


def _insist_on_form(entry: zipfile.ZipInfo) -> None:
    """A plain file, under a plain name that leads nowhere else."""
    mode = entry.external_attr >> 16
    if entry.orig_filename != entry.filename or not NAME.fullmatch(entry.filename):
        raise _Broken(entry.orig_filename, "a name that is not ours")
    if entry.is_dir() or (mode and not stat.S_ISREG(mode) and stat.S_IFMT(mode)):
        raise _Broken(entry.filename, "not a plain file")
    if entry.flag_bits & 1:
        raise _Broken(entry.filename, "encrypted")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _Broken(entry.filename, "packed in another way")


def _insist_on_layout(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> None:
    """One entry after the other from the first byte on, then the directory, all told as we tell it:
    nothing hides in between, nor in what a zip may say besides."""
    place = 0
    for entry in sorted(entries, key=lambda one: one.header_offset):
        if entry.header_offset != place:
            raise _Broken(entry.filename, "not where it should stand")
        head = _head(entry)
        archive.fp.seek(place)
        if archive.fp.read(len(head)) != head:
            raise _Broken(entry.filename, "not told as we tell it")
        place += len(head) + entry.compress_size
    if place != archive.start_dir:
        raise _Broken("archive", "carries more than its files")
    archive.fp.seek(place)
    for entry in entries:
        line = _line(entry)
        if archive.fp.read(len(line)) != line:
            raise _Broken(entry.filename, "not told as we tell it")
    end = _end(len(entries), archive.fp.tell() - place, place)
    if archive.fp.read(len(end) + 1) != end:
        raise _Broken("archive", "carries more than its files")


def _head(entry: zipfile.ZipInfo) -> bytes:
    """What we write before the bytes of an entry."""
    ours = bundle.entry_of(entry.filename)
    ours.CRC, ours.compress_size, ours.file_size = entry.CRC, entry.compress_size, entry.file_size
    return ours.FileHeader(zip64=True)


def _line(entry: zipfile.ZipInfo) -> bytes:
    """What we write of an entry in the directory."""
    ours = bundle.entry_of(entry.filename)
    size, packed, place = entry.file_size, entry.compress_size, entry.header_offset
    large = []
    if max(size, packed) > zipfile.ZIP64_LIMIT:
        large, size, packed = [size, packed], BEYOND, BEYOND
    if place > zipfile.ZIP64_LIMIT:
        large, place = [*large, place], BEYOND
    extra = struct.pack(f"<HH{len(large)}Q", 1, 8 * len(large), *large) if large else b""
    name = entry.filename.encode("ascii")
    return (
        struct.pack(
            "<4s4B4H", b"PK\1\2", 45, ours.create_system, 45, 0, 0, ours.compress_type, 0, 33
        )
        + struct.pack("<3L5H", entry.CRC, packed, size, len(name), len(extra), 0, 0, 0)
        + struct.pack("<2L", ours.external_attr, place)
        + name
        + extra
    )


def _end(count: int, size: int, place: int) -> bytes:
    """What we write after a directory of `count` entries, `size` bytes long, that stands at `place`."""
    end = b""
    if max(size, place) > zipfile.ZIP64_LIMIT:
        end = struct.pack("<4sQ2H2L", b"PK\6\6", 44, 45, 45, 0, 0)
        end += struct.pack("<4Q", count, count, size, place)
        end += struct.pack("<4sLQL", b"PK\6\7", 0, place + size, 1)
    size, place = min(size, BEYOND), min(place, BEYOND)
    return end + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, size, place, 0)


def _manifest(text: bytes) -> tuple[dict[str, Any], dict[str, dict]]:
    manifest = _json(bundle.MANIFEST, text)
    wrong = _Broken(bundle.MANIFEST, "not a manifest of ours")
    if not isinstance(manifest, dict) or manifest.get("schema") != bundle.SCHEMA:
        raise wrong
    listed = manifest.get("files")
    incident = manifest.get("incident")
    if not isinstance(listed, list) or not isinstance(incident, str):
        raise wrong
    if not slug_re.fullmatch(incident):
        raise wrong
    files: dict[str, dict] = {}
    for one in listed:
        if (
            not isinstance(one, dict)
            or not isinstance(one.get("name"), str)
            or type(one.get("size")) is not int
            or not isinstance(one.get("sha256"), str)
            or not DIGEST.fullmatch(one["sha256"])
            or one["name"] in files
        ):
            raise wrong
        if not 0 <= one["size"] <= bundle.heaviest(one["name"]):
            raise _Broken(one["name"], "heavier than any file of a bundle")
        files[one["name"]] = one
    if sum(one["size"] for one in files.values()) > TOGETHER:
        raise _Broken(bundle.MANIFEST, "heavier than any bundle")
    return manifest, files


def _compare(archive: zipfile.ZipFile, name: str, one: dict) -> None:
    found, size = hashlib.sha256(), 0
    for chunk in _chunks(archive, name, one["size"]):
        found.update(chunk)
        size += len(chunk)
    if size != one["size"] or found.hexdigest() != one["sha256"]:
        raise _Broken(name, "altered")


def _chunks(archive: zipfile.ZipFile, name: str, size: int) -> Iterator[bytes]:
    """The content; it stops where more than `size` bytes come out, or bytes stand after its end."""
    try:
        entry = archive.getinfo(name)
    except KeyError:
        raise _Broken(name, "missing") from None
    left, checksum = size, 0
    try:
        for chunk in _unpacked(archive, entry):
            left -= len(chunk)
            if left < 0:
                raise _Broken(name, "longer than it says")
            checksum = zlib.crc32(chunk, checksum)
            yield chunk
    except (ValueError, zlib.error):
        raise _Broken(name, "altered") from None
    if checksum != entry.CRC or size - left != entry.file_size:
        raise _Broken(name, "altered")


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """At most CHUNK bytes at a time. Raises ValueError unless it ends with its last byte."""
    place = entry.header_offset + len(_head(entry))
    end = place + entry.compress_size
    is_deflated = entry.compress_type == zipfile.ZIP_DEFLATED
    inflating = zlib.decompressobj(-zlib.MAX_WBITS)
    while place < end:
        archive.fp.seek(place)
        raw = archive.fp.read(min(CHUNK, end - place))
        place += len(raw)
        if not raw:
            raise ValueError("cut short")
        if not is_deflated:
            yield raw
            continue
        chunk = inflating.decompress(raw, CHUNK)
        yield chunk
        while inflating.unconsumed_tail or len(chunk) == CHUNK:
            chunk = inflating.decompress(inflating.unconsumed_tail, CHUNK)
            yield chunk
        if inflating.unused_data:
            raise ValueError("bytes after the end")
    if is_deflated and not inflating.eof:
        raise ValueError("cut short")


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    return b"".join(_chunks(archive, name, bundle.heaviest(name)))


def _json(name: str, text: bytes | str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise _Broken(name, "not JSON") from None


# What the files say of each other


def _contents(archive: zipfile.ZipFile, files: dict[str, dict], with_key: bool) -> int:
    """Compares the files with each other; how many events of the trail were read."""
    try:
        _check_evidence(archive, files)
        digests = _check_notices(archive, files)
        return _check_trail(archive, files, digests, with_key)
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError):
        # what the manifest lists under our names is not what we write there
        raise _Broken("archive", "not laid out as a bundle of ours") from None


def _check_evidence(archive: zipfile.ZipFile, files: dict[str, dict]) -> None:
    """Each piece is the file that was received; each filing and ruling rests on one of this bundle."""
    rows = _json(bundle.PIECES, _read(archive, bundle.PIECES))
    paths = {name for name in files if name.startswith("evidence/")}
    for row in rows:
        if not row["path"]:
            continue
        if row["path"] not in paths:
            raise _Broken(row["path"], "missing")
        paths.remove(row["path"])
        if files[row["path"]]["sha256"] != row["sha256"]:
            raise _Broken(row["path"], "not the piece that was received")
    for name in sorted(paths):
        raise _Broken(name, "a piece of no row")
    known = {row["id"] for row in rows}
    told = _json(bundle.FILINGS, _read(archive, bundle.FILINGS))
    for kind in ("filings", "rulings"):
        for row in told[kind]:
            if row["evidence_id"] not in known and (row["evidence_id"] or kind == "filings"):
                raise _Broken(bundle.FILINGS, f"row {row['id']!r} of {kind} rests on no piece")


def _check_notices(archive: zipfile.ZipFile, files: dict[str, dict]) -> dict[int, str]:
    """The digest of each version that was published, by number: computed again from what it said."""
    found = {}
    for name in files:
        if not name.startswith("notices/"):
            continue
        notice = _json(name, _read(archive, name))
        if not notice["digest"]:
            continue
        if fingerprint(notice["sealed"]) != notice["digest"]:
            raise _Broken(name, "not what was published")
        found[notice["sealed"]["number"]] = notice["digest"]
    return found


def _check_trail(archive, files, digests: dict[int, str], with_key: bool) -> int:
    """Each event is genuine and linked, in order; what it says of a version is what that version says."""
    chains, count, last = {}, 0, 0
    for number, event in enumerate(_rows(archive, bundle.EVENTS), start=1):
        where = f"{bundle.EVENTS}:{number} (event {event['id']})"
        if event["id"] <= last:
            raise _Broken(where, "out of order")
        count, last = count + 1, event["id"]
        if with_key and not audit.is_genuine(_event(event)):
            raise _Broken(where, "altered")
        _check_link(where, event["id"], event, with_key)
        if event["position"] is not None:
            chains[event["position"]] = event["chain"]
        if event["action"] == "incident.version_published":
            told = event["details"]
            if digests.get(told["version"]) != told["digest"]:
                raise _Broken(f"notices/v{told['version']}.json", "not the one that the trail says")
    for number, anchor in enumerate(_rows(archive, bundle.ANCHORS), start=1):
        where = f"{bundle.ANCHORS}:{number}"
        if "event" not in anchor:
            raise _Broken(where, "the trail no longer held it")
        if anchor["chain"] != anchor["told"]:
            raise _Broken(where, "not what was told outside")
        if chains.get(anchor["position"], anchor["chain"]) != anchor["chain"]:
            raise _Broken(where, "not the link of its event")
        _check_link(where, anchor["event"], anchor, with_key)
    return count


def _rows(archive: zipfile.ZipFile, name: str) -> Iterator[dict]:
    """Line by line: what follows a wrong one is never read."""
    begun = b""
    for chunk in _chunks(archive, name, bundle.heaviest(name)):
        *lines, begun = (begun + chunk).split(b"\n")
        if len(begun) > LINE:
            raise _Broken(name, "a line too long")
        for line in lines:
            yield _json(name, line)
    if begun:
        raise _Broken(name, "cut short")


def _event(row: dict) -> AuditEvent:
    return AuditEvent(
        at=datetime.fromisoformat(row["at"]),
        action=row["action"],
        actor_id=row["actor"],
        address=row["address"],
        browser=row["browser"],
        details=row["details"],
        digest=row["digest"],
    )


def _check_link(where: str, event: int, row: dict, with_key: bool) -> None:
    if row["position"] is None or not with_key:
        return
    link = AuditLink(
        position=row["position"],
        event=AuditEvent(pk=event, digest=row["digest"]),
        chain=row["chain"],
    )
    if not audit.is_linked(row["before"], link):
        raise _Broken(where, "not linked to what came before")
