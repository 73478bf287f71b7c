from django.shortcuts import render
from django.views.decorators.http import require_safe

from members import cover, guarantees, reimbursements
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
        "payments": reimbursements.latest(request.member, acts=not request.viewer),
        "is_awaited": any(one.is_awaited for one in covers),
        "passkey_offered": is_offered(request),
    }
    return render(request, "members/home.html", context)


@require_safe
@member_or_viewer
def people(request):
    covers = cover.covers(request.member)
    context = {"people": cover.everybody(request.member, covers)}
    return render(request, "members/people.html", context)


@require_safe
@member_or_viewer
def contract(request):
    covers = cover.covers(request.member)
    present = [one for one in covers if one.is_current]
    promised = guarantees.of_plans({one.plan_id for one in present})
    context = {
        "present": [(one, promised.get(one.plan_id, [])) for one in present],
        "others": [one for one in covers if not one.is_current],
    }
    return render(request, "members/contract.html", context)


@require_safe
@member_or_viewer
def data_map(request):
    return render(request, "members/data_map.html", {"people": cover.places(request.member)})
