"""Evidence: what was received, whole, never edited, read by few, and held when it must be."""

from datetime import date
from io import StringIO

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.urls import reverse
from django.utils import timezone

from incidents import evidence, filings, intake
from incidents.models import Evidence, Incident
from members.models import AuditEvent, Operator
from members.models.written_once import WrittenOnce
from portal import roles
from tests.incidents.test_clocks import clock_of
from tests.incidents.test_desk import at, text

PDF = b"%PDF-1.7 une lettre"


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path)
    return tmp_path


@pytest.fixture
def auteur(colleague):
    return colleague("auteur", roles.WRITING)


@pytest.fixture
def dpo(colleague):
    return colleague("dpo", roles.DPO)


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


def kept(incident, by, content=PDF, name="lettre.pdf") -> Evidence:
    with evidence.stored([ContentFile(content, name=name)]) as [one]:
        return evidence.record(
            incident,
            one,
            kind="courrier",
            received_from="Nord",
            received_at=timezone.now(),
            by=by,
        )


@pytest.fixture
def piece(incident, auteur):
    return kept(incident, auteur)


def files_in(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


# What is taken


@pytest.mark.parametrize(
    ("name", "content", "content_type", "kept_as"),
    [
        ("Lettre.PDF", PDF, "application/pdf", "Lettre.pdf"),
        ("lettre.html", PDF, "application/pdf", "lettre.html.pdf"),
        ("../../etc/passwd", PDF, "application/pdf", "passwd.pdf"),
        ("C:\\bureau\\vue.png", b"\x89PNG\r\n\x1a\n..", "image/png", "vue.png"),
        ("vue\r\nX-A: b.jpeg", b"\xff\xd8\xff..", "image/jpeg", "vueX-A: b.jpeg"),
        ("rapport.docx", b"PK\x03\x04..", "application/zip", "rapport.docx"),
        ("rapport.docm", b"PK\x03\x04..", "application/zip", "rapport.docm.zip"),
        ("message.eml", "De : Nord\nÀ : nous".encode(), "text/plain", "message.eml"),
        ("ancien.txt", "déjà".encode("latin-1"), "text/plain", "ancien.txt"),
        ("lance.sh", b"#!/bin/sh\nrm", "text/plain", "lance.sh.txt"),
        ("...", PDF, "application/pdf", "piece.pdf"),
        ("x" * 300 + ".pdf", PDF, "application/pdf", "x" * 100 + ".pdf"),
    ],
)
def test_a_file_is_what_its_first_bytes_say_and_is_named_accordingly(
    name, content, content_type, kept_as
):
    file = ContentFile(content)
    file.name = name
    assert evidence.recognize(file) == (content_type, kept_as)


@pytest.mark.parametrize(
    "content",
    [b"MZ\x90\0", b"\x7fELF\x02", b"  \n<html><script>", b"\xef\xbb\xbf<svg onload=x>", b"\0\0"],
)
def test_programs_pages_and_the_unknown_are_refused(content, folder):
    with (
        pytest.raises(evidence.Unrecognized),
        evidence.stored([ContentFile(content, name="lettre.pdf")]),
    ):
        pass
    assert not files_in(folder)


def test_what_weighs_nothing_or_too_much_is_refused():
    file = ContentFile(PDF)
    for size in (0, (25 << 20) + 1):
        file.size = size
        with pytest.raises(evidence.TooHeavy):
            evidence.recognize(file)


def test_the_page_records_who_handed_it_over_and_the_digest(as_staff, dpo, incident):
    answer = as_staff(dpo).post(
        at("incident_evidence", incident),
        {
            "file": SimpleUploadedFile("avis.txt", b"Texte."),
            "kind": "rapport",
            "received_from": "CNIL",
            "received_at": timezone.localtime().strftime("%Y-%m-%dT%H:%M"),
        },
    )
    assert answer.url == at("incident_timeline", incident)
    row = Evidence.objects.get()
    assert (row.recorded_by, row.size, row.content_type) == (dpo, 6, "text/plain")
    assert evidence.problem(row) == ""
    assert "avis" not in row.file.name


def test_the_same_content_is_kept_once(incident, auteur, folder):
    assert kept(incident, auteur).pk == kept(incident, auteur, name="copie.pdf").pk
    assert len(files_in(folder)) == 1


# Written once


@pytest.mark.parametrize(
    "change",
    [
        "name = 'autre.pdf'",
        "sha256 = repeat('0', 64)",
        "received_at = received_at - interval '1 day'",
        "file = 'evidence/autre'",
        "removed_at = now(), removed_by_id = recorded_by_id, removed_reason = 'x', legal_hold = true",
    ],
)
def test_the_database_edits_no_piece(piece, change):
    with (
        pytest.raises(IntegrityError, match="evidence_"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(f"UPDATE incidents_evidence SET {change}")


def test_no_row_is_deleted_or_saved_again(piece):
    for act in (piece.delete, piece.save, Evidence.objects.all().delete):
        with pytest.raises(WrittenOnce):
            act()
    with (
        pytest.raises(IntegrityError, match="evidence_is_written_once"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("DELETE FROM incidents_evidence")


def test_the_admin_offers_no_change_and_no_deletion(as_staff, dpo, piece):
    browser = as_staff(dpo)
    assert browser.post(at("evidence_change", piece), {"name": "x"}).status_code == 403
    assert (
        browser.post(reverse("admin:incidents_evidence_delete", args=[piece.pk])).status_code == 403
    )
    assert browser.get(at("evidence_add")).status_code == 403


# Held, released, taken away


def test_a_held_file_stays_until_the_hold_is_lifted(
    as_staff, dpo, piece, folder, django_capture_on_commit_callbacks
):
    browser = as_staff(dpo)

    def act(name, reason="Une plainte est en cours."):
        with django_capture_on_commit_callbacks(execute=True):
            return text(
                browser.post(at(f"evidence_{name}", piece), {"reason": reason}, follow=True)
            )

    act("hold")
    assert "Cette pièce est conservée" in act("remove")
    assert len(files_in(folder)) == 1
    with (
        pytest.raises(IntegrityError, match="evidence_"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "UPDATE incidents_evidence SET removed_at = now(), removed_by_id = recorded_by_id,"
            " removed_reason = 'x'"
        )
    assert "déjà imposée" in act("hold")
    act("release")
    assert "n'est pas imposée" in act("release")
    assert "errorlist" in act("remove", reason="")
    act("remove", reason="Reçue par erreur.")
    assert not files_in(folder)
    row = Evidence.objects.get()
    assert (row.removed_by, row.removed_reason) == (dpo, "Reçue par erreur.")
    assert evidence.problem(row) == ""
    told = AuditEvent.objects.filter(action__startswith="evidence.").order_by("pk")
    assert [event.action for event in told] == [
        "evidence.recorded",
        "evidence.held",
        "evidence.released",
        "evidence.removed",
    ]
    assert "Le fichier de cette pièce a été retiré." in text(
        browser.get(at("evidence_file", row), follow=True)
    )
    assert "Fichier retiré" in text(browser.get(at("incident_timeline", row.incident)))


def test_what_proves_a_filing_is_not_taken_away(incident, auteur, piece):
    operator = Operator.objects.create(code="NORD", name="Nord")
    intake.record(
        incident,
        intake.Told(
            operator=operator,
            called_at=timezone.now(),
            channel="telephone",
            caller_name="Camille",
            caller_role="Astreinte",
            said="Vol.",
            source="Appel",
            stated_on=timezone.localdate(),
        ),
        by=auteur,
    )
    filings.record(
        incident,
        clock_of(incident, "rgpd-33"),
        submitted_at=timezone.now(),
        evidence=piece,
        by=auteur,
    )
    with pytest.raises(evidence.InUse):
        evidence.remove(piece, reason="Erreur.", by=auteur)


@pytest.mark.parametrize("move", ["hold", "release", "remove"])
def test_only_the_dpo_holds_and_takes_away(as_staff, auteur, piece, move):
    browser = as_staff(auteur)
    assert at(f"evidence_{move}", piece) not in text(browser.get(at("evidence_change", piece)))
    assert browser.get(at(f"evidence_{move}", piece)).status_code == 403
    assert browser.post(at(f"evidence_{move}", piece), {"reason": "Oui"}).status_code == 403


# Read


def test_a_file_is_given_as_an_attachment_and_its_reading_is_told(as_staff, colleague, piece):
    approver = colleague("approbateur", roles.APPROVAL)
    answer = as_staff(approver).get(at("evidence_file", piece))
    assert b"".join(answer.streaming_content) == PDF
    assert answer["Content-Disposition"] == 'attachment; filename="lettre.pdf"'
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]
    assert "no-store" in answer["Cache-Control"]
    event = AuditEvent.objects.get(action="evidence.read")
    assert (event.actor, event.details["evidence"]) == (approver, piece.pk)


@pytest.mark.parametrize("role", [roles.SUPPORT, roles.AUDIT, roles.ADMINISTRATION])
def test_nobody_else_reads_a_file(as_staff, colleague, piece, role):
    browser = as_staff(colleague("autre", role))
    assert browser.get(at("evidence_file", piece)).status_code == 403
    assert browser.get(at("evidence_change", piece)).status_code == 403


def test_a_piece_that_does_not_exist_is_not_found(as_staff, auteur, db):
    assert (
        as_staff(auteur).get(reverse("admin:incidents_evidence_file", args=[99])).status_code == 404
    )


# Verified


def verify():
    out = StringIO()
    call_command("verify_evidence", stdout=out)
    return out.getvalue()


@pytest.mark.parametrize(("spoil", "what"), [("altered", "altered"), ("missing", "missing")])
def test_a_file_that_changed_on_disk_is_named_and_served_to_nobody(
    as_staff, auteur, piece, folder, spoil, what
):
    assert verify() == "1 files as received.\n"
    [path] = files_in(folder)
    if spoil == "altered":
        path.chmod(0o600)
        path.write_bytes(PDF + b"!")
    else:
        path.unlink()
    with pytest.raises(CommandError, match=f"evidence {piece.pk}: {what}") as refusal:
        verify()
    assert refusal.value.returncode == 1
    page = as_staff(auteur).get(at("evidence_file", piece), follow=True)
    assert "prévenez l'exploitation" in text(page)
    assert not AuditEvent.objects.filter(action="evidence.read").exists()


def test_files_that_no_row_points_to_are_deleted(incident, folder):
    with evidence.stored([ContentFile(PDF, name="a.pdf")]) as [one]:
        assert default_storage.exists(one.file)
    assert not files_in(folder)
