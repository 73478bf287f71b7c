"""The files of the management system: what comes in, what is refused and why, what stays as it is."""

import csv
import json
import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date, timedelta
from io import StringIO
from pathlib import Path

import phonenumbers
import pytest
from django.conf import settings as portal
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connections, transaction
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stdnum.exceptions import ValidationError as StdnumError
from stdnum.fr import nir as stdnum_nir

from members import job_turns, jobs, nir, phones
from members.demandes import deciding, drafts
from members.demandes import family as of_demandes
from members.feed import exporting, folder, importing, index, layout, rejects, work, writing
from members.feed.families import Families
from members.feed.importing import Options
from members.job_turns import Failed
from members.models import (
    Adhesion,
    AuditEvent,
    AyantDroit,
    Challenge,
    Contract,
    DecompteLine,
    Delegation,
    Demande,
    Holding,
    Job,
    Member,
    User,
)
from members.models.demande import DemandeKind
from members.models.job import JobState
from portal.demo import people
from tests.cast import *  # noqa: F403
from tests.incidents.embedded import embedded_database
from tests.members.papers import paper
from tests.members.steps import type_code, type_password
from tests.members.test_jobs import colleague
from tests.services.portal import manage

SAMPLE = Path(__file__).parents[2] / "portal" / "demo" / "feed"
DAY = date(2025, 6, 30)
KATELL, NIR = "20000001", "275039935010270"
ALL = 25  # lines of the sample


@pytest.fixture(autouse=True)
def private_folder(settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path / "files")


@pytest.fixture(scope="module")
def both(django_db_setup, django_db_blocker):
    """PostgreSQL and SQLite, and how to reach each: see `on`."""
    with django_db_blocker.unblock(), embedded_database() as alias:
        yield {"default": [], alias: list(portal.DATABASE_ROUTERS)}


@contextmanager
def on(both, alias):
    """Everything inside happens in that database, and is undone at the end."""
    with override_settings(DATABASE_ROUTERS=both[alias]), transaction.atomic(using=alias):
        yield
        transaction.set_rollback(True, using=alias)


@pytest.fixture
def feed(tmp_path):
    """The sample's folder, to write to: one contract, three members, a family with twins."""
    made = tmp_path / "feed"
    made.mkdir()
    for path in SAMPLE.glob("*.csv"):
        (made / path.name).write_bytes(path.read_bytes())
    return Folder(made, tmp_path)


class Folder:
    def __init__(self, path: Path, around: Path):
        self.path, self.working, self.rejects = path, around / "working", around / "rejects"

    def read(self, name: str) -> list[dict[str, str]]:
        with (self.path / name).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file, delimiter=";"))

    def write(self, name: str, rows: list[dict[str, str]]) -> None:
        with (self.path / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter=";", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

    def change(self, file: str, line: int, **cells: str) -> None:
        """Changes cells of a line, as numbered in the file: the header is the first."""
        rows = self.read(file)
        assert not cells.keys() - rows[0].keys()
        rows[line - 2].update(cells)
        self.write(file, rows)

    def keep(self, *names: str) -> None:
        for path in self.path.glob("*.csv"):
            if path.name not in names:
                path.unlink()

    def append(self, name: str, raw: bytes) -> None:
        with (self.path / name).open("ab") as file:
            file.write(raw)

    def bring_in(self, cursor=None, **options) -> dict[str, dict[str, int]]:
        """Imports; the counts that are not null. Refused lines are in `refused`, by file and line."""
        steps = importing.run(
            self.path, self.working, Options(**{"ends_on": DAY, **options}), cursor or {}
        )
        while True:
            try:
                next(steps)
            except StopIteration as finished:
                report = finished.value
                break
        self.files = {name: b"".join(chunks).decode() for name, chunks in report.files.items()}
        self.refused = {
            (name.removeprefix("rejets-"), row["ligne"]): row["motif"]
            for name, text in self.files.items()
            if name.startswith("rejets-")
            for row in csv.DictReader(text.removeprefix("\ufeff").splitlines(), delimiter=";")
        }
        return {
            name: {outcome: count for outcome, count in counts.items() if count}
            for name, counts in report.counts.items()
        }


def total(counts, outcome):
    return sum(one.get(outcome, 0) for one in counts.values())


# -------------------------------------------------------------------------------- there and back


def test_the_sample_is_taken_whole_then_changes_nothing(db, feed):
    first = feed.bring_in()
    assert total(first, "read") == total(first, "added") == ALL
    assert not feed.files
    again = feed.bring_in()
    assert total(again, "unchanged") == ALL
    katell = Member.objects.get(number=KATELL)
    assert (katell.nir, katell.phone, katell.user) == (NIR, "+33600000021", None)
    nolwenn = katell.ayants_droit.get(reference="02")
    line = DecompteLine.objects.get(ayant_droit=nolwenn)
    assert (line.expense, line.rc_amount) == (18000, 14995)


def test_the_database_knows_at_once_what_tables_hold(db, feed, monkeypatch):
    """It would read them whole for each batch of the next import."""
    monkeypatch.setattr(importing, "GROWN", ALL)
    feed.bring_in()
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT n_distinct FROM pg_stats WHERE tablename = 'members_adhesion'")
        assert cursor.fetchall()


def test_what_was_exported_changes_nothing(cast, feed, tmp_path):
    feed.bring_in()
    call_command("export_feed", tmp_path / "out", stdout=StringIO())
    exported = Folder(tmp_path / "out", tmp_path)
    counts = exported.bring_in()
    assert total(counts, "read") == total(counts, "unchanged") > 60
    assert not exported.files


def test_an_export_makes_the_same_rows_in_an_empty_database(both, feed, tmp_path):
    with on(both, "default"):
        people.load(known_secrets=True)
        feed.bring_in()
        exporting.export(tmp_path / "out")
        identifiants = User.objects.filter(member__isnull=False).values_list(
            "identifiant", flat=True
        )
        accounts = list(identifiants)
    with on(both, "embedded"):
        Folder(tmp_path / "out", tmp_path).bring_in()
        exporting.export(tmp_path / "back")
    for of in layout.LAYOUTS:
        out, back = ((tmp_path / where / of.name).read_text() for where in ("out", "back"))
        for identifiant in accounts if of is layout.MEMBERS else ():
            out = out.replace(f";{identifiant};", ";;")  # an account is no part of the feed
        assert out == back, of.name


def test_an_export_that_fails_leaves_nothing_behind(cast, tmp_path, settings):
    settings.FIELD_ENCRYPTION_KEYS = ["bmV3LXRlc3RzLW9ubHktZmllbGQtZW5jcnlwdGlvbjA="]
    with pytest.raises(CommandError, match="No key of FIELD_ENCRYPTION_KEYS"):
        call_command("export_feed", tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_what_a_line_cannot_hold_is_written_out_as_a_space(cast, tmp_path):
    Member.objects.filter(pk=cast.antoine.pk).update(address="3 rue\tdes\x07Mouettes\nBrest")
    exporting.export(tmp_path / "out")
    exported = Folder(tmp_path / "out", tmp_path)
    counts = exported.bring_in()
    assert not exported.refused
    assert counts["members.csv"]["changed"] == 1
    cast.antoine.refresh_from_db()
    assert cast.antoine.address == "3 rue des Mouettes Brest"


def test_a_contract_has_no_phone_that_its_file_would_refuse(cast):
    contract = Contract.objects.first()
    contract.phone = "poste 12"
    with pytest.raises(ValidationError, match="Des chiffres"):
        contract.full_clean()


def test_files_are_for_their_owner_alone_and_never_written_over(cast, tmp_path):
    exporting.export(tmp_path / "out")
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "out" / "members.csv").stat().st_mode & 0o777 == 0o600
    with pytest.raises(CommandError, match="Already there"):
        call_command("export_feed", tmp_path / "out")


def test_a_dry_run_tells_the_same_and_writes_nothing(db, feed):
    feed.change("members.csv", 3, telephone="06 12")
    dry = feed.bring_in(dry_run=True)
    assert not Member.objects.exists()
    assert not Contract.objects.exists()
    refused = feed.refused
    assert feed.bring_in() == dry
    assert feed.refused == refused


def test_files_that_are_missing_leave_their_rows_alone(db, feed):
    feed.bring_in()
    feed.keep("adhesions.csv")
    feed.change("adhesions.csv", 4, fin="2025-12-31", motif_fin="Départ")
    assert feed.bring_in() == {"adhesions.csv": {"read": 3, "changed": 1, "unchanged": 2}}
    assert Adhesion.objects.get(member__number="20000003").end == date(2025, 12, 31)


def test_the_minimal_header_is_enough_and_keeps_what_it_does_not_tell(db, feed):
    feed.bring_in()
    rows = feed.read("ayants_droit.csv")
    for row in rows:
        del row["civilite"], row["motif_sans_nir"]
        row["nir"] = ""
    feed.write("ayants_droit.csv", rows)
    assert feed.bring_in()["ayants_droit.csv"] == {"read": 3, "unchanged": 3}
    ronan = AyantDroit.objects.get(reference="01")
    assert ronan.civility == "M"
    assert ronan.nir


# ------------------------------------------------------------------------------- lines refused


@pytest.mark.parametrize(
    ("file", "line", "cells", "told"),
    [
        ("employers.csv", 2, {"siren": "12345678"}, "siren : neuf chiffres."),
        ("contracts.csv", 2, {"siren_employeur": "900000099"}, "siren_employeur : inconnu"),
        ("contracts.csv", 2, {"siren_employeur": ""}, "siren_employeur : un contrat collectif"),
        ("contracts.csv", 2, {"plan": "AUTRE"}, "plan : inconnu"),
        ("contracts.csv", 2, {"fin": "2023-12-31"}, "fin : elle précède le début."),
        ("guarantees.csv", 2, {"exemple_reste": "3.00"}, "n'est pas la somme"),
        ("guarantees.csv", 2, {"exemple_prix": "30,00"}, "avec un point"),
        ("delegations.csv", 3, {"debut": "2024-12-31"}, "un opérateur gère déjà"),
        ("delegations.csv", 2, {"operateur": "INCONNU"}, "operateur : inconnu"),
        ("delegations.csv", 2, {"domaine": "XXXX"}, "domaine : inconnu"),
        ("delegations.csv", 2, {"categories": "NIR|AUTRE"}, "catégorie inconnue (AUTRE"),
        ("delegations.csv", 2, {"categories": ""}, "au moins une catégorie"),
        ("holdings.csv", 2, {"purge_le": "2026-01-01"}, "demande sa preuve"),
        (
            "holdings.csv",
            2,
            {"purge_le": "2024-06-30", "preuve": "attestation"},
            "purge_le : la gestion était encore en cours",
        ),
        ("members.csv", 2, {"nir": NIR[:-1] + "3"}, "nir : ce NIR n'est pas valide."),
        ("members.csv", 2, {"nir": "269054958815780"}, "nir : ce NIR n'est pas valide."),
        ("members.csv", 2, {"motif_sans_nir": "efface"}, "motif_sans_nir : vide quand"),
        ("members.csv", 2, {"telephone": "02 98 00 00 00"}, "telephone : Indiquez un téléphone"),
        ("members.csv", 2, {"email": "a@b"}, "email : cette adresse"),
        ("members.csv", 2, {"date_naissance": "22/03/1975"}, "s'écrit AAAA-MM-JJ"),
        ("members.csv", 2, {"date_naissance": "2026-02-30"}, "cette date n'existe pas"),
        ("members.csv", 2, {"date_naissance": "2190-01-01"}, "n'est pas à venir"),
        ("members.csv", 2, {"rang_naissance": "0"}, "rang_naissance : de 1 à 9."),
        ("members.csv", 2, {"nom_naissance": ""}, "nom_naissance : obligatoire"),
        ("members.csv", 2, {"ville": "x" * 101}, "ville : plus de 100"),
        ("members.csv", 2, {"ville": "a\tb"}, "ville : un caractère"),
        ("members.csv", 2, {"numero_adherent": "abc"}, "numero_adherent : de 4 à 20"),
        ("members.csv", 3, {"numero_adherent": KATELL}, "Déjà à la ligne 2."),
        ("members.csv", 2, {"civilite": "DR"}, "civilite : attendu : MME, M."),
        ("adhesions.csv", 4, {"fin": "9999-12-31"}, "une fin inconnue se laisse vide"),
        ("adhesions.csv", 4, {"numero_contrat": "AUTRE"}, "numero_contrat : inconnu"),
        ("adhesions.csv", 4, {"numero_adherent": "30000000"}, "numero_adherent : inconnu"),
        ("ayants_droit.csv", 2, {"lien": "cousin"}, "lien : attendu"),
        ("ayants_droit.csv", 2, {"debut": "2023-12-31"}, "pas d'adhésion le 31 décembre 2023"),
        ("ayants_droit.csv", 4, {"rang_naissance": "1"}, "née le même jour, a ce rang"),
        ("ayants_droit.csv", 2, {"date_naissance": "1975-03-22"}, "née le même jour"),
        ("decomptes.csv", 2, {"part_rc": "6.45"}, "n'est pas la somme"),
        ("decomptes.csv", 2, {"ayant_droit": "09"}, "ayant_droit : inconnu"),
        ("decomptes.csv", 2, {"domaine": "AUDI"}, "domaine : inconnu"),
        ("decomptes.csv", 4, {"paye_le": "2025-04-04"}, "une autre ligne de ce décompte"),
        ("decomptes.csv", 4, {"numero_adherent": "20000002", "ayant_droit": ""}, "un autre adhé"),
    ],
)
def test_a_line_is_refused_with_its_reason(db, feed, file, line, cells, told):
    feed.change(file, line, **cells)
    counts = feed.bring_in()
    assert told in feed.refused[file, str(line)]
    assert total(counts, "read") == total(counts, "added") + total(counts, "rejected") == ALL


def test_every_fault_of_a_line_is_told_at_once(db, feed):
    feed.change("members.csv", 2, telephone="1", nir="2", date_naissance="3")
    feed.bring_in()
    motif = feed.refused["members.csv", "2"]
    assert all(f"{name} : " in motif for name in ("telephone", "nir", "date_naissance"))


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ("20000004;é;x\n".encode("latin-1"), "pas en UTF-8"),
        (b'20000004;"MME;x\n', "guillemet"),
        (b"20000004;MME\n", "2 cellules au lieu de 15"),
        (b"\0" + b";" * 14 + b"\n", "numero_adherent"),
        (b";" * 14 + b"\n", "numero_adherent"),
        (b"x" * 70_000 + b"\n", "trop longue"),
        (b"20000004" + b";" * 14, "obligatoire"),
    ],
)
def test_a_line_that_cannot_be_read_spoils_no_other(db, feed, raw, told):
    feed.append("members.csv", b"\n" + raw)  # a blank line is no line
    counts = feed.bring_in()
    assert told in feed.refused["members.csv", "6"]
    assert counts["members.csv"] == {"read": 4, "added": 3, "rejected": 1}


def test_a_no_break_space_beside_a_number_parts_no_family(db, feed):
    path = feed.path / "adhesions.csv"
    path.write_bytes(path.read_bytes().replace(KATELL.encode(), f"\xa0{KATELL}\xa0".encode()))
    assert total(feed.bring_in(), "added") == ALL


def test_marks_of_other_systems_are_taken(db, feed):
    """A BOM, CRLF, quotes and another order of columns."""
    rows = feed.read("members.csv")
    rows = [dict(reversed(row.items())) for row in rows]
    rows[0]["adresse"] = '3; rue "des" Mouettes'
    feed.write("members.csv", rows)
    path = feed.path / "members.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert feed.bring_in()["members.csv"] == {"read": 3, "added": 3}
    assert Member.objects.get(number=KATELL).address == '3; rue "des" Mouettes'


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("numero_adherent;numero_contrat;debut;fin", "il manque motif_fin"),
        ("numero_adherent;numero_contrat;debut;fin;motif_fin;note", "colonne inconnue note"),
        ("numero_adherent;numero_contrat;debut;fin;motif_fin;fin", "une colonne figure deux fois"),
        ("", "il manque"),
    ],
)
def test_a_file_with_another_header_stops_everything(db, feed, header, told):
    (feed.path / "adhesions.csv").write_text(header + "\n")
    with pytest.raises(Failed, match=told):
        feed.bring_in()
    assert not Contract.objects.exists()


def test_refused_lines_are_safe_to_open_and_hide_numbers(db, feed):
    feed.change("members.csv", 2, nom_usage="=HYPERLINK(1)", telephone="1", ville=NIR)
    feed.change("members.csv", 3, nir="19007993502", prenoms="2 75 03 99 350 102 70" + "x" * 150)
    feed.bring_in()
    text = feed.files["rejets-members.csv"]
    header, first, _second = text.removeprefix("\ufeff").splitlines()
    assert header.endswith(";motif_sans_nir;ligne;motif")
    assert ";'=HYPERLINK(1);" in first
    assert ";•••••••••••••••;" in first
    assert not any(number in text for number in ("275", "190079", "75 03 99"))


@pytest.mark.parametrize(
    "spelling",
    [
        NIR,
        NIR[:13],
        "2 75 03 99 350 102 70",
        "2.75.03.99.350.102/70",
        "2-75-03-99-350-102 - 70",
        "2\xa075\xa003\xa02A\xa0350\xa0102\xa070",
        "275032b350102",
        f"NIR{NIR}.",
        f"0{NIR}",
    ],
)
def test_a_number_is_hidden_however_it_is_spelt_and_wherever_it_stands(db, feed, spelling):
    feed.change("delegations.csv", 2, csr=spelling, categories=f"NIR|{spelling}")
    feed.bring_in()
    text = feed.files["rejets-delegations.csv"]
    assert "catégorie inconnue (" in text
    digits = re.sub(r"\D", "", text)
    assert not any(part in digits for part in ("27503", "99350", "350102"))


def test_what_is_no_number_stays_in_the_refused_lines():
    for text in ("2025-01-01", "06 12 34 56 78", "+33612345678", "900000015", "BAIE-2024"):
        assert rejects.masked(text) == text


# ------------------------------------------------------- what members asked here and staff accepted


@pytest.fixture
def decides(db, feed):
    """`decides(kind, **columns)`: Katell's demande, deposited and accepted."""
    feed.bring_in()
    katell = Member.objects.get(number=KATELL)
    katell.user = User.objects.create(identifiant="katell")
    katell.save()
    hugo = User.objects.create(identifiant="hugo", is_staff=True)

    def decides(kind, **columns) -> Demande:
        demande = drafts.begin(katell, kind)
        for name, value in columns.items():
            setattr(demande.detail, name, value)
        demande.detail.save()
        paper(demande)
        drafts.deposit(demande, by=katell.user)
        deciding.take(demande, by=hugo)
        deciding.accept(demande, by=hugo)
        return demande

    return decides


@pytest.fixture
def noe(decides):
    born = timezone.localdate() - timedelta(days=40)
    told = {"link": "enfant", "birth_name": "Caradec", "first_names": "Noé Yann"}
    decides(DemandeKind.JOINING, **told, birth_date=born, since=born)
    return AyantDroit.objects.get(first_names="Noé Yann")


def lists(feed, **cells):
    """Adds a line to ayants_droit.csv, for somebody born as Noé unless `cells` says otherwise."""
    born = (timezone.localdate() - timedelta(days=40)).isoformat()
    rows = feed.read("ayants_droit.csv")
    told = {
        "numero_adherent": KATELL,
        "reference": "04",
        "lien": "enfant",
        "nom_naissance": "Caradec",
        "prenoms": "NOE",
        "date_naissance": born,
        "rang_naissance": "1",
        "debut": born,
        "motif_sans_nir": "en_attente",
    }
    feed.write("ayants_droit.csv", [*rows, dict.fromkeys(rows[0], "") | told | cells])


def test_who_joined_here_is_the_same_person_once_a_feed_lists_him(feed, noe):
    lists(feed)
    report = feed.bring_in()["ayants_droit.csv"]
    assert (report["changed"], report.get("added"), report.get("rejected")) == (1, None, None)
    again = AyantDroit.objects.get(member=noe.member, birth_date=noe.birth_date)
    assert (again.pk, again.reference, again.first_names) == (noe.pk, "04", "NOE")
    assert "changed" not in feed.bring_in()["ayants_droit.csv"]


def test_an_empty_portal_takes_who_joined_elsewhere_back_from_an_export(
    feed, noe, decides, tmp_path
):
    call_command("export_feed", tmp_path / "out", stdout=StringIO())
    out = (tmp_path / "out" / "ayants_droit.csv").read_text()
    assert noe.reference in out
    own, member = noe.reference, noe.member
    noe.delete()
    Folder(tmp_path / "out", tmp_path).bring_in()
    assert AyantDroit.objects.get(member=member, reference=own).first_names == "Noé Yann"
    assert of_demandes._free_reference(member, int(own.removeprefix("P-"))) == f"{own}-2"


def test_who_joined_here_is_never_given_to_another(feed, noe):
    lists(feed, prenoms="Erwan")
    lists(feed, reference=noe.reference, prenoms="Erwan", date_naissance="2012-02-03")
    assert feed.bring_in()["ayants_droit.csv"]["rejected"] == 2
    assert "« P- » est celle d'une autre personne" in feed.files["rejets-ayants_droit.csv"]
    noe.refresh_from_db()
    assert (noe.first_names, noe.reference[:2]) == ("Noé Yann", "P-")
    assert not AyantDroit.objects.filter(first_names="Erwan").exists()


def test_a_whole_file_that_does_not_know_yet_who_joined_here_does_not_end_him(feed, noe):
    today = timezone.localdate()
    feed.bring_in(whole=frozenset({"ayants_droit.csv"}), at_most=100, ends_on=today)
    noe.refresh_from_db()
    assert noe.end is None


def test_an_end_decided_here_is_not_undone_by_a_feed_that_does_not_know_it(feed, decides):
    today = timezone.localdate()
    ronan = AyantDroit.objects.get(member__number=KATELL, reference="01")
    decides(DemandeKind.LEAVING, ayant_droit=ronan, reason="separation", last_day=today)
    report = feed.bring_in()["ayants_droit.csv"]
    assert (report.get("changed"), report["to_confirm"]) == (None, 1)
    assert feed.files["a-confirmer.csv"].rstrip().endswith(f";{KATELL};fin")
    ronan.refresh_from_db()
    assert ronan.end == today
    line = next(
        number
        for number, row in enumerate(feed.read("ayants_droit.csv"), 2)
        if (row["numero_adherent"], row["reference"]) == (KATELL, "01")
    )
    earlier = today - timedelta(days=3)
    feed.change("ayants_droit.csv", line, fin=earlier.isoformat())
    assert "to_confirm" not in feed.bring_in()["ayants_droit.csv"]
    ronan.refresh_from_db()
    assert ronan.end == earlier


# ------------------------------------------------------------------ what belongs together is whole


def test_an_adhesion_and_its_ayants_droit_end_together_or_not_at_all(db, feed):
    feed.bring_in()
    feed.change("adhesions.csv", 2, fin="2025-03-31")
    feed.bring_in()
    assert feed.refused == {
        ("adhesions.csv", "2"): "fin : l'ayant droit 01 n'aurait plus d'adhésion le 1er avril 2025."
    }
    assert Adhesion.objects.get(member__number=KATELL).end is None
    for line in (2, 3, 4):
        feed.change("ayants_droit.csv", line, fin="2025-03-31")
    counts = feed.bring_in()
    assert counts["adhesions.csv"]["changed"] == 1
    assert counts["ayants_droit.csv"]["changed"] == 3


def test_an_end_is_refused_when_the_ayants_droit_are_not_told(db, feed):
    feed.bring_in()
    feed.keep("adhesions.csv")
    feed.change("adhesions.csv", 2, fin="2025-03-31")
    feed.bring_in()
    assert "n'aurait plus d'adhésion le 1" in feed.refused["adhesions.csv", "2"]


def test_twins_may_exchange_their_ranks(db, feed):
    feed.bring_in()
    feed.change("ayants_droit.csv", 3, rang_naissance="2")
    feed.change("ayants_droit.csv", 4, rang_naissance="1")
    with CaptureQueriesContext(connections["default"]) as asked:
        counts = feed.bring_in()
    assert counts["ayants_droit.csv"] == {"read": 3, "changed": 2, "unchanged": 1}
    updates = [one["sql"] for one in asked if one["sql"].startswith('UPDATE "members_ayantdroit"')]
    assert len(updates) == 3  # both set aside, what they are told to be, why some have no NIR
    ranks = AyantDroit.objects.filter(birth_date=date(2009, 10, 18)).values_list(
        "reference", "birth_rank"
    )
    assert set(ranks) == {("02", 2), ("03", 1)}


def test_a_delegation_hands_over_to_another_in_one_go(db, feed):
    feed.bring_in()
    feed.change("delegations.csv", 3, fin="2025-08-31")
    feed.append("operators.csv", b"VAGUE;Vague\n")
    feed.append("delegations.csv", b"VAGUE;BAIE-2024;;2025-09-01;;;;NIR\n")
    assert feed.bring_in()["delegations.csv"] == {
        "read": 3,
        "added": 1,
        "changed": 1,
        "unchanged": 1,
    }
    assert Delegation.objects.get(operator__code="VAGUE").categories == {"NIR"}


def test_an_open_holding_ends_with_its_purge(db, feed):
    feed.bring_in()
    feed.change("holdings.csv", 2, purge_le="2025-02-01", preuve="Attestation 12")
    assert feed.bring_in()["holdings.csv"] == {"read": 1, "changed": 1}
    assert Holding.objects.get().purged_on == date(2025, 2, 1)
    assert feed.bring_in()["holdings.csv"] == {"read": 1, "unchanged": 1}


# ------------------------------------------------------------------------ accounts and secrets


def test_the_contacts_of_an_account_are_reported_and_never_changed(cast, feed, tmp_path):
    """A phone that receives codes is changed by its member alone. (decision 0036)"""
    exporting.export(tmp_path / "out")
    out = Folder(tmp_path / "out", tmp_path)
    numbers = [row["numero_adherent"] for row in out.read("members.csv")]
    line = numbers.index(cast.antoine.number) + 2
    out.change("members.csv", line, telephone="0611223344", email="x@exemple.fr", ville="Lorient")
    ines = numbers.index("10000011") + 2
    out.change("members.csv", ines, telephone="0611223355", email="ines@exemple.fr")
    counts = out.bring_in()
    assert (counts["members.csv"]["changed"], counts["members.csv"]["to_confirm"]) == (2, 1)
    assert f"{line};{cast.antoine.number};telephone|email" in out.files["a-confirmer.csv"]
    before = (cast.antoine.phone, cast.antoine.email)
    cast.antoine.refresh_from_db()
    assert (cast.antoine.phone, cast.antoine.email) == before
    assert cast.antoine.city == "Lorient"
    assert Member.objects.get(number="10000011").phone == "+33611223355"


def test_an_account_that_opens_meanwhile_keeps_its_phone(cast):
    ines = Member.objects.get(number="10000011")
    Member.objects.filter(pk=ines.pk).update(user=User.objects.create(identifiant="ines"))
    row = {"id": ines.pk, "phone": "+33699999999", "email": ""}
    writing.update(Member, ("phone", "email"), [row], only="user_id")
    ines.refresh_from_db()
    assert ines.phone != "+33699999999"


def test_no_account_is_made(db, feed):
    feed.change("members.csv", 2, identifiant="katell")
    assert feed.bring_in()["members.csv"] == {"read": 3, "added": 3}
    assert not User.objects.exists()


def test_a_number_that_stays_is_not_sealed_again(db, feed, settings):
    feed.bring_in()
    sealed = Member.objects.get(number=KATELL).nir_sealed
    settings.FIELD_ENCRYPTION_KEYS = [
        "bmV3LXRlc3RzLW9ubHktZmllbGQtZW5jcnlwdGlvbjA=",
        *settings.FIELD_ENCRYPTION_KEYS,
    ]
    assert feed.bring_in()["members.csv"] == {"read": 3, "unchanged": 3}
    assert Member.objects.get(number=KATELL).nir_sealed == sealed


def test_a_number_is_replaced_or_taken_away_with_a_reason(db, feed):
    feed.bring_in()
    feed.change("members.csv", 2, nir="", motif_sans_nir="non_communique")
    feed.change("members.csv", 4, nir=NIR, motif_sans_nir="")
    assert feed.bring_in()["members.csv"] == {"read": 3, "changed": 2, "unchanged": 1}
    katell, aminata = (Member.objects.get(number=number) for number in (KATELL, "20000003"))
    assert (katell.nir_sealed, katell.nir_absence) == ("", "non_communique")
    assert (aminata.nir, aminata.nir_absence) == (NIR, "")


def test_the_trail_holds_counts_only(db, feed):
    call_command("import_feed", feed.path, "--rejects", feed.rejects, stdout=StringIO())
    event = AuditEvent.objects.get(action="feed.imported")
    assert event.details["added"] == ALL
    assert set(event.details) == {"dry_run", "whole", *importing.OUTCOMES}


# --------------------------------------------------------------------------------- whole files


def test_a_whole_file_ends_what_it_no_longer_lists(db, feed):
    feed.bring_in()
    feed.write("adhesions.csv", feed.read("adhesions.csv")[1:])
    header = (feed.path / "ayants_droit.csv").read_text().splitlines()[0]
    (feed.path / "ayants_droit.csv").write_text(header)
    whole = frozenset({"adhesions.csv", "ayants_droit.csv"})
    with pytest.raises(Failed, match="terminerait 1 des 2 lignes en cours"):
        feed.bring_in(whole=whole)
    assert Adhesion.objects.get(member__number=KATELL).end is None
    counts = feed.bring_in(whole=whole, at_most=100)
    assert counts["adhesions.csv"] == {"read": 2, "unchanged": 2, "ended": 1}
    assert counts["ayants_droit.csv"] == {"ended": 3}
    assert Adhesion.objects.get(member__number=KATELL).end == DAY
    assert set(AyantDroit.objects.values_list("end", flat=True)) == {DAY}
    again = feed.bring_in(whole=whole, at_most=0)
    assert total(again, "ended") == 0


def test_nothing_ends_that_would_leave_an_ayant_droit(db, feed):
    feed.bring_in()
    feed.write("adhesions.csv", feed.read("adhesions.csv")[1:])
    feed.bring_in(whole=frozenset({"adhesions.csv"}), at_most=0)
    assert "01 n'aurait plus d'adhésion le 1er juillet 2025" in feed.refused["adhesions.csv", ""]
    assert Adhesion.objects.get(member__number=KATELL).end is None


def test_nothing_ends_beside_a_line_that_cannot_be_read(db, feed):
    feed.bring_in()
    feed.change("adhesions.csv", 4, debut="hier")
    feed.bring_in(whole=frozenset({"adhesions.csv"}), at_most=0)
    assert "n'est pas lisible" in feed.refused["adhesions.csv", ""]
    assert Adhesion.objects.get(member__number="20000003").end is None


@pytest.mark.parametrize(
    "raw",
    [
        b'"x;\n',
        b"2000 0003;BAIE-2024;2024-01-01;;\n",
        b"20000003;BAIE-2024;2024-01-01;;d\xe9part\n",
        b"20000003;BAIE-2024;2024-01-01;;;\n",
    ],
)
def test_a_whole_file_with_a_number_that_cannot_be_read_ends_nothing(db, feed, raw):
    feed.bring_in()
    feed.write("adhesions.csv", feed.read("adhesions.csv")[:2])
    feed.append("adhesions.csv", raw)
    with pytest.raises(Failed, match=r"adhesions\.csv, ligne 4 : numéro illisible"):
        feed.bring_in(whole=frozenset({"adhesions.csv"}), at_most=100)
    assert Adhesion.objects.get(member__number="20000003").end is None


def test_nothing_is_told_as_ended_that_the_database_kept(db, feed, monkeypatch):
    feed.bring_in()
    feed.write("adhesions.csv", feed.read("adhesions.csv")[:2])

    def spoil(self):
        raise IntegrityError

    monkeypatch.setattr(Families, "write", spoil)
    counts = feed.bring_in(whole=frozenset({"adhesions.csv"}), at_most=100)
    assert counts["adhesions.csv"] == {"read": 2, "rejected": 2}
    assert "La base refuse" in feed.refused["adhesions.csv", ""]


# ----------------------------------------------------------------------- interrupted, at once


@pytest.fixture
def in_small_steps(monkeypatch):
    monkeypatch.setattr(folder, "GROUPS", 1)
    monkeypatch.setattr(importing, "WINDOW", 1)


def test_an_import_goes_on_where_it_was(db, feed, in_small_steps):
    feed.change("members.csv", 2, telephone="1")
    cursor, steps_taken = {}, 0
    while steps_taken < 200:
        steps = importing.run(feed.path, feed.working, Options(ends_on=DAY), cursor)
        try:
            cursor = json.loads(json.dumps(next(steps).cursor))
        except StopIteration as finished:
            report = finished.value
            break
        steps.close()
        steps_taken += 1
    assert steps_taken > 20
    counts = report.counts
    assert total(counts, "added") + total(counts, "rejected") == total(counts, "read") == ALL
    assert len(b"".join(report.files["rejets-members.csv"]).splitlines()) == 2


def test_a_file_that_changes_meanwhile_stops_the_import(db, feed, in_small_steps):
    step = next(importing.run(feed.path, feed.working, Options(ends_on=DAY), {}))
    feed.change("members.csv", 2, ville="Brest")
    with pytest.raises(Failed, match="a changé"):
        feed.bring_in(cursor=step.cursor)


def test_the_command_goes_on_after_an_interruption(db, feed, in_small_steps, capsys):
    steps = work.by_hand(feed.path, Options(ends_on=work.yesterday()), feed.rejects)
    for _step in range(30):
        step = next(steps)
    steps.close()
    assert step.done
    call_command("import_feed", feed.path, "--rejects", feed.rejects)
    printed = capsys.readouterr().out
    assert "members.csv                  3           3" in printed  # as if nothing had happened
    assert not list(work.working_folder("").glob("*/"))


def test_a_guard_that_stopped_an_import_counts_anew(db, feed):
    call_command("import_feed", feed.path, "--rejects", feed.rejects, stdout=StringIO())
    feed.write("adhesions.csv", feed.read("adhesions.csv")[:2])
    feed.keep("adhesions.csv")
    whole = ["import_feed", feed.path, "--rejects", feed.rejects, "--whole", "adhesions.csv"]
    with pytest.raises(CommandError, match="terminerait 1 des 2 lignes"):
        call_command(*whole)
    Adhesion.objects.filter(member__number="20000003").update(end=DAY)
    call_command(*whole, stdout=StringIO())


def test_refused_lines_of_yesterday_go_when_today_has_none(db, feed):
    feed.rejects.mkdir()
    (feed.rejects / "notes.txt").write_text("")
    feed.change("members.csv", 2, telephone="1")
    call = ["import_feed", feed.path, "--rejects", feed.rejects]
    call_command(*call, stdout=StringIO())
    assert "rejets-members.csv" in os.listdir(feed.rejects)
    feed.change("members.csv", 2, telephone="")
    call_command(*call, stdout=StringIO())
    assert os.listdir(feed.rejects) == ["notes.txt"]


def test_a_second_command_waits_for_the_end_of_the_first(db, feed, in_small_steps):
    steps = work.by_hand(feed.path, Options(ends_on=DAY), feed.rejects)
    next(steps)
    with pytest.raises(CommandError, match="Un import est déjà en cours"):
        call_command("import_feed", feed.path, "--rejects", feed.rejects)
    steps.close()
    call_command("import_feed", feed.path, "--rejects", feed.rejects, stdout=StringIO())


def test_files_of_several_runs_in_no_order_come_in_order(db, feed, monkeypatch):
    monkeypatch.setattr(index, "RUN", 1)
    feed.write("members.csv", feed.read("members.csv")[::-1])
    assert total(feed.bring_in(), "added") == ALL


def test_a_row_written_at_the_same_time_is_seen(db, feed, monkeypatch):
    write, once = Families.write, []

    def slow(self):
        if not once:
            once.append(1)
            member = {**self.families[0].member.values, "nir_sealed": "x", "city": "Ailleurs"}
            member.pop("nir")
            Member.objects.create(**{key: value for key, value in member.items() if key != "id"})
        write(self)

    monkeypatch.setattr(Families, "write", slow)
    feed.bring_in()
    assert not feed.refused
    assert Member.objects.count() == 3


def test_what_the_database_alone_refuses_is_refused_line_by_line(db, feed, monkeypatch):
    write = Families.write

    def spoil(self):
        for family in self.families:
            if family.member.values["number"] == KATELL:
                family.member.values["birth_rank"] = 0
        write(self)

    monkeypatch.setattr(Families, "write", spoil)
    counts = feed.bring_in()
    assert "member_birth_rank_1_to_9" in feed.refused["members.csv", "2"]
    assert counts["members.csv"] == {"read": 3, "added": 2, "rejected": 1}


@pytest.mark.django_db(transaction=True)
def test_members_sign_in_while_an_import_writes(cast, client, feed, monkeypatch):
    exporting.export(feed.working / "out")
    out = Folder(feed.working / "out", feed.working)
    for line in range(2, 6):
        out.change("members.csv", line, ville="Lorient")
    write, is_writing, may_end = Families.write, threading.Event(), threading.Event()

    def slow(self):
        write(self)
        is_writing.set()
        may_end.wait(20)

    monkeypatch.setattr(Families, "write", slow)
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(lambda: (out.bring_in(), connections.close_all())[0])
        assert is_writing.wait(20)
        type_password(client, cast.antoine.user.identifiant, people.PASSWORD)
        home = type_code(client, Challenge.objects.latest("created_at").code())
        assert Member.objects.get(pk=cast.antoine.pk).city == "Brest"
        may_end.set()
        assert coming.result()["members.csv"]["changed"] == 4
    assert home["Location"] == "/espace/"
    assert Member.objects.get(pk=cast.antoine.pk).city == "Lorient"


@pytest.mark.django_db(transaction=True)
def test_two_processes_share_the_families(feed):
    """As from a terminal: nothing is lost, nothing comes twice, whatever the order of the lines."""
    count = 4_500  # three transactions
    member = feed.read("members.csv")[2]
    adhesion = feed.read("adhesions.csv")[2]
    numbers = [f"3{number * 7919 % count:07}" for number in range(count)]
    feed.write("members.csv", [member | {"numero_adherent": number} for number in numbers])
    feed.write("adhesions.csv", [adhesion | {"numero_adherent": one} for one in numbers[::-1]])
    feed.keep(*(set(os.listdir(feed.path)) - {"ayants_droit.csv", "decomptes.csv"}))
    database = connections["default"].settings_dict
    url = (
        f"postgres://{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT']}"
        f"/{database['NAME']}"
    )
    env = {**os.environ, "DATABASE_URL": url, "FILES_ROOT": str(feed.working)}
    printed = manage(["import_feed", str(feed.path)], env)
    assert f"members.csv{count:>19}{count:>12}{0:>12}" in printed
    assert Member.objects.count() == Adhesion.objects.count() == count
    assert Adhesion.objects.filter(member__number__in=numbers).distinct().count() == count


# ----------------------------------------------------------------------------------- the page

PAGE = "/admin/members/feedimport/"


@pytest.fixture
def desk(db, client, feed, settings):
    settings.FEED_FOLDER = str(feed.path)
    return colleague("ada", "import_feed")


def turn():
    for job in Job.objects.filter(state=JobState.WAITING):
        while job_turns.take_turn(job.pk):
            pass


def test_a_colleague_checks_then_imports(desk, feed):
    feed.change("members.csv", 2, telephone="1")
    page = desk.get(PAGE).content.decode()
    assert "Vérifier sans rien écrire" in page
    assert "Importer<" not in page
    answer = desk.post(PAGE + "verifier/")
    turn()
    page = desk.get(answer["Location"]).content.decode()
    assert "rejets-members.csv" in page
    assert "lues\xa0: 3, ajoutées\xa0: 2, rejetées\xa0: 1" in page
    assert not Member.objects.exists()
    check = Job.objects.get()
    assert f'value="{check.pk}"' in desk.get(PAGE).content.decode()
    desk.post(PAGE + "importer/", {"check": check.pk})
    turn()
    assert Member.objects.count() == 2
    assert not list(work.working_folder("").glob("*/"))


def test_files_that_were_not_checked_are_not_imported(desk, feed):
    desk.post(PAGE + "importer/", {"check": ""})
    desk.post(PAGE + "verifier/")
    turn()
    check = Job.objects.get()
    feed.change("members.csv", 2, ville="Brest")
    answer = desk.post(PAGE + "importer/", {"check": check.pk}, follow=True)
    assert "ne sont pas ceux qui furent vérifiés" in answer.content.decode()
    assert Job.objects.count() == 1


def test_a_job_and_a_command_never_import_at_once(desk, feed):
    desk.post(PAGE + "verifier/")
    with pytest.raises(CommandError, match="Un import est déjà en cours"):
        call_command("import_feed", feed.path, "--rejects", feed.rejects)
    with work._alone():
        turn()
    assert Job.objects.get().problem == "Un import est déjà en cours."


def test_a_job_that_its_guard_stopped_counts_anew(desk, feed):
    feed.bring_in()
    feed.write("adhesions.csv", feed.read("adhesions.csv")[:2])
    desk.post(PAGE + "verifier/", {"whole": "adhesions.csv"})
    turn()
    job = Job.objects.get()
    assert "terminerait 1 des 2" in job.problem
    Adhesion.objects.filter(member__number="20000003").update(end=DAY)
    jobs.resume(job, by=job.by)
    turn()
    job.refresh_from_db()
    assert job.state == JobState.DONE


def test_files_that_change_before_the_worker_comes_are_not_imported(desk, feed):
    desk.post(PAGE + "verifier/")
    feed.change("members.csv", 2, ville="Brest")
    turn()
    assert "ont changé" in Job.objects.get().problem


def test_who_has_not_the_right_sees_nothing_of_it(db, client):
    other = colleague("otto", "view_member")
    assert other.get(PAGE).status_code == 403
    assert other.post(PAGE + "verifier/").status_code == 403
    assert other.post(PAGE + "importer/").status_code == 403
    assert PAGE not in other.get("/admin/").content.decode()


def test_acts_are_posts(desk):
    assert desk.get(PAGE + "verifier/").status_code == 405
    assert desk.get(PAGE + "importer/").status_code == 405


def test_without_folder_the_page_says_so(desk, settings):
    settings.FEED_FOLDER = ""
    assert "FEED_FOLDER" in desk.get(PAGE).content.decode()
    assert desk.post(PAGE + "verifier/").status_code == 302


def test_folders_that_nobody_took_up_again_go(feed, settings):
    old = work.working_folder("left")
    old.mkdir(parents=True)
    (old / "members.csv.index").write_text("")
    os.utime(old, (0, 0))
    assert work.purge() == 1
    assert not old.exists()


# ------------------------------------------------------------------------------------ the rules


@given(st.from_regex(r"(\+33|0)[67][0-9]{8}", fullmatch=True))
def test_a_usual_phone_is_read_as_the_library_reads_it(value):
    number = phonenumbers.parse(value, "FR")
    if phonenumbers.is_valid_number(number):
        e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        assert phones.mobile_e164(value) == e164
    else:
        with pytest.raises(ValidationError):
            phones.mobile_e164(value)


@given(st.from_regex(r"[1-478][0-9]{2}(0[1-9]|1[0-2])[0-9]{8}", fullmatch=True), st.integers(0, 99))
def test_a_usual_nir_is_read_as_the_library_reads_it(digits, key):
    for number in (f"{digits}{key:02}", f"{digits}{97 - int(digits) % 97:02}"):
        try:
            expected = stdnum_nir.validate(number)
        except StdnumError:
            with pytest.raises(nir.InvalidNir):
                nir.compact(number)
        else:
            assert nir.compact(number) == expected


DAYS = [date(2024, 1, 1) + timedelta(days=90 * number) for number in range(5)]
PERIODS = st.tuples(st.sampled_from(DAYS), st.none() | st.sampled_from(DAYS))
FAMILIES = st.sampled_from(["M001", "M002"])
CONTRACTS = st.sampled_from(["C1", "C2"])
FOLDERS = st.fixed_dictionaries(
    {
        "delegations": st.lists(
            st.tuples(CONTRACTS, st.sampled_from(["", "D1"]), PERIODS), max_size=3
        ),
        "members": st.lists(FAMILIES, max_size=3),
        "adhesions": st.lists(st.tuples(FAMILIES, CONTRACTS, PERIODS), max_size=5),
        "ayants_droit": st.lists(
            st.tuples(FAMILIES, st.sampled_from("12"), st.sampled_from("12"), PERIODS), max_size=5
        ),
    }
)


def written(path: Path, content) -> None:
    def told(period):
        start, end = period
        return f"{start};{end or ''}"

    lines = {
        "domains.csv": ["code;libelle;ordre", "D1;Un;1"],
        "operators.csv": ["code;nom", "O;Opérateur"],
        "plans.csv": ["code;nom", "P;Formule"],
        "contracts.csv": [
            "numero_contrat;type;siren_employeur;population;plan;telephone;debut;fin",
            *(f"{number};individuel;;;P;02 61 91 00 00;2020-01-01;" for number in ("C1", "C2")),
        ],
        "delegations.csv": [
            "operateur;numero_contrat;domaine;debut;fin;type_convention;csr;categories",
            *(
                f"O;{one};{domain};{told(period)};;;NIR"
                for one, domain, period in content["delegations"]
            ),
        ],
        "members.csv": [
            "numero_adherent;civilite;nom_naissance;nom_usage;prenoms;date_naissance;rang_naissance;"
            "nir;email;telephone;adresse;code_postal;ville;identifiant",
            *(f"{one};M;Nom;;Prénom;1980-01-01;1;;;;;;;" for one in content["members"]),
        ],
        "adhesions.csv": [
            "numero_adherent;numero_contrat;debut;fin;motif_fin",
            *(
                f"{one};{contract};{told(period)};"
                for one, contract, period in content["adhesions"]
            ),
        ],
        "ayants_droit.csv": [
            "numero_adherent;reference;lien;nom_naissance;nom_usage;prenoms;date_naissance;"
            "rang_naissance;nir;debut;fin;email;adresse;code_postal;ville",
            *(
                f"{one};{reference};enfant;Nom;;Prénom;2010-01-01;{rank};;{told(period)};;;;"
                for one, reference, rank, period in content["ayants_droit"]
            ),
        ],
    }
    for name, text in lines.items():
        (path / name).write_text("\n".join(text) + "\n", "utf-8")


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(FOLDERS, min_size=2, max_size=2), st.booleans())
def test_both_databases_agree_and_keep_the_rules(both, tmp_path, contents, whole):
    told = []
    for alias in both:
        with on(both, alias):
            told.append([outcome(tmp_path, content, whole) for content in contents])
            for model in (Delegation, Adhesion, AyantDroit):
                for row in model.objects.all():
                    row.full_clean()
    assert told[0] == told[1]


def outcome(tmp_path: Path, content, whole: bool):
    """What an import tells, and what it leaves; the same again changes nothing."""
    made = tmp_path / "rules"
    made.mkdir(exist_ok=True)
    written(made, content)
    options = {"at_most": 100}
    if whole:
        options["whole"] = frozenset({"adhesions.csv", "ayants_droit.csv", "delegations.csv"})
    feed = Folder(made, tmp_path)
    counts = feed.bring_in(**options)
    exporting.export(tmp_path / "out", overwrite=True)
    rows = {of.name: (tmp_path / "out" / of.name).read_text() for of in layout.LAYOUTS}
    refused = feed.refused
    again = feed.bring_in(**options)
    assert total(again, "added") == total(again, "changed") == total(again, "ended") == 0
    return counts, refused, rows


def test_the_contract_is_documented_column_by_column():
    text = (SAMPLE.parents[2] / "docs" / "feed.md").read_text("utf-8")
    for of in layout.LAYOUTS:
        row = re.search(rf"^\| `{of.name}` \|[^|]*\|(.*)\|$", text, re.M)[1]
        told = [f"(`{one.name}`)" if one.optional else f"`{one.name}`" for one in of.columns]
        assert row.split() == told, of.name
