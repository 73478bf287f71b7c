"""What each role of the staff may do, written as code: `manage.py roles` makes the groups agree with it."""

from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models import Q

PEOPLE = ("member", "ayantdroit", "contract", "adhesion", "employer")
PLANS = ("plan", "guarantee", "carddomain")
OPERATORS = ("operator", "delegation", "holding", "caredomain")
INCIDENT = ("incident", "target", "claim", "step", "servicestatus", "contractscope", "domainscope")
RECORDS = ("call", "evidence", "filing", "classification")  # what proves that deadlines were kept


def _may(verb: str, app: str, *models: str) -> list[str]:
    return [f"{app}.{verb}_{model}" for model in models]


SUPPORT, LEAD = "Assistance", "Assistance : responsable"
WRITING, APPROVAL = "Incidents : rédaction", "Incidents : approbation"
DPO, AUDIT, ADMINISTRATION = "Protection des données", "Audit", "Administration des comptes"

# Apart from the support: who answers a caller does not hold the code of his letter.
LETTERS = "Courriers"

_SUPPORT = [
    *_may("view", "members", *PEOPLE, *PLANS, *OPERATORS, "user", "smsdevice", "smsmessage"),
    *_may("view", "members", "decompte", "decompteline", "card"),
    *_may("view", "members", "auditevent", "lettercode"),
    *_may("reveal", "members", "nir"),
    *_may("view", "incidents", *INCIDENT, "noticeversion", "acknowledgement", "reach"),
    *_may("view", "incidents", "attestation"),
    *_may("view", "members", "demande", "demandedocument", "cannedanswer"),
    "members.handle_demande",
    "members.pay_demande",
    "members.unlock_account",
    "members.end_sessions",
    "members.start_recovery",
    "members.view_as_member",
    "incidents.view_audiencecount",
    "incidents.search_audience",
]

ROLES = {
    SUPPORT: _SUPPORT,
    LEAD: [
        *_SUPPORT,
        "members.block_account",
        "members.assign_demande",
        *_may("add", "members", "cannedanswer"),
        *_may("change", "members", "cannedanswer"),
        *_may("delete", "members", "cannedanswer"),
    ],
    LETTERS: [
        *_may("view", "members", "member", "lettercode"),
        *_may("print", "members", "letters"),
        *_may("view", "incidents", "incident", "noticeversion", "reach"),
        *_may("refresh", "incidents", "reach"),
        *_may("print", "incidents", "reach"),
        *_may("excuse", "incidents", "reach"),
    ],
    WRITING: [
        *_may("view", "members", *OPERATORS, *PLANS, "contract", "employer"),
        *_may("view", "incidents", *INCIDENT, "noticeversion", "acknowledgement", "reach"),
        *_may("view", "incidents", *RECORDS, "ruling", "regime"),
        *_may("add", "incidents", *INCIDENT, *RECORDS, "noticeversion"),
        *_may("change", "incidents", "incident", "target", "step", "servicestatus"),
        *_may("change", "incidents", "contractscope", "domainscope", "noticeversion"),
        *_may("delete", "incidents", "target", "step", "servicestatus"),
        *_may("delete", "incidents", "contractscope", "domainscope"),
        *_may("preview", "incidents", "noticeversion"),
        *_may("refresh", "incidents", "reach"),
        *_may("mail", "incidents", "reach"),
        *_may("tell", "incidents", "employers"),
        "incidents.view_audiencecount",
        "incidents.count_audience",
    ],
    APPROVAL: [
        *_may("view", "members", *OPERATORS, *PLANS, "contract", "employer"),
        *_may("view", "incidents", *INCIDENT, "noticeversion", "acknowledgement", "reach"),
        *_may("view", "incidents", *RECORDS, "ruling", "regime"),
        *_may("add", "incidents", "ruling"),
        *_may("publish", "incidents", "noticeversion"),
        *_may("preview", "incidents", "noticeversion"),
        *_may("close", "incidents", "incident"),
        "incidents.read_dossiers",
        "incidents.view_audiencecount",
        "incidents.count_audience",
    ],
    # who answers to the regulator reads what was said and to whom, files, and keeps the evidence
    DPO: [
        *_may("view", "members", *OPERATORS, *PLANS, "contract", "employer", "auditevent"),
        *_may("view", "incidents", *INCIDENT, "noticeversion", "acknowledgement", "reach"),
        *_may("view", "incidents", *RECORDS, "ruling", "regime"),
        *_may("add", "incidents", "evidence", "filing", "classification", "ruling"),
        *_may("hold", "incidents", "evidence"),
        *_may("remove", "incidents", "evidence"),
        *_may("change", "incidents", "regime"),
        *_may("bundle", "incidents", "incident"),
        "incidents.read_dossiers",
        *_may("preview", "incidents", "noticeversion"),
        "incidents.view_audiencecount",
        "incidents.count_audience",
        "incidents.search_audience",
    ],
    AUDIT: [
        *_may("view", "members", "auditevent"),
        *_may("export", "members", "auditevent"),
        *_may("view", "incidents", *INCIDENT, "noticeversion", "audiencecount"),
        *_may("bundle", "incidents", "incident"),
        "incidents.read_dossiers",
    ],
    # accounts of colleagues, and nothing about members; two of them publish in an emergency, which
    # they read first
    ADMINISTRATION: [
        *_may("view", "members", "user", "staffenrolment", "auditevent"),
        *_may("change", "members", "user"),
        "members.enrol_staff",
        "members.import_feed",
        *_may("view", "incidents", *INCIDENT, "noticeversion"),
        *_may("override", "incidents", "noticeversion"),
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
