"""Codes sent to a postal address: printed, then checked. (signin.md §2; ASVS 6.4.1)

A code exists in the PDF that is handed to the printer and nowhere else: the database keeps a keyed
digest, so a letter is never printed twice with the same code. (docs/decisions/0021-first-sign-in.md)
"""

from collections.abc import Iterable
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.crypto import constant_time_compare, get_random_string
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from members import audit, letter_pages, sealing
from members.limits import limit
from members.models import LetterCode, Member, User
from members.models.recovery import LetterPurpose

# No vowel, so no word; no two signs that look alike on paper: 0 O, 1 I L, 2 Z, 5 S, 8 B.
ALPHABET = "CDFGHJKMNPQRTVWX34679"
LENGTH = 10  # 21 ** 10: 43 bits, for five tries
GROUP = 5
BATCH = 500
CLAIM_ROUNDS = 4
SEPARATORS = " \t\u00a0\u202f-\u2010\u2011\u2012\u2013\u2014\u2015"


class LetterRefused(Exception):
    """Wrong, expired, cancelled, used or never printed: nobody outside learns which."""


class NotPrintable(Exception):
    """The batch is not printed, and no code is made. Its text says why, in French."""


# --------------------------------------------------------------------------------------- checking


def plain(typed: str) -> str:
    """What was typed, in capitals and without separators; empty when it cannot be a code."""
    code = typed.upper().translate(dict.fromkeys(map(ord, SEPARATORS)))
    return code if len(code) == LENGTH and set(code) <= set(ALPHABET) else ""


def recognise(member: Member | None, purpose: LetterPurpose, typed: str) -> LetterCode:
    """The living letter of `member` that holds this code, an attempt of it spent. Raises LetterRefused.

    It is not used up: `use` does that, in the transaction of what it allows. The same statements
    without member, without letter or for a wrong code. Call it outside a transaction: the claim must be
    committed before the comparison.
    """
    typed = plain(typed)
    for _round in range(CLAIM_ROUNDS):
        letter = LetterCode.objects.alive().filter(member=member, purpose=purpose).first()
        if LetterCode.objects.claim(letter or LetterCode(pk=0)) or letter is None:
            break
    else:
        raise LetterRefused
    expected = letter.digest if letter else "0" * 64
    right = constant_time_compare(expected, _digest(member.pk if member else 0, purpose, typed))
    if not (right and letter and typed):
        raise LetterRefused
    return letter


def use(letter: LetterCode) -> None:
    """Uses `letter` up. Raises LetterRefused when it was used or cancelled before."""
    if not LetterCode.objects.use(letter):
        raise LetterRefused


def _digest(member_id: int, purpose: str, code: str) -> str:
    message = f"letter\0{purpose}\0{member_id}\0{code}".encode()
    return sealing.peppered(message).hex()


# --------------------------------------------------------------------------------------- printing


def sorted_out(
    members: Iterable[Member], purpose: LetterPurpose
) -> tuple[list[Member], list[tuple[Member, Promise]]]:
    """Who may get such a letter, by number, and who may not, each with the reason."""
    may, may_not = [], []
    for member in sorted(members, key=lambda member: member.number):
        reason = _objection(member, purpose)
        if reason:
            may_not.append((member, reason))
        else:
            may.append(member)
    return may, may_not


def _objection(member: Member, purpose: str) -> Promise | None:
    user = member.user
    if user and not user.may_sign_in:
        return _("compte fermé ou suspendu")
    if purpose == LetterPurpose.ACTIVATION and not member.may_activate:
        return _("espace déjà ouvert")
    if purpose == LetterPurpose.RECOVERY and not member.has_open_account:
        return _("espace pas encore ouvert")
    if not member.has_whole_address:
        return _("adresse incomplète")
    return None


def print_batch(
    members: Iterable[Member], purpose: LetterPurpose, by: User | None, *, request=None
) -> bytes:
    """A PDF with one letter each, by number; what was printed before for this purpose is cancelled.

    `by`: who prints, None for the command, which has no `request` either. At most BATCH. Raises
    NotPrintable, and then nothing changes.
    """
    purpose = LetterPurpose(purpose)
    may, may_not = sorted_out(members, purpose)
    if may_not:
        member, reason = may_not[0]
        raise NotPrintable(f"{member.number} : {reason}")
    if not 0 < len(may) <= BATCH:
        raise NotPrintable(_("De 1 à %(count)d courriers par fichier.") % {"count": BATCH})
    try:
        with transaction.atomic():
            return letter_pages.render([_letter(member, purpose, by, request) for member in may])
    except IntegrityError:  # one live letter per member and purpose
        raise NotPrintable(_("Un autre tirage est en cours. Réessayez.")) from None


def _letter(
    member: Member, purpose: LetterPurpose, by: User | None, request
) -> letter_pages.Letter:
    code = get_random_string(LENGTH, ALPHABET)
    now = timezone.now()
    member.letter_codes.filter(purpose=purpose).cancel()
    letter = LetterCode.objects.create(
        member=member,
        purpose=purpose,
        digest=_digest(member.pk, purpose, code),
        made_by=by,
        made_at=now,
        expires_at=now + timedelta(seconds=limit("LETTER_LIFETIME")),
    )
    audit.record(
        "letter.printed",
        user=member.user,
        actor=by,
        request=request,
        person=f"member/{member.pk}",
        purpose=str(purpose),
        letter=letter.pk,
    )
    return letter_pages.Letter(
        purpose=purpose,
        civility=member.get_civility_display() if member.civility else "",
        name=member.full_name,
        address=member.address,
        town=f"{member.postal_code} {member.city}",
        number=member.number,
        code=f"{code[:GROUP]}-{code[GROUP:]}",
        made_on=timezone.localdate(letter.made_at),
        valid_through=timezone.localdate(letter.expires_at) - timedelta(days=1),  # a whole day
    )
