"""E-mails that say an incident concerns somebody, and to sign in: an invitation, and no more.

No health data, no operator, no category: the page behind both factors tells those. Once per person and
version that must be read; a correction that is not material writes to nobody.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents import reach
from incidents.models import Dispatch, Incident, Reach
from incidents.models.reach import Channel, DispatchState
from members import audit, jobs
from members.models import Job, Mail

KIND = "incidents.mails"
BATCH = 500
PER_SECOND = 20  # so that codes and links never wait behind them, and no provider takes us for spam


def to_mail(incident: Incident, versions: list[int]) -> QuerySet:
    """Who has an account that opens and an address, was not informed, and had no such e-mail yet."""
    had = Dispatch.objects.filter(person=OuterRef("pk"), version__in=versions, channel=Channel.MAIL)
    left = incident.reach.to_inform(versions).filter(reach.OPEN_ACCOUNT)
    return left.exclude(member__email="").filter(~Exists(had)).order_by("pk")


def start(incident: Incident, *, by, request=None) -> Job:
    return jobs.start(KIND, by=by, request=request, key=incident.reference, incident=incident.pk)


@jobs.work(
    KIND,
    title=gettext_lazy("Envoyer les e-mails d'un incident"),
    permission="incidents.mail_reach",
)
def work(job) -> Iterator[jobs.Step]:
    incident = Incident.objects.get(pk=job.parameters["incident"])
    versions = reach.enough(incident)
    if not versions:
        raise jobs.Failed(_("Aucune version n'est publiée."))
    reach.expect_up_to_date(incident)
    waiting = to_mail(incident, versions)
    done, after = job.cursor.get("done", 0), job.cursor.get("after", 0)
    total = job.cursor.get("total") or waiting.count()
    free = datetime.fromisoformat(job.cursor.get("free", job.asked_at.isoformat()))
    while people := list(waiting.filter(pk__gt=after).select_related("member")[:BATCH]):
        begin = max(free, timezone.now())  # what was stopped for a day does not leave all at once
        with transaction.atomic():
            _queue(people, versions[0], begin)
        done, after = done + len(people), people[-1].pk
        free = begin + timedelta(seconds=len(people) / PER_SECOND)
        cursor = {"done": done, "after": after, "total": total, "free": free.isoformat()}
        yield jobs.Step(done, max(total, done), cursor)
    audit.record(
        "incident.mails_queued",
        actor=job.by,
        incident=incident.reference,
        count=done,
        job=str(job.pk),
    )
    return {_("E-mails mis en file"): done}


def _queue(people: list[Reach], version: int, begin) -> None:
    """Rows that the sweep sends from `begin` on, some each second. No task is woken for them."""
    mails = [
        Mail(
            user_id=person.member.user_id,
            to=person.member.email,
            kind="incident",
            not_before=begin + timedelta(seconds=number / PER_SECOND),
        )
        for number, person in enumerate(people)
    ]
    # first, for it is what keeps a second e-mail away: its constraint stops a batch done twice
    Dispatch.objects.bulk_create(
        Dispatch(
            person=person,
            version_id=version,
            channel=Channel.MAIL,
            state=DispatchState.QUEUED,
            mail=mail.pk,
        )
        for person, mail in zip(people, mails, strict=True)
    )
    Mail.objects.bulk_create(mails)
