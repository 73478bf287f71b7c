"""A proof: a member has it made, whoever receives it checks it, and everybody reads on in bad times."""

import re
from io import BytesIO

import pypdf
import pytest

from tests.journeys.test_member import INCIDENT, overflow

pytestmark = pytest.mark.browser
PUBLIC = "/information/"


def test_a_member_has_a_proof_that_a_stranger_checks(person, new_page, axe, portal):
    page = new_page(java_script_enabled=False, viewport={"width": 320, "height": 640})
    antoine = person(page, "antoine.kervella")
    antoine.signs_in()
    page.get_by_role("button", name=re.compile("pris connaissance")).click()
    page.wait_for_url("**/espace/")
    page.goto(portal.url + INCIDENT)
    page.get_by_role("link", name="mon attestation").click()
    axe(page)
    page.get_by_role("button", name="Établir mon attestation").click()
    antoine.sees("Votre attestation est prête", "Lecture confirmée le", "Adèle Kervella")
    assert overflow(page) <= 0
    axe(page)
    with page.expect_download() as download:
        page.get_by_role("link", name=re.compile("Télécharger")).click()
    assert download.value.suggested_filename == "attestation-2024-02-tiers-payant.pdf"
    paper = pypdf.PdfReader(BytesIO(download.value.path().read_bytes()))
    said = " ".join(one.extract_text() for one in paper.pages).replace("\u00a0", " ")
    code = re.search(r"Code de vérification : (\S+)", said)[1]
    fingerprint = re.search(r"Empreinte de ce document : ((?:[0-9A-F]{4} ?){5})", said)[1].strip()

    clerk = new_page(java_script_enabled=False, viewport={"width": 320, "height": 640})
    clerk.goto(portal.url + PUBLIC)
    axe(clerk)
    clerk.get_by_role("link", name="Vérifier une attestation").click()
    axe(clerk)
    clerk.get_by_label("Code de vérification").fill("CDFG HJKM NPQR TVWX")
    clerk.get_by_role("button", name="Vérifier").click()
    assert "Nous ne connaissons pas ce code." in clerk.inner_text("main")
    axe(clerk)
    clerk.get_by_role("link", name="Vérifier un autre code").click()
    clerk.get_by_label("Code de vérification").fill(code.lower())
    clerk.get_by_role("button", name="Vérifier").click()
    for told in (fingerprint, "2024-02-tiers-payant", "4 personnes"):
        assert told in clerk.inner_text("main").replace("\u00a0", " ")
    assert "Kervella" not in clerk.inner_text("body")
    axe(clerk)
    clerk.goto(f"{portal.url}/attestations/{code}/")
    assert fingerprint in clerk.inner_text("main")
    clerk.get_by_role("link", name="2024-02-tiers-payant").click()
    assert overflow(clerk) <= 0

    portal.flush_redis()  # what a process read is all that is left
    with portal.database_away():
        for path in (PUBLIC, "/information/2024-02-tiers-payant/"):
            assert clerk.goto(portal.url + path).status == 200
            assert "Attaque chez nos opérateurs" in clerk.inner_text("body")
            assert overflow(clerk) <= 0
        assert clerk.goto(f"{portal.url}/attestations/{code}/").status == 503
