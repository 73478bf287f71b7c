from django.shortcuts import redirect
from django.views.decorators.http import require_safe

from members import signin


@require_safe
def root(request):
    """Where each begins: staff at the admin, a member at what waits for him, else in his espace."""
    return redirect(signin.landing(request, ""))
