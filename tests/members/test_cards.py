"""The tiers payant card: what it says, when another is issued, and who may check it."""

import threading
from datetime import date

import pytest
import time_machine
from django.contrib.admin import site
from django.db import IntegrityError, connection

from members import cards
from members.models import (
    AuditEvent,
    AyantDroit,
    Card,
    CardDomain,
    CareDomain,
    Contract,
    Delegation,
    Member,
    Operator,
)
from members.models.written_once import WrittenOnce
from tests.members.conftest import make_member
from tests.members.steps import said, signs_in
from tests.members.test_cover import delegate, relative

PAGE, PAPER = "/espace/carte/", "/espace/carte.pdf"


@pytest.fixture(autouse=True)
def _june(settings):
    settings.AMC_NUMBER = "99000001"
    with time_machine.travel("2024-06-15T12:00:00+02:00"):
        yield


@pytest.fixture
def lou(covered):
    return relative(covered.member, "01")


@pytest.fixture
def served(covered, contract, lou):
    """Pharmacy and glasses, by Almerys."""
    delegate(Operator.objects.create(code="ALMERYS", name="Almerys"), contract, date(2024, 1, 1))
    for position, (code, rate) in enumerate([("PHAR", 100), ("OPTI", None)]):
        domain = CareDomain.objects.create(code=code, label=code.title(), position=position)
        CardDomain.objects.create(
            plan=contract.plan, domain=domain, rate=rate, needs_agreement=rate is None
        )
    return covered.member


@pytest.fixture
def inside(client, served, django_capture_on_commit_callbacks):
    signs_in(client, django_capture_on_commit_callbacks)
    return client


@pytest.fixture
def card(inside):
    inside.get(PAGE)
    return Card.objects.get()


# What it says


def test_it_says_who_what_and_by_whom_on_the_days_of_the_year_that_are_covered(
    served, covered, lou
):
    covered.start = date(2024, 3, 1)
    covered.save()
    [content] = cards.contents(served).values()
    assert (content["valid_from"], content["valid_until"]) == ("2024-03-01", "2024-12-31")
    assert [(one["id"], one["rank"]) for one in content["people"]] == [(0, 1), (lou.pk, 1)]
    assert [
        (one["code"], one["rate"], one["agreement"], one["operator_code"])
        for one in content["domains"]
    ] == [("PHAR", 100, False, "ALMERYS"), ("OPTI", None, True, "ALMERYS")]


def test_a_domain_served_by_another_operator_names_him(served, contract):
    [whole] = Delegation.objects.all()
    glasses = CareDomain.objects.get(code="OPTI")
    whole.domain = CareDomain.objects.get(code="PHAR")
    whole.save()
    whole.pk, whole.domain = None, glasses
    whole.operator = Operator.objects.create(code="B", name="B")
    whole.save()
    [content] = cards.contents(served).values()
    assert [one["operator_code"] for one in content["domains"]] == ["ALMERYS", "B"]


def test_the_five_labels_are_printed_even_empty(inside, settings):
    settings.AMC_NUMBER = ""
    page = said(inside.get(PAGE))
    for label in (
        "Numéro AMC",
        "Type de convention",
        "CSR",
        "Numéro d'adhérent",
        "Période de validité",
    ):
        assert f"<dt>{label}</dt>" in page
    assert page.count("<dd>–</dd>") == 3


def test_without_a_contract_there_is_no_card(client, claire, django_capture_on_commit_callbacks):
    signs_in(client, django_capture_on_commit_callbacks)
    assert "il n'y a pas de carte aujourd'hui" in said(client.get(PAGE))
    assert client.get(PAPER).status_code == 404


# Issued


def test_it_is_issued_once_as_long_as_it_says_the_same(inside, card):
    inside.get(PAGE)
    inside.get(PAPER)
    assert Card.objects.get() == card
    [event] = AuditEvent.objects.filter(action="card.issued")
    assert event.details == {"card": card.pk}


def test_a_change_of_cover_issues_the_next_and_the_past_one_stays_as_it_was(inside, card, lou):
    AyantDroit.objects.filter(pk=lou.pk).update(end=date(2024, 6, 1))
    assert "Cartes précédentes" in said(inside.get(PAGE))
    assert list(Card.objects.order_by("number").values_list("number", flat=True)) == [1, 2]
    past = said(inside.get(f"{PAGE}{card.code}/"))
    assert "Lou Vasseur" in past
    assert inside.get(f"{PAGE}{card.code}.pdf").content.startswith(b"%PDF")


def test_a_new_year_issues_another(inside, card):
    with time_machine.travel("2025-01-02T12:00:00+01:00"):
        inside.cookies.clear()
        cards.wallet(card.member, request=_request(card.member))
    assert list(Card.objects.values_list("valid_until", flat=True)) == [
        date(2025, 12, 31),
        date(2024, 12, 31),
    ]


def _request(member):
    from django.test import RequestFactory

    request = RequestFactory().get(PAGE)
    request.user = member.user
    return request


def test_nobody_rewrites_or_deletes_one(card):
    with pytest.raises(WrittenOnce):
        card.save()
    with pytest.raises(WrittenOnce):
        Card.objects.all().delete()
    with pytest.raises(IntegrityError, match="card_is_written_once"), connection.cursor() as cursor:
        cursor.execute("UPDATE members_card SET valid_until = '2099-12-31'")


@pytest.mark.django_db(transaction=True)
def test_two_looks_at_once_issue_one_card(served, monkeypatch):
    both, shown, real = threading.Barrier(2), [], cards._issue

    def together(*args):
        both.wait(5)  # neither has found a card
        return real(*args)

    def look():
        try:
            member = Member.objects.get(pk=served.pk)
            [one] = cards.wallet(member, request=_request(served)).present
            shown.append(one.card.code)
        finally:
            connection.close()

    monkeypatch.setattr(cards, "_issue", together)
    threads = [threading.Thread(target=look) for _look in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(shown) == 2
    assert set(shown) == {Card.objects.get().code}


def test_the_page_costs_six_statements_once_it_is_issued(inside, card, django_assert_num_queries):
    with django_assert_num_queries(6):
        # session with its account · adhésions · ayants droit · delegations · domains · cards
        inside.get(PAGE)


def test_an_agent_who_looks_issues_nothing(served):
    [shown] = cards.wallet(served).present
    assert (shown.card, shown.code, Card.objects.count()) == (None, "", 0)
    assert shown.content["member_number"] == served.number


# Of one person, of somebody else


def test_one_person_may_be_chosen_among_his_own(inside, lou):
    assert "Claire Vasseur</th>" not in said(inside.get(f"{PAGE}?personne={lou.pk}"))
    assert inside.get(f"{PAPER}?personne=0").status_code == 200


@pytest.mark.parametrize("asked", ["x", "-1", "9" * 30, "999999", "²"])
def test_an_unknown_person_is_not_found(inside, asked):
    for path in (PAGE, PAPER):
        assert inside.get(path, {"personne": asked}).status_code == 404


def test_somebody_elses_card_does_not_exist(inside, contract):
    other = make_member("autre", phone="+33612345679", nir="284122B03302108")
    stranger = relative(other, "01")
    theirs = Card.objects.create(
        member=other,
        contract=contract,
        number=1,
        code="C" * 16,
        valid_from=date(2024, 1, 1),
        valid_until=date(2024, 12, 31),
        content={},
    )
    for path in (f"{PAGE}{theirs.code}/", f"{PAGE}{theirs.code}.pdf", f"{PAGE}nothing/"):
        assert inside.get(path).status_code == 404
    assert inside.get(f"{PAPER}?personne={stranger.pk}").status_code == 404


def test_the_paper_is_tagged_and_the_same_each_time(inside, card):
    first = inside.get(PAPER).content
    assert first == inside.get(PAPER).content
    for mark in (b"/StructTreeRoot", b"/Table", b"/Figure", b"/Lang (fr-FR)"):
        assert mark in first, mark


# Checked by whoever is shown it


def checked(client, card):
    client.logout()
    return client.get(f"/cartes/{card.code}/")


def test_anybody_learns_that_it_holds_and_nobodys_name(client, card):
    answer = checked(client, card)
    page = said(answer)
    assert "Carte valable aujourd'hui" in page
    for private in ("Vasseur", "Claire", "Lou", card.member.number, "C-100", "Équilibre"):
        assert private not in page, private


def test_a_code_is_read_as_it_is_printed(client, card):
    printed = cards.Shown(card.content, card).code.lower()
    assert printed.count("-") == 3
    assert "Carte valable" in said(client.get(f"/cartes/{printed}/"))


def test_it_no_longer_holds_once_replaced_ended_or_out_of_its_days(
    client, inside, card, lou, covered
):
    with time_machine.travel("2025-01-01T12:00:00+01:00"):
        assert "non valable" in said(checked(client, card))
    covered.end = date(2024, 6, 14)
    covered.save()
    assert "non valable" in said(checked(client, card))
    covered.end = None
    covered.save()
    assert "Carte valable" in said(checked(client, card))
    Card.objects.create(
        member=card.member,
        contract=Contract.objects.get(),
        number=2,
        code="D" * 16,
        valid_from=card.valid_from,
        valid_until=card.valid_until,
        content=card.content,
    )
    assert "Une carte plus récente la remplace" in said(checked(client, card))


@pytest.mark.parametrize("code", ["CCCCCCCCCCCCCCCC", "1", "é", "' OR 1=1", "a%00b"])
def test_an_unknown_code_is_a_french_404(client, db, code):
    answer = client.get(f"/cartes/{code}/")
    assert answer.status_code == 404
    assert "Carte inconnue" in said(answer)


def test_it_no_longer_holds_once_it_would_say_something_else_of_people_or_operators(
    client, inside, card, lou, contract
):
    Contract.objects.update(phone="02 61 91 00 99")
    assert "Carte valable" in said(checked(client, card)), "another number to call changes no right"
    lou.end = date(2024, 6, 14)
    lou.save()
    assert "Une carte plus récente la remplace" in said(checked(client, card))
    lou.end = None
    lou.save()
    Delegation.objects.update(end=date(2024, 6, 14))
    assert "Une carte plus récente la remplace" in said(checked(client, card))


def test_an_agent_finds_a_card_by_its_code_as_it_is_printed(card, rf):
    admin = site._registry[Card]
    printed = cards.Shown(card.content, card).code
    for typed in (printed, printed.lower(), card.code, card.member.number):
        found, _distinct = admin.get_search_results(rf.get("/"), Card.objects.all(), typed)
        assert list(found) == [card], typed
    found, _distinct = admin.get_search_results(rf.get("/"), Card.objects.all(), "CCCC-CCCC-CCCC")
    assert not found


def test_the_check_costs_five_statements(client, card, django_assert_num_queries):
    client.cookies.clear()
    with django_assert_num_queries(5):
        # card with its member · adhésions · ayants droit · delegations · domains of the card
        client.get(f"/cartes/{card.code}/")
