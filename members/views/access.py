"""Which doors open to whom. Every URL needs a signed-in account; these decorators narrow it further."""

from functools import wraps

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied

from members import audit, viewing


def staff_required(view):
    """Only staff whose session a second factor verified. Members get a 403."""

    @wraps(view)
    def closed(request, *args, **kwargs):
        if not request.user.is_staff or not request.user.is_verified():
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return closed


def member_required(view):
    """Only a member whose session both factors opened; sets `request.member`. Staff get a 403."""

    @wraps(view)
    def closed(request, *args, **kwargs):
        if request.user.is_staff or not request.user.is_verified():
            raise PermissionDenied
        try:
            request.member = request.user.member
        except ObjectDoesNotExist:
            raise PermissionDenied from None
        return view(request, *args, **kwargs)

    return closed


def member_or_viewer(view):
    """As `member_required`, and open for reading to an agent who views this member's space.

    `request.viewer` is that agent, else None: such a view records nothing in the member's name.
    """
    for_member = member_required(view)

    @wraps(view)
    def closed(request, *args, **kwargs):
        request.viewer = None
        if not request.user.is_staff:
            return for_member(request, *args, **kwargs)
        member = viewing.member_viewed(request) if request.user.is_verified() else None
        if member is None or request.method != "GET":
            raise PermissionDenied
        request.member, request.viewer = member, request.user
        audit.record("support.page_viewed", user=member.user, request=request, page=request.path)
        return view(request, *args, **kwargs)

    return closed
