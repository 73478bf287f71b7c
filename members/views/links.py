"""What the links of our e-mails lead to. A GET shows a button; only a POST acts. (signin.md §3.11)"""

from django.contrib.auth.decorators import login_not_required
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from members import bank, contacts, links, protection
from members.models import BankAccount
from members.models.link import LinkPurpose


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def not_me(request, token):
    try:
        link = links.find(token, LinkPurpose.NOT_ME)
        if request.method == "POST":
            phone_restored = protection.protect(link, request=request)
            context = {"account": link.user, "phone_restored": phone_restored}
            return render(request, "members/links/protected.html", context)
    except links.DeadLink:
        return dead(request)
    return render(request, "members/links/not_me.html", {"account": link.user})


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def phone_cancel(request, token):
    try:
        link = links.find(token, LinkPurpose.CANCEL_PHONE)
        change = link.phone_change
        change.user = link.user
        if request.method == "POST":
            contacts.cancel_phone(change, request=request, link=link)
            return render(request, "members/links/change_cancelled.html", {"restored": False})
    except links.DeadLink:
        return dead(request)
    except contacts.ChangeOver:
        return _too_late(request, change)
    if change.cancelled_at or change.applied_at:
        return _too_late(request, change)
    return render(request, "members/links/phone_cancel.html", {"change": change})


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def bank_cancel(request, token):
    try:
        link = links.find(token, LinkPurpose.CANCEL_BANK)
        account = link.bank_account
        if request.method == "POST":
            bank.cancel(account, request=request, link=link)
            return render(request, "members/links/change_cancelled.html", {"restored": False})
    except links.DeadLink:
        return dead(request)
    except contacts.ChangeOver:
        return _too_late(request, account)
    if account.cancelled_at or account.applied_at:
        return _too_late(request, account)
    return render(request, "members/links/bank_cancel.html", {"account": account})


def _too_late(request, change):
    """Cancelled already, or serving already: then a link no longer helps."""
    change.refresh_from_db(fields=["applied_at"])
    context = {
        "is_applied": bool(change.applied_at),
        "is_account": isinstance(change, BankAccount),
    }
    return render(request, "members/links/too_late.html", context, status=410)


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def email_confirm(request, token):
    """Open to who reads the new mailbox, signed in or not: the session that asked was stepped up."""
    try:
        link = links.find(token, LinkPurpose.CONFIRM_EMAIL)
        if request.method == "POST":
            contacts.confirm_email(link, request=request)
            return render(request, "members/links/email_confirmed.html")
    except links.DeadLink:
        return dead(request)
    return render(request, "members/links/email_confirm.html", {"change": link.email_change})


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def email_cancel(request, token):
    try:
        link = links.find(token, LinkPurpose.CANCEL_EMAIL)
        change = link.email_change
        change.user = link.user
        if request.method == "POST":
            restored = contacts.cancel_email(change, request=request, link=link)
            return render(request, "members/links/change_cancelled.html", {"restored": restored})
    except (links.DeadLink, contacts.ChangeOver):
        return dead(request)
    return render(request, "members/links/email_cancel.html", {"change": change})


def dead(request):
    """One page for every link that opens nothing, whatever the reason."""
    return render(request, "members/links/dead.html", status=410)
