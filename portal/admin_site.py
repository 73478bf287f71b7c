from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.utils.translation import gettext_lazy as _


class PortalAdminSite(admin.AdminSite):
    """The only admin: staff whose session a second factor verified. Its door is the portal's own."""

    site_header = _("Mutuelle du Rivage · équipe")
    site_title = _("Équipe")
    index_title = _("Tableau de travail")
    site_url = None
    enable_nav_sidebar = True

    def has_permission(self, request):
        return super().has_permission(request) and request.user.is_verified()

    def login(self, request, extra_context=None):
        return redirect_to_login(request.GET.get("next", request.get_full_path()))
