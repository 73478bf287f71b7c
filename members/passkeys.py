"""Passkeys: keys kept by a phone, a computer or a token, that answer our site and no other. (WebAuthn)

Each ceremony starts with a challenge of ours, kept in the browser's session for five minutes, and ends
with one answer, right or wrong. The key must have recognised its holder (user verification), so it is
both factors at once and stands in for password and text. Sessions open through `signin.complete` alone.
"""

import re
import secrets
import time

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, options_to_json_dict
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AttestationConveyancePreference,
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from members import alerts, audit, signin, throttle
from members.addresses import client_address, counted_address
from members.limits import limit
from members.models import Passkey, User

SESSION_KEY = "passkey"
SIGN_IN, ADD = "signin", "add"
RP_NAME = "Mutuelle du Rivage"
_REQUIRED = UserVerificationRequirement.REQUIRED
_CREDENTIAL_ID = re.compile(r"[A-Za-z0-9_-]{1,1400}")


class CeremonyLost(Exception):
    """No challenge waits in this browser, or it is too old: ask for another."""


class PasskeyRefused(Exception):
    """The answer does not open. `reason` is for the trail: nobody outside learns it."""

    def __init__(self, reason: str, detail: str = ""):
        super().__init__(reason)
        self.reason, self.detail = reason, detail


class TooManyPasskeys(Exception):
    """The account keeps PASSKEYS_PER_ACCOUNT already."""


# Signing in


def sign_in_options(request) -> dict:
    """What the browser asks a key with, whoever its holder is. Raises throttle.Throttled."""
    throttle.reserve(_hit(request))
    options = generate_authentication_options(
        rp_id=settings.PUBLIC_HOST,
        challenge=_new_challenge(request, SIGN_IN),
        timeout=limit("PASSKEY_CHALLENGE_LIFETIME") * 1000,
        user_verification=_REQUIRED,
    )
    return options_to_json_dict(options)


def sign_in(request, answer, next_url: str) -> str:
    """Opens the session of the account whose key gave `answer`; the address to go to.

    Raises throttle.Throttled, CeremonyLost or PasskeyRefused, which is recorded. Of many copies of one
    answer, one session opens: the challenge goes with the row of the session that asked.
    """
    throttle.reserve(_hit(request))
    challenge = _take(request, SIGN_IN)
    found = Passkey.objects.select_related("user__member", "user__sms_device")
    passkey = found.filter(credential_id=_credential_id(answer)).first()
    try:
        _check(passkey, answer, challenge)
    except PasskeyRefused as refusal:
        _record_refusal(request, passkey and passkey.user, refusal)
        raise
    audit.record("passkey.used", user=passkey.user, request=request, passkey=passkey.pk)
    return signin.complete(request, passkey.user, passkey, next_url)


def _check(passkey: Passkey | None, answer, challenge: bytes) -> None:
    if passkey is None:
        raise PasskeyRefused("unknown")
    if passkey.disabled_at:
        raise PasskeyRefused("removed")
    if not _may_enter(passkey.user):
        raise PasskeyRefused("closed")
    try:
        if answer["response"].get("userHandle") != passkey.user_handle:
            raise PasskeyRefused("holder")
        verified = verify_authentication_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=settings.PUBLIC_HOST,
            expected_origin=settings.PUBLIC_URL,
            credential_public_key=bytes(passkey.public_key),
            credential_current_sign_count=0,  # compared by the statement that moves it on
            require_user_verification=True,
        )
    except _BROKEN as error:
        raise PasskeyRefused("answer", type(error).__name__) from error
    if not Passkey.objects.count_use(
        passkey, verified.new_sign_count, verified.credential_backed_up
    ):
        raise PasskeyRefused("sign_count")


# What the library raises on an answer that is wrong, or no answer at all.
_BROKEN = (WebAuthnException, ValueError, KeyError, TypeError, AttributeError)


def _may_enter(user: User) -> bool:
    """Whether a session of this account would lead anywhere: to the admin, or to a member's space."""
    return user.may_sign_in and (user.is_staff or hasattr(user, "member"))


def _credential_id(answer) -> str:
    found = answer.get("id") if isinstance(answer, dict) else None
    return found if isinstance(found, str) and _CREDENTIAL_ID.fullmatch(found) else ""


# Adding, renaming, removing


def of(user: User) -> QuerySet[Passkey]:
    """The keys that open this account, the newest first."""
    return Passkey.objects.live().filter(user=user)


def add_options(request) -> dict:
    """What the browser makes a key with, for who is signed in. Raises TooManyPasskeys."""
    user = request.user
    kept = list(of(user))
    if len(kept) >= limit("PASSKEYS_PER_ACCOUNT"):
        raise TooManyPasskeys
    handle = _user_handle(user)
    options = generate_registration_options(
        rp_id=settings.PUBLIC_HOST,
        rp_name=RP_NAME,
        user_id=base64url_to_bytes(handle),
        user_name=user.identifiant,
        challenge=_new_challenge(request, ADD, handle=handle),
        timeout=limit("PASSKEY_CHALLENGE_LIFETIME") * 1000,
        attestation=AttestationConveyancePreference.NONE,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,  # it knows its holder: no identifiant to type
            user_verification=_REQUIRED,
        ),
        exclude_credentials=[
            PublicKeyCredentialDescriptor(
                id=base64url_to_bytes(passkey.credential_id),
                transports=[AuthenticatorTransport(name) for name in passkey.transports],
            )
            for passkey in kept
        ],
    )
    return options_to_json_dict(options)


def add(request, answer, name: str) -> Passkey:
    """Keeps the key that gave `answer`, and tells its holder. Raises CeremonyLost or PasskeyRefused."""
    user = request.user
    handle = request.session.get(SESSION_KEY, {}).get("handle", "")
    challenge = _take(request, ADD)
    try:
        passkey = _made(user, answer, challenge, handle, name)
        with transaction.atomic():
            if not User.objects.lock_unchanged(user):
                raise PasskeyRefused("changed")
            passkey.save(force_insert=True)
            audit.record("passkey.added", user=user, request=request, passkey=passkey.pk)
            alerts.tell(user, "factor_added", request=request, name=_("clé d'accès"))
    except IntegrityError:  # the database knows this key, of this account or of another
        refusal = PasskeyRefused("known")
        _record_refusal(request, user, refusal)
        raise refusal from None
    except PasskeyRefused as refusal:
        _record_refusal(request, user, refusal)
        raise
    request.session.pop(signin.MAY_ADD_KEY, None)
    return passkey


def _made(user: User, answer, challenge: bytes, handle: str, name: str) -> Passkey:
    try:
        verified = verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=settings.PUBLIC_HOST,
            expected_origin=settings.PUBLIC_URL,
            require_user_verification=True,
        )
        told = answer["response"].get("transports") or []
    except _BROKEN as error:
        raise PasskeyRefused("answer", type(error).__name__) from error
    known = {transport.value for transport in AuthenticatorTransport}
    return Passkey(
        user=user,
        name=name,
        credential_id=bytes_to_base64url(verified.credential_id),
        user_handle=handle,
        public_key=verified.credential_public_key,
        sign_count=verified.sign_count,
        transports=sorted(known.intersection(map(str, told))),
        backed_up=verified.credential_backed_up,
    )


def _user_handle(user: User) -> str:
    """How authenticators know this account: random, the same for all its keys, telling nothing."""
    kept = Passkey.objects.filter(user=user).exclude(user_handle="")
    return kept.values_list("user_handle", flat=True).first() or bytes_to_base64url(
        secrets.token_bytes(32)
    )


def rename(passkey: Passkey, name: str) -> None:
    Passkey.objects.filter(pk=passkey.pk).update(name=name)


@transaction.atomic
def remove(passkey: Passkey, *, request) -> None:
    """Switches the key off and tells its holder. The sessions that it opened end; the text remains."""
    if Passkey.objects.filter(pk=passkey.pk).switch_off():
        audit.record("passkey.removed", user=passkey.user, request=request, passkey=passkey.pk)
        alerts.tell(passkey.user, "factor_removed", request=request)


# The challenge of a ceremony


def _new_challenge(request, purpose: str, **kept) -> bytes:
    challenge = secrets.token_bytes(32)
    request.session[SESSION_KEY] = {
        "purpose": purpose,
        "challenge": bytes_to_base64url(challenge),
        "at": int(time.time()),
        **kept,
    }
    return challenge


def _take(request, purpose: str) -> bytes:
    """The challenge under way, used up whatever becomes of it. Raises CeremonyLost."""
    kept = request.session.pop(SESSION_KEY, None)
    if kept is None or kept["purpose"] != purpose:
        raise CeremonyLost
    if time.time() - kept["at"] > limit("PASSKEY_CHALLENGE_LIFETIME"):
        raise CeremonyLost
    return base64url_to_bytes(kept["challenge"])


def _hit(request) -> throttle.Hit:
    return throttle.Hit(throttle.PASSKEYS_ADDRESS, counted_address(client_address(request)))


def _record_refusal(request, user: User | None, refusal: PasskeyRefused) -> None:
    audit.record(
        "passkey.refused",
        user=user,
        request=request,
        reason=refusal.reason,
        detail=refusal.detail,
    )
