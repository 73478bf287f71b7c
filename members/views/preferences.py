from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from members import preferences
from members.forms import OptionalMailsForm
from members.views.access import member_required


@require_http_methods(["GET", "HEAD", "POST"])
@member_required
def optional_mails(request):
    if request.method == "POST":
        form = OptionalMailsForm(request.POST)
        if form.is_valid():
            preferences.choose(request.member, set(form.cleaned_data["mails"]), request=request)
            messages.success(request, _("Vos choix sont enregistrés."))
            return redirect("details")
    else:
        form = OptionalMailsForm(initial={"mails": sorted(preferences.wanted(request.member))})
    return render(request, "members/details/preferences.html", {"form": form})
