"""Opening an account, from the proof of who one is to the first session. (signin.md §2)

Until both factors stand nothing of it exists but a `Step` in an anonymous session: no account, no
device. The account, its password, its phone and the end of the letter are one transaction.
"""

import secrets
import time
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from django.db import IntegrityError, transaction
from django.utils.crypto import constant_time_compare

from members import alerts, audit, codes, letters, passwords, phones, sessions, signin, throttle
from members.addresses import client_address, counted_address
from members.limits import limit
from members.models import Challenge, LetterCode, Member, SmsDevice, User
from members.models.challenge import Purpose
from members.models.recovery import LetterPurpose

SESSION_KEY = "activation"


class Proof(StrEnum):
    """What showed who is there: a letter to his address, a link to his e-mail, a code to his phone."""

    LETTER = "letter"
    LINK = "link"
    TEXT = "text"


@dataclass(frozen=True)
class Step:
    """How far a browser has come. Lives ACTIVATION_LIFETIME seconds, and dies when the account, the
    phone or the e-mail address of the member changes, or his letter is cancelled."""

    member_id: int
    fingerprint: str
    started_at: int
    proof: str
    letter_id: int | None = None
    identifiant: str = ""
    password: str = ""  # its hash, never itself
    challenge_id: int | None = None
    binding: str = ""

    @property
    def is_fresh(self) -> bool:
        return time.time() - self.started_at < limit("ACTIVATION_LIFETIME")


class ActivationLost(Exception):
    """No opening under way in this browser, or it ended. `reason`: « none », « expired » or « changed »."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


class OutOfOrder(Exception):
    """A step before this one is missing. `needed`: the name of its page."""

    def __init__(self, needed: str):
        super().__init__(needed)
        self.needed = needed


class IdentifiantTaken(Exception):
    """Somebody else signs in with it."""


def tries(request, way: str, number: str) -> list[throttle.Hit]:
    """What a try counts against while no account exists: its number, each `way` apart, and its address.

    So nobody who guesses at the letter of another holds up what this one does by another way.
    """
    address = counted_address(client_address(request))
    return [
        throttle.Hit(throttle.ACTIVATION_NUMBER, f"{way}\0{number}"),
        throttle.Hit(throttle.ACTIVATION_ADDRESS, address),
    ]


def give_back(hits: list[throttle.Hit]) -> None:
    throttle.reserve(*(hit.refunded() for hit in hits))


def person(member: Member | None) -> str:
    """How the trail names somebody who has no account yet."""
    return f"member/{member.pk}" if member else ""


def begin(request, member: Member, proof: Proof, letter: LetterCode | None = None) -> None:
    """Notes the proof in this browser, under a new session key."""
    request.session.flush()  # whoever planted the old key gains nothing
    step = Step(
        member_id=member.pk,
        fingerprint=member.opening_fingerprint(),
        started_at=int(time.time()),
        proof=str(proof),
        letter_id=letter.pk if letter else None,
    )
    _keep(request, step)
    audit.record(
        "activation.begun",
        user=member.user,
        request=request,
        person=person(member),
        proof=str(proof),
    )


def under_way(request) -> tuple[Step, Member]:
    """The opening of this browser and its member, still as he was. Raises ActivationLost."""
    stored = request.session.get(SESSION_KEY)
    if stored is None:
        raise ActivationLost("none")
    step = Step(**stored)
    if not step.is_fresh:
        raise ActivationLost("expired")
    member = Member.objects.select_related("user").filter(pk=step.member_id).first()
    if member is None or not member.may_activate:
        raise ActivationLost("changed")
    if not constant_time_compare(step.fingerprint, member.opening_fingerprint()):
        raise ActivationLost("changed")
    if step.letter_id and not LetterCode.objects.live().filter(pk=step.letter_id).exists():
        raise ActivationLost("changed")
    return step, member


def _keep(request, step: Step) -> None:
    request.session[SESSION_KEY] = asdict(step)


# --------------------------------------------------------------------------------------- password


def proposed_identifiant(member: Member) -> str:
    """His number, unless somebody signs in with it; the identifiant he has, when he has one."""
    if member.user:
        return member.user.identifiant
    identifiant = User.objects.normalize_identifiant(member.number)
    return "" if User.objects.filter(identifiant=identifiant).exists() else identifiant


def choose(request, identifiant: str, password: str) -> str:
    """Keeps the hash of `password`; where to go next, empty for the page of the phone.

    Who has shown a code to his phone is in. Raises ActivationLost, IdentifiantTaken, gate.Busy or
    throttle.Throttled.
    """
    step, member = under_way(request)
    if member.user:
        identifiant = member.user.identifiant
    elif _is_taken(identifiant, member):
        # no list of our identifiants or numbers by trying
        throttle.reserve(*tries(request, "identifiant", member.number))
        raise IdentifiantTaken
    step = replace(step, identifiant=identifiant, password=passwords.encode(password))
    if step.proof == Proof.TEXT:
        return _complete(request, step, member, member.phone)
    _keep(request, step)
    return ""


def _is_taken(identifiant: str, member: Member) -> bool:
    """Somebody signs in with it, or it is the number of somebody else, who is offered it."""
    others = Member.objects.filter(number=identifiant.upper()).exclude(pk=member.pk)
    return User.objects.filter(identifiant=identifiant).exists() or others.exists()


# ------------------------------------------------------------------------------------------ phone


def with_password(request) -> tuple[Step, Member]:
    """As `under_way`, once a password is chosen. Raises OutOfOrder before."""
    step, member = under_way(request)
    if not step.password:
        raise OutOfOrder("activation_password")
    return step, member


def send_code(request, phone: str = "") -> None:
    """Sends a code to the phone on file or, when there is none, to `phone` (E.164).

    Raises ActivationLost, OutOfOrder or throttle.Throttled.
    """
    step, member = with_password(request)
    binding = secrets.token_urlsafe(16)
    challenge = codes.request(
        None,
        binding,
        counted_address(client_address(request)),
        purpose=Purpose.ACTIVATION,
        phone=member.phone or phone,
    )
    _keep(request, replace(step, challenge_id=challenge.pk, binding=binding))


def waiting(request) -> Challenge:
    """The code asked for, for its page. Raises ActivationLost or OutOfOrder."""
    step, _member = with_password(request)
    challenge = codes.shown(step.challenge_id, step.binding) if step.challenge_id else None
    if challenge is None or not challenge.is_alive:
        raise OutOfOrder("activation_phone")
    return challenge


def resend(request) -> None:
    """Raises ActivationLost, OutOfOrder, codes.WaitUntil, codes.DeadCode or throttle.Throttled."""
    codes.resend(waiting(request), counted_address(client_address(request)))


def confirm(request, code: str) -> str:
    """Checks the code, opens the account and signs in; the address to go to.

    Raises ActivationLost, OutOfOrder, codes.CodeRefused, IdentifiantTaken or throttle.Throttled.
    """
    step, member = with_password(request)
    if not step.challenge_id:
        raise OutOfOrder("activation_phone")
    hits = tries(request, "phone", member.number)
    challenge = check_code(request, hits, member, step.challenge_id, step.binding, code)
    return _complete(request, step, member, challenge.phone)


def check_code(
    request,
    hits: list[throttle.Hit],
    member: Member | None,
    challenge_id: int,
    binding: str,
    code: str,
) -> Challenge:
    """`codes.check` for a challenge without account: failures stay counted by `hits`."""
    throttle.reserve(*hits)
    try:
        challenge = codes.check(challenge_id, binding, code)
    except codes.CodeRefused as refusal:
        throttle.failed(*hits)
        audit.record(
            "activation.code_failed",
            user=member.user if member else None,
            request=request,
            person=person(member),
            reason=type(refusal).__name__,
        )
        raise
    give_back(hits)
    return challenge


# -------------------------------------------------------------------------------------------- end


def _complete(request, step: Step, member: Member, phone: str) -> str:
    try:
        with transaction.atomic():
            user = _open(step, member, phone)
            if step.letter_id:
                letters.use(LetterCode(pk=step.letter_id))
            member.letter_codes.filter(purpose=LetterPurpose.ACTIVATION).cancel()
            sessions.end_all(user)
            audit.record(
                "activation.completed",
                user=user,
                actor=user,
                request=request,
                proof=step.proof,
                phone=phones.masked(phone),
            )
            alerts.tell(user, "activated", request=request, phone=phones.masked(phone))
    except letters.LetterRefused:
        raise ActivationLost("changed") from None
    del request.session[SESSION_KEY]
    return signin.complete(request, user, user.sms_device, "", is_first=True)


def _open(step: Step, member: Member, phone: str) -> User:
    """The account with both its factors, if the member is still as he was; else ActivationLost."""
    same = Member.objects.filter(pk=member.pk, user=member.user, phone=member.phone)
    if member.user is None:
        try:
            with transaction.atomic():
                user = User.objects.create(identifiant=step.identifiant, password=step.password)
        except IntegrityError:
            raise IdentifiantTaken from None
        moved = same.update(user=user, phone=phone)
    else:
        user = member.user
        moved = User.objects.filter(pk=user.pk, password=user.password).update(
            password=step.password
        ) and same.update(phone=phone)
    if not moved:
        raise ActivationLost("changed")
    SmsDevice.objects.update_or_create(user=user, defaults={"name": "sms", "confirmed": True})
    return User.objects.select_related("member", "sms_device").get(pk=user.pk)
