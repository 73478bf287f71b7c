"""Plans and what they promise: headings that compare, examples that add up, levels that change by date."""

from datetime import date

import pytest
import time_machine
from django.core.exceptions import ValidationError
from django.db import IntegrityError

from members import guarantees
from members.models import Adhesion, CardDomain, CareDomain, Guarantee
from members.models.plan import Heading
from tests.members.conftest import plan_named
from tests.members.steps import signs_in

EXAMPLE = {
    "example_act": "une consultation",
    "example_price": 3000,
    "example_ro": 1900,
    "example_rc": 900,
    "example_left": 200,
}


@pytest.fixture
def plan(db):
    return plan_named("Équilibre")


def guarantee(plan, label="Consultation", **fields):
    told = {
        "heading": Heading.SOINS_COURANTS,
        "level": "100 % BR",
        "start": date(2024, 1, 1),
        **fields,
    }
    return Guarantee(plan=plan, label=label, **told)


@pytest.mark.parametrize(
    ("wrong", "rule", "words"),
    [
        ({"heading": "divers"}, "guarantee_heading_known", "n’est pas un choix"),
        (EXAMPLE | {"example_left": 201}, "guarantee_example_adds_up", "ne font pas son prix"),
        (EXAMPLE | {"example_act": ""}, "guarantee_example_whole_or_none", "laissez tout vide"),
        (EXAMPLE | {"example_rc": None}, "guarantee_example_whole_or_none", "laissez tout vide"),
        ({"end": date(2023, 1, 1)}, "guarantee_period_in_order", "La fin précède"),
    ],
)
def test_a_promise_that_cannot_be_is_refused_by_the_form_and_by_the_database(
    plan, wrong, rule, words
):
    with pytest.raises(ValidationError, match=words):
        guarantee(plan, **wrong).full_clean()
    with pytest.raises(IntegrityError, match=rule):
        guarantee(plan, **wrong).save()


def test_a_domain_of_the_card_has_a_rate_or_an_agreement(plan):
    domain = CareDomain.objects.create(code="OPTI", label="Optique")
    CardDomain(plan=plan, domain=domain, needs_agreement=True).full_clean()
    with pytest.raises(ValidationError, match="un taux de 1 à 500"):
        CardDomain(plan=plan, domain=domain).full_clean()
    with pytest.raises(IntegrityError, match="carddomain_rate_or_agreement"):
        CardDomain(plan=plan, domain=domain, rate=0).save()


def test_guarantees_of_the_day_stand_under_the_headings_in_their_order(plan):
    other = plan_named("Autre")
    for row in (
        guarantee(plan),
        guarantee(plan, "Couronne", heading=Heading.DENTAIRE, position=20),
        guarantee(plan, "Détartrage", heading=Heading.DENTAIRE, position=10),
        guarantee(plan, "Ancienne couronne", heading=Heading.DENTAIRE, end=date(2024, 5, 31)),
        guarantee(other, "Ailleurs"),
    ):
        row.save()
    with time_machine.travel("2024-06-01"):
        told = guarantees.of_plans([plan.pk])
    assert [
        (str(group.heading), [one.label for one in group.guarantees]) for group in told[plan.pk]
    ] == [("Dentaire", ["Détartrage", "Couronne"]), ("Soins courants", ["Consultation"])]


def test_the_page_of_the_contract_shows_guarantees_in_euros_and_past_contracts(
    client, claire, covered, contract, django_capture_on_commit_callbacks, django_assert_num_queries
):
    guarantee(contract.plan, **EXAMPLE).save()
    contract.pk, contract.number = None, "C-OLD"
    contract.save()
    Adhesion.objects.create(
        member=claire, contract=contract, start=date(2017, 1, 1), end=date(2018, 12, 31)
    )
    signs_in(client, django_capture_on_commit_callbacks)
    client.get("/espace/contrat/")
    with django_assert_num_queries(3):  # session with its account · adhésions · guarantees
        page = client.get("/espace/contrat/").content.decode()
    for words in ("Équilibre", "Chantiers du Rivage", "100 % BR", "19,00\u00a0€", "contrat C-OLD"):
        assert words in page
