from django.contrib import admin
from django.utils.translation import gettext_lazy as _


class MachineRows:
    """Rows that machines write: staff look, nobody adds, changes or deletes."""

    def has_add_permission(self, request, obj=None):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False


class LargeTable(admin.ModelAdmin):
    """A list that costs the same with a thousand rows or thirty million: it answers a search.

    Until one is made, the page asks for it in the words of `search_prompt`.
    """

    change_list_template = "admin/searched_list.html"
    search_prompt = _("Faites une recherche : cette liste est trop longue pour s'afficher entière.")
    show_full_result_count = False
    list_per_page = 50

    def get_queryset(self, request):
        rows = super().get_queryset(request)
        listing = request.resolver_match and request.resolver_match.url_name.endswith("_changelist")
        if listing and not request.GET.get("q", "").strip():
            return rows.none()
        return rows
