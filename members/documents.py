"""Documents that members hand in: photos and PDF, each written again before it is kept.

`accept` is given what a form holds, and gives what a row may store through members/files.py. The original
is kept nowhere. (docs/decisions/0041-documents-are-written-again.md)
"""

import hashlib
import json
import logging
import os
import socket
import subprocess
import sys
import tempfile
import threading
import unicodedata
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from members import files

log = logging.getLogger(__name__)

MIB = 1 << 20
MOST = 5  # documents
HEAVIEST = 5 * MIB  # bytes, each
TOGETHER = 15 * MIB
LONGEST_NAME = 100
# For the `accept` of an input: a help to who chooses, never a check.
TAKEN = "image/jpeg,image/png,image/heic,image/heif,application/pdf,.heic,.heif"

CONTENT_TYPES = {"jpeg": "image/jpeg", "png": "image/png", "pdf": "application/pdf"}
ENDS = {"jpeg": ".jpg", "png": ".png", "pdf": ".pdf"}
ENDS_TYPED = {*ENDS.values(), ".jpeg", ".heic", ".heif"}  # replaced by the true one

CLEANING = Path(__file__).with_name(
    "cleaning.py"
)  # run, never imported: it is where bytes are read
PLACES = 2  # cleanings at once, per process; what each may take is written there
WAIT_FOR_A_PLACE = 10  # seconds
LONGEST_CLEANING = 30  # seconds of the clock
CLAMD_TIMEOUT = 20  # seconds
_places = threading.BoundedSemaphore(PLACES)

REASONS = {
    "empty": gettext_lazy("ce fichier est vide"),
    "heavy": gettext_lazy("ce fichier dépasse 5 Mo"),
    "grown": gettext_lazy(
        "ce fichier, vérifié, dépasse 5 Mo. Envoyez-en un plus léger, ou une photo"
    ),
    "unknown": gettext_lazy("ce fichier n'est ni une photo ni un PDF"),
    "damaged": gettext_lazy("ce fichier est abîmé ou incomplet"),
    "locked": gettext_lazy("ce PDF est protégé par un mot de passe"),
    "pages": gettext_lazy("ce PDF a plus de 20 pages"),
    "pixels": gettext_lazy("cette image est trop grande"),
    "expands": gettext_lazy("ce PDF contient trop de choses"),
    "infected": gettext_lazy("ce fichier contient un programme dangereux"),
    "busy": gettext_lazy("ce fichier n'a pas pu être vérifié. Réessayez dans quelques minutes"),
}
TOO_HEAVY_TOGETHER = gettext_lazy("Vos documents dépassent 15 Mo ensemble. Envoyez-en moins.")


class _Unfit(Exception):
    """One document is not kept; `reason` is a key of REASONS."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


class Refused(Exception):
    """`sentences`: what is wrong, in French, one for each document; none of them is kept."""

    def __init__(self, sentences: Sequence[str]):
        super().__init__(*sentences)
        self.sentences = list(sentences)


@dataclass(frozen=True)
class Clean:
    """A document fit to be stored. `name` is for people to read: a stored file has a name of its own."""

    content: ContentFile
    kind: str  # "jpeg", "png" or "pdf"
    pages: int
    name: str
    sha256: str  # of `content`

    @property
    def content_type(self) -> str:
        return CONTENT_TYPES[self.kind]

    @property
    def size(self) -> int:
        """Bytes."""
        return self.content.size


def taking(view):
    """Lets a view read documents for `accept`; its outermost decorator. `request.too_heavy` names the field
    of what went beyond TOGETHER and was not read: the form says TOO_HEAVY_TOGETHER."""
    return files.taking(each=TOGETHER, together=TOGETHER)(view)


def check(count: int, weight: int) -> None:
    """Raises Refused where so many documents, or so many bytes, are too many for one demande."""
    if count > MOST:
        raise Refused([_("Vous pouvez joindre %(most)d documents au plus.") % {"most": MOST}])
    if weight > TOGETHER:
        raise Refused([str(TOO_HEAVY_TOGETHER)])


def accept(uploads: Sequence[UploadedFile]) -> list[Clean]:
    """Each document written again: photos upright and without what their camera told, PDF without what
    acts. JPEG, PNG, PDF and HEIC are known by what they hold; HEIC becomes JPEG.

    Raises Refused, and nothing else whatever the files hold; then none is kept. Takes a second or so:
    call it outside a transaction.
    """
    check(len(uploads), sum(one.size for one in uploads))
    cleaned, sentences = [], []
    for upload in uploads:
        try:
            cleaned.append(_clean(upload))
        except _Unfit as refusal:
            sentences.append(_sentence(upload, refusal.reason))
            if refusal.reason == "busy":  # so it would be for the others, each after its wait
                break
    if sentences:
        raise Refused(sentences)
    return cleaned


def _sentence(upload: UploadedFile, reason: str) -> str:
    told = {"name": _name(upload.name, ""), "reason": REASONS[reason]}
    return _("%(name)s : %(reason)s.") % told


def _clean(upload: UploadedFile) -> Clean:
    """Raises _Unfit."""
    if not upload.size:
        raise _Unfit("empty")
    if upload.size > HEAVIEST:
        raise _Unfit("heavy")
    upload.seek(0)
    original = upload.read()
    _scan(original)
    head, content = _apart(original)
    if len(content) > HEAVIEST:
        raise _Unfit("grown")
    return Clean(
        content=ContentFile(content),
        kind=head["kind"],
        pages=head["pages"],
        name=_name(upload.name, ENDS[head["kind"]]),
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _name(typed: str | None, end: str) -> str:
    """What its owner called it, on one line, under `end`; « document » where nothing readable is left."""
    name = PurePath((typed or "").replace("\\", "/")).name
    name = "".join(sign for sign in unicodedata.normalize("NFC", name) if sign.isprintable())
    if end and PurePath(name).suffix.lower() in ENDS_TYPED:
        name = PurePath(name).stem
    name = name.strip(". ") or _("document")
    return f"{name[: LONGEST_NAME - len(end)].rstrip()}{end}"


# ------------------------------------------------------------------------------- in another process


def _apart(original: bytes) -> tuple[dict, bytes]:
    """What members/cleaning.py answers, from a process that is told no secret, can open no file to find one,
    and is bound in time and in memory. Raises _Unfit."""
    if not _places.acquire(timeout=WAIT_FOR_A_PLACE):
        raise _Unfit("busy")
    try:
        with tempfile.TemporaryFile() as answer:
            return _answered(original, answer)
    except OSError as error:  # of this machine, never of the document
        log.error("No document can be cleaned: %s.", error.strerror)
        raise _Unfit("busy") from None
    finally:
        _places.release()


def _answered(original: bytes, answer) -> tuple[dict, bytes]:
    try:
        ended = subprocess.run(
            [sys.executable, "-I", CLEANING],
            input=original,
            stdout=answer,
            stderr=subprocess.DEVNULL,
            env={"LANG": "C.UTF-8"},
            cwd=os.sep,
            timeout=LONGEST_CLEANING,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _Unfit("damaged") from None
    if ended.returncode:  # its bounds, or a fault of a library: hostile or broken alike
        log.warning("A document could not be cleaned: its process ended with %s.", ended.returncode)
        raise _Unfit("damaged")
    answer.seek(0)
    head = json.loads(answer.readline(4096))
    if "unfit" in head:
        raise _Unfit(head["unfit"])
    return head, answer.read()


# ------------------------------------------------------------------------------------------- clamd


class _Away(Exception):
    """No answer that can be trusted."""


def _scan(original: bytes) -> None:
    """Asks clamd where CLAMD_ADDRESS names one; unscanned, nothing is accepted. Raises _Unfit."""
    if not settings.CLAMD_ADDRESS:
        return
    try:
        answer = _ask_clamd(original)
        if not answer.endswith((b" OK", b" FOUND")):
            raise _Away("its answer is neither OK nor FOUND")
    except (OSError, _Away) as error:
        log.error("No document is accepted: clamd cannot be asked (%s).", type(error).__name__)
        raise _Unfit("busy") from None
    if answer.endswith(b" FOUND"):
        log.warning("clamd found something in a document: it was refused.")
        raise _Unfit("infected")


def _ask_clamd(content: bytes) -> bytes:
    """INSTREAM of clamd's protocol: pieces with their lengths, then a length of zero (man clamd)."""
    with _clamd() as server:
        server.sendall(b"zINSTREAM\0")
        for at in range(0, len(content), MIB):
            piece = content[at : at + MIB]
            server.sendall(len(piece).to_bytes(4) + piece)
        server.sendall(bytes(4))
        answer = b""
        while not answer.endswith(b"\0"):
            read = server.recv(4096)
            if not read or len(answer) > 4096:
                raise _Away("it hung up")
            answer += read
    return answer.rstrip(b"\0")


@contextmanager
def _clamd():
    address = settings.CLAMD_ADDRESS
    if address.startswith("/"):
        server = socket.socket(socket.AF_UNIX)
        server.settimeout(CLAMD_TIMEOUT)
        server.connect(address)
    else:
        host, _colon, port = address.rpartition(":")
        server = socket.create_connection((host, int(port)), timeout=CLAMD_TIMEOUT)
    with server:
        yield server
