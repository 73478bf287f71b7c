"""What each role of the staff may do, as a matrix: whoever gives a right changes a line here."""

import pytest
from django.contrib.auth.models import Permission

from portal import roles

# right → the roles that hold it; every other role is refused
MATRIX = {
    "members.view_member": {roles.SUPPORT, roles.LEAD, roles.LETTERS},
    "members.print_letters": {roles.LETTERS},
    "members.change_member": set(),
    "members.delete_member": set(),
    "members.reveal_nir": {roles.SUPPORT, roles.LEAD},
    "members.unlock_account": {roles.SUPPORT, roles.LEAD},
    "members.end_sessions": {roles.SUPPORT, roles.LEAD},
    "members.start_recovery": {roles.SUPPORT, roles.LEAD},
    "members.view_as_member": {roles.SUPPORT, roles.LEAD},
    "members.block_account": {roles.LEAD},
    "members.view_decompte": {roles.SUPPORT, roles.LEAD},
    "members.view_card": {roles.SUPPORT, roles.LEAD},
    "members.view_demande": {roles.SUPPORT, roles.LEAD},
    "members.view_demandedocument": {roles.SUPPORT, roles.LEAD},
    "members.handle_demande": {roles.SUPPORT, roles.LEAD},
    "members.pay_demande": {roles.SUPPORT, roles.LEAD},
    "members.assign_demande": {roles.LEAD},
    "members.view_cannedanswer": {roles.SUPPORT, roles.LEAD},
    "members.change_cannedanswer": {roles.LEAD},
    "members.change_plan": set(),
    "members.view_auditevent": {
        roles.SUPPORT,
        roles.LEAD,
        roles.DPO,
        roles.AUDIT,
        roles.ADMINISTRATION,
    },
    "members.export_auditevent": {roles.AUDIT},
    "members.change_auditevent": set(),
    "members.delete_auditevent": set(),
    "members.enrol_staff": {roles.ADMINISTRATION},
    "members.change_user": {roles.ADMINISTRATION},
    "members.import_feed": {roles.ADMINISTRATION},
    "incidents.add_incident": {roles.WRITING},
    "incidents.add_claim": {roles.WRITING},
    "incidents.add_noticeversion": {roles.WRITING},
    "incidents.change_noticeversion": {roles.WRITING},
    "incidents.publish_noticeversion": {roles.APPROVAL},
    "incidents.close_incident": {roles.APPROVAL},
    "incidents.preview_noticeversion": {roles.WRITING, roles.APPROVAL, roles.DPO},
    "incidents.override_noticeversion": {roles.ADMINISTRATION},
    "incidents.view_reach": {
        roles.SUPPORT,
        roles.LEAD,
        roles.LETTERS,
        roles.WRITING,
        roles.APPROVAL,
        roles.DPO,
    },
    "incidents.refresh_reach": {roles.LETTERS, roles.WRITING},
    "incidents.mail_reach": {roles.WRITING},
    "incidents.print_reach": {roles.LETTERS},
    "incidents.excuse_reach": {roles.LETTERS},
    "incidents.tell_employers": {roles.WRITING},
    "incidents.change_reach": set(),
    "incidents.view_audiencecount": {
        roles.SUPPORT,
        roles.LEAD,
        roles.WRITING,
        roles.APPROVAL,
        roles.DPO,
        roles.AUDIT,
    },
    "incidents.count_audience": {roles.WRITING, roles.APPROVAL, roles.DPO},
    "incidents.search_audience": {roles.SUPPORT, roles.LEAD, roles.DPO},
    "incidents.read_dossiers": {roles.APPROVAL, roles.DPO, roles.AUDIT},
    "incidents.bundle_incident": {roles.DPO, roles.AUDIT},
    "incidents.delete_incident": set(),
    "incidents.view_attestation": {roles.SUPPORT, roles.LEAD},
    "incidents.change_attestation": set(),
    "incidents.view_call": {roles.WRITING, roles.APPROVAL, roles.DPO},
    "incidents.add_call": {roles.WRITING},
    "incidents.view_evidence": {roles.WRITING, roles.APPROVAL, roles.DPO},
    "incidents.add_evidence": {roles.WRITING, roles.DPO},
    "incidents.hold_evidence": {roles.DPO},
    "incidents.remove_evidence": {roles.DPO},
    "incidents.change_evidence": set(),
    "incidents.delete_evidence": set(),
    "incidents.add_filing": {roles.WRITING, roles.DPO},
    "incidents.change_filing": set(),
    "incidents.add_classification": {roles.WRITING, roles.DPO},
    "incidents.view_ruling": {roles.WRITING, roles.APPROVAL, roles.DPO},
    "incidents.add_ruling": {roles.APPROVAL, roles.DPO},
    "incidents.change_ruling": set(),
    "incidents.change_regime": {roles.DPO},
    "incidents.delete_noticeversion": set(),
    "incidents.change_acknowledgement": set(),
}


@pytest.mark.parametrize("right", MATRIX)
def test_a_right_is_held_by_these_roles_and_no_other(right):
    assert {role for role, may in roles.ROLES.items() if right in may} == MATRIX[right]


def test_nobody_holds_a_right_twice_or_one_that_does_not_exist(db):
    for role, names in roles.ROLES.items():
        assert len(names) == len(set(names)), role
    roles.sync()


def test_no_role_writes_what_machines_write(db):
    machines = ("auditevent", "auditlink", "smsmessage", "mail", "acknowledgement", "challenge")
    machines += ("decompte", "decompteline", "card")
    machines += ("dispatch", "census")
    machines += ("audiencecount",)
    for names in roles.ROLES.values():
        for name in names:
            verb, _underscore, model = name.split(".")[1].partition("_")
            assert verb in ("view", "export") or model not in machines, name


def test_every_right_that_we_declare_is_somebodys(db):
    declared = {
        f"{permission.content_type.app_label}.{permission.codename}"
        for permission in Permission.objects.select_related("content_type")
        if permission.content_type.app_label in ("members", "incidents")
        and permission.codename.split("_")[0] not in ("add", "change", "delete", "view")
    }
    given = {name for names in roles.ROLES.values() for name in names}
    assert declared <= given
