"""What an account's holder is told when something happens to it: by e-mail, by text for the gravest.

Called in the transaction of the change, so that nobody is told of what did not happen, and nothing
happens untold. (signin.md §2; NIST SP 800-63B-4 §4.6)
"""

from django.db import transaction
from django.utils import timezone

from members import devices, links, tasks
from members.addresses import browser, client_address, shown_prefix
from members.models import Mail, Member, OneTimeLink, SmsMessage, User
from members.models.link import LinkPurpose

# kinds of members.mail.words.SUBJECTS → the notice of members.sms.words that goes along by text
TEXTED = {
    "password_changed": "password_changed",
    "phone_change_asked": "phone_change_asked",
    "phone_changed": "phone_changed",
    "email_changed": "email_changed",
    "email_taken_back": "email_changed",
    "bank_change_asked": "bank_change_asked",
    "bank_changed": "bank_changed",
    "recovery_started": "recovery_started",
    "blocked": "blocked",
}
# Not for what its holder asked a moment ago in answer to such a link.
WITHOUT_NOT_ME = {
    "reset",
    "activation",
    "already_open",
    "confirm_email",
    "change_cancelled",
    "email_taken_back",  # to whom it may be taken from: such a link would give it back
    "blocked",
    "email_replaced",
    "trail_anchor",
    "deadline",
    "version_held_back",
    "demande_moved",
}


def tell(
    user: User,
    kind: str,
    *,
    request=None,
    to: str | None = None,
    link: OneTimeLink | None = None,
    text: bool = True,
    **facts,
) -> None:
    """Queues the e-mail `kind`, with its « ce n'est pas moi » link, and the text that goes along.

    `to`: another address than the account's. `facts` must be fit for JSON, and never hold a code, a
    password, a whole phone number or a NIR. Nothing is queued for an account without address.
    """
    address = user.mail_address if to is None else to
    if address:
        send(user, kind, to=address, link=link, **_circumstances(request), **facts)
    if text and kind in TEXTED and user.phone:
        message = SmsMessage.objects.create(user=user, notice=TEXTED[kind])
        transaction.on_commit(lambda: tasks.wake_sender(message.pk, urgent=False), robust=True)


def send(
    user: User | None,
    kind: str,
    *,
    to: str,
    link: OneTimeLink | None = None,
    member: Member | None = None,
    **facts,
) -> Mail:
    """Queues one e-mail; a task is woken once the transaction commits.

    `member`: whom it is for while he has no account. An empty `to` queues what nobody gets, at the
    same cost: who asks learns nothing from it.
    """
    not_me = None if kind in WITHOUT_NOT_ME else links.make(user, LinkPurpose.NOT_ME)
    mail = Mail.objects.create(
        user=user, member=member, to=to, kind=kind, link=link, not_me=not_me, facts=facts
    )
    transaction.on_commit(lambda: tasks.wake_mailer(mail.pk), robust=True)
    return mail


def _circumstances(request) -> dict[str, str]:
    at = timezone.localtime()
    told = {"day": f"{at:%d/%m/%Y}", "time": f"{at:%H:%M}"}
    if request is not None:
        told["browser"] = devices.described(browser(request))
        told["place"] = shown_prefix(client_address(request))
    return told
