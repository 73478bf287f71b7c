"""What each role of the staff may do, written as code: `manage.py roles` makes the groups agree with it."""

from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models import Q

PEOPLE = ("member", "ayantdroit", "contract", "adhesion", "employer")
OPERATORS = ("operator", "delegation", "holding", "caredomain")
INCIDENT = ("incident", "target", "claim", "step", "servicestatus", "contractscope")


def _may(verb: str, app: str, *models: str) -> list[str]:
    return [f"{app}.{verb}_{model}" for model in models]


SUPPORT, WRITING, APPROVAL = "Assistance", "Incidents : rédaction", "Incidents : approbation"

ROLES = {
    SUPPORT: [
        *_may("view", "members", *PEOPLE, *OPERATORS, "user", "smsdevice", "smsmessage"),
        *_may("view", "members", "auditevent"),
        *_may("reveal", "members", "nir"),
        *_may("view", "incidents", *INCIDENT, "noticeversion", "acknowledgement"),
    ],
    WRITING: [
        *_may("view", "members", *OPERATORS, "contract", "employer"),
        *_may("view", "incidents", *INCIDENT, "noticeversion", "acknowledgement"),
        *_may("add", "incidents", *INCIDENT, "noticeversion"),
        *_may("change", "incidents", "incident", "target", "step", "servicestatus"),
        *_may("change", "incidents", "contractscope", "noticeversion"),
        *_may("delete", "incidents", "target", "step", "servicestatus", "contractscope"),
        *_may("preview", "incidents", "noticeversion"),
    ],
    APPROVAL: [
        *_may("view", "members", *OPERATORS, "contract", "employer"),
        *_may("view", "incidents", *INCIDENT, "noticeversion", "acknowledgement"),
        *_may("publish", "incidents", "noticeversion"),
        *_may("preview", "incidents", "noticeversion"),
        *_may("close", "incidents", "incident"),
    ],
}


class UnknownPermission(Exception):
    pass


@transaction.atomic
def sync() -> list[Group]:
    """Gives each group exactly the permissions of its role. Raises UnknownPermission on a typing error."""
    return [_sync(name, names) for name, names in ROLES.items()]


def _sync(role: str, names: list[str]) -> Group:
    wanted = Q()
    for name in names:
        app, codename = name.split(".")
        wanted |= Q(content_type__app_label=app, codename=codename)
    permissions = list(Permission.objects.filter(wanted).select_related("content_type"))
    found = {f"{one.content_type.app_label}.{one.codename}" for one in permissions}
    if missing := set(names) - found:
        raise UnknownPermission(", ".join(sorted(missing)))
    group, _created = Group.objects.get_or_create(name=role)
    group.permissions.set(permissions)
    return group
