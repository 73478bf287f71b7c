"""A demande of a member without any script, from a draft with an error to its payment."""

import io
from datetime import timedelta

import pytest
from django.utils import timezone
from PIL import Image
from playwright.sync_api import expect

from tests.journeys.test_member import overflow

pytestmark = pytest.mark.browser


def photo(name: str, colour: str = "white") -> dict:
    content = io.BytesIO()
    Image.new("RGB", (60, 40), colour).save(content, "JPEG")
    return {"name": name, "mimeType": "image/jpeg", "buffer": content.getvalue()}


def test_a_demande_goes_from_a_draft_with_an_error_to_its_payment(person, new_page, axe, portal):
    page = new_page(java_script_enabled=False, viewport={"width": 320, "height": 700})
    antoine = person(page, "antoine.kervella")
    antoine.signs_in("/espace/")
    desk = new_page(java_script_enabled=False, viewport={"width": 1280, "height": 900})
    agent = person(desk, "support")
    agent.signs_in_to_work()

    def fits(shown=page):
        shown.wait_for_load_state()
        assert overflow(shown) <= 0, shown.url

    def looks_right(shown=page):
        """Once for each page there is: the rules of accessibility are the slowest of a journey."""
        fits(shown)
        axe(shown, preload=shown is page)

    def presses(name, shown=page):
        shown.get_by_role("button", name=name, exact=True).click()
        fits(shown)

    page.goto(f"{portal.url}/espace/demandes/")
    looks_right()
    page.get_by_role("link", name="Demander un remboursement").click()
    page.get_by_label("Qui a été soigné").select_option(label="Adèle Kervella")
    day = timezone.localdate() - timedelta(days=3)
    page.get_by_label("Date des soins").fill(day.isoformat())
    page.get_by_label("Type de soins").select_option(index=1)
    page.get_by_label("Montant payé").fill("quarante")
    presses("Continuer")
    antoine.sees("Quelque chose est à corriger", "Indiquez un montant, par exemple 45,50.")
    looks_right()
    page.get_by_label("Montant payé").fill("45.50")
    presses("Continuer")

    # he leaves, and comes back
    page.goto(f"{portal.url}/espace/demandes/")
    antoine.sees("À terminer")
    page.get_by_role("link", name="Demande de remboursement").first.click()
    expect(page.get_by_label("Montant payé")).to_have_value("45,50")
    presses("Continuer")
    page.get_by_label("Vos documents").set_input_files(photo("facture.jpg"))
    presses("Joindre")
    antoine.sees("facture.jpg")
    looks_right()
    page.get_by_role("link", name="Continuer").click()
    antoine.sees("Adèle Kervella", "45,50")
    looks_right()
    presses("Envoyer ma demande")
    antoine.sees("Votre demande est déposée.")
    his = page.url

    def acts(name, **typed):
        """One of the forms that unfold."""
        form = desk.locator("details.act").filter(has=desk.locator("summary", has_text=name))
        form.locator("summary").click()
        for label, text in typed.items():
            form.get_by_label(label).fill(text)
        form.get_by_role("button", name=name, exact=True).click()
        fits(desk)

    desk.goto(f"{portal.url}/admin/members/demande/")
    looks_right(desk)
    desk.get_by_role("link", name=page.locator(".lead .nowrap").inner_text()).click()
    presses("Prendre", desk)
    looks_right(desk)
    acts("Demander une pièce", Texte="Il manque l'ordonnance.")

    page.goto(f"{portal.url}/espace/")
    antoine.sees("Ce qui vous attend")
    fits()
    page.goto(his)
    antoine.sees("Document demandé", "Il manque l'ordonnance.")
    looks_right()
    page.get_by_role("link", name="Joindre le document").click()
    page.get_by_label("Vos documents").set_input_files(photo("ordonnance.jpg", "grey"))
    presses("Joindre")
    antoine.sees("votre demande avance")

    desk.reload()
    desk.locator("summary", has_text="ordonnance.jpg").click()
    expect(desk.get_by_alt_text("Pièce de l'adhérent : ordonnance.jpg")).to_be_visible()
    acts("Accepter", Montant="30,00")
    acts("Marquer payée")

    page.goto(his)
    antoine.sees("Payée", "Nous vous avons versé 30,00")
    fits()
    page.set_viewport_size({"width": 1280, "height": 900})
    fits()
