"""The rule, by example: the cast of domain.md §5 in the incident of February 2024."""

from dataclasses import replace
from datetime import date

import pytest

from incidents import exposure, facts
from incidents.models import ContractScope, DomainScope
from incidents.reasons import Reason
from members.models import AyantDroit, CareDomain, Contract, Delegation, Holding, Operator
from portal.demo.people import ALMERYS, EXPOSED, VIAMEDIS

pytestmark = pytest.mark.django_db
SEVEN = frozenset(EXPOSED)


@pytest.fixture
def told(february_2024):
    return facts.of(february_2024)


def answers(member, told):
    """{name: {operator: exposure}} of a member and his ayants droit."""
    return {
        person.name: {one.target.operator: one for one in person.operators}
        for person in exposure.of_member(member, told)
    }


def only(member, told):
    (person,) = answers(member, told).values()
    return person


def test_antoine_and_each_of_his_family_are_exposed_at_both_operators(cast, told):
    found = answers(cast.antoine, told)
    assert list(found) == [
        "Antoine Kervella",
        "Aurélie Kervella",
        "Apolline Kervella",
        "Adèle Kervella",
    ]
    for operators in found.values():
        before, now = operators[VIAMEDIS], operators[ALMERYS]
        assert (before.state, before.reason) == ("confirmee", Reason.DETENTION)
        assert (before.since, before.until) == (date(2019, 1, 1), date(2023, 12, 31))
        assert (now.state, now.reason) == ("confirmee", Reason.DELEGATION)
        assert (now.since, now.until) == (date(2024, 1, 1), None)
        assert before.categories == now.categories == SEVEN


def test_bianca_who_came_in_2024_is_exposed_at_almerys_only(cast, told):
    found = only(cast.bianca, told)
    assert found[ALMERYS].reason == Reason.DELEGATION
    assert found[ALMERYS].since == date(2024, 1, 15)
    assert (found[VIAMEDIS].state, found[VIAMEDIS].reason) == ("ecartee", Reason.NON_COUVERT)
    assert found[VIAMEDIS].categories == frozenset()


def test_cesar_who_left_in_2023_is_still_held_by_viamedis(cast, told):
    found = only(cast.cesar, told)
    assert found[VIAMEDIS].reason == Reason.DETENTION
    assert found[VIAMEDIS].until == date(2023, 10, 31)
    assert found[ALMERYS].reason == Reason.NON_COUVERT


def test_denise_whose_data_was_purged_before_is_not_concerned_and_reads_the_date(cast, told):
    found = only(cast.denise, told)
    assert found[VIAMEDIS].reason == Reason.PURGE_ATTESTEE
    assert found[VIAMEDIS].purged_on == date(2022, 6, 30)
    assert "30 juin 2022" in found[VIAMEDIS].sentence
    assert found[ALMERYS].reason == Reason.JAMAIS_DELEGUE


def test_fabien_whose_contract_neither_operator_served_is_not_concerned(cast, told):
    found = only(cast.fabien, told)
    assert {one.reason for one in found.values()} == {Reason.JAMAIS_DELEGUE}


def test_a_member_without_any_adhesion_gets_an_answer(cast, told):
    cast.bianca.adhesions.all().delete()
    found = only(cast.bianca, told)
    assert {one.reason for one in found.values()} == {Reason.SANS_ADHESION}


def test_a_purge_on_the_first_day_of_the_attack_came_too_late(cast, told):
    contract = Contract.objects.get(number="IND-1042")
    Holding.objects.filter(contract=contract).update(purged_on=date(2024, 2, 1))
    assert only(cast.denise, told)[VIAMEDIS].reason == Reason.DETENTION
    Holding.objects.filter(contract=contract).update(purged_on=date(2024, 1, 31))
    assert only(cast.denise, told)[VIAMEDIS].reason == Reason.PURGE_ATTESTEE


def test_without_any_holding_a_former_operator_had_nothing_left(cast, told):
    Holding.objects.all().delete()
    assert only(cast.cesar, told)[VIAMEDIS].reason == Reason.NON_DETENU


def test_an_operator_whose_delegation_ends_on_the_first_day_still_served(cast, told):
    Delegation.objects.filter(operator__code=ALMERYS).update(start=date(2024, 2, 2))
    served = Delegation.objects.filter(operator__code=VIAMEDIS, contract__number="TA-SOCLE")
    served.update(end=date(2024, 2, 1))
    Holding.objects.all().delete()
    assert only(cast.cesar, told)[VIAMEDIS].reason == Reason.DELEGATION


def test_a_cover_that_starts_after_the_last_day_is_after_the_incident(cast, told):
    cast.bianca.adhesions.update(start=date(2024, 2, 8))
    assert only(cast.bianca, told)[ALMERYS].reason == Reason.APRES_INCIDENT
    cast.bianca.adhesions.update(start=date(2024, 2, 7))
    assert only(cast.bianca, told)[ALMERYS].reason == Reason.DELEGATION


# A purge erases what came before it


def served_again(contract_number, start, end):
    """Viamedis serves a contract of its past again."""
    past = Delegation.objects.get(operator__code=VIAMEDIS, contract__number=contract_number)
    past.pk, past.start, past.end = None, start, end
    past._state.adding = True
    past.full_clean()
    past.save()
    return past


def covered_again(member, start):
    before = member.adhesions.get()
    before.pk, before.start, before.end = None, start, None
    before._state.adding = True
    before.save()


def test_a_purge_says_nothing_of_what_was_sent_after_it(cast, told):
    again = served_again("IND-1042", date(2023, 1, 1), date(2023, 12, 31))
    assert only(cast.denise, told)[VIAMEDIS].reason == Reason.PURGE_ATTESTEE
    covered_again(cast.denise, date(2023, 3, 1))
    found = only(cast.denise, told)[VIAMEDIS]
    assert (found.state, found.reason) == ("confirmee", Reason.DETENTION)
    assert found.since == date(2023, 3, 1)
    assert found.categories == SEVEN
    # the second stay has a holding of its own, then a purge of its own
    holding = Holding(operator=again.operator, contract=again.contract)
    holding.full_clean()
    holding.save()
    assert only(cast.denise, told)[VIAMEDIS].reason == Reason.DETENTION
    Holding.objects.filter(pk=holding.pk).update(
        purged_on=date(2024, 1, 20), evidence="Attestation"
    )
    found = only(cast.denise, told)[VIAMEDIS]
    assert (found.reason, found.purged_on) == (Reason.PURGE_ATTESTEE, date(2024, 1, 20))


def test_who_was_covered_in_the_first_stay_only_reads_the_date_of_its_purge(cast, told):
    again = served_again("IND-1042", date(2023, 1, 1), date(2023, 12, 31))
    Holding.objects.create(
        operator=again.operator,
        contract=again.contract,
        purged_on=date(2024, 1, 20),
        evidence="Attestation",
    )
    found = only(cast.denise, told)[VIAMEDIS]
    assert (found.reason, found.purged_on) == (Reason.PURGE_ATTESTEE, date(2022, 6, 30))


def test_a_purge_inside_a_delegation_erased_nothing(cast, told):
    Delegation.objects.filter(contract__number="IND-1042").update(end=date(2022, 12, 31))
    assert only(cast.denise, told)[VIAMEDIS].reason == Reason.DETENTION
    Delegation.objects.filter(contract__number="IND-1042").update(end=date(2022, 6, 30))
    assert only(cast.denise, told)[VIAMEDIS].reason == Reason.PURGE_ATTESTEE


# Unknown days


def unknown_days(incident, operator, *, known_on, first=None):
    incident.targets.filter(operator__code=operator).update(
        window_from=first, window_until=None, detected_on=known_on
    )
    return facts.of(incident)


def test_without_its_first_day_an_attack_may_precede_a_purge_by_a_year(cast, february_2024):
    told = unknown_days(february_2024, VIAMEDIS, known_on=date(2024, 2, 1))
    purge = Holding.objects.filter(contract__number="IND-1042")
    for purged_on in (date(2024, 1, 20), date(2023, 2, 1)):
        purge.update(purged_on=purged_on)
        found = only(cast.denise, told)[VIAMEDIS]
        assert (found.state, found.reason) == ("presumee", Reason.DETENTION)
        assert "a pu garder ces données" in found.sentence
    purge.update(purged_on=date(2023, 1, 31))
    found = only(cast.denise, told)[VIAMEDIS]
    assert (found.state, found.reason) == ("ecartee", Reason.PURGE_ATTESTEE)
    assert "plus d'un an avant" in found.sentence


def test_without_its_first_day_an_attack_may_precede_the_end_of_a_delegation(cast, february_2024):
    Holding.objects.all().delete()
    told = unknown_days(february_2024, VIAMEDIS, known_on=date(2024, 2, 1))
    Delegation.objects.filter(operator__code=ALMERYS).delete()
    served = Delegation.objects.filter(operator__code=VIAMEDIS, contract__number="TA-SOCLE")
    served.update(end=date(2024, 1, 31))
    found = only(cast.cesar, told)[VIAMEDIS]
    assert (found.state, found.reason) == ("presumee", Reason.DELEGATION)
    assert "a pu gérer" in found.sentence
    served.update(end=date(2023, 1, 31))
    found = only(cast.cesar, told)[VIAMEDIS]
    assert (found.state, found.reason) == ("ecartee", Reason.NON_DETENU)
    assert "un an avant la découverte" in found.sentence


@pytest.mark.parametrize("first", [None, date(2024, 1, 25)])
def test_without_its_last_day_an_attack_may_last_a_year_after_it_was_known(
    cast, february_2024, first
):
    told = unknown_days(february_2024, ALMERYS, known_on=date(2024, 2, 1), first=first)
    for start in (date(2024, 2, 10), date(2025, 1, 31)):
        cast.bianca.adhesions.update(start=start)
        found = only(cast.bianca, told)[ALMERYS]
        assert (found.state, found.reason) == ("presumee", Reason.DELEGATION)
    cast.bianca.adhesions.update(start=date(2025, 2, 1))
    found = only(cast.bianca, told)[ALMERYS]
    assert (found.state, found.reason) == ("ecartee", Reason.APRES_INCIDENT)
    assert "plus d'un an après la découverte" in found.sentence


def test_a_known_first_day_still_dismisses_for_sure(cast, february_2024):
    told = unknown_days(february_2024, VIAMEDIS, known_on=date(2024, 2, 1), first=date(2024, 1, 25))
    found = only(cast.denise, told)[VIAMEDIS]
    assert found.reason == Reason.PURGE_ATTESTEE
    assert found.sentence.endswith("avant l'incident : 30 juin 2022.")


def test_the_strongest_state_of_the_operators_is_the_state_of_the_person(cast, february_2024):
    february_2024.targets.filter(operator__code=ALMERYS).update(window_from=None, window_until=None)
    told = facts.of(february_2024)
    antoine, *_family = exposure.of_member(cast.antoine, told)
    assert antoine.state == "confirmee"
    (bianca,) = exposure.of_member(cast.bianca, told)
    assert bianca.state == "presumee"


def test_an_excluded_contract_is_outside(cast, february_2024):
    contract = Contract.objects.get(number="TA-SOCLE")
    ContractScope.objects.create(incident=february_2024, contract=contract, rule="exclude")
    found = only(cast.bianca, facts.of(february_2024))
    assert found[ALMERYS].reason == Reason.HORS_PERIMETRE


def test_with_an_included_contract_every_other_one_is_outside(cast, february_2024):
    contract = Contract.objects.get(number="TA-SOCLE")
    ContractScope.objects.create(incident=february_2024, contract=contract, rule="include")
    told = facts.of(february_2024)
    assert only(cast.bianca, told)[ALMERYS].reason == Reason.DELEGATION
    assert only(cast.denise, told)[VIAMEDIS].reason == Reason.HORS_PERIMETRE


@pytest.mark.parametrize(
    ("rule", "delegated", "reason"),
    [
        ("exclude", "OPTI", Reason.HORS_DOMAINE),
        ("exclude", "DENT", Reason.DELEGATION),
        ("exclude", None, Reason.DELEGATION),  # every domain: others than the one left out, too
        ("include", "OPTI", Reason.DELEGATION),
        ("include", "DENT", Reason.HORS_DOMAINE),
        ("include", None, Reason.DELEGATION),
    ],
)
def test_a_delegation_of_a_domain_outside_the_incident_dismisses(
    cast, february_2024, rule, delegated, reason
):
    optics = CareDomain.objects.get(code="OPTI")
    DomainScope.objects.create(incident=february_2024, domain=optics, rule=rule)
    domain = CareDomain.objects.get(code=delegated) if delegated else None
    Delegation.objects.filter(operator__code=ALMERYS).update(domain=domain)
    found = only(cast.bianca, facts.of(february_2024))[ALMERYS]
    assert found.reason == reason
    if reason == Reason.HORS_DOMAINE:
        assert found.sentence == (
            "Almerys gérait pour ce contrat des soins que cet incident ne touche pas."
        )


def test_only_categories_that_were_sent_can_be_exposed(cast, told):
    sent = {"ETAT_CIVIL", "NIR", "EMAIL"}
    Delegation.objects.filter(operator__code=ALMERYS).update(categories=sent)
    assert only(cast.bianca, told)[ALMERYS].categories == {"ETAT_CIVIL", "NIR"}


def test_delegations_by_care_domain_add_up(cast, told):
    Delegation.objects.filter(operator__code=ALMERYS).update(categories={"NIR"})
    whole = Delegation.objects.get(operator__code=ALMERYS, contract__number="TA-SOCLE")
    Delegation.objects.create(
        operator=whole.operator,
        contract=Contract.objects.get(number="CG-CADRES"),
        start=date(2010, 1, 1),
        end=date(2010, 12, 31),
        categories={"ETAT_CIVIL"},
    )
    whole.pk, whole.start, whole.end = None, date(2023, 1, 1), date(2023, 12, 31)
    whole.categories = frozenset({"ETAT_CIVIL"})
    Delegation.objects.filter(operator__code=VIAMEDIS).update(end=date(2022, 12, 31))
    whole.save()
    Holding.objects.create(operator=whole.operator, contract=whole.contract)
    found = answers(cast.antoine, told)["Antoine Kervella"][ALMERYS]
    assert found.reason == Reason.DELEGATION
    assert found.categories == {"NIR", "ETAT_CIVIL"}
    assert (found.since, found.until) == (date(2023, 1, 1), None)


def test_an_ayant_droit_is_exposed_for_his_own_days_only(cast, told):
    AyantDroit.objects.filter(first_names="Aurélie").update(start=date(2024, 1, 10))
    found = answers(cast.antoine, told)["Aurélie Kervella"]
    assert found[VIAMEDIS].reason == Reason.NON_COUVERT
    assert found[ALMERYS].since == date(2024, 1, 10)


def test_an_operator_that_never_served_anybody_exposes_nobody(cast, told):
    nobody = Operator.objects.create(code="NOUVEAU", name="Nouveau")
    lonely = replace(told.targets[0], operator="NOUVEAU", operator_id=nobody.pk)
    found = answers(cast.antoine, replace(told, targets=(lonely,)))
    assert {one["NOUVEAU"].reason for one in found.values()} == {Reason.JAMAIS_DELEGUE}


def test_an_incident_without_operator_still_names_everyone(cast, told):
    people = exposure.of_member(cast.antoine, replace(told, targets=()))
    assert [person.state for person in people] == ["ecartee"] * 4


def test_silence_is_never_read_as_not_exposed(told):
    viamedis = told.targets[0]
    unspoken = replace(viamedis, claims=())
    assert unspoken.categories("non_exposee") == frozenset()
    assert len(unspoken.categories("non_mentionnee")) == 16


def test_two_statements_whatever_the_family_and_the_operators(
    cast, told, django_assert_num_queries
):
    with django_assert_num_queries(2):  # the member's rows; his ayants droit's rows
        exposure.of_member(cast.antoine, told)
    with django_assert_num_queries(2):
        exposure.of_member(cast.gwenaelle, replace(told, targets=told.targets * 3))


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_one_short_plain_sentence(reason):
    for unknown in (False, True):
        sentence = reason.sentence(
            operator="Viamedis", purged_on=date(2022, 6, 1), rests_on_unknown_day=unknown
        )
        assert sentence.endswith(".")
        assert len(sentence.split()) <= 20
    if reason == Reason.PURGE_ATTESTEE:
        assert "1er juin 2022" in sentence


def test_a_snapshot_gives_the_same_facts(february_2024):
    for rule, code in (("include", "OPTI"), ("exclude", "DENT")):
        domain = CareDomain.objects.get(code=code)
        DomainScope.objects.create(incident=february_2024, domain=domain, rule=rule)
    told = facts.of(february_2024)
    assert [one.label for one in told.included_domains] == ["Optique"]
    assert facts.from_snapshot(told.snapshot()) == told


def test_what_was_published_before_care_domains_counted_is_still_read(told):
    frozen = told.snapshot()
    del frozen["included_domains"], frozen["excluded_domains"]
    assert facts.from_snapshot(frozen) == told


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        (date(2024, 2, 1), date(2024, 2, 7), "du 1er février 2024 au 7 février 2024"),
        (date(2024, 2, 11), date(2024, 2, 11), "le 11 février 2024"),
        (date(2024, 2, 1), None, "depuis le 1er février 2024, fin inconnue"),
        (None, None, "dates inconnues, incident connu le 1er février 2024"),
    ],
)
def test_the_days_of_an_attack_in_words(told, first, last, words):
    target = replace(told.targets[0], window_from=first, window_until=last)
    assert target.window_text == words
