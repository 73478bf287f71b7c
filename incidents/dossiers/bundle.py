"""The evidence of an incident in one file, for a court or an authority, made by a job. (docs/dossiers.md)

Of members it holds totals and nothing else. The same content gives the same bytes: nothing in it says when
it was made, and the events of making it are left out. `manage.py verify_bundle` reads it without a database.
"""

import hashlib
import json
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath
from typing import Any, BinaryIO

from django.conf import settings
from django.db.models import Count
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents import evidence, notices, timeline
from incidents.dossiers import ground
from incidents.dossiers.ground import Ground
from incidents.models import (
    Call,
    Claim,
    Classification,
    Evidence,
    Filing,
    Incident,
    NoticeVersion,
    Ruling,
)
from incidents.models.evidence import HEAVIEST
from members import anchors, audit, jobs
from members.models import AuditCheckpoint, AuditEvent, AuditLink, Job, JobFile

KIND = "incidents.bundle"
RIGHT = "incidents.bundle_incident"
SCHEMA = 1
MANIFEST, SEAL = "manifest.json", "manifest.seal"
EVENTS, ANCHORS = "trail/events.jsonl", "trail/anchors.jsonl"
PIECES, FILINGS = "evidence.json", "filings.json"
DAY_ONE = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can write
CHUNK = 1 << 20  # bytes
TEXT = 16 << 20  # bytes of a file that is read whole
TRAIL = 64 << 20  # bytes of one that is read line by line: the events of 33 million letters

# Events about one person, or that name an account of a member: only their number is told.
OF_PERSONS = (
    "attestation.issued",
    "incident.acknowledged",
    "incident.audience_searched",
    "incident.previewed",
    "incident.reach_searched",
    "incident.reachable_again",
    "incident.script_read",
    "incident.unreachable",
)
# Events about dossiers: two bundles of the same content would differ by them.
OF_DOSSIERS = ("incident.bundle_made", "incident.dossier_exported")
# All others that name an incident.
EXTRACTED = (
    "call.recorded",
    "call.struck",
    "evidence.held",
    "evidence.read",
    "evidence.recorded",
    "evidence.released",
    "evidence.removed",
    "filing.recorded",
    "filing.struck",
    "incident.audience_counted",
    "incident.audience_exported",
    "incident.changed",
    "incident.claim_recorded",
    "incident.classification_struck",
    "incident.classified",
    "incident.closed",
    "incident.created",
    "incident.emergency_called",
    "incident.employers_notices_made",
    "incident.letters_printed",
    "incident.letters_returned",
    "incident.mails_queued",
    "incident.reach_filled",
    "incident.target_changed",
    "incident.unreachable_by_group",
    "incident.version_changed",
    "incident.version_held_back",
    "incident.version_published",
    "incident.version_scheduled",
    "incident.version_started",
    "incident.version_submitted",
    "incident.version_withdrawn",
    "ruling.recorded",
    "ruling.struck",
)


def ask(incident: Incident, *, by, request=None) -> Job:
    """Asks for a bundle, or returns the job that is making one."""
    return jobs.start(KIND, by=by, request=request, key=str(incident.pk), incident=incident.pk)


@jobs.work(KIND, title=gettext_lazy("Constituer le dossier de preuve"), permission=RIGHT)
def make(job: Job) -> Iterator[jobs.Step]:
    """Reads each piece of evidence in a step of its own, then writes the file in the last one."""
    if "result" in job.cursor:
        return job.cursor["result"]
    incident = Incident.objects.get(pk=job.parameters["incident"])
    pieces = list(Evidence.objects.filter(incident=incident).order_by("pk"))
    problems = job.cursor.get("problems", {})
    for place in range(job.cursor.get("next", 0), len(pieces)):
        if what := evidence.problem(pieces[place]):
            problems = problems | {str(pieces[place].pk): what}
        cursor = {"next": place + 1, "problems": problems}
        yield jobs.Step(done=place + 1, total=len(pieces) + 1, cursor=cursor)
    audit.seal()
    name = f"{incident.reference}-preuves.zip"
    with jobs.new_file(job, name, "application/zip") as file:
        count = write(file, incident, problems)
    made = JobFile.objects.get(job=job, name=name)
    audit.record(
        "incident.bundle_made",
        actor=job.by,
        incident=incident.reference,
        job=str(job.pk),
        sha256=made.sha256,
        files=count,
        problems=len(problems),
    )
    result = {
        _("Fichiers"): count,
        _("Pièces altérées ou introuvables"): len(problems),
        _("Empreinte SHA-256"): made.sha256,
    }
    whole = len(pieces) + 1
    yield jobs.Step(done=whole, total=whole, cursor={"result": result})
    return result


def write(file: BinaryIO, incident: Incident, problems: dict[str, str]) -> int:
    """Writes the zip; how many files its manifest lists.

    `problems`: what is wrong with a piece of evidence, by its key; it is told and its file left out.
    Raises jobs.Failed when a piece changes while it is read, or a file is too heavy to be checked.
    """
    known = ground.of(incident)
    listed: list[dict[str, Any]] = []
    with zipfile.ZipFile(file, "w") as archive:
        for name, chunks in _files(known, problems):
            listed.append(_add(archive, name, chunks))
        manifest = _json(
            {
                "schema": SCHEMA,
                "incident": incident.reference,
                "publisher": _("Mutuelle du Rivage"),
                "files": sorted(listed, key=lambda one: one["name"]),
            }
        )
        _add(archive, MANIFEST, [manifest])
        _add(archive, SEAL, [f"{seal(manifest)}\n".encode()])
    return len(listed)


def seal(manifest: bytes, secret: str | None = None) -> str:
    """A keyed digest of a manifest: only this portal can write it."""
    return salted_hmac(
        "incidents.dossiers.bundle", manifest, secret=secret, algorithm="sha256"
    ).hexdigest()


def seals(manifest: bytes) -> list[str]:
    """What the seal may be: by the key of today, and by those before it."""
    return [seal(manifest, key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]


def heaviest(name: str) -> int:
    """How many bytes a file of this name may have: nobody checks a heavier one."""
    if name.startswith("evidence/"):
        return HEAVIEST
    return TRAIL if name in (EVENTS, ANCHORS) else TEXT


def entry_of(name: str) -> zipfile.ZipInfo:
    """How a file of this name is told in the zip, before its size is known."""
    entry = zipfile.ZipInfo(name, DAY_ONE)
    entry.create_system = 3  # wherever it is made
    entry.external_attr = 0o600 << 16
    # what was compressed once is stored: time goes to reading, not to trying again
    is_file = name.startswith("evidence/")
    entry.compress_type = zipfile.ZIP_STORED if is_file else zipfile.ZIP_DEFLATED
    return entry


def _add(archive: zipfile.ZipFile, name: str, chunks: Iterable[bytes]) -> dict[str, Any]:
    found, size = hashlib.sha256(), 0
    with archive.open(entry_of(name), "w", force_zip64=True) as place:
        for chunk in chunks:
            found.update(chunk)
            size += len(chunk)
            if size > heaviest(name):
                raise jobs.Failed(_("Un fichier de ce dossier est trop lourd pour être vérifié."))
            place.write(chunk)
    return {"name": name, "size": size, "sha256": found.hexdigest()}


def _files(known: Ground, problems: dict[str, str]) -> Iterator[tuple[str, Iterable[bytes]]]:
    incident = known.incident
    events = _events(incident)  # first: what they tell of is there when the rest is read
    yield "LISEZMOI.txt", [_read_me().encode()]
    yield "incident.json", [_json(_incident(known))]
    yield (
        "calls.json",
        [_json([_row(one) for one in Call.objects.filter(target__incident=incident)])],
    )
    claims = Claim.objects.filter(target__incident=incident).order_by("pk")
    yield "claims.json", [_json([_row(one) for one in claims])]
    filings = Filing.objects.filter(incident=incident).order_by("pk")
    classifications = Classification.objects.filter(incident=incident).order_by("pk")
    told = {
        "filings": [_row(one) for one in filings],
        "classifications": [_row(one) for one in classifications],
        "rulings": [_row(one) for one in Ruling.objects.filter(incident=incident).order_by("pk")],
        "deadlines": [_clock(clock) for clock in known.clocks],
    }
    yield FILINGS, [_json(told)]
    yield "ledger.json", [_json(_ledger(known))]
    yield "timeline.json", [_json(_timeline(known))]
    for version in incident.versions.order_by("number").select_related("author", "approver"):
        yield f"notices/v{version.number}.json", [_json(_notice(version))]
    pieces = list(Evidence.objects.filter(incident=incident).order_by("pk"))
    rows = []
    for piece in pieces:
        problem = problems.get(str(piece.pk), "")
        is_there = not piece.is_removed and not problem
        name = _name_of(piece) if is_there else ""
        rows.append(_row(piece) | {"path": name, "problem": problem})
        if is_there:
            yield name, _content(piece)
    yield PIECES, [_json(rows)]
    links = [event.link for event in events if hasattr(event, "link")]
    before = _chains(link.position - 1 for link in links)
    yield EVENTS, (_line(_event(event, before)) for event in events)
    yield "trail/left-out.json", [_json(_left_out(incident))]
    yield ANCHORS, [_line(one) for one in _anchors(links)]


# Rows


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, indent=1).encode() + b"\n"


def _line(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True).encode() + b"\n"


def _row(row) -> dict[str, Any]:
    """The columns of a row; keys of others by their number, moments in UTC."""
    told = {}
    for column in row._meta.concrete_fields:
        value = column.value_from_object(row)
        if hasattr(value, "isoformat"):
            value = value.isoformat()
        elif column.get_internal_type() == "FileField":
            continue  # where it lies on a disk proves nothing
        told[column.attname] = value
    return told


def _incident(known: Ground) -> dict[str, Any]:
    incident = known.incident
    version = known.version
    return {
        "reference": incident.reference,
        "state": incident.state,
        "closed_at": incident.closed_at and incident.closed_at.isoformat(),
        "targets": [
            {"id": target.pk, "operator": target.operator.code}
            for target in incident.targets.select_related("operator")
        ],
        "version_in_force": version and version.number,
        "facts": known.facts.snapshot(),
        "facts_digest": known.facts_digest,
    }


def _clock(clock) -> dict[str, Any]:
    """Without where it stands today, which every day changes."""
    return {
        "duty": clock.regime.code,
        "operator": clock.target.operator.code if clock.target else "",
        "started_at": clock.started_at and clock.started_at.isoformat(),
        "due_at": clock.due_at and clock.due_at.isoformat(),
        "filing": clock.filing and clock.filing.pk,
        "applies": clock.is_owed,
    }


def _ledger(known: Ground) -> dict[str, Any]:
    """Totals only. Those of contracts are left out: one of them may be of one person."""
    audience = None
    if known.counted:
        figures = known.counted.figures
        audience = {
            "counted_at": known.counted.counted_at.isoformat(),
            "basis": known.counted.basis,
            "as_of": figures["as_of"],
            "totals": figures["totals"],
            "operators": [
                {name: value for name, value in one.items() if name != "contracts"}
                for one in figures["operators"]
            ],
        }
    reach = None
    if known.totals:
        reach = known.totals.as_json()
        del reach["counted_at"], reach["curve"]  # the hour of this reading, and days until today
        reach["census"] = {
            "finished_at": known.census.finished_at.isoformat(),
            "facts_digest": known.census.facts_digest,
        }
    return {"audience": audience, "reach": reach}


def _timeline(known: Ground) -> list[dict[str, Any]]:
    story = timeline.of(known.incident, known.clocks)
    entries = [entry for _day, of_day in story.days for entry in of_day] + story.undated
    return [
        {
            "kind": entry.kind.value,
            "day": entry.day and entry.day.isoformat(),
            "at": entry.at and entry.at.isoformat(),
            "operator": entry.operator,
            "title": entry.title,
            "text": entry.text,
            "struck": entry.struck,
        }
        for entry in entries
    ]


def _notice(version: NoticeVersion) -> dict[str, Any]:
    """`sealed`: what `digest` covers, once it was published; a draft has its texts and no digest."""
    row = _row(version)
    del row["facts"]
    sealed = notices.content(version, version.facts) if version.facts else None
    names = {
        "author": version.author.name,
        "approver": version.approver.name if version.approver else "",
    }
    return {"row": row, "sealed": sealed, "digest": version.digest, **names}


def _name_of(piece: Evidence) -> str:
    return f"evidence/{piece.pk:06d}{PurePath(piece.name).suffix.lower()}"


def _content(piece: Evidence) -> Iterator[bytes]:
    found = hashlib.sha256()
    changed = jobs.Failed(_("Une pièce a changé pendant sa lecture. Recommencez."))
    try:
        with piece.file.open("rb") as file:
            while chunk := file.read(CHUNK):
                found.update(chunk)
                yield chunk
    except FileNotFoundError:
        raise changed from None
    if found.hexdigest() != piece.sha256:
        raise changed


# The trail


def _of(incident: Incident):
    return AuditEvent.objects.filter(details__incident=incident.reference)


def _events(incident: Incident) -> list[AuditEvent]:
    """What colleagues did about this incident; never an event of a member's account."""
    events = _of(incident).filter(action__in=EXTRACTED, user__isnull=True)
    return list(events.order_by("pk").select_related("link"))


def _event(event: AuditEvent, before: dict[int, str]) -> dict[str, Any]:
    return {
        "id": event.pk,
        "at": event.at.isoformat(),
        "action": event.action,
        "actor": event.actor_id,
        "address": event.address,
        "browser": event.browser,
        "details": event.details,
        "digest": event.digest,
        **_place(getattr(event, "link", None), before),
    }


def _place(link: AuditLink | None, before: dict[int, str]) -> dict[str, Any]:
    if link is None:  # too young to be chained
        return {"position": None, "before": "", "chain": ""}
    return {
        "position": link.position,
        "before": before.get(link.position - 1, ""),
        "chain": link.chain,
    }


def _chains(places: Iterable[int]) -> dict[int, str]:
    """The chain at each of these places that the trail still holds, or where it begins."""
    found, places = {}, list(places)
    for rows in (AuditCheckpoint.objects, AuditLink.objects):
        found |= dict(rows.filter(position__in=places).values_list("position", "chain"))
    return found


def _left_out(incident: Incident) -> dict[str, int]:
    found = _of(incident).filter(action__in=OF_PERSONS).values_list("action").order_by("action")
    return dict(found.annotate(Count("pk")))


def _anchors(links: list[AuditLink]) -> list[dict[str, Any]]:
    """What was told outside since the first of these links, and the link that stands there today."""
    if not links or not settings.AUDIT_ANCHOR_DIR:
        return []
    path = Path(settings.AUDIT_ANCHOR_DIR) / anchors.FILE
    first = min(link.position for link in links)
    told = [one for one in anchors.read(path) if one.position >= first] if path.exists() else []
    places = {one.position for one in told}
    rows = AuditLink.objects.select_related("event").filter(position__in=places)
    before, there = _chains(place - 1 for place in places), {row.position: row for row in rows}
    return [
        {"at": one.at, "told": one.chain, "position": one.position}
        | (
            {"event": there[one.position].event_id, "digest": there[one.position].event.digest}
            | _place(there[one.position], before)
            if one.position in there
            else {}
        )
        for one in told
    ]


def _read_me() -> str:
    return "\n".join(
        [
            _("Dossier de preuve d'un incident."),
            "",
            _("manifest.json : chaque fichier, sa taille et son empreinte SHA-256."),
            _("manifest.seal : le sceau du portail sur ce fichier."),
            _("notices : chaque version de l'information, avec ses faits et son empreinte."),
            _("evidence : les pièces, comme elles furent reçues."),
            _("trail : les événements du journal, et leur place dans la chaîne."),
            _("ledger.json : des totaux. Aucune donnée d'un adhérent ne figure ici."),
            "",
            _("Pour tout vérifier : manage.py verify_bundle FICHIER"),
            "",
        ]
    )
