from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from members import alerts, audit, sessions
from members.admin.lists import LargeTable
from members.admin.typed import TypedOnly
from members.models import User


@admin.register(User)
class UserAdmin(TypedOnly, LargeTable):
    """Accounts. No page here shows or sets a password: members reset theirs, staff are enrolled."""

    list_display = ["identifiant", "name", "kind", "status"]
    search_fields = ["=identifiant", "=member__number", "name"]
    search_help_text = _("Un identifiant, un numéro d'adhérent ou un nom d'agent.")
    fields = [
        "identifiant",
        "kind",
        "name",
        "email",
        "is_active",
        "suspended_at",
        "groups",
        "created_at",
    ]
    readonly_fields = ["identifiant", "kind", "created_at"]
    filter_horizontal = ["groups"]

    @admin.display(description=_("personne"))
    def kind(self, user):
        return _("équipe de la mutuelle") if user.is_staff else _("adhérent")

    @admin.display(description=_("état"))
    def status(self, user):
        return user.status

    def has_add_permission(self, request):
        return False

    def has_delete_permission(self, request, obj=None):
        return False

    def get_readonly_fields(self, request, obj=None):
        fields = super().get_readonly_fields(request, obj)
        if obj and _awaits_confirmation(obj):  # « Confirmer » opens it, and nothing else
            fields = [*fields, "is_active"]
        if obj and not obj.is_staff:  # support acts on members' accounts, each time with a reason
            fields = [*fields, "is_active", "suspended_at"]
        may_give = request.user.has_perm("members.enrol_staff")
        return fields if may_give and obj and obj.is_staff else [*fields, "groups"]

    def has_change_permission(self, request, obj=None):
        """Nobody changes his own account here, and only an equal that of who may do everything."""
        may = super().has_change_permission(request, obj)
        if not may or obj is None:
            return may
        return obj != request.user and (request.user.is_superuser or not obj.is_superuser)

    def save_model(self, request, obj, form, change):
        before = User.objects.get(pk=obj.pk)
        super().save_model(request, obj, form, change)
        moves = _moves(before, obj)
        if moves:
            obj.move_on()
        for action in moves:
            audit.record(action, user=obj, request=request)
        changed = sorted({"name", "email"}.intersection(form.changed_data))
        if changed:
            action = "staff.changed" if obj.is_staff else "account.changed"
            audit.record(action, user=obj, request=request, fields=changed)
        if "email" in changed and obj.is_staff and before.email:
            by = request.user.name or request.user.identifiant
            alerts.tell(obj, "staff_email_changed", to=before.email, by=by)
        if before.may_sign_in and not obj.may_sign_in:
            sessions.end_all(obj)  # or they would be back with the account

    def save_related(self, request, form, formsets, change):
        user = form.instance
        before = _roles(user)
        super().save_related(request, form, formsets, change)
        after = _roles(user)
        if before != after:
            audit.record(
                "staff.roles_changed",
                user=user,
                request=request,
                given=sorted(after - before),
                taken=sorted(before - after),
            )


def _awaits_confirmation(user: User) -> bool:
    last = user.enrolments.order_by("-pk").first()
    return last is not None and last.confirmed_at is None


def _moves(before: User, after: User) -> list[str]:
    """The actions that tell how an account got from one state to the other."""
    made = {
        "account.closed": before.is_active and not after.is_active,
        "account.suspended": before.suspended_at is None and after.suspended_at is not None,
        "account.reopened": after.may_sign_in and not before.may_sign_in,
    }
    return [action for action, is_made in made.items() if is_made]


def _roles(user: User) -> set[str]:
    return set(user.groups.values_list("name", flat=True))
