"""The import as work that a colleague asks for and watches, or as a command that can be taken up again."""

import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from members import audit, job_turns
from members.feed import layout
from members.feed.importing import OUTCOMES, TO_CONFIRM, Options, Report, run
from members.job_turns import Step
from members.models import Job
from members.models.job import ACTIVE, JobState

KIND = "feed.import"
KEPT = timedelta(days=1)
LOCK = "lock"
REPORTED = {TO_CONFIRM, *(f"rejets-{of.name}" for of in layout.LAYOUTS)}

WORDS = {
    "read": gettext_lazy("lues"),
    "added": gettext_lazy("ajoutées"),
    "changed": gettext_lazy("modifiées"),
    "unchanged": gettext_lazy("inchangées"),
    "ended": gettext_lazy("terminées"),
    "rejected": gettext_lazy("rejetées"),
    "to_confirm": gettext_lazy("à confirmer"),
}


def yesterday() -> date:
    return timezone.localdate() - timedelta(days=1)


def written(options: Options) -> dict[str, Any]:
    """`options` as JSON."""
    values = asdict(options)
    return {**values, "whole": sorted(options.whole), "ends_on": options.ends_on.isoformat()}


def options_of(values: dict[str, Any]) -> Options:
    ends_on = date.fromisoformat(values["ends_on"])
    return Options(**{**values, "whole": frozenset(values["whole"]), "ends_on": ends_on})


def files_of(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time (ns) of the files of the feed in `folder`."""
    found = {}
    for of in layout.LAYOUTS:
        path = folder / of.name
        if path.is_file():
            status = path.stat()
            found[of.name] = (status.st_size, status.st_mtime_ns)
    return found


def fingerprint(folder: Path, options: Options) -> str:
    """Changes with the files and with what is asked; a dry run and the real one share theirs."""
    asked = written(replace(options, dry_run=False))
    content = json.dumps([str(folder.resolve()), files_of(folder), asked], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def working_folder(name: str) -> Path:
    return Path(settings.MEDIA_ROOT) / "feed" / name


@job_turns.work(
    KIND, title=gettext_lazy("Import des fichiers de gestion"), permission="members.import_feed"
)
def import_feed(job: Job) -> Iterator[Step]:
    """The folder is the server's own setting: nobody names one from a page."""
    folder, options = Path(settings.FEED_FOLDER), options_of(job.parameters["options"])
    working = working_folder(str(job.pk))
    with _alone():
        if not job.cursor and fingerprint(folder, options) != job.parameters["fingerprint"]:
            raise job_turns.Failed(_("Les fichiers ont changé depuis la demande. Recommencez."))
        try:
            report = yield from run(folder, working, options, job.cursor)
        except job_turns.Failed:
            Job.objects.advance(job, cursor={})  # taken up again, it counts anew
            shutil.rmtree(working, ignore_errors=True)
            raise
        for name, chunks in report.files.items():
            job_turns.keep(job, name, "text/csv; charset=utf-8", chunks)
        _record(report, options, actor=job.by)
        shutil.rmtree(working, ignore_errors=True)
    nature = _("vérification, rien n'est écrit") if options.dry_run else _("import")
    told = {_("Nature"): nature}
    if options.whole:
        told[_("Fichiers complets")] = ", ".join(sorted(options.whole))
    return told | {name: sentence(one) for name, one in report.counts.items()}


def last_check(folder: Path) -> Job | None:
    """The last dry run, if it was of these very files: what a real import begins with."""
    done = Job.objects.filter(kind=KIND, state=JobState.DONE, parameters__options__dry_run=True)
    job = done.order_by("-asked_at").first()
    if job is None:
        return None
    options = options_of(job.parameters["options"])
    return job if fingerprint(folder, options) == job.parameters["fingerprint"] else None


def sentence(counts: dict[str, int]) -> str:
    """« lues : 12, ajoutées : 3, inchangées : 9 »; what never happened is left out."""
    shown = [name for name in OUTCOMES if counts[name] or name == "read"]
    return ", ".join(f"{WORDS[name]}\xa0: {counts[name]}" for name in shown)


def by_hand(folder: Path, options: Options, rejects: Path) -> Iterator[Step]:
    """The import of a command, in this process; refused lines go to files in `rejects`.

    Returns the counts and these files; those of the import before are gone. One that was interrupted goes
    on where it was; one that failed begins anew. Raises job_turns.Failed.
    """
    with _alone():
        if Job.objects.filter(kind=KIND, state__in=ACTIVE).exists():
            raise _busy()
        kept = working_folder(fingerprint(folder, options) + ("-dry" if options.dry_run else ""))
        steps = run(folder, kept / "index", options, _read(kept / "cursor.json"))
        try:
            while True:
                try:
                    step = next(steps)
                except StopIteration as finished:
                    report = finished.value
                    break
                _write(kept / "cursor.json", step.cursor)
                yield step
        except job_turns.Failed:
            shutil.rmtree(kept, ignore_errors=True)
            raise
        finally:
            steps.close()
        files = _hand_out(report, rejects)
        _record(report, options)
        shutil.rmtree(kept)
    return report.counts, files


def _hand_out(report: Report, rejects: Path) -> list[Path]:
    for name in REPORTED - report.files.keys():
        (rejects / name).unlink(missing_ok=True)  # of an import before
    files = []
    for name, chunks in report.files.items():
        rejects.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = rejects / name
        path.touch(mode=0o600)
        with path.open("wb") as file:
            file.writelines(chunks)
        files.append(path)
    return files


@contextmanager
def _alone():
    """One import at a time, whichever process asks: two would each judge rows that the other writes.

    The lock goes with the process that holds it. Raises job_turns.Failed while another does.
    """
    root = working_folder("")
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (root / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _busy() from None
        yield


def _busy() -> job_turns.Failed:
    return job_turns.Failed(_("Un import est déjà en cours."))


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def _write(path: Path, cursor: dict[str, Any]) -> None:
    written = path.with_suffix(".part")
    written.write_text(json.dumps(cursor), "utf-8")
    written.replace(path)


def _record(report: Report, options: Options, actor=None) -> None:
    """Counts, and nothing else of anybody."""
    totals = {name: sum(counts[name] for counts in report.counts.values()) for name in OUTCOMES}
    with transaction.atomic():
        audit.record(
            "feed.imported",
            actor=actor,
            dry_run=options.dry_run,
            whole=sorted(options.whole),
            **totals,
        )


def purge() -> int:
    """Deletes the working folders of imports that nobody took up again for a day; how many."""
    root, before = working_folder(""), (timezone.now() - KEPT).timestamp()
    old = [one for one in root.glob("*/") if one.stat().st_mtime < before] if root.exists() else []
    for one in old:
        shutil.rmtree(one)
    return len(old)
