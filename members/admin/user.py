from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from members.admin.readonly import LargeTable
from members.admin.typed import TypedOnly
from members.models import User


@admin.register(User)
class UserAdmin(TypedOnly, LargeTable):
    """Accounts. No page here shows or sets a password: members reset theirs, staff are enrolled."""

    list_display = ["identifiant", "name", "is_staff", "is_active", "suspended_at"]
    search_fields = ["=identifiant", "=member__number", "name"]
    search_help_text = _("Un identifiant, un numéro d'adhérent ou un nom d'agent.")
    fields = [
        "identifiant",
        "name",
        "email",
        "is_active",
        "suspended_at",
        "is_staff",
        "groups",
        "created_at",
    ]
    readonly_fields = ["identifiant", "is_staff", "created_at"]
    filter_horizontal = ["groups"]

    def has_add_permission(self, request):
        return False

    def has_delete_permission(self, request, obj=None):
        return False

    def get_readonly_fields(self, request, obj=None):
        fields = super().get_readonly_fields(request, obj)
        return fields if request.user.is_superuser else [*fields, "groups"]

    def has_change_permission(self, request, obj=None):
        may = super().has_change_permission(request, obj)
        return may and (obj is None or not obj.is_staff or request.user.is_superuser)
