from django.shortcuts import render
from django.views.decorators.http import require_safe

from members import cover
from members.views.access import member_or_viewer
from members.views.passkeys import is_offered


@require_safe
@member_or_viewer
def home(request):
    covers = cover.covers(request.member)
    context = {
        "member": request.member,
        "covers": [one for one in covers if one.is_current],
        "people": cover.people(request.member, covers),
        "passkey_offered": is_offered(request),
    }
    return render(request, "members/home.html", context)


@require_safe
@member_or_viewer
def data_map(request):
    return render(request, "members/data_map.html", {"people": cover.places(request.member)})
