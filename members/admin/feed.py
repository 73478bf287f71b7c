"""The page of the management system's files: what is in the folder, a check of it, then the import."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from members import jobs
from members.admin.lists import MachineRows
from members.feed import layout, work
from members.feed.importing import Options
from members.models import FeedImport

LATEST = 10


class FeedForm(forms.Form):
    """Which of the files that are there list everything."""

    whole = forms.MultipleChoiceField(
        label=gettext_lazy("Fichiers complets"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy(
            "Ce qu'un fichier complet ne liste plus se termine hier. Au-delà de 5 % des lignes en "
            "cours, rien n'est écrit."
        ),
    )

    def __init__(self, names, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["whole"].choices = [
            (of.name, of.name) for of in layout.ENDED if of.name in names
        ]

    def options(self) -> Options:
        whole = frozenset(self.cleaned_data["whole"])
        return Options(ends_on=work.yesterday(), dry_run=True, whole=whole)


@admin.register(FeedImport)
class FeedImportAdmin(MachineRows, admin.ModelAdmin):
    def has_module_permission(self, request):
        return request.user.has_perm("members.import_feed")

    def has_view_permission(self, request, obj=None):
        return self.has_module_permission(request)

    def get_urls(self):
        wrap = self.admin_site.admin_view
        return [
            path("", wrap(self.page), name="members_feedimport_changelist"),
            path("verifier/", wrap(require_POST(self.verify)), name="members_feedimport_check"),
            path("importer/", wrap(require_POST(self.bring_in)), name="members_feedimport_import"),
        ]

    def page(self, request):
        """What the folder holds. The import is offered once these very files were checked."""
        if not self.has_module_permission(request):
            raise PermissionDenied
        folder, files = self._folder()
        context = self.admin_site.each_context(request) | {
            "title": _("Fichiers de gestion"),
            "opts": self.opts,
            "folder": folder,
            "files": [
                (name, size, datetime.fromtimestamp(time / 1e9, tz=UTC))
                for name, (size, time) in files.items()
            ],
            "form": FeedForm(files),
            "check": work.last_check(folder) if files else None,
            "jobs": FeedImport.objects.filter(kind=work.KIND).select_related("by")[:LATEST],
        }
        return render(request, "admin/members/feedimport/page.html", context)

    def verify(self, request):
        if not self.has_module_permission(request):
            raise PermissionDenied
        folder, files = self._folder()
        form = FeedForm(files, request.POST)
        if not files or not form.is_valid():
            messages.error(request, _("Le dossier a changé. Regardez-le de nouveau."))
            return self._back()
        return self._start(request, folder, form.options())

    def bring_in(self, request):
        """Imports what was checked, as it was checked; refused once the files are no longer the same."""
        if not self.has_module_permission(request):
            raise PermissionDenied
        folder, files = self._folder()
        check = work.last_check(folder) if files else None
        if check is None or str(check.pk) != request.POST.get("check"):
            messages.error(request, _("Ces fichiers ne sont pas ceux qui furent vérifiés."))
            return self._back()
        options = work.options_of(check.parameters["options"])
        return self._start(request, folder, replace(options, dry_run=False))

    def _start(self, request, folder: Path, options: Options):
        asked = {"options": work.written(options), "fingerprint": work.fingerprint(folder, options)}
        job = jobs.start(work.KIND, by=request.user, request=request, key="feed", **asked)
        if job.parameters != asked:
            messages.warning(request, _("Un autre travail sur ces fichiers n'est pas fini."))
        return HttpResponseRedirect(reverse("admin:job", args=[job.pk]))

    @staticmethod
    def _folder():
        folder = Path(settings.FEED_FOLDER) if settings.FEED_FOLDER else None
        return folder, work.files_of(folder) if folder else {}

    @staticmethod
    def _back():
        return HttpResponseRedirect(reverse("admin:members_feedimport_changelist"))
