"""« Mes données »: a copy of all that is kept about a member, made by a worker, for him alone.

GDPR art. 15 (access) and 20 (portability): one file to read, one for machines. What a package keeps it tells
itself, in a `section`: members/mydata_sections.py, incidents/mydata.py. The file is sealed while it waits.
(docs/decisions/0042-what-a-member-decides.md)
"""

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.contrib.staticfiles import finders
from django.core.files.base import ContentFile
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from members import alerts, audit, jobs, sealing
from members.days import day, hour
from members.models import Job, JobFile, Member
from members.money import euros

KIND = "my_data"
KEPT = timedelta(days=7)
MOST_A_DAY = 3
NAME = "mes-donnees.zip"
SEALED = "application/octet-stream"

Record = dict[str, Any]


class TooMany(Exception):
    """MOST_A_DAY copies were asked for within a day."""


class Gone(Exception):
    """There is no copy to take: none was made, its days are over, or no key opens it any more."""


@dataclass(frozen=True)
class Section:
    """One subject of a copy: `records` reads what is kept about a member, each record in French words.

    `in_full`: the member asked for social security numbers in full, where they are his to have.
    """

    name: str
    title: str | Promise
    records: Callable[[Member, bool], list[Record]]


sections: dict[str, Section] = {}


def section(name: str, title: str | Promise):
    """Registers a function (member, in_full) → records as a subject of every copy."""

    def register(records):
        sections[name] = Section(name, title, records)
        return records

    return register


# ----------------------------------------------------------------------------------- its member


def latest(member: Member) -> Job | None:
    """The copy that `member` asked for last: under way, made, or failed."""
    return _of(member).order_by("-asked_at").first()


def _of(member: Member):
    return Job.objects.filter(kind=KIND, key=str(member.pk))


def ready(job: Job | None) -> JobFile | None:
    """The file of a copy while it may be taken: KEPT from its making."""
    if job is None:
        return None
    return job.files.filter(made_at__gt=timezone.now() - KEPT).first()


def until(made: JobFile) -> datetime:
    """Until when a file may be taken."""
    return made.made_at + KEPT


def ask(request, *, in_full: bool) -> Job:
    """Asks for a copy of the signed-in member's data, who showed a moment ago who he is; he is told by
    e-mail. While one is being made, that one is returned. Raises TooMany."""
    member = request.member
    present = latest(member)
    if present and present.is_active:
        return present
    since = timezone.now() - timedelta(days=1)
    if _of(member).filter(asked_at__gt=since).count() >= MOST_A_DAY:
        raise TooMany
    with transaction.atomic():
        audit.record("data.copy_asked", user=member.user, request=request, in_full=in_full)
        alerts.tell(member.user, "data_copy_asked", request=request)
        return jobs.start(
            KIND,
            by=request.user,
            request=request,
            key=str(member.pk),
            member=member.pk,
            in_full=in_full,
        )


def take(request) -> ContentFile:
    """The last copy of the signed-in member, opened, for who has just typed his password; he is told by
    e-mail. Raises Gone."""
    made = ready(latest(request.member))
    if made is None:
        raise Gone
    try:
        with made.file.open("rb") as sealed:
            content = sealing.unseal_bytes(sealed.read())
    except (FileNotFoundError, sealing.CannotOpen):
        raise Gone from None
    with transaction.atomic():
        audit.record("data.copy_taken", user=request.member.user, request=request)
        alerts.tell(request.member.user, "data_copy_taken", request=request)
    return ContentFile(content)


# ----------------------------------------------------------------------------------- the worker


# No permission: no colleague sees such work, nor its file.
@jobs.work(KIND, title=gettext_lazy("Copie de mes données"), permission="", kept=KEPT)
def _make(job: Job) -> Iterator[jobs.Step]:
    member = Member.objects.select_related("user").get(pk=job.parameters["member"])
    if member.user is None or not member.user.may_sign_in:
        raise jobs.Failed(_("Ce compte n'est plus ouvert."))
    yield jobs.Step(done=0, total=len(sections))
    told = gathered(member, in_full=job.parameters["in_full"])
    jobs.keep(job, NAME, SEALED, [sealing.seal_bytes(zipped(member, told))])
    with transaction.atomic():
        audit.record("data.copy_made", user=member.user, actor=member.user)
        alerts.tell(member.user, "data_copy_ready", days=KEPT.days)
    yield jobs.Step(done=len(sections), total=len(sections))
    return {}


def gathered(member: Member, *, in_full: bool) -> dict[str, list[Record]]:
    """The records of every section, by its name."""
    return {one.name: one.records(member, in_full) for one in sections.values()}


def zipped(member: Member, told: dict[str, list[Record]]) -> bytes:
    """The archive: a page for people, the same in JSON for machines."""
    made_at = timezone.now()
    whole = {"date": made_at, "adhérent": member.number, **told}
    data = json.dumps(whole, ensure_ascii=False, indent=1, cls=DjangoJSONEncoder)
    shown = [
        (sections[name].title, [_in_words(record) for record in records])
        for name, records in told.items()
    ]
    context = {"member": member, "made_at": made_at, "sections": shown}
    page = render_to_string("members/mydata/copy.html", context)
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mes-donnees.html", page)
        archive.writestr("mes-donnees.json", data)
        with open(finders.find("css/copy.css"), encoding="utf-8") as style:
            archive.writestr("copy.css", style.read())
    return written.getvalue()


def _in_words(record: Record) -> list[tuple[str, str]]:
    return [(name, words(value)) for name, value in record.items()]


def words(value: Any) -> str:
    """A value as people read it; what has parts is told part by part."""
    if value in (None, "", [], {}):
        return "–"
    match value:
        case bool():
            return _("oui") if value else _("non")
        case datetime():
            return f"{day(value)}, {hour(value)}"
        case date():
            return day(value)
        case dict():
            return " ; ".join(f"{name} : {words(one)}" for name, one in value.items())
        case Decimal():
            return euros(int(value * 100))
        case [dict(), *_rest]:
            return "\n".join(f"– {words(one)}" for one in value)
        case list() | tuple():
            return ", ".join(map(words, value))
    return str(value)
