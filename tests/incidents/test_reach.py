"""The reach ledger: who must be told, who was, and an incident that waits for everybody."""

import json
from datetime import timedelta

import pytest
import time_machine
from django.db import DatabaseError, connection, connections, transaction
from django.utils import timezone

from incidents import (
    acknowledgements,
    audience,
    exposure,
    facts,
    lifecycle,
    notices,
    reach,
    reach_figures,
)
from incidents.models import Acknowledgement, Census, Dispatch, Incident, Reach
from incidents.models.reach import Channel, DispatchState, ReachState, Unreachable
from incidents.reach_letters import new_reference
from members import jobs
from members.models import Adhesion, AuditEvent, AyantDroit, Member
from members.models.written_once import WrittenOnce
from portal.demo.people import ALMERYS, VIAMEDIS
from tests.cast import nobody_left_to_inform
from tests.incidents.embedded import embedded_database


def names(rows):
    return sorted(row.person.full_name for row in rows.select_related("member", "ayant_droit"))


def row_of(incident, person):
    key = {"member": person, "ayant_droit": None}
    if isinstance(person, AyantDroit):
        key = {"ayant_droit": person}
    return incident.reach.get(**key)


def state_of(incident, person) -> str:
    rows = incident.reach.with_state(reach.enough(incident))
    return rows.get(pk=row_of(incident, person).pk).state


def shown(member, version, **columns):
    return Acknowledgement.objects.create(
        member=member, version=version, shown={}, fingerprint="f" * 64, **columns
    )


def posted(row, version, state=DispatchState.PRINTED, **columns):
    return Dispatch.objects.create(
        person=row,
        version=version,
        channel=Channel.LETTER,
        state=state,
        reference=new_reference(),
        **columns,
    )


def mailed(row, version, state=DispatchState.SENT):
    return Dispatch.objects.create(
        person=row,
        version=version,
        channel=Channel.MAIL,
        state=state,
        mail="3f1b2c4d-0000-4000-8000-000000000000",
    )


@pytest.fixture
def aurelie(cast):
    return AyantDroit.objects.get(first_names="Aurélie")


# Who is in it


def test_it_holds_members_former_ones_and_adult_ayants_droit_in_their_own_name(ledger):
    by_capacity = {
        capacity: names(ledger.reach.filter(capacity=capacity))
        for capacity in ("adherent", "ancien_adherent", "ayant_droit")
    }
    assert by_capacity == {
        "adherent": [
            "Antoine Kervella",
            "Bianca Santoni",
            "Gilles Perrin",
            "Gwenaëlle Garnier",
            "Paulin Roche",
            "Simone Verdier",
        ],
        "ancien_adherent": ["César Orsini"],
        "ayant_droit": ["Aurélie Kervella", "Émile Garnier"],
    }


def test_it_agrees_with_the_count_of_everybody(ledger):
    counted = audience.count(notices.told(ledger)[1], timezone.localdate()).totals
    capacities = reach.totals(ledger).capacities
    assert capacities["adherent"] == counted["adherents"]
    assert capacities["ancien_adherent"] == counted["anciens_adherents"]
    assert capacities["ayant_droit"] == counted["ayants_droit_majeurs"]


def test_each_minor_concerned_has_a_member_in_it(ledger):
    told = notices.told(ledger)[1]
    children = AyantDroit.objects.filter(birth_date__gte="2010-01-01")
    found = exposure.of_people(exposure.AYANTS_DROIT, children.values_list("pk", flat=True), told)
    assert {person.state for person in found.values()} == {"confirmee"}
    for child in children:
        assert row_of(ledger, child.member).is_concerned


def test_filling_again_changes_nothing(ledger):
    before = list(ledger.reach.order_by("pk").values())
    reach.fill(ledger)
    assert list(ledger.reach.order_by("pk").values()) == before


def test_the_adult_child_of_two_members_has_one_row(february_2024):
    AyantDroit.objects.filter(first_names="Gabin").update(birth_date="2000-03-05")
    for _ in range(2):
        reach.fill(february_2024)
        assert names(february_2024.reach.filter(capacity="ayant_droit")).count("Gabin Perrin") == 1


def test_who_is_no_longer_concerned_leaves_and_comes_back_with_what_was_sent(cast, ledger, version):
    letter = posted(row_of(ledger, cast.cesar), version)
    start = cast.cesar.adhesions.get().start
    Adhesion.objects.filter(member=cast.cesar).update(start="2023-10-31", end="2023-10-31")
    ledger.scope.create(contract=cast.cesar.adhesions.get().contract, rule="exclude")
    Incident.objects.filter(pk=ledger.pk).update(state="live")
    version_two = notices.revise(version, author=cast.auteur)
    version_two.change_note = "Un contrat n'est pas concerné."
    version_two.save()
    notices.submit(version_two, by=cast.auteur)
    notices.publish(version_two, by=cast.approbateur)
    reach.fill(ledger)
    row = row_of(ledger, cast.cesar)
    assert not row.is_concerned
    notices.withdraw(version_two, by=cast.approbateur, reason="Erreur de périmètre")
    Adhesion.objects.filter(member=cast.cesar).update(start=start)
    reach.fill(ledger)
    assert row_of(ledger, cast.cesar).is_concerned
    assert row_of(ledger, cast.cesar).dispatches.get() == letter


def test_a_child_who_comes_of_age_after_the_publication_was_told_through_his_member(
    february_2024,
):
    AyantDroit.objects.filter(first_names="Apolline").update(
        birth_date=timezone.localdate().replace(day=1) - timedelta(days=365 * 18 - 60)
    )
    with time_machine.travel(timezone.now() + timedelta(days=120)):
        reach.fill(february_2024)
    assert "Apolline Kervella" not in names(february_2024.reach)


def test_a_member_who_leaves_becomes_a_former_one(cast, ledger):
    Adhesion.objects.filter(member=cast.bianca).update(end=timezone.localdate() - timedelta(days=1))
    reach.fill(ledger)
    assert row_of(ledger, cast.bianca).capacity == "ancien_adherent"


def test_a_filling_that_was_cut_goes_on_from_its_last_batch(february_2024, monkeypatch):
    monkeypatch.setattr(reach, "BATCH", 3)
    cursor, turns = {}, 0
    while True:
        steps = reach._steps(february_2024, cursor)
        try:
            step = next(steps)
        except StopIteration:
            break
        steps.close()
        turns, cursor = turns + 1, step.cursor
    assert turns > 6
    assert Census.objects.get().finished_at
    assert february_2024.reach.count() == 9


def test_a_new_version_during_a_filling_begins_it_again(cast, february_2024, monkeypatch):
    monkeypatch.setattr(reach, "BATCH", 3)
    step = next(reach._steps(february_2024, {}))
    february_2024.scope.create(contract=cast.cesar.adhesions.get().contract, rule="exclude")
    publish_again(cast, february_2024)
    for _step in reach._steps(february_2024, step.cursor):
        pass
    assert Census.objects.count() == 2
    assert names(february_2024.reach.concerned()) == ["Gwenaëlle Garnier", "Émile Garnier"]


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_an_adult_of_two_members_stays_in_it_when_one_of_them_stops_concerning_him(
    cast, february_2024, monkeypatch, batch
):
    """Whichever of his two rows comes first, and in whichever batch."""
    monkeypatch.setattr(reach, "BATCH", batch)
    AyantDroit.objects.filter(first_names="Gabin").update(birth_date="2000-03-05")
    first, second = AyantDroit.objects.filter(first_names="Gabin").order_by("pk")
    covers = {row.pk: (row.start, row.end) for row in (first, second)}
    for leaving, staying in ((first, second), (second, first)):
        for row, (start, end) in (
            (leaving, ("1999-01-01", "1999-01-01")),
            (staying, covers[staying.pk]),
        ):
            AyantDroit.objects.filter(pk=row.pk).update(start=start, end=end)
        reach.fill(february_2024)
        rows = february_2024.reach.concerned().filter(ayant_droit__first_names="Gabin")
        assert [row.ayant_droit_id for row in rows] == [staying.pk]


def test_it_is_filled_as_a_job(cast, february_2024, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        job = reach.refresh(february_2024, by=cast.auteur)
    job.refresh_from_db()
    assert (job.state, job.result) == ("done", {"Personnes concernées": 9, "Reste à informer": 9})
    assert AuditEvent.objects.get(action="incident.reach_filled").actor == cast.auteur


def test_a_night_refreshes_what_is_live_and_nothing_else(cast, february_2024):
    reach.refresh_live()
    assert [job.parameters for job in jobs.Job.objects.all()] == [{"incident": february_2024.pk}]
    Incident.objects.filter(pk=february_2024.pk).update(state="closed", closed_at=timezone.now())
    jobs.Job.objects.all().delete()
    reach.refresh_live()
    assert not jobs.Job.objects.exists()


def test_sqlite_fills_the_same_rows(django_db_setup, django_db_blocker):
    from members.models import User
    from portal.demo import incident as february
    from portal.demo import people

    with django_db_blocker.unblock(), embedded_database():
        people.load(known_secrets=False)
        author, approver = (User.objects.get(identifiant=who) for who in ("auteur", "approbateur"))
        incident = february.load(author=author, approver=approver)
        for _ in range(2):
            figures = reach.fill(incident).figures
            assert figures["capacities"] == {
                "adherent": 6,
                "ancien_adherent": 1,
                "ayant_droit": 2,
            }
        row = incident.reach.get(capacity="ancien_adherent")
        posted(row, notices.latest(incident), told=[{"name": "César Orsini"}])
        assert reach.fill(incident).figures["states"]["courrier"] == 1
        with pytest.raises(DatabaseError, match="dispatch_is_written_once"):
            Dispatch.objects.all()._move(told=[])  # while its incident is open
        Incident.objects.filter(pk=incident.pk).update(state="closed", closed_at=timezone.now())
        assert Dispatch.objects.forget(timezone.now()) == 1
        with pytest.raises(DatabaseError, match="dispatch_is_written_once"):
            Dispatch.objects.all()._move(told=[{"name": "Une autre"}])
        with pytest.raises(DatabaseError, match="dispatch_is_written_once"):
            connections["embedded"].cursor().execute("DELETE FROM incidents_dispatch")


# Where each stands


STANDS = {
    (): "rien",
    ("mail",): "email",
    ("mail", "unreachable"): "injoignable",
    ("mail", "returned"): "courrier_revenu",
    ("returned", "unreachable"): "injoignable",
    ("returned", "letter"): "courrier",
    ("letter", "unreachable"): "courrier",
    ("letter", "shown"): "affichee",
    ("unreachable", "shown"): "affichee",
    ("letter", "read"): "lue",
    ("failed",): "rien",
}


def test_the_best_known_says_where_a_person_stands(cast, ledger, version):
    row = row_of(ledger, cast.antoine)
    happen = {
        "mail": lambda number: mailed(row, version),
        "failed": lambda number: mailed(row, version, state=DispatchState.FAILED),
        "letter": lambda number: posted(row, version, round=number),
        "returned": lambda number: posted(row, version, state=DispatchState.RETURNED, round=number),
        "unreachable": lambda number: reach.excuse(
            row, Unreachable.OTHER, "Recherche faite", by=cast.courriers
        ),
        "shown": lambda number: shown(cast.antoine, version),
        "read": lambda number: shown(cast.antoine, version, acknowledged_at=timezone.now()),
    }
    for given, state in STANDS.items():
        with transaction.atomic():
            for number, one in enumerate(given, start=1):
                happen[one](number)
            assert state_of(ledger, cast.antoine) == state, given
            left = ledger.reach.to_inform(reach.enough(ledger)).filter(pk=row.pk)
            assert left.exists() == (state in ("rien", "email", "courrier_revenu")), given
            transaction.set_rollback(True)


def test_what_a_member_reads_informs_no_adult_of_his_family(cast, ledger, version, aurelie):
    shown(cast.antoine, version, acknowledged_at=timezone.now())
    assert state_of(ledger, cast.antoine) == "lue"
    assert state_of(ledger, aurelie) == "rien"


def publish_again(cast, incident, **fields):
    version = notices.revise(notices.latest(incident), author=cast.auteur)
    version.change_note = "Une précision."
    for name, value in fields.items():
        setattr(version, name, value)
    version.save()
    notices.submit(version, by=cast.auteur)
    notices.publish(version, by=cast.approbateur)
    return version


def test_a_material_version_asks_everybody_again_and_a_correction_nobody(cast, ledger, version):
    shown(cast.antoine, version)
    publish_again(cast, ledger, material=False)
    assert state_of(ledger, cast.antoine) == "affichee"
    publish_again(cast, ledger, material=True)
    assert state_of(ledger, cast.antoine) == "rien"


# Figures


def test_figures_say_how_many_how_and_how_fast(cast, ledger, version, aurelie):
    hour = timedelta(hours=1)
    begin = version.published_at
    shown(cast.antoine, version, shown_at=begin + hour / 2, acknowledged_at=begin + hour)
    shown(cast.bianca, version, shown_at=begin + 5 * hour)
    for person in (aurelie, cast.gilles, cast.gwenaelle):
        posted(row_of(ledger, person), version, made_at=begin + 30 * hour)
    back = row_of(ledger, cast.cesar)
    posted(back, version, state=DispatchState.RETURNED, made_at=begin + hour)
    reach.excuse(back, Unreachable.RETURNED, "Revenu, aucune autre adresse", by=cast.courriers)
    with time_machine.travel(begin + 50 * hour):
        totals = reach.totals(ledger)
    assert (totals.concerned, totals.informed, totals.acknowledged) == (9, 5, 1)
    assert (totals.unreachable, totals.to_inform) == (1, 3)
    assert totals.p50 in (30, 31)
    assert totals.p95 is totals.p95_call is None
    assert totals.p50_call > totals.p50  # the operators called before anything was published
    assert totals.curve[-1][1] == 5
    assert [informed for _day, informed in totals.curve] == sorted(n for _d, n in totals.curve)
    (of_version,) = totals.versions
    assert (of_version.shown, of_version.acknowledged) == (2, 1)
    assert (of_version.letters, of_version.letters_returned) == (4, 1)


@pytest.mark.parametrize(
    ("after", "hours"), [(0, 1), (29, 1), (31, 2), (59, 2), (89, 2), (91, 3), (23 * 60 + 29, 24)]
)
def test_hours_are_rounded_up(after, hours):
    """Of what was published half past nine, by the hours of the clock."""
    begin = timezone.now().replace(minute=30, second=0, microsecond=0)
    informed = (begin + timedelta(minutes=after)).replace(minute=0)
    assert reach_figures._percentile([(informed, 1)], 1, 50, begin) == hours


def test_the_curve_ends_with_the_incident(ledger):
    nobody_left_to_inform(ledger)
    lifecycle.close(ledger, by=None)
    ends = [day for day, _informed in reach.totals(ledger).curve][-1]
    with time_machine.travel(timezone.now() + timedelta(days=30)):
        assert reach.totals(ledger).curve[-1][0] == ends


def test_figures_cost_the_same_for_anybody(ledger, django_assert_num_queries):
    # last filling · versions that are enough · states · versions · call · hours · readings ·
    # dispatches
    with django_assert_num_queries(8):
        reach.totals(ledger)


def test_a_large_ledger_is_counted_by_jobs_alone(
    cast, ledger, version, monkeypatch, django_assert_num_queries
):
    monkeypatch.setattr(reach, "COUNTED_AT_ONCE", 8)
    shown(cast.antoine, version)
    with django_assert_num_queries(1):  # last filling
        assert reach.totals(ledger).informed == 0
    reach.fill(ledger)
    assert reach.totals(ledger).informed == 1


def test_figures_of_before_the_version_in_force_are_known_as_such(
    cast, ledger, version, monkeypatch
):
    def is_outdated():
        return reach.is_outdated(ledger, reach.totals(ledger))

    assert not is_outdated()
    publish_again(cast, ledger, material=True)
    assert not is_outdated()  # a small ledger is counted by the page
    monkeypatch.setattr(reach, "COUNTED_AT_ONCE", 8)
    assert is_outdated()
    reach.fill(ledger)
    assert not is_outdated()
    notices.withdraw(notices.latest(ledger), by=cast.approbateur, reason="Erreur de texte")
    assert is_outdated()
    monkeypatch.undo()
    ledger.scope.create(contract=cast.cesar.adhesions.get().contract, rule="exclude")
    publish_again(cast, ledger)
    assert is_outdated()  # other people are concerned


def test_without_any_filling_there_are_no_figures(february_2024):
    assert reach.totals(february_2024) is None


# One person


def test_what_a_person_was_told_is_a_story(cast, ledger, version, aurelie):
    acknowledgements.show(cast.antoine, version, [])
    mailed(row_of(ledger, cast.antoine), version)
    letter = posted(row_of(ledger, aurelie), version)
    story = reach.story(row_of(ledger, cast.antoine))
    assert story.state == ReachState.SHOWN
    assert {event.what for event in story.events} == {
        "Information affichée dans l'espace",
        "E-mail mis en file",
        "E-mail envoyé",
    }
    (event,) = reach.story(row_of(ledger, aurelie)).events
    assert event.version == 1
    assert event.reference.replace("-", "") == letter.reference
    sent = reach.sent_to(cast.antoine)
    assert [row.person.person for row in sent] == [aurelie, cast.antoine]
    assert not reach.sent_to(cast.denise)


# Unreachable


def test_unreachable_is_said_once_and_taken_back_once(cast, ledger):
    row = row_of(ledger, cast.cesar)
    assert reach.excuse(row, Unreachable.DECEASED, "Acte de décès", by=cast.courriers)
    assert not reach.excuse(row, Unreachable.OTHER, "Autre chose", by=cast.courriers)
    row.refresh_from_db()
    assert (row.unreachable, row.unreachable_by) == ("decede", cast.courriers)
    assert reach.reach_again(row, by=cast.courriers)
    assert not reach.reach_again(row, by=cast.courriers)
    actions = AuditEvent.objects.filter(action__contains="reachable")
    assert [event.details["person"] for event in actions] == [row.pk, row.pk]


def test_a_group_is_excused_only_of_what_the_ledger_shows(cast, ledger, version):
    Member.objects.update(address="")
    done = reach.excuse_all(
        ledger, Unreachable.NO_ADDRESS, "Fichier des adresses relu", by=cast.courriers
    )
    # César, Paulin and Simone have no account that opens, Aurélie none at all; Émile has his address
    assert done == 4
    assert set(names(ledger.reach.exclude(unreachable=""))) == {
        "César Orsini",
        "Paulin Roche",
        "Simone Verdier",
        "Aurélie Kervella",
    }
    row = row_of(ledger, cast.antoine)
    posted(row, version, state=DispatchState.RETURNED)
    twice = reach.shown_by_the_ledger(ledger, Unreachable.RETURNED_TWICE)
    assert not twice.exists()
    posted(row, version, state=DispatchState.RETURNED, round=2)
    assert twice.get() == row


# Written once


def test_what_was_sent_is_rewritten_by_nobody(cast, ledger, version):
    letter = posted(row_of(ledger, cast.cesar), version)
    with pytest.raises(WrittenOnce):
        letter.save()
    with pytest.raises(WrittenOnce):
        letter.delete()
    for statement in (
        "UPDATE incidents_dispatch SET round = 2",
        "UPDATE incidents_dispatch SET state = 'sent'",
        "DELETE FROM incidents_dispatch",
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            connection.cursor().execute(statement)
    assert Dispatch.objects.come_back(letter.reference)
    assert not Dispatch.objects.come_back(letter.reference)
    with pytest.raises(DatabaseError), transaction.atomic():
        connection.cursor().execute("UPDATE incidents_dispatch SET state = 'printed'")


def test_what_letters_told_is_forgotten_years_after_the_closing_and_their_rows_stay(
    cast, ledger, version, settings
):
    told = [{"name": "César Orsini", "operators": []}]
    letter = posted(row_of(ledger, cast.cesar), version, told=told)
    nobody_left_to_inform(ledger)
    assert reach.forget() == 0
    forgetting = "UPDATE incidents_dispatch SET told = '[]' WHERE told <> '[]'"
    with pytest.raises(DatabaseError), transaction.atomic():
        connection.cursor().execute(forgetting)  # not while it is open
    lifecycle.close(ledger, by=cast.approbateur)
    before = reach_figures.count(ledger, reach.enough(ledger))
    settings.INCIDENT_DETAILS_YEARS = 2
    for years, forgotten in ((2 - 1 / 365, 0), (2 + 2 / 365, 1), (3, 0)):
        with time_machine.travel(timezone.now() + timedelta(days=365.25 * years)):
            assert reach.forget() == forgotten
    letter.refresh_from_db()
    assert letter.told == []
    after = reach_figures.count(ledger, reach.enough(ledger))
    assert (after.states, after.versions) == (before.states, before.versions)
    for rewriting in (f"told = '{json.dumps(told)}'", "told = '[]', reference = 'x'"):
        with pytest.raises(DatabaseError), transaction.atomic():
            connection.cursor().execute(f"UPDATE incidents_dispatch SET {rewriting}")


# Closing


def test_an_incident_stays_open_while_somebody_is_left(cast, ledger, version):
    with pytest.raises(reach.NotAllInformed) as refusal:
        lifecycle.close(ledger, by=cast.approbateur)
    assert refusal.value.left == 9
    ledger.refresh_from_db()
    assert not ledger.is_closed
    assert not AuditEvent.objects.filter(action="incident.closed").exists()


def test_it_closes_once_everybody_is_informed_or_known_as_unreachable(cast, ledger, version):
    shown(cast.antoine, version)
    posted(row_of(ledger, cast.bianca), version)
    for row in ledger.reach.to_inform(reach.enough(ledger)):
        reach.excuse(row, Unreachable.OTHER, "Recherche faite", by=cast.courriers)
    lifecycle.close(ledger, by=cast.approbateur)
    assert ledger.is_closed


def test_a_large_ledger_keeps_the_figures_of_its_closing(cast, ledger, version, monkeypatch):
    monkeypatch.setattr(reach, "COUNTED_AT_ONCE", 0)
    shown(cast.antoine, version)
    for row in ledger.reach.to_inform(reach.enough(ledger)):
        reach.excuse(row, Unreachable.OTHER, "Recherche faite", by=cast.courriers)
    assert reach.totals(ledger).to_inform == 9
    lifecycle.close(ledger, by=cast.approbateur)
    told = reach.totals(ledger)
    assert (told.informed, told.unreachable, told.to_inform) == (1, 8, 0)


def test_it_is_not_closed_on_an_old_ledger_or_another_version_s(cast, february_2024):
    with pytest.raises(reach.NotCounted):
        lifecycle.close(february_2024, by=cast.approbateur)
    nobody_left_to_inform(february_2024)
    with (
        time_machine.travel(timezone.now() + timedelta(days=1, minutes=1)),
        pytest.raises(reach.NotCounted),
    ):
        lifecycle.close(february_2024, by=cast.approbateur)
    february_2024.scope.create(contract=cast.cesar.adhesions.get().contract, rule="exclude")
    publish_again(cast, february_2024, material=False)
    with pytest.raises(reach.NotCounted):
        lifecycle.close(february_2024, by=cast.approbateur)


def test_an_incident_that_concerns_nobody_closes(cast, february_2024):
    version = notices.latest(february_2024)
    notices.withdraw(version, by=cast.approbateur, reason="Fausse alerte")
    reach.fill(february_2024)
    with pytest.raises(reach.NotAllInformed):
        lifecycle.close(february_2024, by=cast.approbateur)
    for contract in {one.contract for one in Adhesion.objects.select_related("contract")}:
        february_2024.scope.create(contract=contract, rule="exclude")
    reach.fill(february_2024)
    lifecycle.close(february_2024, by=cast.approbateur)
    assert february_2024.is_closed


def test_the_rule_that_fills_is_the_rule_of_exposure(cast, ledger):
    told = facts.of(ledger)
    for member in Member.objects.all():
        own, *_family = exposure.of_member(member, told)
        is_in = ledger.reach.concerned().filter(member=member, ayant_droit=None).exists()
        assert is_in == (own.state != "ecartee"), member
    assert {target.operator for target in told.targets} == {VIAMEDIS, ALMERYS}
    assert Reach.objects.count() == 9
