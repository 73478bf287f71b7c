from django.apps import apps
from django.contrib import admin
from django.contrib.admin.filters import SimpleListFilter
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext_lazy as _

# What Django's own filters of a column ask for (ChoicesFieldListFilter, RelatedFieldListFilter…)
ASKED = {"", "__exact", "__isnull", "__id__exact", "__gte", "__lt", "__year", "__month", "__day"}


class DeclaredFilters:
    """In front of every ModelAdmin of the site: an address filters by `list_filter`, and by nothing else.

    Django itself lets it filter by every column of the model. With `?password__startswith=` one letter
    after the other would then be read by people who may only look at the list.
    """

    view_on_site = False

    def lookup_allowed(self, lookup, value, request=None):
        if "\0" in value:
            return False
        declared = self.list_filter if request is None else self.get_list_filter(request)
        names = [self.date_hierarchy] if self.date_hierarchy else []
        for one in declared:
            if isinstance(one, type) and issubclass(one, SimpleListFilter):
                if lookup == one.parameter_name:
                    return True
            else:
                names.append(one if isinstance(one, str) else one[0])
        return any(lookup.startswith(name) and lookup.removeprefix(name) in ASKED for name in names)

    def get_search_results(self, request, queryset, search_term):
        """Django's; what no text of the database holds finds nothing."""
        if "\0" in search_term:
            return queryset.none(), False
        return super().get_search_results(request, queryset, search_term)


class PortalAdminSite(admin.AdminSite):
    """The only admin: staff whose session a second factor verified. Its door is the portal's own."""

    site_header = _("Mutuelle du Rivage · équipe")
    site_title = _("Équipe")
    index_title = _("Tableau de travail")
    site_url = None
    enable_nav_sidebar = True

    def register(self, model_or_iterable, admin_class=None, **options):
        """Puts DeclaredFilters before `admin_class`, whoever wrote it.

        Leaves django-otp's pages for authenticator apps out: nobody sees or sets a seed here.
        """
        if model_or_iterable is apps.get_model("otp_totp", "TOTPDevice"):
            return
        own = admin_class or admin.ModelAdmin
        closed = type(own.__name__, (DeclaredFilters, own), {"__module__": own.__module__})
        super().register(model_or_iterable, closed, **options)

    def get_urls(self):
        """Django's, without the page that leads from any row of any table to the site, and without those
        that change a password: no limit, no gate and no trail would see them."""
        shut = {"view_on_site", "password_change", "password_change_done"}
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
