"""« Mot de passe oublié ? »"""

from django.contrib.auth.decorators import login_not_required
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from members import links
from members import reset as resets
from members.forms import IdentifiantForm, NewPasswordForm
from members.gate import Busy
from members.models.link import LinkPurpose
from members.throttle import Throttled
from members.views.links import dead
from members.views.signin import busy, too_many, wait_message


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def forgotten(request):
    """The same answer for every identifiant, known or not."""
    form = IdentifiantForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            resets.ask(request, form.cleaned_data["identifiant"])
        except Throttled as refusal:
            form.add_error(None, wait_message(refusal))
            return too_many(_forgotten_page(request, form, status=429), refusal)
        return render(request, "members/password/asked.html")
    return _forgotten_page(request, form)


def _forgotten_page(request, form, status=200):
    return render(request, "members/password/forgotten.html", {"form": form}, status=status)


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def reset(request, token):
    try:
        link = links.find(token, LinkPurpose.RESET)
        form = NewPasswordForm(link.user, request.POST or None)
        if request.method == "POST" and form.is_valid():
            resets.choose(link, form.cleaned_data["new_password"], request=request)
            return redirect(reverse("signin", query={"motif": "password"}))
    except links.DeadLink:
        return dead(request)
    except Busy:
        return busy(request.path)
    return render(request, "members/password/choose.html", {"form": form})
