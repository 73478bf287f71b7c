"""What someone else did since a page of the admin was opened: told, and nothing is saved."""

from django.contrib import messages
from django.shortcuts import redirect


class Meanwhile:
    """For a ModelAdmin: an exception of `refusals` undoes the whole save, and its words are shown."""

    refusals: dict[type[Exception], str] = {}

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except tuple(self.refusals) as refusal:
            self.message_user(request, self.refusals[type(refusal)], messages.ERROR)
        page = f"admin:{self.opts.app_label}_{self.opts.model_name}"
        if object_id:
            return redirect(f"{page}_change", object_id)
        return redirect(f"{page}_changelist")
