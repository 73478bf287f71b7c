"""The life of an e-mail after its row is written: claim, send, try again later.

As for texts, a caller that moves no row does nothing. Unlike a text, an e-mail that may have gone is
sent again: a second copy harms nobody.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import F, Q
from django.utils import timezone

from members import links
from members.mail import words
from members.models import Mail
from members.models.link import LinkPurpose
from members.models.mail import MailState

log = logging.getLogger(__name__)

# Their link is made here and not by who asked for it: asking costs the same for an unknown account.
LINKED = {"reset": LinkPurpose.RESET, "activation": LinkPurpose.ACTIVATION}
MOST_TRIES = 8  # 15 s, doubling: the last one about half an hour after the first
FIRST_WAIT = 15
STUCK_AFTER = timedelta(minutes=2)
WAKE_UP_LATE = timedelta(seconds=5)
SWEEP_BATCH = 200
KEPT_FOR = timedelta(days=90)


def deliver(mail_id: UUID | str) -> None:
    """Sends this e-mail if it still waits. Safe to call many times; holds no transaction meanwhile."""
    mail = (
        Mail.objects.select_related("link__user", "not_me__user", "user__member", "member__user")
        .filter(_due(), pk=mail_id)
        .first()
    )
    if mail is None or not _claim(mail):
        return
    try:
        if mail.to:
            _written(mail).send()
    except _Moved:
        _mine(mail).update(state=MailState.FAILED, state_at=timezone.now(), problem="moved")
    except Exception as error:  # of a mail server, a socket…: the row says what comes next
        _give_back(mail, type(error).__name__)
    else:
        _mine(mail).update(state=MailState.SENT, state_at=timezone.now(), problem="")


class _Moved(Exception):
    """Its holder has another address by now: the link of a new password must not go to this one."""


def _written(mail: Mail) -> EmailMessage:
    if mail.kind in LINKED:
        present = mail.user.mail_address if mail.user else mail.member.email
        if mail.to != present:
            raise _Moved
        if mail.link is None:
            mail.link = links.make(mail.user, LINKED[mail.kind], member=mail.member)
            mail.save(update_fields=["link"])
    return EmailMessage(
        words.subject(mail),
        words.body(mail),
        settings.DEFAULT_FROM_EMAIL,
        [mail.to],
        headers={"Auto-Submitted": "auto-generated", "X-Entity-Ref-ID": str(mail.pk)},
    )


def _due() -> Q:
    now = timezone.now()
    return Q(state=MailState.QUEUED, not_before__lte=now + timedelta(seconds=1)) | Q(
        state=MailState.SENDING, state_at__lt=now - STUCK_AFTER
    )


def _claim(mail: Mail) -> bool:
    now = timezone.now()
    claimed = _mine(mail).update(state=MailState.SENDING, state_at=now, tries=F("tries") + 1)
    mail.state, mail.state_at, mail.tries = MailState.SENDING, now, mail.tries + 1
    return bool(claimed)


def _mine(mail: Mail):
    return Mail.objects.filter(pk=mail.pk, state=mail.state, state_at=mail.state_at)


def _give_back(mail: Mail, problem: str) -> None:
    now = timezone.now()
    if mail.tries >= MOST_TRIES:
        log.error("An e-mail could not be sent: %s.", problem)
        _mine(mail).update(state=MailState.FAILED, state_at=now, problem=problem)
        return
    wait = timedelta(seconds=FIRST_WAIT << (mail.tries - 1))
    _mine(mail).update(state=MailState.QUEUED, state_at=now, not_before=now + wait, problem=problem)


def sweep(each: Callable[[Callable, Iterable], object] = map) -> int:
    """Picks up what a dead broker or worker left; how many e-mails it took in hand."""
    late = Q(tries__gt=0) | Q(created_at__lt=timezone.now() - WAKE_UP_LATE)
    ids = list(
        Mail.objects.filter(_due(), late)
        .order_by("not_before")
        .values_list("pk", flat=True)[:SWEEP_BATCH]
    )
    for _done in each(_deliver_swept, ids):
        pass
    return len(ids)


def _deliver_swept(mail_id: UUID) -> None:
    """One e-mail that cannot be handled never keeps the others waiting."""
    try:
        deliver(mail_id)
    except Exception:
        log.exception("The e-mail %s could not be handled.", mail_id)


def purge() -> int:
    """Deletes e-mails older than 90 days; how many."""
    return Mail.objects.filter(created_at__lt=timezone.now() - KEPT_FOR).delete()[0]
