from django.apps import apps
from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext_lazy as _


class PortalAdminSite(admin.AdminSite):
    """The only admin: staff whose session a second factor verified. Its door is the portal's own."""

    site_header = _("Mutuelle du Rivage · équipe")
    site_title = _("Équipe")
    index_title = _("Tableau de travail")
    site_url = None
    enable_nav_sidebar = True

    def register(self, model_or_iterable, admin_class=None, **options):
        """Leaves django-otp's pages for authenticator apps out: nobody sees or sets a seed here."""
        if model_or_iterable is not apps.get_model("otp_totp", "TOTPDevice"):
            super().register(model_or_iterable, admin_class, **options)

    def get_urls(self):
        """Without Django's pages to change a password: no limit, no gate and no trail would see them."""
        shut = {"password_change", "password_change_done"}
        return [url for url in super().get_urls() if getattr(url, "name", None) not in shut]

    def has_permission(self, request):
        return super().has_permission(request) and request.user.is_verified()

    def login(self, request, extra_context=None):
        if request.user.is_authenticated and not self.has_permission(request):
            raise PermissionDenied
        return redirect_to_login(request.GET.get("next", request.get_full_path()))

    def logout(self, request, extra_context=None):
        from members.views.signin import sign_out  # models are not ready when this module is read

        return sign_out(request)
