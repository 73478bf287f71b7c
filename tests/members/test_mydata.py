"""« Mes données »: a member takes away what is kept about him, and nobody else does."""

import io
import json
import zipfile
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import time_machine
from django.contrib.staticfiles import finders
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice

from members import job_turns, jobs, kept, mydata, retention
from members.demandes import drafts
from members.mail.memory import outbox as mailbox
from members.models import (
    AuditEvent,
    AyantDroit,
    BankAccount,
    Demande,
    Job,
    JobFile,
    Mail,
    User,
)
from members.models.demande import DemandeKind, State
from members.models.job import JobState
from members.nir import masked
from tests.members.conftest import PASSWORD, make_member
from tests.members.steps import said, signs_in
from tests.members.test_bank import an_account
from tests.signing import sign_in

PAGE, FILE = "/espace/donnees/copie/", "/espace/donnees/copie/fichier/"
NIR = "281091300104217"
CHILD, ADULT = "210119935200723", "178067512345644"


@pytest.fixture(autouse=True)
def private_folder(settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path)
    return tmp_path


@pytest.fixture
def inside(client, claire, django_capture_on_commit_callbacks):
    """Claire's browser, signed in a moment ago: `inside(path, **fields)` posts, and work is done."""
    signs_in(client, django_capture_on_commit_callbacks)
    mailbox.clear()

    def post(path, **fields):
        with django_capture_on_commit_callbacks(execute=True):
            return client.post(path, fields)

    return post


def opened(answer) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content)))


def told(answer) -> dict:
    return json.loads(opened(answer).read("mes-donnees.json"))


def relative(member, nir, born, **fields):
    person = AyantDroit(
        member=member, birth_name="Vasseur", birth_date=born, start=date(2020, 1, 1), **fields
    )
    person.set_nir(nir)
    person.save()


# From the demand to the file


def test_a_copy_is_asked_for_made_and_taken(client, claire, inside):
    assert inside(PAGE)["Location"] == PAGE
    page = said(client.get(PAGE))
    assert "Votre copie est prête" in page
    assert [one.subject for one in mailbox] == [
        "Une copie de vos données est demandée",
        "La copie de vos données est prête",
    ]
    assert "/alerte/" in mailbox[0].body
    answer = inside(FILE, present_password=PASSWORD)
    assert answer["Content-Type"] == "application/zip"
    assert "mes-donnees.zip" in answer["Content-Disposition"]
    assert answer["Cache-Control"] == "private, no-store"
    archive = opened(answer)
    assert archive.namelist() == ["mes-donnees.html", "mes-donnees.json", "copy.css"]
    assert archive.read("copy.css").decode() == Path(finders.find("css/copy.css")).read_text()
    shown = archive.read("mes-donnees.html").decode()
    assert "Claire Marie" in shown
    assert "14 septembre 1981" in shown
    assert mailbox[2].subject == "La copie de vos données a été téléchargée"
    assert "/alerte/" in mailbox[2].body
    acts = AuditEvent.objects.filter(action__startswith="data.").order_by("id")
    assert [one.action for one in acts] == ["data.copy_asked", "data.copy_made", "data.copy_taken"]
    assert {one.user for one in acts} == {claire.user}


def test_the_copy_tells_each_subject_and_no_secret(client, claire, inside):
    an_account(claire, served=timezone.now() - timedelta(days=9))
    inside(PAGE)
    copy = told(inside(FILE, present_password=PASSWORD))
    assert set(mydata.sections) <= set(copy)
    assert {"incidents", "attestations"} <= set(copy)
    assert copy["identite"][0]["Prénoms"] == "Claire Marie"
    assert copy["identite"][0]["Date de naissance"] == "1981-09-14"
    assert copy["coordonnees"][0]["Téléphone"] == claire.phone
    assert copy["compte_bancaire"][0]["IBAN"] == "FR76 •••• •••• 0189"
    assert "Connexion" in [act["Quoi"] for act in copy["activite"]]
    assert "un code" in [message["Sujet"] for message in copy["messages"]]
    whole = json.dumps(copy)
    assert claire.user.password not in whole
    assert "/alerte/" not in whole
    assert not [one.iban for one in BankAccount.objects.all() if one.iban in whole]


@pytest.mark.parametrize("in_full", [False, True])
def test_social_security_numbers_are_in_full_only_when_asked_and_never_an_adults(
    claire, inside, in_full
):
    today = timezone.localdate()
    relative(
        claire, CHILD, date(today.year - 5, 7, 1), link="enfant", first_names="Zoé", reference="01"
    )
    relative(claire, ADULT, date(1978, 6, 1), link="conjoint", first_names="Max", reference="02")
    inside(PAGE, **({"in_full": "on"} if in_full else {}))
    whole = json.dumps(told(inside(FILE, present_password=PASSWORD)))
    assert (NIR in whole) == in_full
    assert (CHILD in whole) == in_full
    assert ADULT not in whole
    assert "Max" in whole


def test_who_is_eighteen_today_is_an_adult(claire, inside):
    born = timezone.localdate()
    born = (
        born.replace(year=born.year - 18) if (born.month, born.day) != (2, 29) else date(2000, 1, 1)
    )
    relative(claire, CHILD, born, link="enfant", first_names="Zoé", reference="01")
    inside(PAGE, in_full="on")
    assert CHILD not in json.dumps(told(inside(FILE, present_password=PASSWORD)))


def test_e_mails_of_before_the_account_are_told_and_none_that_went_to_nobody(claire):
    Mail.objects.create(member=claire, to="claire@avant.example", kind="activation")
    Mail.objects.create(user=claire.user, to="", kind="reset")
    Mail.objects.create(to="autre@ailleurs.example", kind="reset")
    (record,) = mydata.gathered(claire, in_full=False)["messages"]
    assert record["À"] == "claire@avant.example"


# What is asked


def joining(member, born):
    one = drafts.begin(member, DemandeKind.JOINING).joining
    one.birth_name, one.first_names, one.birth_date = "Vasseur", "Zoé", born
    one.link = "enfant"
    one.set_nir(CHILD)
    one.save()
    return one.demande


@pytest.mark.parametrize(("age", "in_full"), [(5, True), (5, False), (30, True)])
def test_a_draft_is_told_as_far_as_it_goes_and_its_number_in_full_only_of_a_minor(
    claire, age, in_full
):
    today = timezone.localdate()
    born = date(today.year - age, 1, 1)
    joining(claire, born)
    (told,) = mydata.gathered(claire, in_full=in_full)["demandes"]
    asked = told["Ce qui est demandé"]
    assert asked["Nom de naissance"] == "Vasseur"
    assert asked["Date de naissance"] == born
    assert "À couvrir à partir du" not in asked
    assert not set(asked) & {"Demande", "Nir sealed", "Nir digest"}
    number = asked["Numéro de sécurité sociale"]
    assert number == (CHILD if in_full and age < 18 else masked(CHILD))
    assert json.dumps(told, cls=DjangoJSONEncoder)


def test_what_was_handed_in_keeps_its_words_and_the_whole_number_of_a_minor(claire):
    demande = joining(claire, timezone.localdate() - timedelta(days=900))
    demande.joining.since = timezone.localdate()
    demande.joining.save()
    Demande.objects.filter(pk=demande.pk).update(
        state=State.SUBMITTED, asked_at=timezone.now(), due_on=timezone.localdate()
    )
    for in_full in (True, False):
        (told,) = mydata.gathered(claire, in_full=in_full)["demandes"]
        assert told["Ce qui est demandé"]["Lien"] == "Enfant"
        assert (told["Ce qui est demandé"]["Numéro de sécurité sociale"] == CHILD) == in_full


@pytest.mark.parametrize("kind", DemandeKind)
def test_every_kind_of_draft_is_told_in_french_even_just_begun(claire, kind):
    drafts.begin(claire, kind)
    (told,) = mydata.gathered(claire, in_full=True)["demandes"]
    assert not set(told["Ce qui est demandé"]) - {"Rang de naissance"}


# Who may


@pytest.mark.parametrize("path", [PAGE, FILE])
def test_some_minutes_later_the_password_is_asked_again(client, inside, path):
    inside(PAGE)
    before = Job.objects.count()
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        page = inside(path)
        assert "Saisissez votre mot de passe actuel" in said(page)
        assert Job.objects.count() == before
        assert inside(path, present_password="rien de tel").status_code == 200
        answer = inside(path, present_password=PASSWORD)
    assert answer.status_code == (302 if path == PAGE else 200)
    assert path == PAGE or answer["Content-Type"] == "application/zip"


def test_a_screen_left_open_a_moment_ago_gives_nothing_without_the_password(client, inside):
    inside(PAGE)
    mailbox.clear()
    assert "Votre mot de passe actuel" in said(client.get(PAGE))
    for typed in ({}, {"present_password": "rien de tel"}):
        page = inside(FILE, **typed)
        assert page.status_code == 200
        assert "text/html" in page["Content-Type"]
    assert not AuditEvent.objects.filter(action="data.copy_taken").exists()
    assert not mailbox
    assert inside(FILE, present_password=PASSWORD)["Content-Type"] == "application/zip"
    assert [one.subject for one in mailbox] == ["La copie de vos données a été téléchargée"]


def test_a_link_alone_never_gives_the_file(client, inside):
    inside(PAGE)
    assert client.get(FILE).status_code == 405


def test_another_member_gets_nothing_of_it(inside, make_denis):
    inside(PAGE)
    other = sign_in(Client(), make_denis().user)
    assert "Demander une copie" in said(other.get(PAGE))
    with time_machine.travel(timezone.now() - timedelta(seconds=1)):
        answer = other.post(FILE, {"present_password": PASSWORD})
    assert answer["Location"] == PAGE


@pytest.fixture
def make_denis():
    return lambda: make_member("denis", phone="+33698765439", nir=ADULT)


def test_no_colleague_sees_it_not_even_one_with_every_right(inside, db):
    inside(PAGE)
    boss = User.objects.create(identifiant="chef", is_staff=True, is_superuser=True)
    device = TOTPDevice.objects.create(user=boss, name="app", confirmed=True)
    browser = sign_in(Client(), boss, device)
    job, made = Job.objects.get(), JobFile.objects.get()
    assert mydata.KIND not in jobs.seen_by(boss)
    assert browser.get(f"/admin/members/job/{job.pk}/").status_code == 404
    assert browser.get(f"/admin/members/job/{job.pk}/fichiers/{made.pk}/").status_code == 404
    assert "Copie de mes données" not in said(browser.get("/admin/members/job/"))
    assert browser.get(PAGE).status_code == 403


def test_what_waits_on_the_disk_is_sealed(private_folder, inside):
    inside(PAGE, in_full="on")
    (stored,) = [path for path in private_folder.rglob("*") if path.is_file()]
    content = stored.read_bytes()
    assert not zipfile.is_zipfile(io.BytesIO(content))
    assert NIR.encode() not in content
    assert "donnees" not in stored.name


# One at a time, for some days


def test_while_a_copy_is_made_no_other_is(client, claire, inside, monkeypatch):
    monkeypatch.setattr("members.tasks.wake_job", lambda job_id: None)
    inside(PAGE)
    inside(PAGE)
    assert Job.objects.count() == 1
    assert len(mailbox) == 1
    page = client.get(PAGE)
    assert "Votre copie se prépare" in said(page)
    assert page["Refresh"] == "5"
    assert "Refresh" not in client.get(f"{PAGE}?fixe")


def test_three_copies_a_day_and_no_more(inside):
    for _ in range(3):
        inside(PAGE)
    page = inside(PAGE)
    assert "Vous avez demandé 3 copies depuis hier" in said(page)
    assert Job.objects.count() == 3


def test_a_copy_is_kept_seven_days(client, claire, inside, private_folder):
    inside(PAGE)
    job = Job.objects.get()
    with time_machine.travel(timezone.now() + timedelta(days=6, hours=23)):
        retention.purge()
        assert mydata.ready(job)
    with time_machine.travel(timezone.now() + timedelta(days=7, seconds=1)):
        assert mydata.ready(job) is None
        retention.purge()
    assert not JobFile.objects.exists()
    assert not [path for path in private_folder.rglob("*") if path.is_file()]


def test_a_file_that_no_key_opens_is_said_to_be_gone(client, inside, settings):
    inside(PAGE)
    settings.FIELD_ENCRYPTION_KEYS = ["YW5vdGhlci1rZXktZm9yLWFub3RoZXItZGF5LTAwMDA="]
    assert inside(FILE, present_password=PASSWORD)["Location"] == PAGE
    assert "n'est plus là" in said(client.get(PAGE))


def test_an_account_closed_meanwhile_gets_no_copy(claire, inside, monkeypatch):
    monkeypatch.setattr("members.tasks.wake_job", lambda job_id: None)
    inside(PAGE)
    User.objects.filter(pk=claire.user.pk).update(is_active=False)
    job_turns.take_turn(Job.objects.get().pk)
    assert Job.objects.get().state == JobState.FAILED
    assert not JobFile.objects.exists()


def test_a_copy_costs_the_same_whatever_the_number_of_people(claire):
    def count():
        with CaptureQueriesContext(connection) as asked:
            mydata.gathered(claire, in_full=True)
        return len(asked)

    one = count()
    for number in range(4):
        relative(
            claire,
            ADULT,
            date(1978, 6, 1 + number),
            link="conjoint",
            first_names="Max",
            reference=f"0{number}",
        )
    assert count() == one


# What is kept, for how long


def test_the_table_says_what_the_settings_say(client, inside, settings):
    settings.LIMITS = {**settings.LIMITS, "SESSION_ABSOLUTE": 3600 * 5}
    shown = {str(one.what): str(one.how_long) for one in kept.periods()}
    assert shown["Connexion ouverte"] == "5 heures"
    assert shown["Copie de vos données"] == "7 jours"
    assert shown["E-mails envoyés"] == "90 jours"
    page = said(client.get("/espace/donnees/droits/"))
    assert all(what in page and how_long in page for what, how_long in shown.items())


def test_the_page_of_rights_says_whom_to_write_to(client, inside, settings):
    settings.DPO_CONTACT = "dpo@exemple.invalid"
    assert "mailto:dpo@exemple.invalid" in said(client.get("/espace/donnees/droits/"))


@pytest.mark.parametrize("value", [None, "", [], {}])
def test_what_is_not_known_is_a_dash(value):
    assert mydata.words(value) == "–"


def test_an_amount_is_a_number_for_machines_and_euros_for_people():
    assert mydata.words(Decimal("1234.5")) == "1\u202f234,50\u00a0€"


def test_what_has_parts_is_told_part_by_part():
    value = [{"Du": date(2024, 2, 1), "Lu": True}, {"Noms": ["Zoé", "Max"]}]
    assert mydata.words(value) == "– Du : 1er février 2024 ; Lu : oui\n– Noms : Zoé, Max"
