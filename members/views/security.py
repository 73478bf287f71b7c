"""« Sécurité »: what guards a member's account, and what happened to it."""

from django.shortcuts import render
from django.views.decorators.http import require_safe

from members import authenticator, contacts, passkeys, saved_codes, trail
from members.ids import row_id
from members.views.access import member_required
from members.views.passkeys import is_offered


@require_safe
@member_required
def activity(request):
    acts = trail.acts_of(request.user, row_id(request.GET.get("avant", "")))
    older = acts[-1].id if len(acts) == trail.PAGE else None
    return render(request, "members/security/activity.html", {"acts": acts, "older": older})


@require_safe
@member_required
def overview(request):
    context = {
        "member": request.member,
        "passkeys": passkeys.of(request.user),
        "app": authenticator.of(request.user),
        "passkey_offered": is_offered(request),
        "phone_change": contacts.waiting_phone(request.user),
        "email_change": contacts.open_email(request.user),
        "codes_left": saved_codes.left(request.user),
    }
    return render(request, "members/security/overview.html", context)
