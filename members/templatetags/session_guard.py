from django import template

from members.limits import limit

register = template.Library()


@register.inclusion_tag("members/_session_guard.html", takes_context=True)
def session_guard(context):
    """Warns before the session of this page falls asleep; without script, nothing is shown."""
    user = context["request"].user
    idle = limit("SESSION_IDLE_STAFF" if user.is_staff else "SESSION_IDLE")
    return {"idle": idle, "warning": limit("SESSION_WARNING"), "csrf_token": context["csrf_token"]}
