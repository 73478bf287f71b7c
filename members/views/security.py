"""« Sécurité »: what guards a member's account, and what happened to it."""

from django.shortcuts import render
from django.views.decorators.http import require_safe

from members import contacts, saved_codes
from members.views.access import member_required


@require_safe
@member_required
def overview(request):
    context = {
        "member": request.member,
        "phone_change": contacts.waiting_phone(request.user),
        "email_change": contacts.open_email(request.user),
        "codes_left": saved_codes.left(request.user),
    }
    return render(request, "members/security/overview.html", context)
