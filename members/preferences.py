"""Which optional e-mails a member wants. What concerns his security, or an incident, is always sent."""

from django.db import transaction

from members import audit
from members.models import MailRefusal, Member
from members.models.preference import OptionalMail


def wants(member: Member, mail: str) -> bool:
    """Whether `member` is sent the optional e-mail of this name. One statement.

    Raises ValueError for a name that OptionalMail does not hold: what is not optional is never asked.
    """
    return not MailRefusal.objects.filter(member=member, mail=OptionalMail(mail)).exists()


def wanted(member: Member) -> set[str]:
    """The names of the optional e-mails that `member` wants."""
    refused = MailRefusal.objects.filter(member=member).values_list("mail", flat=True)
    return set(OptionalMail.values) - set(refused)


@transaction.atomic
def choose(member: Member, chosen: set[str], *, request) -> bool:
    """`member` wants these optional e-mails and no other. False, and nothing is told, when it was so."""
    refused = set(OptionalMail.values) - chosen
    rows = MailRefusal.objects.filter(member=member)
    taken_back = rows.exclude(mail__in=refused).delete()[0]
    known = set(rows.values_list("mail", flat=True))
    MailRefusal.objects.bulk_create(
        [MailRefusal(member=member, mail=mail) for mail in sorted(refused - known)],
        ignore_conflicts=True,  # another tab said the same at the same instant
    )
    changed = bool(taken_back or refused - known)
    if changed:
        audit.record(
            "preferences.changed", user=member.user, request=request, refused=sorted(refused)
        )
    return changed
