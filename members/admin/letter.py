"""Letters with a code: printed in batches by those who may, listed for those who follow them up."""

import csv
import re

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from members import audit, letters
from members.admin.lists import LargeTable, MachineRows
from members.models import LetterCode, Member
from members.models.recovery import LetterPurpose
from members.spreadsheets import cell


class LettersForm(forms.Form):
    """For whom and why. Valid: everybody named exists; `members` holds them."""

    can_skip = False  # whether to offer the letters that can be printed, without the others

    purpose = forms.ChoiceField(label=gettext_lazy("Usage"), choices=LetterPurpose.choices)
    numbers = forms.CharField(
        label=gettext_lazy("Numéros d'adhérent"),
        max_length=21 * letters.BATCH,
        help_text=gettext_lazy("Un par ligne, 500 au plus."),
        widget=forms.Textarea(attrs={"rows": 8, "cols": 30}),
    )

    def clean_numbers(self):
        numbers = list(dict.fromkeys(re.split(r"[\s,;]+", self.cleaned_data["numbers"].upper())))
        numbers = [number for number in numbers if number]
        if len(numbers) > letters.BATCH:
            raise ValidationError(_("500 courriers au plus par fichier."))
        found = Member.objects.select_related("user").in_bulk(numbers, field_name="number")
        unknown = [number for number in numbers if number not in found]
        if unknown:
            raise ValidationError(
                _("Numéros inconnus : %(list)s.") % {"list": ", ".join(unknown[:10])}
            )
        self.members = list(found.values())
        return "\n".join(numbers)


@admin.action(description=gettext_lazy("Imprimer des courriers avec un code"))
def print_letters(model_admin, request, queryset):
    """From the members ticked in their list to the page that prints. Changes nothing by itself."""
    if not may_print(request.user):
        raise PermissionDenied
    numbers = list(
        queryset.order_by("number").values_list("number", flat=True)[: letters.BATCH + 1]
    )
    form = LettersForm(initial={"numbers": "\n".join(numbers), "purpose": LetterPurpose.ACTIVATION})
    return _page(request, model_admin.admin_site, form)


def may_print(user) -> bool:
    return user.has_perm("members.print_letters")


def _page(request, site, form):
    context = site.each_context(request) | {
        "title": _("Courriers avec un code"),
        "opts": LetterCode._meta,
        "form": form,
        "action": reverse("admin:members_lettercode_print"),
    }
    return render(request, "admin/members/letters.html", context)


@admin.register(LetterCode)
class LetterCodeAdmin(MachineRows, LargeTable):
    list_display = ["member_number", "purpose", "made_at", "made_by", "state", "attempts"]
    list_select_related = ["member", "made_by"]
    search_fields = ["=member__number"]
    search_help_text = gettext_lazy("Un numéro d'adhérent.")
    fields = [
        "member_number",
        "purpose",
        "made_at",
        "made_by",
        "expires_at",
        "attempts",
        "used_at",
        "cancelled_at",
    ]
    change_list_template = "admin/members/lettercode/change_list.html"

    def get_urls(self):
        page = self.admin_site.admin_view(self.print_page)
        return [path("imprimer/", page, name="members_lettercode_print"), *super().get_urls()]

    @admin.display(description=gettext_lazy("adhérent"), ordering="member__number")
    def member_number(self, letter):
        return letter.member.number

    @admin.display(description=gettext_lazy("état"))
    def state(self, letter):
        if letter.used_at:
            return _("utilisé")
        if letter.cancelled_at:
            return _("annulé")
        return _("expiré") if letter.expires_at <= timezone.now() else _("en cours")

    def print_page(self, request):
        """A POST prints the PDF, the only place where the codes are, or tells the list of whom it is for."""
        if not may_print(request.user):
            raise PermissionDenied
        if request.method != "POST":
            number = request.GET.get("numero", "")[:20]
            return _page(request, self.admin_site, LettersForm(initial={"numbers": number}))
        form = LettersForm(request.POST)
        if not form.is_valid():
            return _page(request, self.admin_site, form)
        purpose = LetterPurpose(form.cleaned_data["purpose"])
        may, may_not = letters.sorted_out(form.members, purpose)
        if "index" in request.POST:
            audit.record(
                "letter.listed",
                request=request,
                purpose=str(purpose),
                persons=[f"member/{member.pk}" for member in may],
            )
            return _index(may, purpose)
        if may_not and "skip" not in request.POST:
            return self._warn(request, form, may_not)
        try:
            pdf = letters.print_batch(may, purpose, request.user, request=request)
        except letters.NotPrintable as refusal:
            form.add_error(None, str(refusal))
            return _page(request, self.admin_site, form)
        return _file(pdf, "application/pdf", f"courriers-{purpose}", "pdf")

    def _warn(self, request, form, may_not):
        count = len(may_not)
        form.add_error(
            None,
            ngettext(
                "%(count)d personne ne peut pas recevoir ce courrier : %(list)s.",
                "%(count)d personnes ne peuvent pas recevoir ce courrier : %(list)s.",
                count,
            )
            % {
                "count": count,
                "list": ", ".join(f"{member.number} ({reason})" for member, reason in may_not[:10]),
            },
        )
        messages.info(request, _("Retirez ces numéros, ou imprimez les autres courriers."))
        form.can_skip = True
        return _page(request, self.admin_site, form)


def _index(members: list[Member], purpose: str) -> HttpResponse:
    """Whom the PDF is for, in its order: number and name, no code."""
    response = _file("\ufeff", "text/csv; charset=utf-8", f"courriers-{purpose}", "csv")
    rows = csv.writer(response, delimiter=";")
    rows.writerow([_("numéro"), _("nom")])
    rows.writerows((cell(member.number), cell(member.full_name)) for member in members)
    return response


def _file(content, content_type: str, name: str, extension: str) -> HttpResponse:
    filename = f"{name}-{timezone.localtime():%Y-%m-%d-%H%M}.{extension}"
    return HttpResponse(
        content,
        content_type=content_type,
        headers={"Content-Disposition": f'attachment; filename="{filename}"'},
    )
