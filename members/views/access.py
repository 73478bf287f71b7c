"""Which doors open to whom. Every URL needs a signed-in account; these decorators narrow it further."""

from functools import wraps

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied


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
