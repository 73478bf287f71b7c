from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from members import audit, files, jobs
from members.admin.lists import MachineRows
from members.models import Job, JobFile

REFRESH = 3  # seconds


@admin.register(Job)
class JobAdmin(MachineRows, admin.ModelAdmin):
    """Each colleague sees work of the kinds that his rights name; its own page shows how far it is."""

    list_display = ["title", "state", "done", "total", "by", "asked_at"]
    list_display_links = None
    list_select_related = ["by"]
    list_filter = ["state"]
    show_facets = admin.ShowFacets.NEVER
    show_full_result_count = False

    def has_module_permission(self, request):
        return bool(jobs.seen_by(request.user))

    def has_view_permission(self, request, obj=None):
        seen = jobs.seen_by(request.user)
        return obj.kind in seen if obj else bool(seen)

    def get_queryset(self, request):
        return super().get_queryset(request).filter(kind__in=jobs.seen_by(request.user))

    @admin.display(description=_("travail"))
    def title(self, job):
        return format_html(
            '<a href="{}">{}</a>', reverse("admin:job", args=[job.pk]), jobs.kinds[job.kind].title
        )

    def get_urls(self):
        wrap = self.admin_site.admin_view
        return [
            path("<uuid:pk>/", wrap(self.page), name="job"),
            path("<uuid:pk>/arreter/", wrap(require_POST(self.stop)), name="job_stop"),
            path("<uuid:pk>/reprendre/", wrap(require_POST(self.resume)), name="job_resume"),
            path("<uuid:pk>/fichiers/<int:number>/", wrap(self.file), name="job_file"),
            path("", wrap(self.changelist_view), name="members_job_changelist"),
        ]

    def page(self, request, pk):
        """How far a job is. While it is active the page comes again by itself, unless told to stay."""
        job = self._job(request, pk)
        stays = "fixe" in request.GET
        context = {
            **self.admin_site.each_context(request),
            "title": jobs.kinds[job.kind].title,
            "opts": self.opts,
            "job": job,
            "files": job.files.all(),
            "stays": stays,
            "seconds": REFRESH,
        }
        response = render(request, "admin/members/job/page.html", context)
        if job.is_active and not stays:
            response["Refresh"] = str(REFRESH)
        return response

    def stop(self, request, pk):
        if jobs.stop(self._job(request, pk), by=request.user, request=request):
            messages.success(request, _("Le travail s'arrête après l'étape en cours."))
        else:
            messages.warning(request, _("Le travail est déjà fini, ou s'arrête déjà."))
        return self._back(pk)

    def resume(self, request, pk):
        if jobs.resume(self._job(request, pk), by=request.user, request=request):
            messages.success(request, _("Le travail reprend où il en était."))
        else:
            messages.warning(request, _("Ce travail ne peut pas reprendre maintenant."))
        return self._back(pk)

    def file(self, request, pk, number):
        job = self._job(request, pk)
        made = get_object_or_404(JobFile, job=job, pk=number)
        try:
            answer = files.answer(made.file, name=made.name, content_type=made.content_type)
        except FileNotFoundError:
            raise Http404 from None
        audit.record("job.file_read", request=request, kind=job.kind, job=str(pk), name=made.name)
        return answer

    def _job(self, request, pk) -> Job:
        if not jobs.seen_by(request.user):
            raise PermissionDenied
        return get_object_or_404(self.get_queryset(request).select_related("by"), pk=pk)

    def _back(self, pk):
        return HttpResponseRedirect(reverse("admin:job", args=[pk]))
