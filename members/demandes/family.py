"""What an accepted demande changes in a family: under the rules that hold for everybody (domain.md §4)."""

from itertools import chain, count

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from members import audit
from members.models import AyantDroit, Demande, Joining, Leaving, Member
from members.models.demande import DemandeKind
from members.models.member import MADE_HERE, NirAbsence


class Impossible(Exception):
    """`sentences`: which rule it would break, in French, for the agent; nothing was written."""

    def __init__(self, sentences: list[str]):
        super().__init__(*sentences)
        self.sentences = sentences


def carry_out(demande: Demande, *, by, request=None) -> None:
    """Makes or ends the ayant droit that `demande` is about, within the caller's transaction. Nothing for
    the other kinds. Raises Impossible."""
    try:
        match demande.kind:
            case DemandeKind.JOINING:
                person, action = _join(demande.joining), "ayantdroit.joined"
            case DemandeKind.LEAVING:
                person, action = _leave(demande.leaving), "ayantdroit.left"
            case _:
                return
    except ValidationError as refusal:
        raise Impossible(refusal.messages) from None
    except IntegrityError:  # another demande or an import was there in between
        raise Impossible([_("Cet ayant droit vient de changer. Relisez la fiche.")]) from None
    audit.record(
        action,
        user=demande.member.user,
        actor=by,
        request=request,
        demande=demande.pk,
        person=f"ayantdroit/{person.pk}",
    )


def _join(asked: Joining) -> AyantDroit:
    member = asked.demande.member
    person = AyantDroit(
        member=member,
        reference=_free_reference(member, asked.demande_id),
        link=asked.link,
        civility=asked.civility,
        birth_name=asked.birth_name,
        usage_name=asked.usage_name,
        first_names=asked.first_names,
        birth_date=asked.birth_date,
        birth_rank=asked.birth_rank,
        start=asked.since,
        nir_sealed=asked.nir_sealed,
        nir_digest=asked.nir_digest,
        nir_absence=NirAbsence.NOT_NEEDED if asked.nir_sealed else NirAbsence.PENDING,
    )
    person.full_clean()
    with transaction.atomic():
        person.save()
    forget_number(asked.demande)
    return person


def _free_reference(member: Member, demande_id: int) -> str:
    """One that no feed gives to somebody else. An export of another portal may have brought it already."""
    own = f"{MADE_HERE}{demande_id}"
    taken = set(member.ayants_droit.values_list("reference", flat=True))
    return next(one for one in chain([own], (f"{own}-{n}" for n in count(2))) if one not in taken)


def forget_number(demande: Demande) -> None:
    """The NIR that was given with a declaration has served, or never will."""
    Joining.objects.filter(demande=demande).update(nir_sealed="", nir_digest=None)


def _leave(asked: Leaving) -> AyantDroit:
    person = asked.ayant_droit
    before = person.end
    if before and before < asked.last_day:
        raise ValidationError(_("Sa couverture est déjà finie avant ce jour-là."))
    person.end = asked.last_day
    person.full_clean()
    as_read = Q(end=before) if before else Q(end__isnull=True)
    if not AyantDroit.objects.filter(as_read, pk=person.pk).update(end=asked.last_day):
        raise ValidationError(_("Cet ayant droit vient de changer. Relisez la fiche."))
    return person
