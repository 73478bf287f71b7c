"""The public page of an incident: the same for everybody, without any personal data."""

from django.contrib.auth.decorators import login_not_required
from django.http import Http404
from django.shortcuts import render
from django.views.decorators.http import require_safe

from incidents import notices
from incidents.views import page


@login_not_required
@require_safe
def public_notice(request, reference):
    version = notices.in_force().filter(incident__reference=reference).first()
    if version is None:
        raise Http404
    shown = page.public(version, notices.facts_of(version))
    return render(request, "incidents/public.html", {"page": shown})
