"""What the first page of the admin shows of the last days."""

from django import template
from django.utils import timezone

from members import figures
from members.days import day

register = template.Library()


@register.inclusion_tag("admin/members/_figures.html", takes_context=True)
def day_figures(context):
    """Sign-ins and texts of each of the last days, for who may see them one by one. One statement."""
    user = context["request"].user
    sees = {
        "signins": user.has_perm("members.view_auditevent"),
        "texts": user.has_perm("members.view_smsmessage"),
    }
    days = figures.recent() if any(sees.values()) else []
    return {
        "sees": sees,
        "last": days[-1] if days else None,
        "is_today": bool(days) and days[-1].day == timezone.localdate(),
        "signed_in": [(day(one.day), one.signed_in) for one in days],
        "texts": [(day(one.day), one.texts) for one in days],
    }
