"""The card where a code is typed in the middle of another act than a sign-in."""

from django.contrib import messages
from django.utils.translation import gettext as _

from members import codes, confirmation, phones
from members.throttle import Throttled
from members.views.signin import delivery_of, refusal_message, seconds_until, wait_message


def card(request, purpose: str, phone: str, form) -> dict:
    """What templates/members/contacts/_code.html shows; without a living code, how to get another."""
    shown = {"form": form, "masked_phone": phones.masked(phone)}
    try:
        challenge = confirmation.waiting(request, purpose)
    except confirmation.NothingAsked:
        return {**shown, "alive": False, "delivery": "", "resend_in": None}
    return {
        **shown,
        "alive": True,
        "reference": challenge.reference,
        "expires_at": challenge.expires_at,
        "resend_in": seconds_until(codes.resend_at(challenge)),
        "delivery": delivery_of(challenge),
    }


def send_again(request, purpose: str, send_new) -> None:
    """Sends the same code again or, when it is at its end, a new one; says so on the next page."""
    try:
        try:
            confirmation.resend(request, purpose)
        except (confirmation.NothingAsked, codes.DeadCode):
            send_new(request)
            messages.success(request, _("Un nouveau code vous est envoyé."))
        else:
            messages.success(request, _("Le même code vous est envoyé à nouveau."))
    except Throttled as refusal:
        messages.warning(request, wait_message(refusal))


def refused(form, refusal: codes.CodeRefused | confirmation.NothingAsked) -> None:
    """Says beside the field why this code does not pass."""
    match refusal:
        case codes.WaitUntil():
            form.add_error("code", wait_message(refusal))
        case codes.DeadCode() | confirmation.NothingAsked():
            form.add_error("code", _("Ce code ne peut plus servir. Demandez-en un autre."))
        case _:
            form.add_error("code", refusal_message(refusal))
