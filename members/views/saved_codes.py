from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from members import saved_codes as codes
from members.stepup import StepUpForm
from members.views.access import member_required


@require_http_methods(["GET", "HEAD", "POST"])
@member_required
def saved_codes(request):
    """How many are left; new ones are shown by the answer to the POST, and never again."""
    is_post = request.method == "POST"
    form = StepUpForm(request, request.POST if is_post else None)
    if is_post and form.is_valid():
        try:
            made = codes.make(request.user, request=request)
        except codes.AccountChanged:
            return redirect("saved_codes")
        return render(request, "members/codes/made.html", {"codes": made, "today": timezone.now()})
    context = {"form": form, "left": codes.left(request.user)}
    return render(request, "members/codes/overview.html", context)
