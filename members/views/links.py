"""What the links of our e-mails lead to. A GET shows a button; only a POST acts. (signin.md §3.11)"""

from django.contrib.auth.decorators import login_not_required
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from members import links, protection
from members.models.link import LinkPurpose


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def not_me(request, token):
    try:
        link = links.find(token, LinkPurpose.NOT_ME)
        if request.method == "POST":
            protection.protect(link, request=request)
            return render(request, "members/links/protected.html")
    except links.DeadLink:
        return dead(request)
    return render(request, "members/links/not_me.html")


def dead(request):
    """One page for every link that opens nothing, whatever the reason."""
    return render(request, "members/links/dead.html", status=410)
