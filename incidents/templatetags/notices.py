"""What pages of other apps show about incidents, without importing this one."""

from django import template

from incidents import banners
from incidents.acknowledgements import Reading, counting, ledger, readings

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
            }
            for notice in notices
        ]
    }


@register.inclusion_tag("incidents/_acknowledgements.html", takes_context=True)
def recent_acknowledgements(context):
    read = _readings(context) if _is_member(context) else []
    return {"acknowledgements": read[:RECENT]}


@register.inclusion_tag("incidents/_member_notices.html")
def member_notices(member):
    """For staff: every version that `member` was shown, and whether he acknowledged it."""
    rows = list(ledger(member))
    for row in rows:
        read = counting(rows, row.reference) if row.counts else None
        row.read_in = read.version.number if read else None
    return {"acknowledgements": rows}


def _is_member(context) -> bool:
    request = context.get("request")
    return bool(request and request.user.is_authenticated and not request.user.is_staff)


def _readings(context) -> list[Reading]:
    """Read once per request, for every tag of the page."""
    request = context["request"]
    if not hasattr(request, "incident_readings"):
        request.incident_readings = readings(request.user)
    return request.incident_readings
