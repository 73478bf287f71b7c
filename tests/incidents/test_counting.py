"""The audience page: what was counted, when, by whom; and whether one person is concerned."""

import csv
import io
import json
from dataclasses import replace
from datetime import date, timedelta

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from incidents import audience, concerned, counting, facts, lifecycle, notices
from incidents.models import AudienceCount, DomainScope
from members import job_turns, jobs
from members.models import AuditEvent, AyantDroit, CareDomain, Delegation, Job, Member
from members.models.job import JobState
from portal.demo.people import ALMERYS, VIAMEDIS
from tests.incidents.test_desk import text


def at(name, incident, *args):
    return reverse(f"admin:incidents_incident_{name}", args=[incident.pk, *args])


def count_now(incident, by, **options):
    assert counting.ask(incident, by=by, **options) is None
    return counting.kept(incident, None if options else notices.latest(incident))


def recorded(action):
    return AuditEvent.objects.filter(action=action)


def leave_out_all_care(incident):
    """No delegation of the cast names a domain: they are given one, which is left out."""
    domain = CareDomain.objects.get(code="OPTI")
    Delegation.objects.update(domain=domain)
    return DomainScope.objects.create(incident=incident, domain=domain, rule="exclude")


# Counting


def test_a_small_base_is_counted_at_once_and_told_by_contract(cast, february_2024):
    counted = count_now(february_2024, cast.auteur)
    assert counted.as_of == timezone.localdate()
    # César has neither account nor phone, Paulin no phone
    assert counted.figures["totals"] == {
        "adherents": 6,
        "ayants_droit_majeurs": 2,
        "ayants_droit_mineurs": 3,
        "anciens_adherents": 1,
        "sans_compte": 1,
        "sans_telephone": 2,
    }
    viamedis, almerys = counted.figures["operators"]
    assert (viamedis["operator"], almerys["operator"]) == (VIAMEDIS, ALMERYS)
    assert [one["number"] for one in almerys["contracts"]] == ["TA-SOCLE", "CG-CADRES"]
    assert viamedis["contracts"][0]["employer"]
    assert sum(one["persons"]["adherents"] for one in almerys["contracts"]) == 6
    event = recorded("incident.audience_counted").get()
    assert (event.actor, event.details["persons"]) == (cast.auteur, 12)


def test_counting_again_replaces_what_was_counted_for_the_version(cast, february_2024):
    before = count_now(february_2024, cast.auteur)
    Member.objects.filter(pk=cast.bianca.pk).update(user=None)
    after = count_now(february_2024, cast.auteur)
    assert before.pk == after.pk
    assert after.counted_at > before.counted_at
    assert after.figures["totals"]["sans_compte"] == before.figures["totals"]["sans_compte"] + 1


def test_the_database_keeps_one_count_for_each_version_and_one_without(cast, february_2024):
    for options in ({}, {"as_typed": True}):
        kept = count_now(february_2024, cast.auteur, **options)
        kept.pk = None
        with pytest.raises(IntegrityError, match="audience_counted_once"), transaction.atomic():
            kept.save(force_insert=True)


def test_what_decides_makes_a_count_outdated_and_nothing_else_does(cast, february_2024):
    count_now(february_2024, cast.auteur, as_typed=True)
    kept = AudienceCount.objects.get()
    february_2024.steps.create(kind="autre", actor="Nous", text="Une mesure de plus.")
    assert not counting.is_outdated(kept, facts.of(february_2024))
    leave_out_all_care(february_2024)
    assert counting.is_outdated(kept, facts.of(february_2024))


def test_the_basis_of_a_count_holds_whatever_decides(february_2024):
    told = facts.of(february_2024)
    first, *others = told.targets
    changes = [
        {"targets": tuple(others)},
        {"targets": (replace(first, window_from=date(2024, 1, 31)), *others)},
        {"targets": (replace(first, window_until=None), *others)},
        {"targets": (replace(first, claims=()), *others)},
        *(
            {name: (facts.ContractFacts(1, "1"),)}
            for name in ("included", "excluded", "included_domains", "excluded_domains")
        ),
    ]
    found = {audience.basis(replace(told, **change)) for change in [{}, *changes]}
    assert len(found) == len(changes) + 1


@pytest.fixture
def large(monkeypatch):
    """Everything is large: a job counts, one person at a time."""
    monkeypatch.setattr(counting, "AT_ONCE", 0)
    monkeypatch.setattr(audience, "PART", 1)


def test_a_large_base_is_counted_by_a_job_that_one_can_watch(cast, february_2024, large):
    at_once = audience.count(notices.told(february_2024)[1], timezone.localdate())
    job = counting.ask(february_2024, by=cast.auteur)
    assert counting.under_way(february_2024) == job
    assert counting.ask(february_2024, by=cast.approbateur) == job
    assert not job_turns.take_turn(job.pk)
    job.refresh_from_db()
    assert (job.state, job.done, job.total) == (JobState.DONE, job.total, len(audience.parts()))
    assert job.total > 4
    assert job.result["Adhérents"] == at_once.totals["adherents"]
    assert counting.under_way(february_2024) is None
    kept = counting.kept(february_2024, notices.latest(february_2024))
    assert kept.figures["totals"] == at_once.as_json()["totals"]
    assert kept.figures == as_stored(counting.figures(at_once, notices.told(february_2024)[1]))


def as_stored(figures):
    return json.loads(json.dumps(figures))


def test_a_job_cut_after_each_part_counts_the_same(cast, february_2024, large, monkeypatch):
    whole = count_of_a_job(february_2024, cast.auteur)
    monkeypatch.setattr(job_turns, "TURN", -1)
    assert count_of_a_job(february_2024, cast.auteur).figures == whole.figures


def count_of_a_job(incident, by):
    job = counting.ask(incident, by=by)
    while job_turns.take_turn(job.pk):
        pass
    assert Job.objects.get(pk=job.pk).state == JobState.DONE
    return AudienceCount.objects.get(incident=incident)


def test_a_job_begins_again_when_other_facts_came_into_force(
    cast, february_2024, large, monkeypatch
):
    monkeypatch.setattr(job_turns, "TURN", -1)
    job = counting.ask(february_2024, by=cast.auteur, as_typed=True)
    job_turns.take_turn(job.pk)
    for target in february_2024.targets.all():
        lifecycle.record_claim(
            target,
            category="NIR",
            state="non_exposee",
            source="Appel",
            stated_on=date(2024, 2, 12),
            by=cast.auteur,
        )
    while job_turns.take_turn(job.pk):
        pass
    kept = counting.kept(february_2024, None)
    assert not counting.is_outdated(kept, facts.of(february_2024))
    assert "NIR" not in kept.figures["operators"][0]["categories"]
    assert kept.figures["operators"][0]["persons"]["adherents"] == 5


def test_colleagues_who_may_read_the_counts_may_watch_the_work(cast):
    assert jobs.kinds[counting.KIND].permission == "incidents.view_audiencecount"
    assert counting.KIND in jobs.seen_by(cast.support)


# The page


def test_the_page_counts_nothing_and_says_when_it_was_counted(
    as_staff, cast, february_2024, monkeypatch
):
    browser = as_staff(cast.auteur)
    page = text(browser.get(at("audience", february_2024)))
    assert "Rien n'est encore compté" in page
    assert "Compter maintenant" in page
    assert browser.post(at("count_audience", february_2024)).status_code == 302
    monkeypatch.setattr(audience, "groups", None)  # whoever counts now fails
    page = text(browser.get(at("audience", february_2024)))
    assert "12 personnes concernées" in page
    assert "D'après la version 1, en vigueur." in page
    assert "Compté le" in page
    assert "TA-SOCLE" in page
    assert "À recompter" not in page


def test_the_page_costs_the_same_whatever_was_counted(
    as_staff, cast, february_2024, django_assert_max_num_queries
):
    count_now(february_2024, cast.auteur)
    browser = as_staff(cast.auteur)
    # session, rights (2), incident with its versions (2), version in force, its count, typed facts (7),
    # work under way
    with django_assert_max_num_queries(16):
        browser.get(at("audience", february_2024))


def test_the_page_says_that_what_is_typed_concerns_others(as_staff, cast, february_2024):
    count_now(february_2024, cast.auteur)
    leave_out_all_care(february_2024)
    browser = as_staff(cast.auteur)
    page = text(browser.get(at("audience", february_2024)))
    assert "Les faits saisis depuis concernent d'autres personnes." in page
    assert "À recompter" not in page
    counted = browser.post(at("count_audience", february_2024), {"saisie": "1"})
    assert counted.url.endswith("?saisie")
    page = text(browser.get(counted.url))
    assert "Personne n'est concerné" in page
    assert "non publiés" in page


def test_a_large_count_leads_to_the_work_and_the_page_tells_of_it(
    as_staff, cast, february_2024, large
):
    browser = as_staff(cast.auteur)
    led = browser.post(at("count_audience", february_2024))
    job = Job.objects.get()
    assert led.url == reverse("admin:job", args=[job.pk])
    page = text(browser.get(at("audience", february_2024)))
    assert led.url in page
    assert browser.get(led.url).status_code == 200


def test_only_a_post_of_who_may_counts(as_staff, cast, february_2024):
    assert as_staff(cast.auteur).get(at("count_audience", february_2024)).status_code == 405
    support = as_staff(cast.support)
    assert support.post(at("count_audience", february_2024)).status_code == 403
    assert "Compter maintenant" not in text(support.get(at("audience", february_2024)))
    assert not AudienceCount.objects.exists()


def test_the_file_holds_every_number_and_no_person(as_staff, cast, february_2024):
    browser = as_staff(cast.auteur)
    assert browser.get(at("audience_file", february_2024)).status_code == 302
    count_now(february_2024, cast.auteur)
    response = browser.get(at("audience_file", february_2024))
    assert "attachment" in response["Content-Disposition"]
    rows = list(csv.reader(io.StringIO(text(response).removeprefix("\ufeff")), delimiter=";"))
    assert rows[0][4:] == [str(kind.label) for kind in audience.Kind]
    assert rows[1][:5] == ["Tous", "Tous", "", "Toutes", "6"]
    assert any(row[1] == "TA-SOCLE" and row[3].startswith("Numéro de sécu") for row in rows)
    assert len({len(row) for row in rows}) == 1
    assert not any(member.birth_name in text(response) for member in Member.objects.all())
    assert recorded("incident.audience_exported").get().actor == cast.auteur


# One person


def search(browser, incident, who):
    return browser.post(at("search_audience", incident), {"who": who})


def test_one_person_is_found_and_answered_with_the_reason(as_staff, cast, february_2024):
    browser = as_staff(cast.support)
    led = search(browser, february_2024, "10000002")
    assert led.url == at("concerned", february_2024, cast.bianca.pk)
    page = text(browser.get(led.url))
    assert "Bianca Santoni, adhérente" in page
    assert "exposition confirmée" in page
    assert "Cette personne n'était pas couverte pendant que Viamedis gérait le contrat." in page
    assert "Tiers payant géré depuis le 15 janvier 2024" in page
    assert "Numéro de sécurité sociale" in page
    event = recorded("incident.audience_searched").get()
    assert (event.actor, event.user) == (cast.support, cast.bianca.user)
    assert event.details == {
        "incident": february_2024.reference,
        "version": 1,
        "member": "10000002",
    }


@pytest.mark.parametrize(
    "who", ["Kervella", "kerv", "Antoine Kervella", "kervella antoine", " 10000001 "]
)
def test_a_name_a_first_name_or_a_number_finds(cast, who):
    assert cast.antoine in concerned.find(who)


def test_an_ayant_droit_is_found_with_his_member(cast):
    gabin = AyantDroit.objects.filter(first_names="Gabin")
    found = concerned.find("Gabin Perrin")
    assert sorted(member.pk for member in found) == sorted(one.member_id for one in gabin)


def test_two_with_one_name_are_a_choice(as_staff, cast, february_2024):
    page = text(search(as_staff(cast.support), february_2024, "Perrin"))
    for one in AyantDroit.objects.filter(birth_name="Perrin"):
        assert at("concerned", february_2024, one.member_id) in page
    assert not recorded("incident.audience_searched").exists()


@pytest.mark.parametrize(
    ("who", "said"),
    [
        ("", "obligatoire"),
        ("K", "au moins deux caractères"),
        ("Zzzz", "Personne n'a ce numéro ni ce nom."),
        ("178067512345644", "Un NIR ne sert jamais à chercher."),
        ("1 78 06 75 123 456 44", "Un NIR ne sert jamais à chercher."),
    ],
)
def test_whoever_is_not_found_is_said_beside_the_field(as_staff, cast, february_2024, who, said):
    response = search(as_staff(cast.support), february_2024, who)
    assert response.status_code == 200
    assert said in text(response)
    assert not recorded("incident.audience_searched").exists()


def test_no_name_stands_in_an_address(as_staff, cast, february_2024):
    browser = as_staff(cast.support)
    assert browser.get(at("search_audience", february_2024), {"who": "Kervella"}).url == at(
        "audience", february_2024
    )


def test_who_writes_notices_does_not_look_up_people(as_staff, cast, february_2024):
    browser = as_staff(cast.auteur)
    assert search(browser, february_2024, "Kervella").status_code == 403
    page = at("concerned", february_2024, cast.antoine.pk)
    assert browser.get(page).status_code == 403
    assert "concernée ?" not in text(browser.get(at("audience", february_2024)))


def test_nobody_and_no_incident_are_not_found(as_staff, cast, february_2024):
    browser = as_staff(cast.support)
    assert browser.get(at("concerned", february_2024, 999_999)).status_code == 404
    missing = reverse("admin:incidents_incident_audience", args=[999_999])
    assert browser.get(missing).status_code == 403


def test_a_search_costs_the_same_however_many_it_finds(cast, django_assert_num_queries):
    for number in range(30):
        Member.objects.create(
            number=f"Z{number:07}",
            first_names="Ana",
            birth_name="Zabel",
            birth_date=date(1980, 1, 1) + timedelta(days=number),
            nir_absence="en_attente",
        )
    # by number; by name in both tables; the members; their families
    with django_assert_num_queries(5):
        assert len(concerned.find("Zabel")) == concerned.SHOWN + 1
