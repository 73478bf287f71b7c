"""What a décompte may say: amounts that add up, and a beneficiary of the member's own family."""

from datetime import date

import pytest
from django.contrib.auth.models import Permission
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django_otp.plugins.otp_totp.models import TOTPDevice

from members.models import AyantDroit, CareDomain, Decompte, DecompteLine
from tests.members.conftest import make_member
from tests.signing import sign_in


@pytest.fixture
def pharmacy(db):
    return CareDomain.objects.create(code="PHAR", label="Pharmacie")


@pytest.fixture
def decompte(claire):
    return Decompte.objects.create(
        member=claire, number="D-1", paid_on=date(2024, 5, 2), payee="adherent"
    )


def line(decompte, domain, **fields):
    told = {
        "care_on": date(2024, 4, 29),
        "act": "Consultation",
        "expense": 3000,
        "base": 3000,
        "ro_rate": 70,
        "ro_amount": 1900,
        "rc_amount": 900,
        "flat_charge": 200,
        "left_amount": 200,
        **fields,
    }
    return DecompteLine(decompte=decompte, domain=domain, **told)


def child_of(member, reference="01"):
    return AyantDroit.objects.create(
        member=member,
        reference=reference,
        link="enfant",
        first_names="Lou",
        birth_name="Vasseur",
        birth_date=date(2010, 11, 3),
        nir_absence="en_attente",
        start=date(2019, 1, 1),
    )


def test_a_line_of_the_family_is_kept(decompte, pharmacy, claire):
    line(decompte, pharmacy, ayant_droit=child_of(claire)).save()
    line(decompte, pharmacy, position=2).save()
    assert decompte.lines.count() == 2


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({"rc_amount": 901}, "decompteline_amounts_add_up"),
        ({"left_amount": -200, "rc_amount": 1300}, "decompteline_amounts_not_negative"),
        ({"left_amount": 100, "rc_amount": 1000}, "decompteline_charges_are_left_to_pay"),
        ({"ro_rate": 101}, "decompteline_ro_rate_0_to_100"),
    ],
)
def test_the_database_refuses_amounts_that_cannot_be(decompte, pharmacy, wrong, rule):
    with pytest.raises(IntegrityError, match=f"{rule}|check"):
        line(decompte, pharmacy, **wrong).save()


def test_a_form_says_in_french_what_does_not_add_up(decompte, pharmacy):
    with pytest.raises(ValidationError, match="La dépense est la somme"):
        line(decompte, pharmacy, rc_amount=901).full_clean()


def test_the_ayant_droit_of_somebody_else_is_refused_by_the_form_and_by_the_database(
    decompte, pharmacy
):
    stranger = child_of(make_member("autre", phone="+33612345679", nir="284122B03302108"))
    wrong = line(decompte, pharmacy, ayant_droit=stranger)
    with pytest.raises(ValidationError, match="un autre adhérent"):
        wrong.full_clean()
    with pytest.raises(IntegrityError, match="decompteline_beneficiary_of_the_member"):
        wrong.save()


def test_a_decompte_never_changes_hands(decompte):
    other = make_member("autre", phone="+33612345679", nir="284122B03302108")
    with pytest.raises(IntegrityError, match="decompte_keeps_its_member"):
        Decompte.objects.filter(pk=decompte.pk).update(member=other)


def test_the_support_reads_amounts_masked_of_names_and_acts_and_changes_nothing(
    client, hugo, decompte, pharmacy, claire
):
    line(decompte, pharmacy, ayant_droit=child_of(claire), act="Psychothérapie").save()
    names = ["view_decompte", "view_decompteline"]
    hugo.user_permissions.set(Permission.objects.filter(codename__in=names))
    browser = sign_in(client, hugo, TOTPDevice.objects.get(user=hugo))
    listed = browser.get(f"/admin/members/decompte/?q={claire.number}").content.decode()
    address = f"/admin/members/decompte/{decompte.pk}/change/"
    page = browser.get(address).content.decode()
    assert "9,00\u00a0€" in listed
    for words in ("30,00\u00a0€", "ayant droit 01", "Pharmacie", claire.number):
        assert words in page, words
    for private in ("Vasseur", "Lou", "Psychothérapie"):
        assert private not in listed + page, private
    assert browser.post(address, {"number": "X"}).status_code == 403
