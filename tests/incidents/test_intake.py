"""« Un opérateur appelle »: one page, everything or nothing, and nothing typed is lost."""

from dataclasses import replace
from datetime import date, timedelta
from threading import Barrier, Thread

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, connection
from django.utils import timezone

from incidents import clocks, comparison, intake, lifecycle
from incidents.models import Call, Claim, Evidence, Incident
from members.models import AuditEvent, Operator
from portal import roles
from tests.incidents.test_desk import at, text


@pytest.fixture
def operators(db):
    return [Operator.objects.create(code=code, name=code.capitalize()) for code in ("NORD", "SUD")]


@pytest.fixture
def auteur(colleague):
    return colleague("auteur", roles.WRITING)


@pytest.fixture
def incident(auteur):
    return Incident.objects.create(
        reference="2026-03-essai",
        title="Essai",
        detected_on=date(2026, 3, 10),
        created_by=auteur,
        dpo_name="Le délégué",
        dpo_email="dpo@mutuelle.example",
    )


def an_hour_ago():
    return (timezone.localtime() - timedelta(hours=1)).replace(second=0, microsecond=0)


def call_of(operator, **more):
    return {
        "operator": operator.pk,
        "called_at": an_hour_ago().strftime("%Y-%m-%dT%H:%M"),
        "channel": "telephone",
        "caller_name": "Camille Roux",
        "caller_role": "Astreinte",
        "said": "Un accès volé.\r\nDes droits consultés.",
        "window": "unknown",
        "files_kind": "courriel",
    } | more


def test_from_the_phone_that_rings_to_the_timeline(as_staff, auteur, operators):
    """The whole journey: a new incident, two operators, two clocks, and one changes its mind."""
    nord, sud = operators
    browser = as_staff(auteur)
    assert "Un opérateur appelle" in text(browser.get(at("incident_changelist")))
    chosen = browser.post(
        at("incident_choose"),
        {
            "incident": "new",
            "title": "Attaque de Nord",
            "dpo_name": "Le délégué",
            "dpo_email": "dpo@mutuelle.example",
        },
    )
    incident = Incident.objects.get()
    assert incident.reference == f"{timezone.localdate():%Y-%m}-attaque-de-nord"
    assert chosen.url == at("incident_call", incident)
    answer = browser.post(
        chosen.url,
        call_of(
            nord,
            window="known",
            window_from="2026-03-01",
            state_NIR="exposee",
            confidence_NIR="dite",
            state_EMAIL="en_verification",
            confidence_EMAIL="supposee",
            step_deconnexion="on",
            day_deconnexion="2026-03-02",
            file_1=SimpleUploadedFile("lettre.pdf", b"%PDF-1.7 ..."),
        ),
    )
    assert answer.url == at("incident_timeline", incident)
    browser.post(chosen.url, call_of(sud, state_NIR="non_exposee", confidence_NIR="ecrite"))
    browser.post(
        chosen.url,
        call_of(
            nord,
            called_at=timezone.localtime().strftime("%Y-%m-%dT%H:%M"),
            state_NIR="non_exposee",
            confidence_NIR="ecrite",
            source="Courriel du directeur",
            step_deconnexion="on",
        ),
    )
    first, second = incident.targets.all()
    assert (first.window_from, first.window_until) == (date(2026, 3, 1), None)
    assert first.what_happened == "Un accès volé.\nDes droits consultés."
    assert second.window_from is None
    live = {
        (claim.target_id, claim.category): (claim.state, claim.confidence, claim.recorded_by)
        for claim in Claim.objects.live()
    }
    assert live == {
        (first.pk, "NIR"): ("non_exposee", "ecrite", auteur),
        (first.pk, "EMAIL"): ("en_verification", "supposee", auteur),
        (second.pk, "NIR"): ("non_exposee", "ecrite", auteur),
    }
    step = incident.steps.get()
    assert (step.done_on, step.text) == (date(2026, 3, 2), "Nord a coupé l'accès à sa plateforme.")
    piece = incident.evidence.get()
    assert (piece.target, piece.received_from) == (first, "Nord, Astreinte")
    due = {
        clock.target.pk: clock.due_at
        for clock in clocks.of(incident, timezone.now())
        if clock.regime.code == "rgpd-33"
    }
    assert due == dict.fromkeys((first.pk, second.pk), an_hour_ago() + timedelta(hours=72))

    page = text(browser.get(answer.url))
    for words in (
        "Nord appelle (téléphone)",
        "Sud appelle",
        "lettre.pdf",
        "Plateforme déconnectée",
    ):
        assert words in page
    compared = text(browser.get(at("incident_claims", incident)))
    assert "Téléphone de Nord (Astreinte), le " in compared
    assert "Courriel du directeur" in compared
    assert "Une affirmation avant" in compared
    assert "Saisi par Auteur" in compared
    event = AuditEvent.objects.filter(action="call.recorded").first()
    assert "Camille" not in str(event.details)
    assert "volé" not in str(event.details)


def test_what_each_operator_says_is_compared_category_by_category(incident, auteur, operators):
    for operator, state in zip(operators, ("exposee", "non_exposee"), strict=True):
        said = call_told(operator, claims={"NIR": (state, "dite"), "EMAIL": ("exposee", "dite")})
        intake.record(incident, said, by=auteur)
    alone = call_told(
        operators[0],
        called_at=an_hour_ago() + timedelta(minutes=1),
        claims={"MEDICAL": ("exposee", "dite")},
    )
    intake.record(incident, alone, by=auteur)  # who says nothing contradicts nobody
    _targets, rows = comparison.of(incident)
    assert [row.category for row in rows if row.differs] == ["NIR"]
    assert {row.category for row in rows if row.cells[0].live} == {
        "NIR",
        "EMAIL",
        "MEDICAL",
    }


def call_told(operator, **more):
    return intake.Told(
        operator=operator,
        called_at=more.pop("called_at", an_hour_ago()),
        channel="telephone",
        caller_name="Camille Roux",
        caller_role="Astreinte",
        said="Un accès volé.",
        source="Appel",
        stated_on=timezone.localdate(),
        **more,
    )


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"operator": "99"}, "operator"),
        ({"called_at": "2199-01-01T10:00"}, "called_at"),
        ({"called_at": "hier"}, "called_at"),
        ({"channel": "pigeon"}, "channel"),
        ({"caller_name": ""}, "caller_name"),
        ({"caller_role": "06 12 34 56 78"}, "caller_role"),
        ({"said": ""}, "said"),
        ({"said": "a\0b"}, "said"),
        ({"window": "known"}, "window_from"),
        ({"window_from": "2026-03-01"}, "window"),
        (
            {"window": "known", "window_from": "2026-03-02", "window_until": "2026-03-01"},
            "window_until",
        ),
        ({"window": "known", "window_from": "2199-01-01"}, "window_from"),
        ({"state_NIR": "perdue"}, "state_NIR"),
        ({"state_NIR": "exposee", "confidence_NIR": "jurée"}, "confidence_NIR"),
        ({"stated_on": "2199-01-01"}, "stated_on"),
        ({"day_plainte": "2199-01-01"}, "day_plainte"),
        ({"file_1": SimpleUploadedFile("virus.exe", b"MZ\x90\0\x03")}, "file_1"),
        ({"file_2": SimpleUploadedFile("page.html", b"<html>")}, "file_2"),
        ({"file_2": SimpleUploadedFile("vide.pdf", b"")}, "file_2"),
    ],
)
def test_a_slip_is_told_beside_its_field_and_keeps_what_was_typed(
    as_staff, auteur, incident, operators, change, field
):
    typed = {"source": "Le courriel de onze heures", "state_MEDICAL": "non_exposee"}
    answer = as_staff(auteur).post(
        at("incident_call", incident), call_of(operators[0]) | typed | change
    )
    assert answer.status_code == 200
    assert set(answer.context["form"].errors) == {field}
    page = text(answer)
    assert "Rien n'est enregistré." in page
    assert 'value="Le courriel de onze heures"' in page
    assert '<option value="non_exposee" selected>' in page
    assert not Call.objects.exists()
    assert not incident.targets.exists()
    assert not Evidence.objects.exists()


def test_a_file_too_heavy_is_said_beside_its_field(
    as_staff, auteur, incident, operators, monkeypatch
):
    heavy = SimpleUploadedFile("film.pdf", b"%PDF-" + b"x" * ((25 << 20) + 1))
    answer = as_staff(auteur).post(
        at("incident_call", incident), call_of(operators[0], file_3=heavy)
    )
    assert list(answer.context["form"].errors) == ["file_3"]
    assert "trop lourd" in text(answer)


def test_the_same_call_sent_twice_is_recorded_once(as_staff, auteur, incident, operators):
    browser = as_staff(auteur)
    for _click in range(2):
        answer = browser.post(at("incident_call", incident), call_of(operators[0]))
    assert "est déjà saisi" in text(answer)
    assert Call.objects.count() == 1


def test_nothing_is_half_recorded(incident, auteur, operators, settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path)
    files = [SimpleUploadedFile("a.pdf", b"%PDF-1")]
    claims = {"NIR": ("exposee", "dite"), "INCONNUE": ("exposee", "dite")}
    with pytest.raises(IntegrityError, match="claim_state_and_category_are_known"):
        intake.record(
            incident,
            call_told(operators[0], claims=claims, files=files, files_kind="courriel"),
            by=auteur,
        )
    assert not Call.objects.exists()
    assert not incident.targets.exists()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_the_day_of_a_measure_that_is_told_later_is_kept(incident, auteur, operators):
    first, later = an_hour_ago(), an_hour_ago() + timedelta(minutes=30)
    for called_at, day in ((first, None), (later, date(2026, 3, 2))):
        said = call_told(operators[0], called_at=called_at, steps={"plainte": day})
        intake.record(incident, said, by=auteur)
    assert incident.steps.get().done_on == date(2026, 3, 2)
    told = [event.details["steps"] for event in AuditEvent.objects.filter(action="call.recorded")]
    assert told == [["plainte"], ["plainte"]]
    again = call_told(operators[0], called_at=later + timedelta(minutes=1))
    intake.record(incident, replace(again, steps={"plainte": date(2026, 3, 9)}), by=auteur)
    assert incident.steps.get().done_on == date(2026, 3, 2), (
        "a known day is changed on purpose only"
    )


def test_a_call_about_a_closed_incident_opens_another(as_staff, auteur, incident, operators):
    Incident.objects.filter(pk=incident.pk).update(state="closed", closed_at=timezone.now())
    browser = as_staff(auteur)
    answer = browser.post(at("incident_call", incident), call_of(operators[0]))
    assert answer.url == at("incident_choose")
    assert "Essai" not in text(browser.get(at("incident_choose")))
    with pytest.raises(lifecycle.Moved):
        intake.record(incident, call_told(operators[0]), by=auteur)


def test_a_new_incident_needs_its_few_words_and_a_title_of_its_own(as_staff, auteur):
    browser = as_staff(auteur)
    answer = browser.post(at("incident_choose"), {"incident": "new", "title": "Attaque"})
    assert set(answer.context["form"].errors) == {"dpo_name", "dpo_email"}
    new = {
        "incident": "new",
        "title": "Attaque",
        "dpo_name": "Nom",
        "dpo_email": "dpo@mutuelle.example",
    }
    browser.post(at("incident_choose"), new)
    assert "porte déjà ce titre" in text(browser.post(at("incident_choose"), new))
    assert Incident.objects.count() == 1
    assert browser.post(at("incident_choose"), {"incident": "9999"}).status_code == 200


@pytest.mark.parametrize("role", [roles.SUPPORT, roles.APPROVAL, roles.DPO, roles.AUDIT])
def test_only_who_writes_incidents_takes_calls(as_staff, colleague, incident, operators, role):
    browser = as_staff(colleague("autre", role))
    for address in (at("incident_choose"), at("incident_call", incident)):
        assert browser.get(address).status_code == 403
        assert browser.post(address, call_of(operators[0])).status_code == 403
    assert "Un opérateur appelle" not in text(browser.get(at("incident_changelist")))
    assert not Call.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_colleagues_take_the_same_call_at_once_and_it_is_recorded_once(
    incident, auteur, operators
):
    together, outcomes = Barrier(2), []
    said = call_told(operators[0], claims={"NIR": ("exposee", "dite")})

    def take():
        together.wait()
        try:
            intake.record(incident, said, by=auteur)
            outcomes.append("recorded")
        except intake.Twice:
            outcomes.append("twice")
        finally:
            connection.close()

    threads = [Thread(target=take) for _colleague in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["recorded", "twice"]
    assert (Call.objects.count(), incident.targets.count(), Claim.objects.count()) == (1, 1, 1)
