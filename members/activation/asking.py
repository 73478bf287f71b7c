"""Showing who one is before an account exists: by a letter, or by what is on file already. (signin.md §2)

A member number is no secret, so nothing here tells whether one exists, has an account, an e-mail address
or a phone: the same page, the same statements, the same limits. What is not to be sent is queued all the
same, to nobody. (docs/decisions/0021-first-sign-in.md)
"""

import secrets
import time
from enum import StrEnum

from django.db import transaction
from django.utils.crypto import constant_time_compare

from members import alerts, audit, codes, letters, links, throttle
from members.activation import steps
from members.addresses import client_address, counted_address
from members.limits import limit
from members.models import Challenge, Member, OneTimeLink
from members.models.challenge import Purpose, phone_digest
from members.models.recovery import LetterPurpose

SESSION_KEY = "activation_asked"


class Channel(StrEnum):
    EMAIL = "email"
    TEXT = "text"


def _member(number: str) -> Member | None:
    return Member.objects.select_related("user").with_factors().filter(number=number).first()


# ----------------------------------------------------------------------------------------- letter


def show_letter(request, number: str, typed: str) -> None:
    """Begins the opening that this letter allows. Raises letters.LetterRefused or throttle.Throttled."""
    hits = steps.tries(request, "letter", number)
    throttle.reserve(*hits)
    found = _member(number)
    member = found if found and found.may_activate else None
    try:
        letter = letters.recognise(member, LetterPurpose.ACTIVATION, typed)
    except letters.LetterRefused:
        throttle.failed(*hits)
        audit.record(
            "activation.letter_failed",
            user=found.user if found else None,
            request=request,
            person=steps.person(found),
        )
        raise
    steps.give_back(hits)
    steps.begin(request, member, steps.Proof.LETTER, letter)


# ------------------------------------------------------------------------------- e-mail and phone


def ask(request, number: str, channel: Channel) -> None:
    """Queues a link or a code to what is on file for this number. Raises throttle.Throttled.

    Who has an open account gets an e-mail that says so instead.
    """
    address = counted_address(client_address(request))
    hits = [
        throttle.Hit(throttle.LINKS_ACCOUNT, f"activation\0{number}"),
        throttle.Hit(throttle.LINKS_ADDRESS, address),
    ]
    if channel == Channel.TEXT:
        hits += [throttle.Hit(throttle.SENDS_ADDRESS, address), throttle.global_hit()]
    throttle.reserve(*hits)
    member = _member(number)
    phone = ""
    if channel == Channel.TEXT:
        phone = _textable(member, number)
    with transaction.atomic():
        if channel == Channel.TEXT:
            _send_code(request, number, member, phone)
        _send_mail(member, channel)
        audit.record(
            "activation.asked",
            user=member.user if member else None,
            request=request,
            person=steps.person(member),
            channel=str(channel),
        )


def _textable(member: Member | None, number: str) -> str:
    """The phone to send a code to, or an empty string: also when strangers asked for enough texts already.

    Counted apart from those of a sign-in: whoever knows a number uses up no text of who signs in.
    """
    phone = member.phone if member and member.may_activate else ""
    counted = phone or f"nobody\0{number}"
    try:
        throttle.reserve(throttle.Hit(throttle.ACTIVATION_TEXTS, counted))
    except throttle.Throttled:
        return ""
    return phone


def _send_code(request, number: str, member: Member | None, phone: str) -> None:
    binding = secrets.token_urlsafe(16)
    challenge = codes.issue(None, binding, purpose=Purpose.ACTIVATION, phone=phone)
    request.session[SESSION_KEY] = {
        "number": number,
        "member_id": member.pk if member and phone else None,
        "challenge_id": challenge.pk,
        "binding": binding,
        "started_at": int(time.time()),
    }


def _send_mail(member: Member | None, channel: Channel) -> None:
    """One e-mail whatever happens; to nobody where there is nothing to say."""
    is_open = member is not None and member.has_open_account
    by_link = channel == Channel.EMAIL and member is not None and member.may_activate
    user = member.user if member else None
    if is_open:
        alerts.send(user, "already_open", to=member.email)
    elif by_link and user is None:
        alerts.send(None, "activation", to=member.email, member=member)
    else:
        alerts.send(user, "activation", to=member.email if by_link else "")


def follow(request, link: OneTimeLink) -> None:
    """Begins the opening that this link allows. Raises links.DeadLink."""
    member = link.member or link.user.member
    if not member.may_activate:
        raise links.DeadLink
    with transaction.atomic():
        links.use(link)
        steps.begin(request, member, steps.Proof.LINK)


# ------------------------------------------------------------------------------------ code by text


def asked(request) -> Challenge:
    """The code asked for in this browser, whoever it went to. Raises steps.ActivationLost."""
    kept = _kept(request)
    challenge = codes.waiting(kept["challenge_id"], kept["binding"])
    if challenge is None or not challenge.is_alive:
        raise steps.ActivationLost("expired")
    return challenge


def show_code(request, code: str) -> None:
    """Begins the opening that this code allows.

    Raises steps.ActivationLost, codes.CodeRefused or throttle.Throttled.
    """
    kept = _kept(request)
    found = Member.objects.select_related("user").filter(pk=kept["member_id"] or 0).first()
    hits = steps.tries(request, "text", kept["number"])
    challenge = steps.check_code(request, hits, found, kept["challenge_id"], kept["binding"], code)
    if found is None:  # one guess in a million of a code that was sent to nobody
        raise codes.DeadCode
    same_phone = constant_time_compare(phone_digest(found.phone), challenge.phone_digest)
    if not (found.may_activate and same_phone):
        raise steps.ActivationLost("changed")
    steps.begin(request, found, steps.Proof.TEXT)


def _kept(request) -> dict:
    kept = request.session.get(SESSION_KEY)
    if kept is None:
        raise steps.ActivationLost("none")
    if time.time() - kept["started_at"] > limit("ACTIVATION_LIFETIME"):
        raise steps.ActivationLost("expired")
    return kept
