"""« Mes informations »: what is on file about a member, and what he may change himself."""

from django.shortcuts import render
from django.views.decorators.http import require_safe

from members import bank, preferences
from members.models.preference import OptionalMail
from members.views.access import member_or_viewer


@require_safe
@member_or_viewer
def overview(request):
    wanted = preferences.wanted(request.member)
    context = {
        "member": request.member,
        "account": bank.serving(request.member),
        "waiting": bank.waiting(request.member),
        "mails": [(mail.label, mail in wanted) for mail in OptionalMail],
    }
    return render(request, "members/details/overview.html", context)
