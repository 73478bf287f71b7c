"""Dossiers for authorities: the numbers of the ledger, every point of the law, and nothing invented."""

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta
from html import unescape

import pytest
import time_machine
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from incidents import clocks, counting, filings, lifecycle, reach
from incidents.dossiers import closing, cnil, document, dora, ground, register
from incidents.dossiers.dora import Phase
from incidents.dossiers.shelf import KINDS
from incidents.models import Claim, Incident, Target
from incidents.models.audience import AudienceCount
from incidents.models.claim import ClaimState
from incidents.models.reach import ReachState
from members.models import AuditEvent, AyantDroit, CareDomain, Member, Operator
from portal import roles
from tests.cast import nobody_left_to_inform

NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def private_folder(settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path)


@pytest.fixture
def counted(ledger, cast):
    """The incident of February 2024, its ledger filled and its audience counted."""
    counting.ask(ledger, by=cast.auteur)
    return ledger


@pytest.fixture
def dpo(colleague):
    return colleague("deleguee", roles.DPO)


@pytest.fixture
def auditeur(colleague):
    return colleague("auditeur", roles.AUDIT)


@pytest.fixture
def incident(colleague) -> Incident:
    """A blank incident of March 2026."""
    return Incident.objects.create(
        reference="2026-03-essai",
        title="Essai",
        detected_on=date(2026, 3, 10),
        created_by=colleague("redacteur", roles.WRITING),
        dpo_name="Le délégué",
        dpo_email="dpo@mutuelle.example",
    )


@pytest.fixture
def attacked(incident):
    """The same, called about at noon: one operator, one exposed category, classified major."""
    from incidents.models import Call

    operator = Operator.objects.create(code="OCEANE", name="Océane")
    target = Target.objects.create(
        incident=incident,
        operator=operator,
        detected_on=date(2026, 3, 10),
        window_from=date(2026, 3, 8),
        window_until=date(2026, 3, 9),
        what_happened="Un accès volé.",
    )
    by = incident.created_by
    with time_machine.travel(NOON + timedelta(hours=1), tick=False):
        Call.objects.create(
            target=target,
            called_at=NOON,
            channel="telephone",
            caller_name="Camille Roux",
            caller_role="Astreinte",
            said="Un accès volé.",
            recorded_by=by,
        )
        lifecycle.record_claim(
            target,
            category="NIR",
            state=ClaimState.EXPOSED,
            source="Appel",
            stated_on=date(2026, 3, 10),
            by=by,
        )
        filings.classify(
            incident, classified_at=NOON, is_major=True, grounds="Dix mille clients.", by=by
        )
        yield incident


def at(name, *args):
    return reverse(f"admin:incidents_incident_{name}", args=args)


def text(response) -> str:
    return unescape(response.content.decode())


def point(dossier, code):
    return next(one for part in dossier.sections for one in part.points if one.code == code)


def table(dossier, caption):
    return next(
        one for part in dossier.sections for one in part.tables if one.caption.startswith(caption)
    )


# The same numbers as everywhere


def test_persons_are_those_of_the_audience_and_informed_are_those_of_the_ledger(counted):
    known = ground.of(counted)
    kept = AudienceCount.objects.get(incident=counted)
    totals = reach.totals(counted)
    assert known.persons == sum(
        kept.figures["totals"][kind]
        for kind in (
            "adherents",
            "ayants_droit_majeurs",
            "ayants_droit_mineurs",
            "anciens_adherents",
        )
    )
    assert known.persons > 0
    said = "\n".join(point(cnil.initial(known), "persons").lines)
    assert f"Environ {known.persons} personnes." in said
    told = point(closing.report(known), "informed").lines
    assert f"Personnes à informer\u00a0: {totals.concerned}." in told
    assert f"Personnes informées\u00a0: {totals.informed}." in told
    assert f"Personnes qui restent à informer\u00a0: {totals.to_inform}." in told


def test_records_are_the_persons_of_each_operator_added_up(counted):
    known = ground.of(counted)
    rows = table(cnil.initial(known), "Personnes concernées").rows
    whole = next(row for row in rows if row[0] == "Ensemble")
    assert int(whole[1]) == known.persons
    assert sum(map(int, whole[2:])) == known.records > known.persons


def test_the_closing_report_adds_up_to_everybody_of_the_ledger(counted):
    known = ground.of(counted)
    rows = table(closing.report(known), "Où en sont").rows
    assert sum(int(number) for _state, number in rows) == known.totals.concerned


def test_unreachable_by_reason_are_those_whom_the_ledger_counts(counted):
    nobody_left_to_inform(counted)
    known = ground.of(counted)
    rows = table(closing.report(known), "Personnes injoignables").rows
    assert sum(int(number) for _why, number in rows) == known.totals.unreachable
    assert known.totals.states[ReachState.UNREACHABLE] > 0


def test_a_dossier_says_as_of_when_by_which_version_and_which_facts(counted, version):
    known = ground.of(counted)
    said = "\n".join(known.rests_on())
    assert "Version 1, publiée le" in said
    assert version.digest in said
    assert known.facts_digest in said
    assert cnil.initial(known).as_json()["rests_on"]["facts_digest"] == known.facts_digest


def test_numbers_that_no_longer_are_of_today_are_told_and_may_be_counted_again(
    as_staff, cast, february_2024
):
    known = ground.of(february_2024)
    assert known.stale == [
        "Les personnes concernées ne sont pas comptées.",
        "Le registre des personnes à informer n'est pas rempli.",
    ]
    assert point(cnil.initial(known), "persons").is_missing
    page = text(as_staff(cast.approbateur).get(at("dossiers", february_2024.pk)))
    assert "Les personnes concernées ne sont pas comptées." in page
    assert at("count_audience", february_2024.pk) in page


def test_a_ledger_older_than_a_day_is_stale(counted):
    assert not ground.of(counted).stale
    with time_machine.travel(timezone.now() + timedelta(hours=25)):
        assert ground.of(counted).stale == [
            "Le registre des personnes à informer a plus d'un jour."
        ]


# CNIL


POINTS = {
    "nature": "Perte de confidentialité",
    "what_happened": "Viamedis",
    "categories": "Numéro de sécurité sociale",
    "records": "Environ",
    "persons": "Environ",
    "subjects": "Ayants droit mineurs",
    "dpo": "dpo@mutuelle-du-rivage.example",
    "consequences": "paraître sérieux",
    "measures": "coupé l'accès",
    "processors": "Almerys",
    "deadlines": "Viamedis",
    "lateness": "",
    "phase": "complémentaire",
}


def test_every_point_of_article_33_is_filled_for_february_2024(counted):
    made = cnil.initial(ground.of(counted))
    for code, words in POINTS.items():
        found = point(made, code)
        assert found.law.startswith("RGPD, art. 33"), code
        assert found.lines, code
        assert words in "\n".join(found.lines), code


def test_what_is_missing_stands_in_front_of_the_page_of_the_file_and_in_its_place(
    as_staff, dpo, incident
):
    made = cnil.initial(ground.of(incident))
    codes = [one.code for one in made.gaps]
    for code in ("what_happened", "persons", "categories", "consequences", "measures", "aware_at"):
        assert code in codes
    page = text(as_staff(dpo).get(at("dossier", incident.pk, cnil.INITIAL)))
    front = page[page.index('id="manque"') : page.index('id="partie-1"')]
    for gap in made.gaps:
        assert gap.missing in front
        assert page.count(gap.missing) >= 2
    assert made.as_json()["missing"] == codes


def test_a_late_notification_asks_why_until_its_filing_says_it(attacked):
    assert point(cnil.initial(ground.of(attacked)), "lateness").lines == ["Aucun retard."]
    with time_machine.travel(NOON + timedelta(hours=80), tick=False):
        assert point(cnil.initial(ground.of(attacked)), "lateness").is_missing
        _file(attacked, late_reason="Le rapport manquait.")
        lines = point(cnil.initial(ground.of(attacked)), "lateness").lines
        assert lines == ["Océane\u00a0: Le rapport manquait."]


def _file(incident, **more):
    from django.core.files.base import ContentFile

    clock = next(
        one for one in clocks.of(incident, timezone.now()) if one.regime.code == ground.CNIL
    )
    proof = ContentFile(b"depose", name="accuse.txt")
    return filings.record_with_file(
        incident,
        clock,
        proof,
        submitted_at=timezone.now(),
        by=incident.created_by,
        reference="N-1",
        **more,
    )


def test_a_complement_needs_a_first_filing_and_says_what_came_since(attacked):
    assert cnil.no_complement(ground.of(attacked))
    _file(attacked)
    with time_machine.travel(NOON + timedelta(hours=5), tick=False):
        lifecycle.record_claim(
            attacked.targets.get(),
            category="TELEPHONE",
            state=ClaimState.EXPOSED,
            source="E-mail",
            stated_on=date(2026, 3, 10),
            by=attacked.created_by,
        )
        known = ground.of(attacked)
        assert not cnil.no_complement(known)
        made = cnil.complement(known)
    assert point(made, "changes").lines == ["1 affirmation d'un opérateur saisie depuis."]
    assert "référence N-1" in point(made, "filings").lines[0]


# DORA

ALLOWED = {
    "": {
        "incidentSubmission",
        "reportCurrency",
        "submittingEntity",
        "affectedEntity",
        "primaryContact",
        "incident",
        "impactAssessment",
        "reportingToOtherAuthorities",
    },
    "submittingEntity": {"entityType", "name", "code", "LEI"},
    "primaryContact": {"name", "email", "phone"},
    "incident": {
        field.path.split(".")[1] for field in dora.FIELDS if field.path.startswith("incident.")
    },
    "impactAssessment": {
        "hasImpactOnRelevantClients",
        "serviceImpact",
        "criticalServicesAffected",
        "affectedAssets",
        "affectedFunctionalAreas",
        "isAffectedInfrastructureComponents",
        "isImpactOnFinancialInterest",
    },
}


@pytest.mark.parametrize("phase", Phase)
def test_the_json_has_the_names_and_the_values_of_the_public_schema(attacked, phase):
    data = json.loads(json.dumps(dora.report(ground.of(attacked), phase).as_json()))
    for name, allowed in ALLOWED.items():
        assert set(data.get(name, {}) if name else data) <= allowed, name
    assert data["incidentSubmission"] == dora.REPORTS[phase].submission
    assert data["submittingEntity"]["entityType"] == "SUBMITTING_ENTITY"
    assert data["affectedEntity"][0]["affectedEntityType"] == [
        "insurance_and_reinsurance_undertaking"
    ]
    assert data["incident"]["detectionDateTime"] == "2026-03-10T13:00:00+01:00"
    assert data["incident"]["classificationDateTime"] == "2026-03-10T13:00:00+01:00"
    assert data["incident"]["financialEntityCode"] == "2026-03-essai"
    assert data["incident"]["classificationTypes"][0]["classificationCriterion"] == "data_losses"
    if phase > Phase.INITIAL:
        assert data["incident"]["incidentOccurrenceDateTime"] == "2026-03-08T00:00:00+01:00"
        assert data["incident"]["incidentDuration"] == "2:00:00"
        assert data["reportingToOtherAuthorities"] == ["none"]
    else:
        assert "incidentDuration" not in data["incident"]
    assert ("rootCauseHLClassification" in data["incident"]) == (phase == Phase.FINAL)


def test_what_the_portal_does_not_know_is_said_missing_and_never_invented(attacked):
    made = dora.report(ground.of(attacked), Phase.FINAL)
    missing = {one.code for one in made.gaps}
    assert {"submittingEntity.LEI", "incident.grossAmountIndirectDirectCosts"} <= missing
    assert "LEI" not in made.data["submittingEntity"]
    assert "grossAmountIndirectDirectCosts" not in made.data["incident"]
    assert "affectedAssets" not in made.data["impactAssessment"]  # nobody was counted


def test_clients_affected_are_those_of_the_audience(counted):
    made = dora.report(ground.of(counted), Phase.INTERMEDIATE)
    number = made.data["impactAssessment"]["affectedAssets"]["affectedClients"]["number"]
    assets = made.data["impactAssessment"]["affectedAssets"]
    assert number == ground.of(counted).persons
    # somebody who holds two capacities counts twice
    assert assets["numbersActualEstimate"] == ["estimates_for_clients_affected"]


def test_a_count_of_other_facts_tells_dora_nothing_of_clients(attacked):
    Claim.objects.live().filter(target__incident=attacked).supersede()
    counting.ask(attacked, by=attacked.created_by)
    made = dora.report(ground.of(attacked), Phase.INTERMEDIATE)
    assert made.data["impactAssessment"]["affectedAssets"]["numbersActualEstimate"] == [
        "no_impact_on_clients"
    ]
    lifecycle.record_claim(
        attacked.targets.get(),
        category="TELEPHONE",
        state=ClaimState.EXPOSED,
        source="E-mail",
        stated_on=date(2026, 3, 10),
        by=attacked.created_by,
    )
    made = dora.report(ground.of(attacked), Phase.INTERMEDIATE)
    assert "affectedAssets" not in made.data["impactAssessment"]
    assert point(made, "impactAssessment.affectedAssets").missing.startswith("Comptez")


def test_who_holds_two_capacities_counts_in_both_and_the_dossiers_say_so(counted, cast):
    before = ground.of(counted).persons
    cesar = Member.objects.get(pk=cast.cesar.pk)
    spouse = AyantDroit(
        member=cast.bianca,
        reference="77",
        link="conjoint",
        first_names=cesar.first_names,
        birth_name=cesar.birth_name or cesar.last_name,
        birth_date=cesar.birth_date,
        start=cast.bianca.adhesions.first().start,
    )
    for column in AyantDroit._meta.concrete_fields:
        if column.name.startswith("nir"):
            setattr(spouse, column.attname, getattr(cesar, column.attname))
    spouse.save()
    counting.ask(counted, by=cast.auteur)
    known = ground.of(counted)
    assert known.persons == before + 1
    said = "\n".join(point(cnil.initial(known), "persons").lines)
    assert "une fois dans chacune de ses qualités" in said
    assert table(cnil.initial(known), "Personnes concernées").caption.endswith(
        "une fois par qualité"
    )
    label = point(dora.report(known, Phase.FINAL), "impactAssessment.affectedAssets").label
    assert label == "3.4 Clients touchés, une fois par qualité"


def test_dora_is_not_offered_for_an_incident_before_its_day(as_staff, cast, dpo, february_2024):
    known = ground.of(february_2024)
    for phase in Phase:
        assert "17 janvier 2025" in dora.not_offered(known, phase)
    browser = as_staff(dpo)
    page = text(browser.get(at("dossiers", february_2024.pk)))
    assert "Sans objet\u00a0: ne s'applique que depuis le 17 janvier 2025." in page
    assert at("dossier_json", february_2024.pk, "dora-initial") not in page
    refused = browser.get(at("dossier_json", february_2024.pk, "dora-initial"), follow=True)
    assert "Sans objet" in text(refused)
    assert not AuditEvent.objects.filter(action="incident.dossier_exported").exists()


def test_an_incident_that_is_not_major_owes_no_report(attacked):
    assert not dora.not_offered(ground.of(attacked), Phase.INITIAL)
    filings.classify(
        attacked,
        classified_at=NOON,
        is_major=False,
        grounds="Cent clients.",
        by=attacked.created_by,
    )
    assert "non majeur" in dora.not_offered(ground.of(attacked), Phase.INITIAL)


# The register


def test_the_register_has_a_line_for_every_incident_notified_or_not(counted, incident):
    lines = {line.incident.reference: line for line in register.lines()}
    assert set(lines) == {counted.reference, incident.reference}
    assert lines[incident.reference].cnil == ("Non notifié\u00a0: aucun opérateur n'est saisi.",)
    notified = lines[counted.reference]
    assert all("notifié le" in said for said in notified.cnil)
    assert len(notified.cnil) == 2
    assert str(ground.of(counted).persons) in notified.persons


def test_the_register_says_of_a_number_that_the_facts_have_changed_since(attacked):
    counting.ask(attacked, by=attacked.created_by)
    [line] = register.lines()
    assert "Les faits ont changé" not in line.persons
    care = CareDomain.objects.create(code="ESSAI", label="Essai")
    attacked.domain_scope.create(domain=care, rule="include")
    [line] = register.lines()
    assert line.persons.endswith("Les faits ont changé depuis.")
    counting.ask(attacked, by=attacked.created_by)
    lifecycle.record_claim(
        attacked.targets.get(),
        category="TELEPHONE",
        state=ClaimState.EXPOSED,
        source="E-mail",
        stated_on=date(2026, 3, 10),
        by=attacked.created_by,
    )
    [line] = register.lines()
    assert line.persons.endswith("Les faits ont changé depuis.")


def test_the_register_reads_the_totals_of_the_count_in_force_and_no_contract(
    counted, cast, version
):
    counting.ask(counted, by=cast.auteur, as_typed=True)
    [incident] = register._incidents()
    [kept] = incident.counts
    assert kept.version_id == version.pk
    assert "figures" in kept.get_deferred_fields()
    assert ground.people(kept.totals) == ground.of(counted).persons


def test_a_line_says_why_there_is_no_notification(attacked):
    [line] = register.lines()
    assert "pas encore notifié, échéance le 13 mars 2026" in line.cnil[0]
    with time_machine.travel(NOON + timedelta(hours=80), tick=False):
        [line] = register.lines()
        assert "non notifié, échéance passée le 13 mars 2026" in line.cnil[0]
    assert line.happened == "Un accès volé."
    assert "Numéro de sécurité sociale" in line.exposed


def test_a_decision_not_to_notify_is_told_with_its_reason(attacked):
    known = ground.of(attacked)
    filings.rule(
        attacked,
        known.clocks_of(ground.CNIL)[0],
        applies=False,
        reason="Données chiffrées, aucun risque.",
        by=attacked.created_by,
    )
    [line] = register.lines()
    assert line.cnil == (
        "Océane\u00a0: non notifié, déclarée sans objet\u00a0: Données chiffrées, aucun risque.",
    )
    assert ground.of(attacked).aware_at == NOON


def test_the_register_costs_the_same_for_any_number_of_incidents(
    attacked, django_assert_num_queries
):
    # duties · incidents · targets · claims · calls · measures · filings · rulings ·
    # classifications · versions · counts · contracts and care domains of the facts typed
    with django_assert_num_queries(13):
        assert len(list(register.lines())) == 1
    for number in range(3):
        Incident.objects.create(
            reference=f"2026-04-{number}",
            title="Autre",
            detected_on=date(2026, 4, 1),
            created_by=attacked.created_by,
            dpo_name="Le délégué",
            dpo_email="dpo@mutuelle.example",
        )
    counting.ask(Incident.objects.get(reference="2026-04-1"), by=attacked.created_by)
    with django_assert_num_queries(13):
        assert len(list(register.lines())) == 4


def test_a_cell_of_the_register_never_starts_a_formula(as_staff, dpo, incident):
    Incident.objects.filter(pk=incident.pk).update(title="=1+1")
    response = as_staff(dpo).get(at("register_csv"))
    rows = list(csv.reader(io.StringIO(response.content.decode("utf-8-sig")), delimiter=";"))
    assert rows[0] == register.head()
    assert not rows[1][1].startswith("=")
    event = AuditEvent.objects.get(action="incident.register_exported")
    assert event.details == {"form": "csv", "incidents": 1}


# The pages


@pytest.mark.parametrize("code", KINDS)
def test_each_dossier_is_one_click_a_page_a_pdf_and_a_json(as_staff, dpo, attacked, code):
    _file(attacked)
    browser = as_staff(dpo)
    shelf = text(browser.get(at("dossiers", attacked.pk)))
    for name in ("dossier", "dossier_pdf", "dossier_json"):
        address = at(name, attacked.pk, code)
        assert f'href="{address}"' in shelf
        response = browser.get(address)
        assert response.status_code == 200, address
        if name == "dossier_pdf":
            assert response.content.startswith(b"%PDF")
        if name == "dossier_json":
            response.json()
        if name == "dossier":
            assert "Empreinte des faits" in text(response)
    events = AuditEvent.objects.filter(action="incident.dossier_exported")
    assert {event.details["form"] for event in events} == {"pdf", "json"}
    assert {event.details["dossier"] for event in events} == {code}


def test_the_same_content_gives_the_same_pdf(counted):
    known = ground.of(counted)
    assert cnil.initial(known).pdf() == cnil.initial(known).pdf()


@given(cells=st.lists(st.text(alphabet="ab ", max_size=5_000), min_size=1, max_size=3))
def test_a_long_cell_goes_on_in_rows_that_fit_a_page(cells):
    rows = list(document.cut(cells))
    assert ["".join(column) for column in zip(*rows, strict=True)] == (cells if rows else [])
    assert all(len(cell) <= document.LONGEST_CELL for row in rows for cell in row)


def test_an_unknown_dossier_or_incident_is_not_found(as_staff, dpo, incident):
    browser = as_staff(dpo)
    assert browser.get(at("dossier", incident.pk, "autre")).status_code == 404
    assert browser.get(at("dossiers", 999)).status_code == 404
    assert browser.get(at("bundle", incident.pk)).status_code == 405


ALL = ("dossiers", "dossier", "dossier_pdf", "dossier_json", "register", "register_csv")


@pytest.mark.parametrize(
    ("role", "reads", "bundles"),
    [
        (roles.DPO, True, True),
        (roles.AUDIT, True, True),
        (roles.APPROVAL, True, False),
        (roles.WRITING, False, False),
        (roles.SUPPORT, False, False),
        (roles.LETTERS, False, False),
        (roles.ADMINISTRATION, False, False),
    ],
)
def test_who_may_read_and_who_may_bundle(as_staff, colleague, incident, role, reads, bundles):
    browser = as_staff(colleague("agent", role))
    for name in ALL:
        args = () if name.startswith("register") else (incident.pk,)
        args += (cnil.INITIAL,) if name.startswith("dossier_") or name == "dossier" else ()
        assert browser.get(at(name, *args)).status_code == (200 if reads else 403), name
    asked = browser.post(at("bundle", incident.pk))
    assert asked.status_code == (302 if bundles else 403)
    if reads:
        page = text(browser.get(at("dossiers", incident.pk)))
        assert (at("bundle", incident.pk) in page) == bundles


def test_the_page_of_dossiers_costs_a_known_number_of_statements(
    as_staff, counted, dpo, django_assert_num_queries
):
    browser = as_staff(dpo)
    browser.get(at("dossiers", counted.pk))
    # session with account · device · rights (2) · incident · what all rest on (19) ·
    # CNIL (1) · complement (3) · closing report (9) · bundles
    with django_assert_num_queries(38):
        browser.get(at("dossiers", counted.pk))


def test_the_closing_report_is_a_preview_until_the_closing(counted, cast):
    assert closing.report(ground.of(counted)).title == "Rapport de clôture\u00a0: aperçu"
    lifecycle.close(nobody_left_to_inform(counted), by=cast.approbateur)
    counted.refresh_from_db()
    made = closing.report(ground.of(counted))
    assert made.title == "Rapport de clôture"
    said = [cells[2] for cells in table(made, "Ce qui s'est passé").rows]
    assert any("L'incident est clos" in line for line in said)
    assert {row[0] for row in table(made, "Versions publiées").rows} == {"1"}
    assert not [one for one in made.gaps if one.code == "closed"]
