"""Everybody, counted: the demonstration's people in the incident of February 2024."""

import json
from dataclasses import replace
from datetime import date
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from incidents import audience, exposure, facts, lifecycle
from incidents.models import Incident
from members.models import AyantDroit, Holding, Member
from portal.demo.people import ALMERYS, CAST, EXPOSED, VIAMEDIS

REFERENCE = "2024-02-tiers-payant"
AS_OF = date(2026, 6, 1)
KINDS = [
    "adherents",
    "ayants_droit_majeurs",
    "ayants_droit_mineurs",
    "anciens_adherents",
    "sans_compte",
    "sans_telephone",
]


@pytest.fixture
def told(february_2024):
    return facts.of(february_2024)


def by_operator(counted):
    return {count.operator: dict(count.persons) for count in counted.operators}


def test_the_cast_is_counted_by_kind_and_operator(told):
    counted = audience.count(told, AS_OF)
    # Antoine, Gwenaëlle, Gilles, Simone, Paulin; Aurélie and Émile; the twins and Gabin; César, who has
    # neither account nor phone; Paulin has no phone
    assert by_operator(counted) == {
        VIAMEDIS: {
            "adherents": 5,
            "ayants_droit_majeurs": 2,
            "ayants_droit_mineurs": 3,
            "anciens_adherents": 1,
            "sans_compte": 1,
            "sans_telephone": 2,
        },
        ALMERYS: {
            "adherents": 6,
            "ayants_droit_majeurs": 2,
            "ayants_droit_mineurs": 3,
            "sans_telephone": 1,
        },
    }
    assert dict(counted.totals) == {
        "adherents": 6,
        "ayants_droit_majeurs": 2,
        "ayants_droit_mineurs": 3,
        "anciens_adherents": 1,
        "sans_compte": 1,
        "sans_telephone": 2,
    }


def test_the_child_of_two_members_counts_once(told):
    assert AyantDroit.objects.filter(first_names="Gabin").count() == 2
    before = audience.count(told, AS_OF).totals["ayants_droit_mineurs"]
    AyantDroit.objects.filter(first_names="Gabin").update(
        nir_digest=None, nir_sealed="", nir_absence="en_attente"
    )
    assert audience.count(told, AS_OF).totals["ayants_droit_mineurs"] == before + 1


def test_ages_and_cover_are_those_of_the_day_asked_for(told):
    assert audience.count(told, date(2023, 7, 29)).totals["ayants_droit_majeurs"] == 1
    assert audience.count(told, date(2023, 7, 30)).totals["ayants_droit_majeurs"] == 2
    assert (
        audience.count(told, date(2023, 10, 31)).totals["anciens_adherents"] == 1
    )  # Bianca, later
    assert audience.count(told, date(2024, 2, 1)).totals["anciens_adherents"] == 1  # César


@pytest.mark.parametrize(
    ("on", "eighteen_since"),
    [
        (date(2026, 3, 1), date(2008, 3, 1)),
        (date(2026, 2, 28), date(2008, 2, 28)),
        (date(2028, 2, 29), date(2010, 2, 28)),
    ],
)
def test_one_is_of_age_on_the_birthday(on, eighteen_since):
    assert audience.years_before(on, 18) == eighteen_since


def test_one_person_answers_as_everybody_is_counted(told):
    concerned = set()
    for member in Member.objects.all():
        for person in exposure.of_member(member, told):
            if person.state != "ecartee":
                concerned.add(person.name)
    totals = audience.count(told, AS_OF).totals
    assert len(concerned) == sum(totals[kind] for kind in audience.CAPACITIES)


def test_several_holdings_of_a_contract_count_nobody_twice(told):
    before = audience.count(told, AS_OF).as_json()
    for kept in Holding.objects.filter(purged_on__isnull=True):
        for purged_on in (date(2020, 1, 1), date(2021, 1, 1)):
            kept.pk, kept.purged_on, kept.evidence = None, purged_on, "Attestation"
            kept.save(force_insert=True)
    assert audience.count(told, AS_OF).as_json() == before


def test_everybody_is_counted_in_two_statements(told, django_assert_num_queries):
    with django_assert_num_queries(2):  # members; ayants droit
        audience.count(told, AS_OF)
    with django_assert_num_queries(2):
        audience.count(replace(told, targets=told.targets * 4), AS_OF)


def test_an_incident_without_operator_counts_nobody(told):
    assert not audience.count(replace(told, targets=()), AS_OF).totals


# The command


def ask(*arguments):
    out = StringIO()
    call_command("exposure", *arguments, stdout=out)
    return out.getvalue()


def test_the_json_of_a_member(february_2024):
    answer = json.loads(ask(REFERENCE, "--member", "10000002", "--json"))
    assert answer == {
        "incident": REFERENCE,
        "member": "10000002",
        "persons": [
            {
                "kind": "adherent",
                "name": "Bianca Santoni",
                "state": "confirmee",
                "operators": [
                    {
                        "operator": "VIAMEDIS",
                        "state": "ecartee",
                        "reason": "non_couvert",
                        "from": None,
                        "until": None,
                        "categories": [],
                    },
                    {
                        "operator": "ALMERYS",
                        "state": "confirmee",
                        "reason": "delegation",
                        "from": "2024-01-15",
                        "until": None,
                        "categories": [str(category) for category in EXPOSED],
                    },
                ],
            }
        ],
    }


def test_the_json_of_the_counts(february_2024):
    answer = json.loads(ask(REFERENCE, "--json"))
    assert list(answer) == ["incident", "version", "as_of", "totals", "operators"]
    assert (answer["incident"], answer["version"]) == (REFERENCE, 1)
    assert list(answer["totals"]) == KINDS
    viamedis, almerys = answer["operators"]
    assert viamedis["operator"] == VIAMEDIS
    assert viamedis["persons"]["anciens_adherents"] == 1
    assert almerys["categories"]["NIR"] == almerys["persons"]
    assert list(almerys["categories"]) == [str(category) for category in EXPOSED]


def test_the_counts_are_those_of_the_published_facts(cast, february_2024):
    lifecycle.record_claim(
        february_2024.targets.first(),
        category="EMAIL",
        state="exposee",
        source="Appel",
        stated_on=date(2024, 2, 12),
        by=cast.auteur,
    )
    answer = json.loads(ask(REFERENCE, "--json"))
    assert "EMAIL" not in answer["operators"][0]["categories"]


def test_before_any_publication_the_live_facts_count(cast):
    Incident.objects.create(
        reference="neuf", title="Neuf", detected_on=date(2024, 2, 1), created_by=cast.auteur
    )
    answer = json.loads(ask("neuf", "--json"))
    assert answer["version"] is None
    assert answer["operators"] == []


@pytest.mark.parametrize("arguments", [["inconnu"], [REFERENCE, "--member", "99999999"]])
def test_an_unknown_name_is_a_clear_error(february_2024, arguments):
    with pytest.raises(CommandError, match=f"{arguments[-1]}\\."):
        ask(*arguments, "--json")


def test_people_read_tables(february_2024):
    assert "VIAMEDIS" in ask(REFERENCE)
    for person in CAST:
        assert person.first_names.split()[0] in ask(REFERENCE, "--member", person.number)
