"""Who is covered, under what, and where the data is: what the espace tells a member, to the day."""

from datetime import date

import pytest
import time_machine

from members import cover
from members.models import Adhesion, AyantDroit, Contract, Delegation, Holding, Operator
from members.models.category import DataCategory
from members.models.contract import ContractKind
from tests.members.conftest import plan_named

NEW_YEAR_EVE, NEW_YEAR = date(2023, 12, 31), date(2024, 1, 1)
JUNE = date(2024, 6, 15)


@pytest.fixture(autouse=True)
def _in_june():
    with time_machine.travel(f"{JUNE}T10:00:00Z", tick=False):
        yield


@pytest.fixture
def viamedis(contract):
    """Served Claire's contract until the last day of 2023."""
    operator = Operator.objects.create(code="VIAMEDIS", name="Viamedis")
    delegate(operator, contract, date(2019, 1, 1), NEW_YEAR_EVE)
    return operator


@pytest.fixture
def almerys(contract):
    """Serves it since the first day of 2024."""
    operator = Operator.objects.create(code="ALMERYS", name="Almerys")
    delegate(operator, contract, NEW_YEAR)
    return operator


def delegate(operator, contract, start, end=None):
    return Delegation.objects.create(
        operator=operator,
        contract=contract,
        start=start,
        end=end,
        categories=[DataCategory.NIR, DataCategory.ETAT_CIVIL],
    )


def hold(operator, contract, purged_on=None):
    evidence = "Attestation" if purged_on else ""
    Holding.objects.create(
        operator=operator, contract=contract, purged_on=purged_on, evidence=evidence
    )


def another_contract(number, **fields):
    return Contract.objects.create(
        number=number,
        kind=ContractKind.INDIVIDUAL,
        plan=plan_named("Essentiel"),
        phone="02 00 00 00 01",
        start=date(2010, 1, 1),
        **fields,
    )


def relative(member, reference, first_names="Lou", **fields):
    told = {"link": "enfant", "birth_date": date(2010, 11, 3), "start": date(2019, 1, 1), **fields}
    return AyantDroit.objects.create(
        member=member,
        reference=reference,
        first_names=first_names,
        birth_name="Vasseur",
        nir_absence="en_attente",
        **told,
    )


def places_of(member) -> dict[str, str]:
    himself, *_family = cover.places(member)
    return {place.operator: place.state for place in himself.places}


# Contracts and their operators


def test_a_contract_is_told_with_its_operators_the_present_one_first(covered, viamedis, almerys):
    (told,) = cover.covers(covered.member)
    assert (told.contract_number, told.employer) == ("C-100", "Chantiers du Rivage")
    assert [
        (service.name, service.since, service.until, service.is_current)
        for service in told.operators
    ] == [
        ("Almerys", NEW_YEAR, None, True),
        ("Viamedis", date(2019, 1, 1), NEW_YEAR_EVE, False),
    ]


@pytest.mark.parametrize(
    ("end", "is_current"), [(JUNE, True), (date(2024, 6, 14), False), (None, True)]
)
def test_an_adhesion_is_current_on_its_last_day_and_no_longer(covered, end, is_current):
    covered.end = end
    covered.save()
    assert cover.covers(covered.member)[0].is_current == is_current


@pytest.mark.parametrize(("start", "is_current"), [(JUNE, True), (date(2024, 6, 16), False)])
def test_an_adhesion_is_current_from_its_first_day(covered, start, is_current):
    covered.start = start
    covered.save()
    assert cover.covers(covered.member)[0].is_current == is_current


def test_an_operator_who_left_before_the_member_came_is_not_told(covered, viamedis, almerys):
    covered.start = NEW_YEAR
    covered.save()
    assert [service.name for service in cover.covers(covered.member)[0].operators] == ["Almerys"]
    covered.start = NEW_YEAR_EVE
    covered.save()
    both = cover.covers(covered.member)[0].operators
    assert [(service.since, service.until) for service in both] == [
        (NEW_YEAR, None),
        (NEW_YEAR_EVE, NEW_YEAR_EVE),
    ]


def test_a_contract_without_operator_is_told_all_the_same(covered):
    (told,) = cover.covers(covered.member)
    assert told.operators == []
    assert places_of(covered.member) == {}


def test_covers_cost_one_statement_and_places_three(
    covered, viamedis, almerys, django_assert_num_queries
):
    with django_assert_num_queries(1):
        cover.covers(covered.member)
    with django_assert_num_queries(3):
        cover.places(covered.member)


# Whom to call


@pytest.mark.parametrize(
    ("periods", "number"),
    [
        ({"past": ("2019-01-01", "2024-06-14"), "present": ("2020-01-01", None)}, "present"),
        ({"present": ("2020-01-01", "2024-06-15"), "next": ("2024-06-16", None)}, "present"),
        ({"present": ("2024-06-15", None), "next": ("2024-07-01", None)}, "present"),
        ({"older": ("2024-01-01", "2024-02-01"), "last": ("2019-01-01", "2024-06-14")}, "last"),
        ({"last": ("2019-01-01", "2024-06-14"), "next": ("2024-06-16", None)}, "last"),
        ({"later": ("2025-01-01", None), "next": ("2024-06-16", "2024-12-31")}, "next"),
        ({"older": ("2019-01-01", None), "newer": ("2024-01-01", None)}, "newer"),
        ({}, None),
    ],
)
def test_the_contract_to_call_is_the_present_one_else_the_last_else_the_next(
    claire, periods, number, django_assert_num_queries
):
    for name, (start, end) in periods.items():
        Adhesion.objects.create(
            member=claire, contract=another_contract(name), start=start, end=end
        )
    with django_assert_num_queries(1):
        contract = cover.membership(claire).contract
    assert (contract and contract.number) == number


@pytest.mark.parametrize(
    ("periods", "is_former"),
    [
        ([("2019-01-01", "2024-06-14")], True),
        ([("2019-01-01", "2024-06-15")], False),
        ([("2019-01-01", "2020-12-31"), ("2024-07-01", None)], False),
        ([], False),
    ],
)
def test_a_former_member_is_one_whose_every_adhesion_has_ended(claire, periods, is_former):
    for number, (start, end) in enumerate(periods):
        Adhesion.objects.create(
            member=claire, contract=another_contract(str(number)), start=start, end=end
        )
    assert cover.membership(claire).is_former is is_former


# People


def people(adhesion):
    return cover.people(adhesion.member, cover.covers(adhesion.member))


def test_the_member_comes_first_then_his_people_of_today_eldest_first(covered):
    relative(covered.member, "01", "Lou")
    relative(covered.member, "02", "Ada", birth_date=date(1983, 2, 2), link="conjoint")
    relative(covered.member, "03", "Léo", birth_date=date(2001, 2, 2), end=date(2024, 6, 14))
    relative(covered.member, "04", "Zoé", birth_date=date(2002, 2, 2), end=JUNE)
    relative(covered.member, "05", "Éva", birth_date=date(2024, 6, 1), start=date(2024, 6, 16))
    names = [person.name for person in people(covered)]
    assert names == ["Claire Vasseur", "Ada Vasseur", "Zoé Vasseur", "Lou Vasseur"]
    assert [person.is_member for person in people(covered)] == [True, False, False, False]


def test_words_agree_with_a_civility_that_is_known(covered):
    relative(covered.member, "01", link="conjoint", civility="MME", birth_date=date(1980, 1, 1))
    relative(covered.member, "02", link="concubin", civility="M", birth_date=date(1981, 1, 1))
    relative(covered.member, "03", link="ascendant", birth_date=date(1982, 1, 1))
    kinds = [person.kind_label for person in people(covered)]
    assert kinds == ["adhérente", "conjointe", "concubin", "ascendant"]
    covered.member.civility = ""
    assert people(covered)[0].kind_label == "adhérent"


def test_a_birth_rank_is_told_of_twins_only(covered):
    relative(covered.member, "01", "Lou")
    relative(covered.member, "02", "Noé", birth_rank=2)
    relative(covered.member, "03", "Ada", birth_date=date(2010, 11, 4))
    ranks = {person.name: person.rank for person in people(covered)}
    assert ranks == {
        "Claire Vasseur": None,
        "Lou Vasseur": 1,
        "Noé Vasseur": 2,
        "Ada Vasseur": None,
    }


def test_the_cover_of_the_member_runs_from_his_first_contract_to_his_last(covered):
    assert (people(covered)[0].since, people(covered)[0].until) == (date(2019, 1, 1), None)
    covered.end = NEW_YEAR_EVE
    covered.save()
    later = another_contract("C-200")
    Adhesion.objects.create(
        member=covered.member, contract=later, start=NEW_YEAR, end=date(2024, 12, 31)
    )
    himself = people(covered)[0]
    assert (himself.since, himself.until) == (date(2019, 1, 1), date(2024, 12, 31))


def test_nobody_is_covered_once_the_members_contracts_have_ended(covered):
    relative(covered.member, "01", "Lou")
    covered.end = date(2024, 3, 31)
    covered.save()
    assert people(covered) == []
    himself, lou = cover.everybody(covered.member, cover.covers(covered.member))
    assert (himself.is_current, lou.is_current) == (False, False)
    assert lou.until == date(2024, 3, 31)


def test_between_two_contracts_nobody_is_covered(covered):
    relative(covered.member, "01", "Lou")
    covered.end = date(2024, 3, 31)
    covered.save()
    Adhesion.objects.create(
        member=covered.member, contract=another_contract("C-200"), start=date(2024, 9, 1)
    )
    assert people(covered) == []


# Where the data is


def test_an_operator_uses_the_data_until_the_last_day_of_his_delegation(covered, viamedis, almerys):
    hold(viamedis, covered.contract)
    with time_machine.travel("2023-12-31T22:00:00Z"):  # 23 h in Paris
        assert places_of(covered.member)["Viamedis"] == "active"
        assert places_of(covered.member)["Almerys"] == "ended"
    with time_machine.travel("2023-12-31T23:00:00Z"):  # midnight in Paris
        assert places_of(covered.member) == {"Almerys": "active", "Viamedis": "held"}


@pytest.mark.parametrize(
    ("purged_on", "state"),
    [(None, "held"), (date(2024, 6, 16), "held"), (JUNE, "purged"), (date(2024, 6, 14), "purged")],
)
def test_data_is_held_until_the_day_of_the_attested_purge(covered, viamedis, purged_on, state):
    hold(viamedis, covered.contract, purged_on)
    assert places_of(covered.member) == {"Viamedis": state}


def test_without_a_holding_an_ended_delegation_is_over(covered, viamedis):
    assert places_of(covered.member) == {"Viamedis": "ended"}


def test_the_operator_of_a_contract_still_holds_the_data_of_whoever_left_it(covered, almerys):
    covered.end = date(2024, 6, 14)
    covered.save()
    assert places_of(covered.member) == {"Almerys": "held"}


def test_a_place_says_which_days_and_which_data(covered, viamedis):
    (place,) = cover.places(covered.member)[0].places
    assert (place.since, place.until) == (date(2019, 1, 1), NEW_YEAR_EVE)
    assert place.contract_number == "C-100"
    assert place.categories == ["État civil (nom, prénoms)", "Numéro de sécurité sociale"]


def test_past_relatives_are_told_too_with_their_own_days(covered, viamedis, almerys):
    relative(covered.member, "01", end=date(2022, 6, 30))
    _himself, past = cover.places(covered.member)
    assert [(place.operator, place.since, place.until) for place in past.places] == [
        ("Viamedis", date(2019, 1, 1), date(2022, 6, 30))
    ]
    assert past.kind_label == "enfant"
