"""Two people at one page of the admin: nobody undoes what the other did, and both read what happened."""

from datetime import date
from html import unescape
from threading import Barrier, Thread

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from incidents import lifecycle, notices
from incidents.admin.incident import IncidentAdmin, TargetAdmin
from incidents.admin.notice import NoticeVersionAdmin
from incidents.models import Claim, Incident, NoticeVersion
from members.models import AuditEvent
from portal.demo.incident import NOTICE
from tests.cast import nobody_left_to_inform
from tests.forms import typed
from tests.incidents.test_desk import incident_page, inline, nir, save_target
from tests.incidents.test_notices import draft  # noqa: F401 - fixture

pytestmark = pytest.mark.django_db(transaction=True)


def at(name, row=None):
    return reverse(f"admin:incidents_{name}", args=[row.pk] if row else [])


def text(response) -> str:
    return unescape(response.content.decode())


def elsewhere(act):
    """Runs `act` in a thread, so over another connection, until it is committed."""

    def run():
        try:
            act()
        finally:
            connection.close()

    thread = Thread(target=run)
    thread.start()
    thread.join()


@pytest.fixture
def between(monkeypatch):
    """`between(admin, act)`: `act` happens once the page has read its row, before it saves it."""

    def arrange(admin, act):
        save_model = admin.save_model

        def later(self, *args, **kwargs):
            elsewhere(act)
            return save_model(self, *args, **kwargs)

        monkeypatch.setattr(admin, "save_model", later)

    return arrange


@pytest.fixture
def prepared(cast):
    """An incident that nobody has published yet."""
    return Incident.objects.create(
        reference="2026-01-essai",
        title="Essai",
        detected_on=date(2026, 1, 10),
        created_by=cast.auteur,
        dpo_name="Le délégué",
        dpo_email="dpo@mutuelle.example",
    )


def test_saving_an_incident_never_undoes_a_closing(as_staff, cast, february_2024, between):
    between(
        IncidentAdmin,
        lambda: lifecycle.close(nobody_left_to_inform(february_2024), by=cast.approbateur),
    )
    page = incident_page(
        february_2024, **{"title": "Autre", "targets-0-window_source": "Un courriel"}
    )
    answer = as_staff(cast.auteur).post(at("incident_change", february_2024), page, follow=True)
    assert "Cet incident vient de changer d'état" in text(answer)
    incident = Incident.objects.get()
    assert (incident.state, incident.title) == ("closed", "Attaque de Viamedis et d'Almerys")
    assert incident.closed_at is not None
    assert not incident.targets.filter(window_source="Un courriel").exists()
    assert not AuditEvent.objects.filter(action="incident.changed").exists()


def test_saving_an_incident_never_undoes_a_publication(as_staff, cast, prepared, between):
    between(IncidentAdmin, lambda: Incident.objects.open_to_members(prepared))
    page = incident_page(prepared, reference=prepared.reference, title="Un autre titre")
    assert as_staff(cast.auteur).post(at("incident_change", prepared), page).status_code == 302
    prepared.refresh_from_db()
    assert (prepared.state, prepared.title) == ("live", "Un autre titre")


def test_a_reference_that_members_have_just_seen_stays(as_staff, cast, prepared, between):
    between(IncidentAdmin, lambda: Incident.objects.open_to_members(prepared))
    page = incident_page(prepared, reference="autre")
    answer = as_staff(cast.auteur).post(at("incident_change", prepared), page, follow=True)
    assert "Cet incident vient de changer d'état" in text(answer)
    prepared.refresh_from_db()
    assert prepared.reference == "2026-01-essai"


def test_nothing_is_claimed_of_an_incident_that_was_just_closed(
    as_staff, cast, february_2024, between
):
    between(
        TargetAdmin,
        lambda: lifecycle.close(nobody_left_to_inform(february_2024), by=cast.approbateur),
    )
    claims = Claim.objects.count()
    target = february_2024.targets.first()
    answer = save_target(as_staff(cast.auteur), target, nir("en_verification"))
    assert answer.status_code == 302
    assert Claim.objects.count() == claims


def test_saving_a_draft_never_undoes_its_submission(as_staff, cast, draft, between):  # noqa: F811
    draft.change_note = "Une précision."
    draft.save()
    between(NoticeVersionAdmin, lambda: notices.submit(draft, by=cast.auteur))
    answer = as_staff(cast.auteur).post(
        at("noticeversion_change", draft),
        {**typed(NOTICE), "headline": "Autre", "change_note": "Une précision.", "material": "on"},
        follow=True,
    )
    assert "Cette version n'est plus un brouillon" in text(answer)
    version = NoticeVersion.objects.get(pk=draft.pk)
    assert (version.state, version.headline) == ("submitted", NOTICE["headline"])
    assert not AuditEvent.objects.filter(action="incident.version_changed").exists()


# Six at once


def six_times(browser, address, posted):
    """(status, words of the page it leads to) of six identical posts at the same moment."""
    start, answers = Barrier(6), []

    def post():
        own = Client(raise_request_exception=False)
        own.cookies = browser.cookies.copy()
        start.wait()
        try:
            answer = own.post(address, posted)
            page = own.get(answer.url) if answer.status_code == 302 else answer
            answers.append((answer.status_code, text(page)))
        finally:
            connection.close()

    threads = [Thread(target=post) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_six_first_versions_at_once_are_one(as_staff, cast, prepared):
    posted = {"incident": prepared.pk, "material": "on", **typed(NOTICE)}
    answers = six_times(as_staff(cast.auteur), at("noticeversion_add"), posted)
    assert len(answers) == 6
    assert {status for status, _page in answers} <= {200, 302}
    assert any("Une autre version est déjà en cours" in page for _status, page in answers)
    assert prepared.versions.count() == 1


def test_six_identical_claims_at_once_are_one(as_staff, cast, february_2024):
    target = february_2024.targets.first()
    fields = ("window_from", "window_until", "window_source", "detected_on", "what_happened")
    posted = {name: getattr(target, name) for name in fields}
    posted |= inline("claims", nir("en_verification"))
    answers = six_times(as_staff(cast.auteur), at("target_change", target), posted)
    assert [status for status, _page in answers] == [302] * 6
    claims = Claim.objects.filter(target=target, category="NIR")
    assert [claim.state for claim in claims.order_by("pk")] == ["exposee", "en_verification"]
