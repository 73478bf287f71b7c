"""E-mails, letters and notices of an incident: to whom, once, what they say, and what comes back."""

import csv
import io
import re
from datetime import timedelta
from html import unescape
from threading import Barrier, Thread

import pypdf
import pytest
import time_machine
from django.db import connection
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from incidents import (
    employers,
    exposure,
    facts,
    lifecycle,
    notices,
    reach,
    reach_letters,
    reach_mails,
)
from incidents.models import Acknowledgement, Dispatch
from incidents.models.reach import Channel, Unreachable
from members import job_turns, letter_pages, retention
from members.letters import ALPHABET
from members.mail import delivery
from members.models import (
    Adhesion,
    AuditEvent,
    AyantDroit,
    CareDomain,
    Contract,
    Job,
    JobFile,
    Mail,
    Member,
)
from tests.incidents.test_reach import publish_again, row_of, state_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def private_folder(settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path)


def finished(job) -> Job:
    while job_turns.take_turn(job.pk):
        pass
    job.refresh_from_db()
    return job


def print_letters(incident, by, unread_days=14, again=False) -> Job:
    return finished(reach_letters.start(incident, unread_days=unread_days, again=again, by=by))


def letters_to(**filters):
    rows = Dispatch.objects.filter(channel=Channel.LETTER, **filters)
    return sorted(
        row.person.person.full_name
        for row in rows.select_related("person__member", "person__ayant_droit")
    )


def read(job, name) -> bytes:
    with JobFile.objects.get(job=job, name=name).file.open("rb") as file:
        return file.read()


def pages_of(pdf: bytes) -> list[str]:
    pages = pypdf.PdfReader(io.BytesIO(pdf)).pages
    return [" ".join(page.extract_text().split()) for page in pages]


def index_of(job, name="courriers-001.csv"):
    return list(csv.DictReader(io.StringIO(read(job, name).decode("utf-8-sig")), delimiter=";"))


# E-mails


def test_those_with_an_account_and_an_address_get_one_email(cast, ledger):
    Member.objects.filter(pk=cast.gilles.pk).update(email="")
    job = finished(reach_mails.start(ledger, by=cast.auteur))
    assert job.result == {"E-mails mis en file": 3}
    # not Gilles without address, nor Simone suspended, Paulin without phone, César without account
    assert set(Mail.objects.values_list("to", flat=True)) == {
        "10000001@exemple.invalid",
        "10000002@exemple.invalid",
        "10000007@exemple.invalid",
    }
    assert state_of(ledger, cast.antoine) == "email"
    assert finished(reach_mails.start(ledger, by=cast.auteur)).result == {"E-mails mis en file": 0}
    event = AuditEvent.objects.filter(action="incident.mails_queued").earliest("pk")
    assert (event.actor, event.details["count"]) == (cast.auteur, 3)


def test_the_email_tells_neither_operator_nor_data_and_holds_no_link(cast, ledger, mailoutbox):
    finished(reach_mails.start(ledger, by=cast.auteur))
    for mail in Mail.objects.all():
        delivery.deliver(mail.pk)
    bodies = {sent.body for sent in mailoutbox}
    assert len(bodies) == 1
    (body,) = bodies
    for secret in ("Viamedis", "Almerys", "sociale", "Antoine", "10000001", "http"):
        assert secret not in body
    assert "Connectez-vous" in body


def test_what_became_of_an_email_is_kept_after_its_row(cast, ledger):
    finished(reach_mails.start(ledger, by=cast.auteur))
    Mail.objects.filter(to="10000001@exemple.invalid").update(state="failed")
    Mail.objects.filter(to="10000002@exemple.invalid").update(state="sent")
    Dispatch.objects.settle()
    Mail.objects.all().delete()
    assert state_of(ledger, cast.antoine) == "rien"
    assert state_of(ledger, cast.bianca) == "email"
    Dispatch.objects.settle()
    assert sorted(Dispatch.objects.values_list("state", flat=True)) == [
        "failed",
        "queued",
        "queued",
        "sent",
    ]


def test_emails_leave_some_each_second(cast, ledger, monkeypatch):
    monkeypatch.setattr(reach_mails, "PER_SECOND", 0.5)
    monkeypatch.setattr(reach_mails, "BATCH", 1)
    job = finished(reach_mails.start(ledger, by=cast.auteur))
    leaving = Mail.objects.order_by("not_before").values_list("not_before", flat=True)
    gaps = [(one - leaving[0]).total_seconds() for one in leaving]
    assert gaps == pytest.approx([0, 2, 4, 6], abs=0.01)
    assert leaving[0] >= job.asked_at


def test_emails_that_waited_do_not_leave_all_at_once(cast, ledger, monkeypatch):
    monkeypatch.setattr(reach_mails, "PER_SECOND", 0.5)
    monkeypatch.setattr(reach_mails, "BATCH", 1)
    monkeypatch.setattr(job_turns, "TURN", -1)
    job = reach_mails.start(ledger, by=cast.auteur)
    job_turns.take_turn(job.pk)
    with time_machine.travel(timezone.now() + timedelta(days=1), tick=False):
        taken_up = timezone.now()
        finished(job)
    late = Mail.objects.filter(not_before__gte=taken_up).order_by("not_before")
    gaps = [(mail.not_before - taken_up).total_seconds() for mail in late]
    assert gaps == [0, 2, 4]


def test_nobody_is_written_to_from_a_ledger_of_other_facts(cast, ledger):
    ledger.scope.create(contract=cast.cesar.adhesions.get().contract, rule="exclude")
    publish_again(cast, ledger)
    for job in (
        finished(reach_mails.start(ledger, by=cast.auteur)),
        print_letters(ledger, cast.courriers),
    ):
        assert job.state == "failed"
        assert job.problem == "Le registre date d'autres faits. Actualisez-le d'abord."
    assert not Dispatch.objects.exists()
    reach.fill(ledger)
    assert print_letters(ledger, cast.courriers).state == "done"
    assert letters_to() == ["Émile Garnier"]


def test_a_correction_writes_to_nobody_and_a_material_version_to_all(cast, ledger):
    finished(reach_mails.start(ledger, by=cast.auteur))
    publish_again(cast, ledger, material=False)
    assert finished(reach_mails.start(ledger, by=cast.auteur)).done == 0
    publish_again(cast, ledger, material=True)
    assert finished(reach_mails.start(ledger, by=cast.auteur)).done == 4


# Letters: to whom


def test_those_who_will_not_sign_in_get_a_letter_at_once(cast, ledger):
    job = print_letters(ledger, cast.courriers)
    assert job.result == {"Courriers imprimés": 5, "Sans adresse complète": 0}
    assert letters_to() == [
        "Aurélie Kervella",
        "César Orsini",
        "Paulin Roche",
        "Simone Verdier",
        "Émile Garnier",
    ]
    event = AuditEvent.objects.get(action="incident.letters_printed")
    assert (event.actor, event.details["count"]) == (cast.courriers, 5)


def test_others_get_one_when_they_have_read_nothing_for_some_days(cast, ledger, version):
    Acknowledgement.objects.create(
        member=cast.bianca, version=version, shown={}, fingerprint="f" * 64
    )
    with time_machine.travel(timezone.now() + timedelta(days=14, minutes=1)):
        print_letters(ledger, cast.courriers)
    assert "Antoine Kervella" in letters_to()
    assert "Bianca Santoni" not in letters_to()


def test_printing_again_doubles_nobody(cast, ledger):
    print_letters(ledger, cast.courriers, unread_days=0)
    assert len(letters_to()) == 9
    assert print_letters(ledger, cast.courriers, unread_days=0).done == 0
    publish_again(cast, ledger, material=False)
    assert print_letters(ledger, cast.courriers, unread_days=0).done == 0
    publish_again(cast, ledger, material=True)
    assert print_letters(ledger, cast.courriers, unread_days=0).done == 9


def test_a_second_letter_goes_to_those_whose_first_came_back_and_on_purpose_only(
    cast,
    ledger,
):
    print_letters(ledger, cast.courriers)
    cesar = Dispatch.objects.get(person=row_of(ledger, cast.cesar))
    reach_letters.take_back(ledger, [cesar.reference], by=cast.courriers)
    assert print_letters(ledger, cast.courriers).done == 0
    assert print_letters(ledger, cast.courriers, again=True).done == 1
    assert letters_to(round=2) == ["César Orsini"]
    assert state_of(ledger, cast.cesar) == "courrier"


def test_without_a_whole_address_there_is_no_letter_and_it_is_said(cast, ledger):
    Member.objects.filter(pk=cast.cesar.pk).update(postal_code="")
    job = print_letters(ledger, cast.courriers)
    assert job.result == {"Courriers imprimés": 4, "Sans adresse complète": 1}


@pytest.mark.django_db(transaction=True)
def test_two_printings_at_once_write_one_letter_each(cast, ledger):
    own = [Job.objects.create(kind=reach_letters.KIND, parameters={}) for _ in range(2)]
    start, version_now = Barrier(2), notices.latest(ledger)
    told = notices.facts_of(version_now)

    def write(job):
        people = list(reach_letters.to_print(ledger, reach.enough(ledger), unread_days=0))
        start.wait()  # both have chosen the same people, whoever writes first
        try:
            reach_letters._write(people, version_now, told, job, 1)
        except Exception as error:
            outcomes.append(type(error).__name__)
        finally:
            connection.close()

    outcomes = []
    threads = [Thread(target=write, args=[job]) for job in own]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == ["IntegrityError"]
    assert len(letters_to()) == 9


# Letters: files


def test_a_file_holds_some_letters_and_has_its_index(cast, ledger, monkeypatch):
    monkeypatch.setattr(reach_letters, "PER_FILE", 2)
    job = print_letters(ledger, cast.courriers)
    assert [file.name for file in job.files.all()] == [
        f"courriers-00{number}.{kind}" for number in (1, 2, 3) for kind in ("pdf", "csv")
    ]
    for number in (1, 2, 3):
        pages = pages_of(read(job, f"courriers-00{number}.pdf"))
        for line in index_of(job, f"courriers-00{number}.csv"):
            first = pages[int(line["page"]) - 1]
            assert line["référence"] in first
            assert line["nom"] in first


def test_a_file_that_a_lost_worker_began_is_printed_as_it_was(cast, ledger, monkeypatch):
    monkeypatch.setattr(reach_letters, "PER_FILE", 3)
    job = reach_letters.start(ledger, unread_days=14, again=False, by=cast.courriers)
    keep = reach_letters.jobs.keep
    monkeypatch.setattr(reach_letters.jobs, "keep", lambda *a: (_ for _ in ()).throw(OSError))
    finished(job)
    assert job.state == "failed"
    written = {row.reference for row in Dispatch.objects.all()}
    assert len(written) == 3
    monkeypatch.setattr(reach_letters.jobs, "keep", keep)
    reach_letters.jobs.resume(job, by=cast.courriers)
    finished(job)
    assert (job.state, job.done) == ("done", 5)
    first = {line["référence"].replace("-", "") for line in index_of(job)}
    assert first == written
    assert len(letters_to()) == 5


@pytest.fixture
def begun(cast, ledger, monkeypatch):
    """A printing whose worker was lost once the rows of its file were written, before the PDF."""
    job = reach_letters.start(ledger, unread_days=14, again=False, by=cast.courriers)
    with monkeypatch.context() as broken:
        broken.setattr(reach_letters.jobs, "keep", lambda *a: (_ for _ in ()).throw(OSError))
        finished(job)
    assert job.state == "failed"
    return job


def test_a_begun_file_is_printed_in_the_words_of_its_own_version(cast, ledger, begun):
    Adhesion.objects.filter(member=cast.cesar).update(start="2026-01-01", end=None)
    publish_again(cast, ledger, headline="Une autre version")
    reach_letters.jobs.resume(begun, by=cast.courriers)
    finished(begun)
    assert begun.problem == "Une autre version a été publiée. Relancez l'impression."
    assert begun.done == 5
    words = " ".join(pages_of(read(begun, "courriers-001.pdf")))
    assert "Une autre version" not in words
    # what his letter told is what his row told
    assert "Une partie de vos données est exposée chez Viamedis." in words
    references = {line["référence"].replace("-", "") for line in index_of(begun)}
    assert references == set(Dispatch.objects.values_list("reference", flat=True))


def test_a_begun_file_is_printed_by_the_next_printing_when_its_own_is_given_up(cast, ledger, begun):
    following = print_letters(ledger, cast.courriers)
    assert following.done == 0
    assert len(index_of(begun)) == 5
    assert print_letters(ledger, cast.courriers).state == "done"
    assert begun.files.count() == 2


def test_a_letter_that_was_never_made_keeps_the_incident_open_and_its_job(cast, ledger, begun):
    for row in ledger.reach.to_inform(reach.enough(ledger)):
        reach.excuse(row, Unreachable.OTHER, "Recherche faite", by=cast.courriers)
    with pytest.raises(reach_letters.NotPrinted):
        lifecycle.close(ledger, by=cast.approbateur)
    with time_machine.travel(timezone.now() + timedelta(days=100)):
        retention.purge()
        print_letters(ledger, cast.courriers)
        assert len(index_of(begun)) == 5
        reach.fill(ledger)
        lifecycle.close(ledger, by=cast.approbateur)
        retention.purge()
    assert not Job.objects.filter(pk=begun.pk).exists()


def test_who_closes_is_told_that_letters_were_not_made(as_staff, cast, ledger, begun):
    for row in ledger.reach.to_inform(reach.enough(ledger)):
        reach.excuse(row, Unreachable.OTHER, "Recherche faite", by=cast.courriers)
    address = reverse("admin:incidents_incident_close", args=[ledger.pk])
    page = as_staff(cast.approbateur).post(address, follow=True).content.decode()
    assert "Des courriers comptés n'ont pas été imprimés" in unescape(page)


def test_a_letter_says_the_same_when_it_is_printed_again(cast, ledger, version, begun):
    told = notices.facts_of(version)
    rows = list(Dispatch.objects.select_related("person__member", "person__ayant_droit"))
    now = reach_letters._told([row.person for row in rows], version, told)
    for row in rows:
        kept = exposure.from_json(row.told, told)
        for again, one in zip(kept, now[row.person_id], strict=True):
            assert again.as_sent() == one.as_sent()
            assert [answer.sentence for answer in again.operators] == [
                answer.sentence for answer in one.operators
            ]


def test_a_printing_of_another_choice_is_not_taken_for_the_one_under_way(cast, ledger):
    first = reach_letters.start(ledger, unread_days=14, again=False, by=cast.courriers)
    same = reach_letters.start(ledger, unread_days=14, again=False, by=cast.courriers)
    assert same == first
    for days, again in ((0, False), (14, True)):
        with pytest.raises(reach_letters.UnderWay):
            reach_letters.start(ledger, unread_days=days, again=again, by=cast.courriers)
    assert Job.objects.get() == first


def test_another_version_meanwhile_stops_the_printing(cast, ledger, monkeypatch):
    monkeypatch.setattr(reach_letters, "PER_FILE", 2)
    monkeypatch.setattr(job_turns, "TURN", -1)
    job = reach_letters.start(ledger, unread_days=14, again=False, by=cast.courriers)
    job_turns.take_turn(job.pk)
    publish_again(cast, ledger)
    finished(job)
    assert (job.state, job.problem) == (
        "failed",
        "Une autre version a été publiée. Relancez l'impression.",
    )


def test_letters_cost_the_same_for_many(ledger, cast, version, django_assert_num_queries):
    print_letters(ledger, cast.courriers, unread_days=0)
    rows = list(Dispatch.objects.select_related("person__member", "person__ayant_droit"))
    told = notices.facts_of(version)
    for some in (rows, [rows[0], rows[-1]]):
        with django_assert_num_queries(1):  # contracts: the rest is what their rows told
            reach_letters.letters_of(some, version, told)


def test_the_same_letters_give_the_same_bytes(cast, ledger, version):
    print_letters(ledger, cast.courriers)
    rows = list(Dispatch.objects.select_related("person__member", "person__ayant_droit"))
    told = notices.facts_of(version)

    def made():
        return letter_pages.render_long(reach_letters.letters_of(rows, version, told))[0]

    assert made() == made()


# Letters: words


@pytest.fixture
def printed(cast, ledger):
    """The whole words of each letter, by the name of its person."""
    job = print_letters(ledger, cast.courriers, unread_days=0)
    pages, words = pages_of(read(job, "courriers-001.pdf")), {}
    starts = [int(line["page"]) - 1 for line in index_of(job)] + [len(pages)]
    for line, begin, end in zip(index_of(job), starts, starts[1:], strict=False):
        words[line["nom"]] = " ".join(pages[begin:end])
    return words


def test_a_letter_tells_what_article_34_asks_for_and_to_each_what_is_exposed_of_him(printed):
    letter = printed["César Orsini"]
    for said in (
        "Ce qui s'est passé",
        "Ce qui pourrait arriver",
        "Ce que vous devez faire",
        "Ce qui a été fait",
        "Qui appeler, à qui écrire",
        "dpo@mutuelle-du-rivage.example",
        "02 61 91 00 10",  # the phone of his contract
        "Numéro de sécurité sociale",
    ):
        assert said in letter
    assert "180062A" not in letter
    assert "exposée chez Viamedis." in printed["César Orsini"]
    assert "Almerys gérait" not in printed["César Orsini"]
    assert "exposée chez Almerys." in printed["Bianca Santoni"]
    assert "Viamedis ne gérait" not in printed["Bianca Santoni"]
    # a member is told of his children, an adult of himself
    assert "Vous, Apolline et Adèle" in printed["Antoine Kervella"]
    assert "Aurélie" not in printed["Antoine Kervella"]
    assert "Vos données Vous : Une partie de vos données" in printed["Aurélie Kervella"]
    assert "Antoine" not in printed["Aurélie Kervella"]
    # an adult gets it at his own address, else at that of his member
    assert "8 rue du Phare 56100 LORIENT" in printed["Émile Garnier"]
    assert "12 quai des Brumes 29200 BREST" in printed["Aurélie Kervella"]


def test_the_adult_child_of_two_members_reads_of_both_contracts_once(cast, ledger):
    AyantDroit.objects.filter(first_names="Gabin").update(birth_date="2000-03-05")
    reach.fill(ledger)
    print_letters(ledger, cast.courriers)
    assert letters_to().count("Gabin Perrin") == 1
    (told,) = Dispatch.objects.get(person__ayant_droit__first_names="Gabin").told
    assert [one["state"] for one in told["operators"]] == ["confirmee", "confirmee"]


# Returns


@given(st.integers(0, 11), st.sampled_from(ALPHABET))
def test_a_wrong_sign_is_always_seen(place, sign):
    reference = reach_letters.new_reference()
    wrong = reference[:place] + sign + reference[place + 1 :]
    assert reach_letters.plain(wrong) == ("" if wrong != reference else reference)


@pytest.mark.parametrize("written", ["{}", " {} ", "{};Orsini;29200", '"{}"', "{},x", "{}\tx"])
def test_a_reference_is_read_as_people_and_spreadsheets_write_it(written):
    reference = reach_letters.new_reference()
    for shown in (reach.grouped(reference), reference.lower()):
        assert reach_letters.plain(reach_letters._first_cell(written.format(shown))) == reference


def test_every_line_is_taken_or_refused_with_its_reason(cast, ledger):
    print_letters(ledger, cast.courriers)
    one, two, *_rest = Dispatch.objects.all()
    reach_letters.take_back(ledger, [two.reference], by=cast.courriers)
    lines = ["référence;nom", one.reference, one.reference, two.reference, "", new := other()]
    done = reach_letters.take_back(ledger, lines, by=cast.courriers)
    assert done.accepted == [one.reference]
    assert done.rejected == [
        ("référence;nom", "référence mal écrite : 12 signes, vérifiez chacun"),
        (one.reference, "deux fois dans la liste"),
        (two.reference, "déjà enregistré comme revenu"),
        (new, "référence inconnue"),
    ]
    event = AuditEvent.objects.filter(action="incident.letters_returned").latest("pk")
    assert (event.details["count"], event.details["rejected"]) == (1, 4)


def other():
    return reach_letters.new_reference()


def test_a_letter_of_another_incident_is_not_taken_here(cast, ledger):
    print_letters(ledger, cast.courriers)
    reference = Dispatch.objects.first().reference
    another = type(ledger).objects.create(
        reference="2026-01-essai",
        title="Essai",
        detected_on="2026-01-10",
        created_by=cast.auteur,
        dpo_name="Le délégué",
        dpo_email="dpo@mutuelle.example",
    )
    done = reach_letters.take_back(another, [reference], by=cast.courriers)
    assert done.rejected == [(reference, "courrier d'un autre incident")]
    assert Dispatch.objects.filter(state="returned").count() == 0


# Employers


@given(st.lists(st.integers(0, 40), min_size=1, max_size=6), st.integers(0, 40))
def test_what_is_told_never_gives_a_small_group_away(sizes, overlap):
    parts = [employers._shown(size) for size in sizes]
    number = max(*sizes, sum(sizes) - overlap) if len(sizes) > 1 else sizes[0]
    total = employers._total(number, parts)
    assert all(part is None or part >= 10 for part in parts)
    # whoever knows the total knows every part already: nothing is left to subtract
    assert total is None or None not in parts
    # and the people of several contracts are ten at least
    assert total is None or len(sizes) == 1 or sum(sizes) - total >= 10


def test_a_contract_is_in_the_scope_by_a_domain_that_is_concerned(cast, ledger):
    chantiers, telecom = employers.count(facts.of(ledger))
    optics, dental = CareDomain.objects.order_by("pk")[:2]
    contract = Contract.objects.get(number="TA-SOCLE")
    contract.delegations.update(domain=optics)

    def told():
        return [one.employer.name for one in employers.count(facts.of(ledger))]

    ledger.domain_scope.create(domain=optics, rule="exclude")
    assert told() == [chantiers.employer.name]
    ledger.domain_scope.update(rule="include")
    assert told() == [chantiers.employer.name, telecom.employer.name]
    contract.delegations.update(domain=dental)
    assert told() == [chantiers.employer.name]


def test_employers_are_told_in_batches_from_where_a_lost_worker_was(cast, ledger, monkeypatch):
    monkeypatch.setattr(employers, "PER_FILE", 1)
    monkeypatch.setattr(job_turns, "TURN", -1)
    job = employers.start(ledger, by=cast.auteur)
    job_turns.take_turn(job.pk)
    job.refresh_from_db()
    assert (job.done, job.total) == (1, 2)
    before = JobFile.objects.get(job=job, name="employeurs-001.pdf").pk
    finished(job)
    assert (job.done, job.result) == (2, {"Employeurs": 2})
    assert JobFile.objects.get(job=job, name="employeurs-001.pdf").pk == before
    whole = "".join(
        read(job, f"employeurs-00{number}.csv").decode("utf-8-sig") for number in (1, 2)
    )
    for one in employers.count(facts.of(ledger)):
        for contract in one.contracts:
            assert whole.count(contract.number) == 1


def test_employers_are_told_by_contract_and_small_groups_are_not(cast, ledger):
    (chantiers, telecom) = employers.count(facts.of(ledger))
    assert (chantiers.employer.name, telecom.employer.name) == (
        "Chantiers du Golfe",
        "Télécom Atlantique",
    )
    assert telecom.contracts == [employers.ContractCount("TA-SOCLE", None, None)]
    assert (telecom.members, telecom.ayants_droit) == (None, None)


def test_groups_of_ten_are_told_and_a_person_counts_once(cast, ledger, monkeypatch):
    monkeypatch.setattr(employers, "SMALLEST", 1)
    (chantiers, telecom) = employers.count(facts.of(ledger))
    # Antoine, Bianca, César, Gilles, Paulin, Simone; Aurélie, the twins, Gabin
    assert (telecom.members, telecom.ayants_droit) == (6, 4)
    assert telecom.contracts == [employers.ContractCount("TA-SOCLE", 6, 4)]
    assert (chantiers.members, chantiers.ayants_droit) == (1, 2)


def test_the_notices_name_nobody(cast, ledger):
    job = finished(employers.start(ledger, by=cast.auteur))
    assert job.result == {"Employeurs": 2}
    table = read(job, "employeurs-001.csv").decode("utf-8-sig")
    assert "Télécom Atlantique;TA-SOCLE;moins de 10;moins de 10" in table
    assert "Télécom Atlantique;ensemble;non communiqué;non communiqué" in table
    words = table + " ".join(pages_of(read(job, "employeurs-001.pdf")))
    for member in Member.objects.all():
        assert member.birth_name not in words
        assert member.number not in words
    assert not re.search(r"\b[1-9] (adhérent|ayant)", words)


def test_employers_cost_the_same_for_any_number_of_people(ledger, django_assert_num_queries):
    told = facts.of(ledger)
    with django_assert_num_queries(5):  # contracts · two groups of members · two of ayants droit
        employers.count(told)
