"""Colleagues who arrive: opened by one, confirmed by who saw them. No page shows a password or a seed."""

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied, ValidationError
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.translation import gettext_lazy as _

from members import enrolment
from members.admin.lists import MachineRows
from members.models import StaffEnrolment, User

RIGHT = "members.enrol_staff"


class ArrivalForm(forms.Form):
    identifiant = forms.CharField(label=_("Identifiant"), max_length=64)
    name = forms.CharField(label=_("Nom affiché"), max_length=150)
    email = forms.EmailField(label=_("Adresse e-mail"))
    roles = forms.ModelMultipleChoiceField(
        label=_("Rôles"),
        queryset=Group.objects.order_by("name"),
        widget=forms.CheckboxSelectMultiple,
    )


@admin.register(StaffEnrolment)
class StaffEnrolmentAdmin(MachineRows, admin.ModelAdmin):
    list_display = ["user", "made_by", "made_at", "expires_at", "used_at", "confirmed_by"]
    list_select_related = ["user", "made_by", "confirmed_by"]
    fields = [*list_display, "confirmed_at", "cancelled_at"]
    change_list_template = "admin/members/staffenrolment/change_list.html"
    change_form_template = "admin/members/staffenrolment/change_form.html"

    def get_urls(self):
        view = self.admin_site.admin_view
        return [
            path("ouvrir/", view(self.open_account), name="members_staffenrolment_open"),
            path("<int:pk>/confirmer/", view(self.confirm), name="members_staffenrolment_confirm"),
            path("<int:pk>/renouveler/", view(self.renew), name="members_staffenrolment_renew"),
            *super().get_urls(),
        ]

    def open_account(self, request):
        self._check(request)
        form = ArrivalForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                user, ticket = enrolment.open_account(**form.cleaned_data, request=request)
            except ValidationError as error:
                form.add_error("identifiant", error.messages)
            else:
                return self._ticket_page(request, user, ticket)
        return self._page(request, "open", _("Accueillir un agent"), form=form)

    def renew(self, request, pk):
        """For a lost app: everything starts again, the confirmation included."""
        self._check(request)
        arrival = get_object_or_404(StaffEnrolment.objects.select_related("user"), pk=pk)
        if not enrolment.may_renew(arrival.user, request.user):
            raise PermissionDenied
        if request.method == "POST":
            ticket = enrolment.renew(arrival.user, request=request)
            return self._ticket_page(request, arrival.user, ticket)
        return self._page(request, "renew", _("Recommencer son arrivée"), arrival=arrival)

    def confirm(self, request, pk):
        self._check(request)
        arrival = get_object_or_404(StaffEnrolment.objects.select_related("user"), pk=pk)
        if request.method == "POST":
            if enrolment.confirm(arrival, request=request):
                messages.success(request, _("Le compte est ouvert."))
            else:
                messages.error(
                    request,
                    _("Cette arrivée ne peut pas être confirmée par vous. Demandez à un collègue.")
                    if arrival.made_by_id == request.user.pk
                    else _("Cette arrivée ne peut pas être confirmée."),
                )
            return redirect("admin:members_staffenrolment_changelist")
        return self._page(request, "confirm", _("Confirmer une arrivée"), arrival=arrival)

    def _check(self, request) -> None:
        if not request.user.has_perm(RIGHT):
            raise PermissionDenied

    def _ticket_page(self, request, user: User, ticket: str):
        told = {"arriving": user, "ticket": ticket}
        return self._page(request, "ticket", _("Code d'arrivée"), **told)

    def _page(self, request, name: str, title: str, **more):
        context = {**self.admin_site.each_context(request), "opts": self.opts, "title": title}
        template = f"admin/members/staffenrolment/{name}.html"
        return TemplateResponse(request, template, {**context, **more})
