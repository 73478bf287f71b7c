"""An agent who looks at a member's space: read-only, fifteen minutes, both ids in the trail.

He stays himself: `request.user` is the agent. Pages that allow it find the member in `request.member`
and the agent in `request.viewer`; every other page of the space stays shut to him.
"""

import time
from datetime import UTC, datetime

from members import audit
from members.limits import limit
from members.models import Member

SESSION_KEY = "viewing"
RIGHT = "members.view_as_member"


def start(request, member: Member, reason: str) -> None:
    request.session[SESSION_KEY] = {
        "member": member.pk,
        "until": int(time.time()) + limit("VIEW_AS_LIFETIME"),
    }
    audit.record("support.viewing_started", user=member.user, request=request, reason=reason)


def stop(request) -> None:
    kept = request.session.pop(SESSION_KEY, None)
    if kept:
        member = _member(kept)
        audit.record("support.viewing_ended", user=member and member.user, request=request)


def member_viewed(request) -> Member | None:
    """The member whose space this agent may look at now, with his account; None otherwise, and from the
    moment that the right to it is taken away."""
    kept = request.session.get(SESSION_KEY)
    if not kept or kept["until"] <= time.time() or not request.user.has_perm(RIGHT):
        return None
    return _member(kept)


def _member(kept: dict) -> Member | None:
    return Member.objects.select_related("user").filter(pk=kept["member"]).first()


def until(request) -> datetime:
    return datetime.fromtimestamp(request.session[SESSION_KEY]["until"], UTC)
