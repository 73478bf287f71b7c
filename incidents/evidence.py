"""Evidence of an incident: files kept as they were received, recognized by what they hold.

The file is on disk before its row is written; `stored` takes away those that no row came to point to.
"""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath

from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import transaction

from incidents.models import Evidence, Incident, Target
from incidents.models.evidence import HEAVIEST
from members import audit, files

log = logging.getLogger(__name__)

# first bytes → (type, the ends of name that go with it, the first of them being given to others)
SIGNATURES = (
    (b"%PDF-", "application/pdf", (".pdf",)),
    (b"\x89PNG\r\n\x1a\n", "image/png", (".png",)),
    (b"\xff\xd8\xff", "image/jpeg", (".jpg", ".jpeg")),
    (b"PK\x03\x04", "application/zip", (".zip", ".docx", ".xlsx", ".pptx", ".odt", ".ods")),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage", (".msg", ".doc", ".xls")),
    (b"ID3", "audio/mpeg", (".mp3",)),
)
TEXT = ("text/plain", (".txt", ".eml", ".csv"))
HEAD = 4096  # bytes


class Refused(Exception):
    """A file that is kept by nobody."""


class Unrecognized(Refused):
    """Its first bytes are of no kind that we take: no program, no page, nothing unknown."""


class TooHeavy(Refused):
    """Empty, or heavier than HEAVIEST."""


class InUse(Exception):
    """The file is held, a filing or a ruling rests on it, or it is gone already."""


class Unchanged(Exception):
    """It was held, or free, already."""


@dataclass(frozen=True)
class Stored:
    """A file on disk that a row may come to point to."""

    file: str  # its name in the storage
    name: str
    content_type: str
    size: int
    sha256: str


def recognize(file) -> tuple[str, str]:
    """The type of `file` by its first bytes, and its name with an end that goes with it.

    Raises Unrecognized or TooHeavy.
    """
    if not 0 < file.size <= HEAVIEST:
        raise TooHeavy
    file.seek(0)
    head = file.read(HEAD)
    file.seek(0)
    content_type, ends = _type_of(head)
    name = PurePath(file.name.replace("\\", "/")).name
    name = "".join(sign for sign in name if sign.isprintable()).strip(". ") or "piece"
    stem, end = name, ends[0]
    if PurePath(name).suffix.lower() in ends:
        stem, end = name[: -len(PurePath(name).suffix)], PurePath(name).suffix.lower()
    return content_type, f"{stem[:100]}{end}"


def _type_of(head: bytes) -> tuple[str, tuple[str, ...]]:
    for signature, content_type, ends in SIGNATURES:
        if head.startswith(signature):
            return content_type, ends
    if _is_text(head):
        return TEXT
    raise Unrecognized


def _is_text(head: bytes) -> bool:
    """Words in UTF-8 or in the older western encoding; a page of the web is no evidence, its picture is."""
    if any(byte < 32 and byte not in b"\t\n\r\f" for byte in head):
        return False
    return head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] != b"<"


@contextmanager
def stored(uploads: Iterable[File]) -> Iterator[list[Stored]]:
    """The files on disk, for rows to be written about them; what no row points to at the end is deleted.

    Raises Refused before anything is written.
    """
    known = [(file, *recognize(file)) for file in uploads]
    upload_to = Evidence._meta.get_field("file").upload_to
    written: list[Stored] = []
    try:
        for file, content_type, name in known:
            digest = files.digest(file)
            place = default_storage.save(upload_to(None, name), file)
            written.append(Stored(place, name, content_type, file.size, digest))
        yield written
    finally:
        places = {one.file for one in written}
        for place in places.difference(
            Evidence.objects.filter(file__in=places).values_list("file", flat=True)
        ):
            default_storage.delete(place)


def record(
    incident: Incident,
    one: Stored,
    *,
    kind: str,
    received_from: str,
    received_at: datetime,
    target: Target | None = None,
    note: str = "",
    by,
    request=None,
) -> Evidence:
    """Writes the row of a stored file. The same content of the same incident is not written twice: the
    row that is there is returned."""
    with transaction.atomic():
        Incident.objects.hold(incident)
        known = Evidence.objects.kept().filter(incident=incident, sha256=one.sha256).first()
        if known:
            return known
        row = Evidence.objects.create(
            incident=incident,
            target=target,
            kind=kind,
            name=one.name,
            content_type=one.content_type,
            file=one.file,
            size=one.size,
            sha256=one.sha256,
            received_from=received_from,
            received_at=received_at,
            note=note,
            recorded_by=by,
        )
        audit.record("evidence.recorded", actor=by, request=request, **_which(row))
    return row


def hold(row: Evidence, *, reason: str, by, request=None) -> None:
    """Nobody takes the file away until the hold is lifted. Raises Unchanged."""
    with transaction.atomic():
        if not Evidence.objects.filter(pk=row.pk).hold():
            raise Unchanged
        audit.record("evidence.held", actor=by, request=request, reason=reason, **_which(row))


def release(row: Evidence, *, reason: str, by, request=None) -> None:
    """Lifts the hold. Raises Unchanged."""
    with transaction.atomic():
        if not Evidence.objects.filter(pk=row.pk).release():
            raise Unchanged
        audit.record("evidence.released", actor=by, request=request, reason=reason, **_which(row))


def remove(row: Evidence, *, reason: str, by, request=None) -> None:
    """Deletes the file; its row stays, with who, when and why. Raises InUse."""
    with transaction.atomic():
        Incident.objects.hold(row.incident)  # a filing that would rest on it waits, or was first
        if not Evidence.objects.filter(pk=row.pk).remove(by=by, reason=reason):
            raise InUse
        audit.record("evidence.removed", actor=by, request=request, reason=reason, **_which(row))
        transaction.on_commit(lambda: default_storage.delete(row.file.name), robust=True)


def _which(row: Evidence) -> dict:
    return {"incident": row.incident.reference, "evidence": row.pk, "sha256": row.sha256}


def problem(row: Evidence) -> str:
    """What is wrong with the file on disk: "", "altered", "missing", or "still there" once removed."""
    is_there = default_storage.exists(row.file.name)
    if row.is_removed:
        return "still there" if is_there else ""
    if not is_there:
        return "missing"
    with row.file.open("rb") as file:
        return "" if files.digest(file) == row.sha256 else "altered"


def verify() -> audit.Breach | None:
    """The first piece whose file is not what was received, or None."""
    for row in Evidence.objects.order_by("pk").iterator(100):
        if what := problem(row):
            return audit.Breach(f"evidence {row.pk}", what)
    return None
