"""« Is this person concerned, and why? »: finding one member's people among millions, never by NIR."""

from django.db.models import Q, QuerySet

from members.models import AyantDroit, Member

SHOWN = 20  # more than these, and who looks types more letters


def find(text: str) -> list[Member]:
    """The members whose number is `text`, or who are named so, or whose ayant droit is.

    A name is typed from its beginning, a first name before or after it. At most `SHOWN` + 1.
    """
    text = " ".join(text.split())
    if not text:
        return []
    by_number = Member.objects.filter(number=text.upper())
    if found := list(by_number):
        return found
    alike = named(text)
    family = AyantDroit.objects.filter(alike).values_list("member", flat=True)[: SHOWN + 1]
    members = Member.objects.filter(alike).values_list("pk", flat=True)[: SHOWN + 1]
    wanted = {*members, *family}
    return list(_in_order(Member.objects.filter(pk__in=wanted))[: SHOWN + 1])


def _in_order(members: QuerySet) -> QuerySet:
    return members.prefetch_related("ayants_droit").order_by("birth_name", "first_names", "number")


def named(text: str) -> Q:
    """People whose name begins with `text`, a first name before or after it."""
    words = text.split(" ")
    alike = _last_name(text)
    for cut in range(1, len(words)):
        left, right = " ".join(words[:cut]), " ".join(words[cut:])
        alike |= _last_name(left) & Q(first_names__istartswith=right)
        alike |= _last_name(right) & Q(first_names__istartswith=left)
    return alike


def _last_name(text: str) -> Q:
    return Q(birth_name__istartswith=text) | Q(usage_name__istartswith=text)
