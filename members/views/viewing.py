from django.core.exceptions import PermissionDenied
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from members import viewing


@require_POST
def stop(request):
    """Leaves a member's space and goes back to his page in the admin."""
    if not request.user.is_staff:
        raise PermissionDenied
    member = viewing.member_viewed(request)
    viewing.stop(request)
    if member is None:
        return redirect("admin:index")
    return redirect("admin:members_member_change", member.pk)
