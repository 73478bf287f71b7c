"""A lost phone: from a right password and one proof more to a new number, three days later. (signin.md §2)

It never signs anybody in: at its end a change of phone waits, as any other, while the e-mail address and
the old phone are told. What was shown so far stays in the half-way session, bound to its `Pending`.
(decision docs/decisions/0022-contacts-and-recovery.md)
"""

import time

from django.db import transaction

from members import alerts, audit, confirmation, contacts, letters, saved_codes, signin, throttle
from members.models import PhoneChange, Recovery, User
from members.models.challenge import Purpose
from members.models.contact import Proof
from members.models.recovery import LetterPurpose

SESSION_KEY = "recovery"


class ProofRefused(Exception):
    """Wrong, used, expired or never made: nobody outside learns which."""


class NotVouched(Exception):
    """Two agents have not both confirmed who this is, or too long ago."""


class NothingShown(Exception):
    """No proof beyond the password was given in this browser."""


def holder(request) -> User:
    """The member whose right password was typed in this browser. Raises signin.PendingLost."""
    user = signin.pending_account(signin.pending(request))
    if user.is_staff:  # an authenticator app is replaced under supervision, never from here
        raise signin.PendingLost("none")
    return user


# ---------------------------------------------------------------------------------------- proofs


def show_saved_code(request, typed: str) -> None:
    """Raises signin.PendingLost, throttle.Throttled or ProofRefused."""
    user = holder(request)
    hit = _counted(user)
    with transaction.atomic():
        right = saved_codes.use(user, typed)
        if right:
            _begin(request, user, Proof.SAVED_CODE)
    _refuse_unless(right, request, user, hit, Proof.SAVED_CODE)


def show_letter_code(request, typed: str) -> None:
    """Raises signin.PendingLost, throttle.Throttled or ProofRefused."""
    user = holder(request)
    hit = _counted(user)
    right = True
    try:
        letter = letters.recognise(user.member, LetterPurpose.RECOVERY, typed)
        with transaction.atomic():
            letters.use(letter)
            _begin(request, user, Proof.LETTER)
    except letters.LetterRefused:
        right = False
    _refuse_unless(right, request, user, hit, Proof.LETTER)


def show_agents(request) -> None:
    """Takes the word of two agents, who both may still sign in. It stands until a new phone is confirmed,
    or expires.

    Raises signin.PendingLost, throttle.Throttled or NotVouched.
    """
    user = holder(request)
    throttle.failed(_counted(user))  # not given back: each try that passes wakes the old phone
    vouched = Recovery.objects.open().vouched().filter(user=user).first()
    if vouched is None:
        raise NotVouched
    with transaction.atomic():
        _begin(request, user, Proof.TWO_AGENTS, agents=vouched.pk)


def _counted(user: User) -> throttle.Hit:
    hit = throttle.Hit(throttle.RECOVERY, str(user.pk))
    throttle.reserve(hit)
    return hit


def _refuse_unless(right: bool, request, user: User, hit: throttle.Hit, proof: Proof) -> None:
    if not right:
        throttle.failed(hit)
        audit.record("recovery.failed", user=user, request=request, proof=str(proof))
        raise ProofRefused
    throttle.reserve(hit.refunded())


def _begin(request, user: User, proof: Proof, agents: int | None = None) -> None:
    """Notes the proof in this half-way session, which gets a new key and its whole time again."""
    step = {**request.session[signin.SESSION_KEY], "started_at": int(time.time())}
    request.session.cycle_key()
    request.session[signin.SESSION_KEY] = step
    request.session[SESSION_KEY] = {
        "binding": step["binding"],
        "proof": str(proof),
        "agents": agents,
        "change": None,
    }
    audit.record("recovery.started", user=user, request=request, proof=str(proof))
    alerts.tell(user, "recovery_started", request=request)


# ------------------------------------------------------------------------------------- new phone


def shown(request) -> tuple[User, dict]:
    """The member, and what he showed here. Raises signin.PendingLost or NothingShown."""
    user = holder(request)
    kept = request.session.get(SESSION_KEY)
    if kept is None or kept["binding"] != request.session[signin.SESSION_KEY]["binding"]:
        raise NothingShown
    return user, kept


def ask_phone(request, phone: str) -> None:
    """Opens the change to `phone` and sends it a code.

    Raises signin.PendingLost, NothingShown, contacts.ChangeUnderWay or throttle.Throttled.
    """
    user, kept = shown(request)
    change = contacts.open_phone(user, phone, Proof(kept["proof"]), request=request)
    confirmation.begin(request, user, Purpose.NEW_PHONE, phone=phone)
    request.session[SESSION_KEY] = {**kept, "change": change.pk}


def asked(request) -> PhoneChange:
    """The change that waits for a code on the new phone.

    Raises signin.PendingLost, NothingShown or confirmation.NothingAsked.
    """
    user, kept = shown(request)
    change = PhoneChange.objects.unconfirmed().filter(pk=kept["change"], user=user).first()
    if change is None:
        raise confirmation.NothingAsked
    change.user = user
    return change


def send_code(request) -> None:
    """Sends another code to the new phone. Raises as `asked`, or throttle.Throttled."""
    change = asked(request)
    confirmation.begin(request, change.user, Purpose.NEW_PHONE, phone=change.new_phone)


def check_code(request, code: str) -> PhoneChange:
    """The confirmed change; the half-way session ends, and nobody is signed in.

    Raises as `asked`, codes.CodeRefused or contacts.ChangeOver.
    """
    change = asked(request)
    agents = request.session[SESSION_KEY]["agents"]
    confirmation.check(request, Purpose.NEW_PHONE, code, phone=change.new_phone)
    with transaction.atomic():
        if agents and not Recovery.objects.serve(agents):
            raise contacts.ChangeOver  # their word served meanwhile elsewhere, or counts no more
        contacts.confirm_phone(change, request=request)
    request.session.flush()
    return change
