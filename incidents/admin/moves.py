"""Pages of the admin where one person makes one move: read what it does, then confirm by POST."""

from collections.abc import Callable

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents.completeness import Gap
from incidents.review import Review
from members.admin.reasons import no_long_number


class ReasonForm(forms.Form):
    reason = forms.CharField(
        label=gettext_lazy("Motif"), max_length=250, validators=[no_long_number]
    )


class Moves:
    """For a ModelAdmin: `self.move(…)` shows a confirmation, and runs `act` on POST.

    It then goes back to `obj`, or to the object that `act` returns. With `gaps`, nobody may confirm,
    unless he `may_go_on` without what they name.
    """

    def object_to_move(self, request, object_id, permission: str):
        """The object, for someone who holds `permission`. Raises PermissionDenied."""
        if not request.user.has_perm(permission):
            raise PermissionDenied
        obj = self.get_object(request, object_id)
        if obj is None or not self.has_view_permission(request, obj):
            raise PermissionDenied
        return obj

    def move(
        self,
        request,
        obj,
        *,
        title: str,
        text: str,
        act: Callable[[dict], Model | None],
        refusals: dict[type[Exception], str | Callable[[Exception], str]],
        done: str,
        form: type[forms.Form] = forms.Form,
        gaps: list[Gap] = (),
        may_go_on: bool = False,
        hidden: dict[str, str] | None = None,
        review: Review | None = None,
    ):
        filled = form(request.POST if request.method == "POST" else None)
        if request.method == "POST" and filled.is_valid():
            try:
                obj = act(filled.cleaned_data) or obj
            except tuple(refusals) as refusal:
                words = refusals[type(refusal)]
                messages.error(request, words(refusal) if callable(words) else words)
            else:
                messages.success(request, done)
            return redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", obj.pk)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "object": obj,
            "text": text,
            "form": filled,
            "gaps": gaps,
            "is_refused": bool(gaps) and not may_go_on,
            "hidden": hidden or {},
            "review": review,
            "subtitle": None,
            "confirm": _("Confirmer"),
        }
        return TemplateResponse(request, "admin/incidents/move.html", context)
