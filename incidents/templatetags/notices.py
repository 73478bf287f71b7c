"""What pages of other apps show about incidents, without importing this one."""

from django import template
from django.db.models import Count

from incidents import banners, exposure, notices, reach
from incidents.acknowledgements import Reading, counting, ledger, readings
from incidents.models import Acknowledgement
from members.models.category import DataCategory

register = template.Library()

RECENT = 5


@register.inclusion_tag("incidents/_public_notices.html")
def public_notices():
    """The live incidents for whoever has not signed in: no statement while the cache is warm."""
    return {
        "notices": [
            {
                "headline": notice.headline,
                "summary": notice.summary,
                "url": notice.public_url,
                "published_at": notice.published_at,
            }
            for notice in banners.current()
        ]
    }


@register.inclusion_tag("incidents/_banners.html", takes_context=True)
def incident_banners(context):
    notices = banners.current() if _is_member(context) else []
    read = _readings(context) if notices else []
    return {
        "banners": [
            {
                "headline": notice.headline,
                "url": notice.url,
                "acknowledged": notice.is_acknowledged(read),
                "news": notice.news(read),
            }
            for notice in notices
        ]
    }


@register.simple_tag(takes_context=True)
def disturbance(context, domain):
    """What a live incident does to the tiers payant of this care domain, None when nothing. Asked once
    per request."""
    request = context["request"]
    if not hasattr(request, "incident_disturbances"):
        request.incident_disturbances = banners.disturbances()
    return request.incident_disturbances.get(domain)


@register.inclusion_tag("incidents/_acknowledgements.html", takes_context=True)
def recent_acknowledgements(context):
    read = _readings(context) if _is_member(context) else []
    return {"acknowledgements": read[:RECENT]}


@register.inclusion_tag("incidents/_member_notices.html", takes_context=True)
def member_notices(context, member):
    """For staff: every version that `member` was shown, whether he acknowledged it, what was sent to him and
    to the adults of his family, and the script of each live incident."""
    rows = list(ledger(member))
    for row in rows:
        read = counting(rows, row.reference) if row.counts else None
        row.read_in = read.version.number if read else None
    return {
        "acknowledgements": rows,
        "sent": reach.sent_to(member),
        "member": member,
        "live": banners.current(),
        "perms": context["perms"],
    }


@register.inclusion_tag("incidents/_member_notices_summary.html")
def member_notices_summary(member):
    """For staff: how many versions `member` was shown, and how many he acknowledged."""
    rows = Acknowledgement.objects.filter(member=member)
    return rows.aggregate(shown=Count("pk"), read=Count("acknowledged_at"))


@register.inclusion_tag("incidents/_never_ask.html")
def never_ask(member):
    """For staff: what leaked about `member`, in any incident that members were told of. It opens nothing.

    One statement, and one more for each incident.
    """
    leaked = set()
    for version in notices.in_force():
        known = exposure.of_people(exposure.MEMBERS, [member.pk], notices.facts_of(version))
        leaked |= {code for place in known[member.pk].operators for code in place.categories}
    return {"leaked": [category.label for category in DataCategory if category in leaked]}


def _is_member(context) -> bool:
    return _reader(context) is not None


def _reader(context):
    """The account whose space this page shows: the member's, also when an agent looks at it."""
    request = context.get("request")
    if request is None or not request.user.is_authenticated:
        return None
    if request.user.is_staff:
        return request.member.user if getattr(request, "viewer", None) else None
    return request.user


def _readings(context) -> list[Reading]:
    """Read once per request, for every tag of the page."""
    request = context["request"]
    if not hasattr(request, "incident_readings"):
        request.incident_readings = readings(_reader(context))
    return request.incident_readings
