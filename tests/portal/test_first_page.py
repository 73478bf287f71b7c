"""The first page of the admin: what waits for this colleague, and figures that nobody counts meanwhile."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.utils import timezone

from incidents import intake, notices, reach
from incidents.models import Incident
from members import figures
from tests.cast import *  # noqa: F403

FIRST = "/admin/"


def page_of(browser):
    return unescape(browser.get(FIRST).content.decode())


@pytest.fixture
def counted(february_2024):
    figures.count()
    reach.fill(february_2024)
    return february_2024


def test_support_sees_sign_ins_texts_and_who_was_informed(as_staff, cast, counted):
    page = page_of(as_staff(cast.support))
    assert page.count("<polyline") == 2
    assert "Connexions, jour par jour" in page
    assert "SMS et appels, jour par jour" in page
    assert "<caption>Où elles en sont</caption>" in page
    assert f"Information des personnes : {counted.title}" in page
    assert "Ce qui attend" not in page


def test_support_finds_a_member_from_there(as_staff, cast):
    browser = as_staff(cast.support)
    assert 'action="/admin/members/member/"' in page_of(browser)
    assert "Kervella" in unescape(browser.get("/admin/members/member/?q=kerv").content.decode())
    assert 'action="/admin/members/member/"' not in page_of(as_staff(cast.auteur))


def test_each_figure_asks_for_its_right(as_staff, cast, counted):
    page = page_of(as_staff(cast.courriers))
    assert "Information des personnes" in page
    assert "jour par jour" not in page
    assert "Ce qui attend" not in page


def test_an_approver_finds_the_version_that_waits_and_an_author_not_his_own(
    as_staff, cast, february_2024
):
    draft = notices.revise(notices.latest(february_2024), author=cast.auteur, reason="Précisions.")
    words = f"Version {draft.number} de « {february_2024.title} »"
    assert words not in page_of(as_staff(cast.approbateur))
    draft.change_note = "La période est connue."
    draft.save()
    notices.submit(draft, by=cast.auteur)
    assert words in page_of(as_staff(cast.approbateur))
    assert words not in page_of(as_staff(cast.auteur))


def test_the_deadlines_that_run_come_in_order_the_next_one_first(as_staff, cast, february_2024):
    newer = Incident.objects.create(
        reference="2026-11-autre",
        title="Un autre incident",
        detected_on=timezone.localdate(),
        created_by=cast.auteur,
    )
    called_at = timezone.now() - timedelta(hours=2)
    told = intake.Told(
        operator=february_2024.targets.first().operator,
        called_at=called_at,
        channel="telephone",
        caller_name="Camille Roux",
        caller_role="Astreinte",
        said="Un accès volé.",
        source="Appel",
        stated_on=called_at.date(),
    )
    intake.record(newer, told, by=cast.auteur)
    page = page_of(as_staff(cast.approbateur))
    waiting = page[page.index("Ce qui attend") :]
    titles = re.findall(r"\((Un autre incident|Attaque de [^)]*)\)</li>", waiting)
    assert titles[:2] == [february_2024.title] * 2  # late since 2024
    assert set(titles[2:]) == {newer.title}
    assert "échéance le" in waiting


def test_it_costs_the_same_whatever_happened(
    as_staff, cast, counted, django_assert_max_num_queries
):
    browser = as_staff(cast.support)
    page_of(browser)
    # session with account · device · rights (2) · live incidents · last filling · days · recent acts ·
    # demandes
    with django_assert_max_num_queries(9):
        page_of(browser)
