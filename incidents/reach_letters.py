"""Letters about an incident: printed by files of several hundred, and those that come back.

One per person in his own name: a member who has no account, or has read nothing for some days, a former
member, an adult ayant droit. A letter tells all that article 34 of the GDPR asks for, and what of the
person's own data is exposed.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.crypto import get_random_string
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents import exposure, notices, pages, reach, renderings
from incidents.audience import ADULT_AGE
from incidents.exposure import AYANTS_DROIT, MEMBERS, PersonExposure
from incidents.facts import Facts
from incidents.models import Dispatch, Incident, NoticeVersion, Reach
from incidents.models.reach import Capacity, Channel, DispatchState, ReachState
from incidents.models.wording import Audience
from members import audit, cover, jobs, letter_pages
from members.days import years_before
from members.letters import ALPHABET, SEPARATORS
from members.models import AyantDroit, Job
from members.spreadsheets import cell

KIND = "incidents.letters"
PER_FILE = 500
UNREAD_DAYS = 14
FROM_THE_FIRST = {"file": 1, "after": 0, "done": 0}
PDF, CSV = "application/pdf", "text/csv; charset=utf-8"


# --------------------------------------------------------------------------------------- to whom


def to_print(
    incident: Incident, versions: list[int], *, unread_days: int, again: bool = False
) -> QuerySet:
    """Who gets a letter now, at a whole address. `versions`: those whose reading is enough.

    Nobody whose letter was printed for one of these; with `again`, only those whose letter came back.
    Each has `rounds`: how many letters he had for the version in force.
    """
    printed = Dispatch.objects.filter(
        person=OuterRef("pk"), version__in=versions[-1:], channel=Channel.LETTER
    )
    # read with the choice: of two printings that chose the same person, the constraint stops one
    rounds = Coalesce(Subquery(printed.order_by("-round").values("round")[:1]), 0)
    left = incident.reach.to_inform(versions).filter(reach.POSTAL).annotate(rounds=rounds)
    if again:
        return left.filter(state=ReachState.RETURNED).order_by("pk")
    had = Dispatch.objects.filter(
        person=OuterRef("pk"), version__in=versions, channel=Channel.LETTER
    )
    left = left.filter(~Exists(had))
    first = NoticeVersion.objects.filter(pk__in=versions).order_by("number").first()
    if first is None or first.published_at > timezone.now() - timedelta(days=unread_days):
        # who signs in is left the time to read; nobody waits for those who never will
        at_once = Q(capacity__in=[Capacity.FORMER, Capacity.ADULT]) | ~Q(reach.OPEN_ACCOUNT)
        left = left.filter(at_once)
    return left.order_by("pk")


# -------------------------------------------------------------------------------------- printing


class NotPrinted(reach.ReachError):
    """Letters are counted whose file was never made: a printing makes it first."""


class UnderWay(Exception):
    """A printing of another choice is not over; `job` is its work."""

    def __init__(self, job: Job):
        super().__init__(job)
        self.job = job


def start(incident: Incident, *, unread_days: int, again: bool, by, request=None) -> Job:
    """Asks for a printing, or returns the same one if it is under way. Raises UnderWay."""
    asked = {"incident": incident.pk, "unread_days": unread_days, "again": again}
    job = jobs.start(KIND, by=by, request=request, key=incident.reference, **asked)
    if job.parameters != asked:
        raise UnderWay(job)
    return job


def _rows(job, file: int) -> QuerySet:
    return Dispatch.objects.filter(job=job.pk, file=file)


def _has_begun(job: Job) -> bool:
    """Whether the rows of a file are written, and the file is not made."""
    file = (job.cursor or FROM_THE_FIRST)["file"]
    is_kept = job.files.filter(name=f"courriers-{file:03}.csv").exists()
    return not is_kept and _rows(job, file).exists()


@jobs.work(
    KIND,
    title=gettext_lazy("Imprimer les courriers d'un incident"),
    permission="incidents.print_reach",
    is_unfinished=_has_begun,
)
def work(job) -> Iterator[jobs.Step]:
    """Files of letters, each with its index.

    A letter counts from its row on: a file whose rows are written is printed before anything else, as
    it was, whatever was published since, and also when the printing that began it is never resumed.
    """
    incident = Incident.objects.get(pk=job.parameters["incident"])
    again, unread_days = job.parameters["again"], job.parameters["unread_days"]
    cursor = job.cursor or FROM_THE_FIRST
    _finish_others(incident, job)
    if _rows(job, cursor["file"]).exists():
        cursor = _keep(job, cursor)
        yield jobs.Step(cursor["done"], max(cursor.get("total", 0), cursor["done"]), cursor)
    version = notices.latest(incident)
    if version is None:
        raise jobs.Failed(_("Aucune version n'est publiée."))
    if cursor.get("version", version.pk) != version.pk:
        raise jobs.Failed(_("Une autre version a été publiée. Relancez l'impression."))
    reach.expect_up_to_date(incident)
    facts = notices.facts_of(version)
    waiting = to_print(incident, reach.enough(incident), unread_days=unread_days, again=again)
    if "total" not in cursor:
        cursor = cursor | {"total": cursor["done"] + waiting.count()}
    while people := list(waiting.filter(pk__gt=cursor["after"])[:PER_FILE]):
        _write(people, version, facts, job, cursor["file"])
        cursor = _keep(job, cursor)
        yield jobs.Step(cursor["done"], max(cursor["total"], cursor["done"]), cursor)
    without = incident.reach.to_inform(reach.enough(incident)).exclude(reach.POSTAL).count()
    return {_("Courriers imprimés"): cursor["done"], _("Sans adresse complète"): without}


def _finish_others(incident: Incident, job) -> None:
    """Prints what printings that ended had begun, among their own files."""
    for other in Job.objects.filter(kind=KIND, key=incident.reference).exclude(pk=job.pk):
        if _has_begun(other):
            _keep(other, other.cursor or FROM_THE_FIRST)


def insist(incident: Incident) -> None:
    """Each letter that counts was made: none is a row without its file. Raises NotPrinted."""
    if any(map(_has_begun, Job.objects.filter(kind=KIND, key=incident.reference))):
        raise NotPrinted


def _write(people: list[Reach], version: NoticeVersion, facts: Facts, job, file: int) -> None:
    """The rows of one file, in one transaction: from then on these people had their letter."""
    told = _told(people, version, facts)
    with transaction.atomic():
        Dispatch.objects.bulk_create(
            Dispatch(
                person=person,
                version=version,
                channel=Channel.LETTER,
                round=person.rounds + 1,
                state=DispatchState.PRINTED,
                reference=new_reference(),
                job=job.pk,
                file=file,
                told=[one.as_sent() for one in told[person.pk]],
            )
            for person in people
        )
        audit.record(
            "incident.letters_printed",
            actor=job.by,
            incident=version.incident.reference,
            version=version.number,
            count=len(people),
            job=str(job.pk),
            file=file,
        )


def _keep(job, cursor: dict) -> dict:
    """Makes the PDF of the file at `cursor` and its index, from its rows; the cursor of the next file."""
    file = cursor["file"]
    rows = list(_rows(job, file).select_related("version", "person__member", "person__ayant_droit"))
    version = rows[0].version
    letters = letters_of(rows, version, notices.facts_of(version))
    pdf, lengths = letter_pages.render_long(letters)
    jobs.keep(job, f"courriers-{file:03}.pdf", PDF, [pdf])
    index, page = io.StringIO(), 1
    index.write("\ufeff")
    lines = csv.writer(index, delimiter=";")
    lines.writerow([_("page"), _("référence"), _("numéro d'adhérent"), _("nom"), _("ville")])
    for row, words, length in zip(rows, letters, lengths, strict=True):
        number = row.person.member.number
        lines.writerow([page, *map(cell, (words.reference, number, words.name, words.town))])
        page += length
    jobs.keep(job, f"courriers-{file:03}.csv", CSV, [index.getvalue().encode()])
    return cursor | {
        "version": version.pk,
        "file": file + 1,
        "after": max(row.person_id for row in rows),
        "done": cursor["done"] + len(rows),
    }


# ------------------------------------------------------------------------------------- what it says


def _told(
    people: list[Reach], version: NoticeVersion, facts: Facts
) -> dict[int, list[PersonExposure]]:
    """For each row: the person's own exposure, then that of the minors whom a member stands for.

    Three statements, four when an adult has the NIR of another row.
    """
    own = [row.member_id for row in people if row.ayant_droit_id is None]
    members = exposure.of_people(MEMBERS, own, facts)
    adults = _adults(people, facts)
    of_age = years_before(reach.as_of(version.incident), ADULT_AGE)
    minors = AyantDroit.objects.filter(member__in=own, birth_date__gt=of_age)
    guardians = dict(minors.values_list("pk", "member"))
    found: dict[int, list[PersonExposure]] = {}
    for pk, person in exposure.of_people(AYANTS_DROIT, guardians, facts).items():
        if any(one.reason.is_concerned for one in person.operators):
            found.setdefault(guardians[pk], []).append(person)
    return {
        row.pk: [adults[row.ayant_droit_id]]
        if row.ayant_droit_id
        else [members[row.member_id], *found.get(row.member_id, [])]
        for row in people
    }


def _adults(people: list[Reach], facts: Facts) -> dict[int, PersonExposure]:
    """Each in his own name: he is « vous ». What two members' contracts say of one NIR is said once."""
    ids = [row.ayant_droit_id for row in people if row.ayant_droit_id]
    digests = dict(
        AyantDroit.objects.filter(pk__in=ids, nir_digest__isnull=False).values_list(
            "nir_digest", "pk"
        )
    )
    same = {
        pk: digests[digest]
        for pk, digest in AyantDroit.objects.filter(nir_digest__in=digests)
        .exclude(pk__in=ids)
        .values_list("pk", "nir_digest")
    }
    told = exposure.of_people(AYANTS_DROIT, [*ids, *same], facts, same)
    return {pk: replace(person, kind=MEMBERS.kind) for pk, person in told.items()}


AUDIENCES = {
    Capacity.MEMBER: Audience.MEMBER,
    Capacity.FORMER: Audience.FORMER,
    Capacity.ADULT: Audience.ADULT,
}


def letters_of(
    rows: list[Dispatch], version: NoticeVersion, facts: Facts
) -> list[letter_pages.LongLetter]:
    """The letter of each row, in its audience's words: what its row says, whatever has changed since.

    One statement for all of them.
    """
    memberships = cover.memberships({row.person.member_id for row in rows})
    return [
        _letter(
            row,
            pages.personal(
                version,
                facts,
                memberships[row.person.member_id],
                exposure.from_json(row.told, facts),
                audience=AUDIENCES[Capacity(row.person.capacity)],
                updates=[],
            ),
        )
        for row in rows
    ]


def _letter(row: Dispatch, page: pages.Page) -> letter_pages.LongLetter:
    """To the person's own address, else to that of his member."""
    person, member = row.person.person, row.person.member
    home = person if person.has_whole_address else member
    return letter_pages.LongLetter(
        civility=person.get_civility_display() if person.civility else "",
        name=person.full_name,
        address=home.address,
        town=f"{home.postal_code} {home.city}",
        reference=reach.grouped(row.reference),
        made_on=timezone.localdate(row.made_at),
        subject=page.version.headline,
        blocks=(
            (
                "text",
                _("Un incident de sécurité concerne vos données. Cette lettre dit lesquelles."),
            ),
            *_what_changed(page.version),
            *in_print(renderings.blocks(page)),
            ("text", _("Nous ne demandons jamais votre mot de passe, ni un code.")),
        ),
    )


def _what_changed(version: NoticeVersion) -> Iterator[tuple[str, str]]:
    if version.change_note:
        yield "title", _("Ce qui a changé depuis notre dernière information")
        yield "text", version.change_note


def in_print(blocks: list[renderings.Block]) -> Iterator[tuple[str, str]]:
    """The blocks of a notice as a letter prints them. (members.letter_pages.LongLetter)"""
    for block in blocks:
        yield "title", block.title
        for paragraph in block.paragraphs:
            yield "text", paragraph
        for line in block.lines:
            yield ("item", line[2:]) if line.startswith("- ") else ("text", line)


# ------------------------------------------------------------------------------------- references

SIGNS = 11
WEIGHTS = (
    1,
    2,
    4,
    5,
    8,
    10,
    11,
    13,
    16,
    17,
    19,
)  # prime to the 21 signs: no wrong sign goes unseen


def new_reference() -> str:
    signs = get_random_string(SIGNS, ALPHABET)
    return signs + _check_sign(signs)


def _check_sign(signs: str) -> str:
    values = [ALPHABET.index(sign) for sign in signs]
    return ALPHABET[sum(map(int.__mul__, values, WEIGHTS)) % len(ALPHABET)]


def plain(typed: str) -> str:
    """The reference in what was typed, or an empty text when it cannot be one."""
    signs = typed.upper().translate(dict.fromkeys(map(ord, SEPARATORS)))
    if len(signs) != SIGNS + 1 or not set(signs) <= set(ALPHABET):
        return ""
    return signs if _check_sign(signs[:-1]) == signs[-1] else ""


# ---------------------------------------------------------------------------------------- returns


@dataclass
class Returns:
    """What came of a list of references: every line is in `accepted` or in `rejected`, with why."""

    accepted: list[str] = field(default_factory=list)
    rejected: list[tuple[str, str]] = field(default_factory=list)


def take_back(incident: Incident, lines: list[str], *, by, request=None) -> Returns:
    """Letters that came back, by their references: their people are to be informed again.

    The first cell of a line counts; empty lines do not.
    """
    result, seen = Returns(), set()
    typed = [line.strip() for line in lines if line.strip(" \t\r\n;,\ufeff")]
    references = {plain(_first_cell(line)) for line in typed} - {""}
    sent = Dispatch.objects.filter(reference__in=references).select_related("person")
    found = {row.reference: row for row in sent}
    with transaction.atomic():
        for line in typed:
            reference = plain(_first_cell(line))
            why = _objection(incident, reference, found.get(reference), seen)
            if not why and not Dispatch.objects.come_back(reference):
                why = _("déjà enregistré comme revenu")
            seen.add(reference)
            if why:
                result.rejected.append((line, why))
            else:
                result.accepted.append(reference)
        if result.accepted:
            audit.record(
                "incident.letters_returned",
                actor=by,
                request=request,
                incident=incident.reference,
                count=len(result.accepted),
                rejected=len(result.rejected),
            )
    return result


def _first_cell(line: str) -> str:
    return line.replace("\t", ";").replace(",", ";").split(";")[0].strip(' "\ufeff')


def _objection(incident: Incident, reference: str, row: Dispatch | None, seen: set[str]) -> str:
    if not reference:
        return _("référence mal écrite : 12 signes, vérifiez chacun")
    if reference in seen:
        return _("deux fois dans la liste")
    if row is None:
        return _("référence inconnue")
    if row.person.incident_id != incident.pk:
        return _("courrier d'un autre incident")
    return ""
