from django import template

from members.limits import limit

register = template.Library()


@register.inclusion_tag("members/_session_guard.html", takes_context=True)
def session_guard(context):
    """Warns before the session of this page falls asleep; without script, nothing is shown."""
    is_staff = context["request"].user.is_staff
    warning = limit("SESSION_WARNING")
    return {
        "idle": limit("SESSION_IDLE_STAFF" if is_staff else "SESSION_IDLE"),
        "warning": warning,
        "minutes": max(warning // 60, 1),
        "is_staff": is_staff,
        "csrf_token": context["csrf_token"],
    }
