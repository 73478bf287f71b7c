"""« Sécurité »: what guards a member's account, and what happened to it."""

from django.shortcuts import render
from django.views.decorators.http import require_safe

from members.views.access import member_required


@require_safe
@member_required
def overview(request):
    return render(request, "members/security/overview.html", {"member": request.member})
