"""The bank account where a member is reimbursed."""

from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from members import bank
from members.contacts import ChangeOver, ChangeUnderWay
from members.forms import BankAccountFields
from members.stepup import StepUpForm
from members.views.access import member_required


class BankAccountForm(StepUpForm, BankAccountFields):
    """A new account, from who showed a moment ago who he is."""


@require_http_methods(["GET", "HEAD", "POST"])
@member_required
def account(request):
    serving, waiting = bank.serving(request.member), bank.waiting(request.member)
    is_asked = request.method == "POST" and not waiting
    form = BankAccountForm(
        request,
        request.POST if is_asked else None,
        initial={"holder": request.member.full_name},
    )
    form.present_iban = serving.iban if serving and is_asked else ""
    if is_asked and form.is_valid():
        try:
            bank.ask(request, form.cleaned_data["iban"], form.cleaned_data["holder"])
            messages.success(request, _("Votre nouveau compte est enregistré."))
        except ChangeUnderWay:
            messages.warning(request, _("Un autre changement est déjà en cours."))
        return redirect("bank")
    context = {"form": form, "account": serving, "waiting": waiting}
    return render(request, "members/details/bank.html", context)


@require_POST
@member_required
def give_up(request):
    waiting = bank.waiting(request.member)
    if waiting:
        try:
            bank.cancel(waiting, request=request)
            messages.success(request, _("Le changement est annulé. Votre compte reste le même."))
        except ChangeOver:
            pass  # another page, or the delay, was faster: the next page says how it stands
    return redirect("bank")
