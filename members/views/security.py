"""« Sécurité »: what guards a member's account, and what happened to it."""

from django.shortcuts import render
from django.views.decorators.http import require_safe

from members import authenticator, passkeys
from members.views.access import member_required
from members.views.passkeys import is_offered


@require_safe
@member_required
def overview(request):
    context = {
        "member": request.member,
        "passkeys": passkeys.of(request.user),
        "app": authenticator.of(request.user),
        "passkey_offered": is_offered(request),
    }
    return render(request, "members/security/overview.html", context)
