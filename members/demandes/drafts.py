"""A demande before it is deposited: begun, filled in, its documents joined, deposited once or deleted."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import Q, Sum
from django.utils import timezone

from members import audit, documents, throttle
from members.demandes import asked
from members.demandes.steps import ANSWERED, Overtaken, step
from members.documents import Clean
from members.limits import limit
from members.models import Demande, DemandeDocument, Member
from members.models.demande import DemandeKind, State, one_month_after
from members.throttle import Hit


class TooMany(Exception):
    """So many drafts wait already that one of them is to be ended first."""


class Incomplete(Exception):
    """What is asked is not whole, or not right any more."""


class NoDocument(Exception):
    """This kind of demande needs a document."""


def begin(member: Member, kind: DemandeKind, key: UUID | None = None) -> Demande:
    """A new draft, with the row of what it asks; the demande that the page of this `key` began already,
    if it did: a second click makes no second one. Raises TooMany."""
    with transaction.atomic():
        Member.objects.select_for_update().get(pk=member.pk)  # one at a time
        if key and (begun := Demande.objects.filter(member=member, key=key).first()):
            return begun
        drafts = Demande.objects.filter(member=member, state=State.DRAFT)
        if drafts.count() >= limit("DEMANDE_DRAFTS"):
            raise TooMany
        demande = Demande.objects.create(member=member, kind=kind, key=key)
        asked.KINDS[kind].detail.objects.create(demande=demande)
    return demande


def keep(demande: Demande, form: asked.AskedForm) -> None:
    """Keeps what was typed right. Raises Overtaken where it is no draft any more."""
    with transaction.atomic():
        if not Demande.objects.filter(pk=demande.pk, state=State.DRAFT).hold():
            raise Overtaken
        asked.keep(demande, form)


def attach(demande: Demande, uploads: Sequence[UploadedFile], *, by, request=None) -> int:
    """Joins documents to a draft, or to a demande that awaits some, which then goes back to who follows
    it. The same content counts once; how many are new.

    Raises documents.Refused (none is kept), throttle.Throttled, Overtaken.
    """
    throttle.reserve(Hit(throttle.DOCUMENTS_MEMBER, str(demande.member_id), len(uploads)))
    clean = documents.accept(uploads)
    with _stored(clean) as places, transaction.atomic():
        here = Demande.objects.filter(pk=demande.pk, state=demande.state)
        if not demande.takes_documents or not here.hold():
            raise Overtaken
        added = _unknown(demande, clean, places)
        count, weight = _already(demande)
        if added:
            documents.check(count + len(added), weight + sum(one.size for one in added))
        DemandeDocument.objects.bulk_create(added)
        if added and demande.state == State.AWAITING:
            step(
                demande,
                State.TAKEN,
                by=by,
                request=request,
                action=ANSWERED,
                is_told=False,
            )
    return len(added)


def _already(demande: Demande) -> tuple[int, int]:
    """How many documents there are since the present state, and their bytes."""
    since = demande.documents.filter(added_at__gte=demande.state_at)
    return since.count(), since.aggregate(all=Sum("size"))["all"] or 0


def _unknown(
    demande: Demande, clean: Sequence[Clean], places: Sequence[str]
) -> list[DemandeDocument]:
    """A row for each content that the demande does not hold yet, once."""
    known = set(demande.documents.values_list("sha256", flat=True))
    rows = {}
    for one, place in zip(clean, places, strict=True):
        if one.sha256 not in known:
            rows.setdefault(
                one.sha256,
                DemandeDocument(
                    demande=demande,
                    name=one.name,
                    content_type=one.content_type,
                    file=place,
                    size=one.size,
                    pages=one.pages,
                    sha256=one.sha256,
                ),
            )
    return list(rows.values())


@contextmanager
def _stored(clean: Sequence[Clean]) -> Iterator[list[str]]:
    """The documents on disk, by their names there; what no row points to at the end is deleted."""
    upload_to = DemandeDocument._meta.get_field("file").upload_to
    places: list[str] = []
    try:
        for one in clean:
            places.append(upload_to(None, one.name))  # known before: a full disk keeps half a file
            places[-1] = default_storage.save(places[-1], one.content)
        yield places
    finally:
        rows = DemandeDocument.objects.filter(file__in=places).values_list("file", flat=True)
        for place in set(places).difference(rows):
            default_storage.delete(place)


def detach(document: DemandeDocument) -> None:
    """Takes a document off a draft, and deletes its file. Raises Overtaken."""
    with transaction.atomic():
        if not Demande.objects.filter(pk=document.demande_id, state=State.DRAFT).hold():
            raise Overtaken
        DemandeDocument.objects.filter(pk=document.pk).delete()
        _delete_on_commit([document.file.name])


def delete(demande: Demande, *, request=None) -> None:
    """Deletes a draft with all that it holds. Raises Overtaken."""
    with transaction.atomic():
        if not Demande.objects.filter(pk=demande.pk, state=State.DRAFT).hold():
            raise Overtaken
        files = list(demande.documents.values_list("file", flat=True))
        demande.documents.all().delete()
        audit.record(
            "demande.draft_deleted",
            user=demande.member.user,
            request=request,
            demande=demande.pk,
            documents=len(files),
        )
        demande.delete()
        _delete_on_commit(files)


def _delete_on_commit(places: list[str]) -> None:
    def remove():
        for place in places:
            default_storage.delete(place)

    transaction.on_commit(remove, robust=True)


def deposit(demande: Demande, *, by, request=None) -> None:
    """Hands the draft in, once however often it is asked.

    Raises Overtaken when it is handed in already, Incomplete, NoDocument, throttle.Throttled.
    """
    kind = asked.kind_of(demande)
    with transaction.atomic():
        if not Demande.objects.filter(pk=demande.pk, state=State.DRAFT).hold():
            raise Overtaken
        demande.refresh_from_db()  # what is judged is what stands there, held, and not what was read before
        if not asked.is_whole(demande):
            raise Incomplete
        if kind.needs_document and not demande.documents.exists():
            raise NoDocument
        throttle.reserve(Hit(throttle.DEMANDES_MEMBER, str(demande.member_id)))
        due_on = one_month_after(timezone.localdate()) if kind.due_in_a_month else None
        step(
            demande,
            State.SUBMITTED,
            by=by,
            request=request,
            only=Q(state=State.DRAFT),
            asked_at=timezone.now(),
            due_on=due_on,
        )
