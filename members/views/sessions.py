"""A member's sessions and known browsers, seen and ended; and the session of this page, kept awake."""

from django.contrib import messages
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.http import JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from members import audit, browsers, sessions
from members.devices import described
from members.ids import row_id
from members.models import KnownBrowser
from members.views.access import member_required


@require_http_methods(["GET", "HEAD", "POST"])
@member_required
def sessions_page(request):
    if request.method == "POST":
        _act(request)
        return redirect("security_sessions")
    open_sessions = [
        {
            "id": session.pk,
            "device": described(session.browser),
            "place": session.address_prefix,
            "started_at": session.started_at,
            "seen_at": session.seen_at,
            "is_current": sessions.is_current(session, request),
        }
        for session in sessions.of(request.user)
    ]
    known = [
        {
            "id": known.pk,
            "device": described(known.browser),
            "place": known.address_prefix,
            "first_seen_at": known.first_seen_at,
            "last_seen_at": known.last_seen_at,
        }
        for known in KnownBrowser.objects.live().filter(user=request.user)
    ]
    context = {"sessions": open_sessions, "browsers": known}
    return render(request, "members/security/sessions.html", context)


def _act(request) -> None:
    match request.POST:
        case {"session": key_digest}:
            if sessions.end_one(request.user, key_digest):
                audit.record("session.ended_elsewhere", user=request.user, request=request)
                messages.success(request, _("Cette connexion est fermée."))
        case {"others": _everything}:
            count = sessions.end_all(request.user, but=request)
            audit.record("session.ended_elsewhere", user=request.user, request=request, count=count)
            ended = ngettext("%(count)d connexion fermée.", "%(count)d connexions fermées.", count)
            messages.success(request, ended % {"count": count})
        case {"browser": text} if (pk := row_id(text)) is not None:
            if browsers.forget(request.user, pk):
                audit.record("browser.forgotten", user=request.user, request=request)
                messages.success(request, _("Ce navigateur est oublié."))


@require_POST
def extend(request):
    """Its holder is still there: the session stays awake. For the staff's pages too."""
    try:
        return JsonResponse({"seconds": request.session.touch()})
    except UpdateError:  # ended in this very instant
        raise SessionInterrupted from None
