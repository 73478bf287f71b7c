"""The reasons that staff type: kept in the trail, so never with a number that names somebody."""

import pytest
from django import forms
from django.contrib.auth.models import Permission
from django.core.exceptions import ValidationError
from django_otp.plugins.otp_totp.models import TOTPDevice

from incidents.admin import moves
from members.admin import member
from members.admin.reasons import no_long_number
from members.models import AuditEvent
from tests.signing import sign_in

NUMBERS = [
    "178067512345644 et +33612345678",
    "1 78 06 75 123 456 44",
    "1.78.06.75.123.456.44",
    "1-78-06-75-123-456-44",
    "1 78 06 2A 123 456 44",
    "06 12 34 56 78",
    "06\u202f12\u202f34\u202f56\u202f78",
    "06\u00a012\u00a034\u00a056\u00a078",
    "06\u201112\u201134\u201156\u201178",
    "+33 (0)6 12 34 56 78",
    "06 - 12 - 34 - 56 - 78",
    "06\n12\n34\n56\n78",
    "06/12/34/56/78",
    "06_12_34_56_78",
    "06,12,34,56,78",
    "06, 12, 34, 56, 78",
    "2/81/09/13/001/042",
    "2/81/09/1300/10/42/17",
    "06:12;34|56·78",
    "dossier10000001",
    "١٢٣٤٥٦٧٨",
]
PLAIN = [
    "Double de dossier signalé par la caisse le 12/03/2024.",
    "Courrier reçu en mars 2024, pièce 1234567.",
    "Du 01/02/2024 au 5/3/2024, à 14 h 30, puis le 12/03/2024 10:45.",
    "Contrôle des lots 12, 13, 14, 15 et 16.",
]


@pytest.mark.parametrize("reason", NUMBERS)
def test_a_long_number_is_refused_however_it_is_spaced(reason):
    with pytest.raises(ValidationError) as refused:
        no_long_number(f"Vérification de {reason}, demandée.")
    assert "ni NIR, ni téléphone" in refused.value.messages[0]


@pytest.mark.parametrize("reason", PLAIN)
def test_dates_and_short_numbers_may_be_written(reason):
    no_long_number(reason)


def test_every_form_of_the_staff_that_asks_for_a_reason_refuses_them():
    asking = [
        form
        for form in all_subclasses(forms.BaseForm)
        if form.__module__.startswith(("members.admin", "incidents.admin"))
        and isinstance(getattr(form, "base_fields", {}).get("reason"), forms.CharField)  # typed
    ]
    assert {member.RevealForm, moves.ReasonForm} <= set(asking)
    for form in asking:
        assert no_long_number in form.base_fields["reason"].validators, form


def all_subclasses(cls):
    for one in cls.__subclasses__():
        yield one
        yield from all_subclasses(one)


def test_a_nir_is_not_shown_against_a_reason_that_holds_one(client, hugo, claire):
    names = ["view_member", "reveal_nir"]
    hugo.user_permissions.set(Permission.objects.filter(codename__in=names))
    sign_in(client, hugo, TOTPDevice.objects.get(user=hugo))
    answer = client.post(
        f"/admin/members/member/{claire.pk}/nir/", {"reason": "178067512345644 et +33612345678"}
    )
    assert "ni NIR, ni téléphone" in answer.content.decode()
    assert claire.nir not in answer.content.decode()
    assert not AuditEvent.objects.filter(action="nir.revealed").exists()
