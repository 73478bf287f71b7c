"""« Remboursements »: a member reads his own, page after page, and takes them away."""

import csv
import io
from datetime import date, timedelta

import pypdf
import pytest

from members import reimbursements
from members.models import AuditEvent, CareDomain, Decompte, DecompteLine
from members.reimbursements import HIMSELF, Chosen, Sums
from tests.members.conftest import make_member
from tests.members.steps import said, signs_in
from tests.members.test_cover import relative

ALL, PAPER, SHEET = (f"/espace/remboursements/{name}" for name in ("", "releve.pdf", "releve.csv"))


@pytest.fixture
def domains(db):
    return [
        CareDomain.objects.create(code=code, label=label, position=position)
        for position, (code, label) in enumerate([("PHAR", "Pharmacie"), ("DENT", "Dentaire")])
    ]


def paid(member, day, domain, act="Consultation", who=None, rc=900, number=None):
    """One décompte of one line: 30 €, of which `rc` cents by the mutual."""
    decompte = Decompte.objects.create(
        member=member,
        number=number or f"D-{Decompte.objects.count() + 1}",
        paid_on=day,
        payee="adherent",
    )
    line_of(decompte, domain, act, who, rc)
    return decompte


def line_of(decompte, domain, act="Consultation", who=None, rc=900):
    DecompteLine.objects.create(
        decompte=decompte,
        position=decompte.lines.count() + 1,
        care_on=decompte.paid_on - timedelta(days=3),
        ayant_droit=who,
        act=act,
        domain=domain,
        expense=1900 + rc + 200,
        base=3000,
        ro_rate=70,
        ro_amount=1900,
        rc_amount=rc,
        flat_charge=200,
        left_amount=200,
    )


@pytest.fixture
def lou(claire):
    return relative(claire, "01")


@pytest.fixture
def history(claire, lou, domains):
    """Twenty-five décomptes, a month apart and two on the same day; Lou's teeth every third."""
    pharmacy, dentist = domains
    for month in range(24):
        who, domain, act = (
            (lou, dentist, "Détartrage") if month % 3 == 0 else (None, pharmacy, "Boîte")
        )
        paid(claire, date(2024 + month // 12, month % 12 + 1, 5), domain, act, who)
    paid(claire, date(2025, 12, 5), pharmacy, "Le même jour")
    return Decompte.objects.filter(member=claire)


@pytest.fixture
def stranger(domains):
    member = make_member("autre", phone="+33612345679", nir="284122B03302108")
    return paid(
        member, date(2025, 6, 1), domains[0], "Secret d'un autre", who=relative(member, "01")
    )


@pytest.fixture
def inside(client, claire, django_capture_on_commit_callbacks):
    signs_in(client, django_capture_on_commit_callbacks)
    return client


# What is found


def test_the_latest_are_three_with_all_their_lines(claire, lou, domains, history, stranger):
    line_of(history.first(), domains[1], "Deuxième soin", lou, rc=100)
    latest = reimbursements.latest(claire, acts=True)
    assert [payment.paid_on for payment in latest] == [
        date(2025, 12, 5),
        date(2025, 12, 5),
        date(2025, 11, 5),
    ]
    assert latest[0].sums == Sums(expense=5200, ro=3800, rc=1000, left=400)
    assert (latest[0].lines[0].act, latest[0].others) == ("Le même jour", 1)
    assert latest[0].persons == ["", "Lou"]


@pytest.mark.parametrize("chosen", [Chosen(), Chosen(person=HIMSELF), Chosen(year=2025)])
def test_pages_hold_every_decompte_once_in_order(claire, history, stranger, chosen):
    seen, end = [], None
    for _page in range(5):
        payments, end = reimbursements.page(claire, chosen, end, acts=True)
        assert len(payments) <= reimbursements.PAGE
        seen += payments
        if end is None:
            break
    is_all = chosen == Chosen()
    expected = list(history) if is_all else reimbursements.whole(claire, chosen, acts=True)
    assert [one.id for one in seen] == [getattr(one, "pk", None) or one.id for one in expected]
    assert len(seen) == len({one.id for one in seen}) > 0


def test_a_choice_narrows_décomptes_and_their_lines(claire, lou, domains, history):
    both = history.first()
    line_of(both, domains[1], "Couronne", lou)
    payments, _end = reimbursements.page(claire, Chosen(person=lou.pk, year=2025), acts=True)
    assert {line.person for one in payments for line in one.lines} == {"Lou"}
    assert {one.paid_on.year for one in payments} == {2025}
    assert len(payments) == 5


def test_sums_per_year_follow_the_choice(claire, lou, domains, history):
    told = reimbursements.history(claire)
    assert (told.years, list(told.domains.values())) == ([2025, 2024], ["Pharmacie", "Dentaire"])
    assert told.per_year(Chosen())[2025] == Sums(39000, 24700, 11700, 2600)
    assert told.per_year(Chosen(person=lou.pk))[2024].expense == 4 * 3000
    assert told.per_year(Chosen(domain=domains[1].pk, person=HIMSELF)) == {}


# What is shown


def test_the_list_leads_from_page_to_page_and_to_each_decompte(inside, history):
    page = said(inside.get(ALL))
    assert page.count('class="payment"') == 10
    older = f"{ALL}?avant={history[9].paid_on}.{history[9].pk}"
    assert older in page
    assert said(inside.get(older)).count('class="payment"') == 10
    assert "Boîte" in said(inside.get(f"{ALL}{history[1].pk}/"))


def test_one_decompte_tells_every_amount(inside, history):
    page = said(inside.get(f"{ALL}{history.first().pk}/"))
    for words in ("30,00 €", "19,00 €", "9,00 €", "2,00 €", "70 %", "Franchise", "D-25"):
        assert words.replace(" €", "\u00a0€").replace(" %", "\u00a0%") in page, words


@pytest.mark.parametrize(
    "query",
    [
        "?annee=zz",
        "?personne=-1",
        "?soin=999",
        "?annee=1&personne=é",
        "?avant=2025-13-40.1",
        "?avant=x",
    ],
)
def test_a_choice_that_is_none_is_refused_in_french_and_shows_everything(inside, history, query):
    page = inside.get(ALL + query)
    assert page.status_code == 200
    assert said(page).count('class="payment"') == 10
    assert ("Choisissez dans la liste." in said(page)) == ("avant" not in query)


def test_the_page_costs_five_statements_and_one_decompte_two(
    inside, history, django_assert_num_queries
):
    inside.get(ALL)
    one = f"{ALL}{history.first().pk}/"
    with django_assert_num_queries(5):
        # session with its account · sums · ayants droit · décomptes · their lines
        inside.get(ALL)
    with django_assert_num_queries(2):  # session with its account · lines
        inside.get(one)


def test_the_home_page_tells_the_last_three(inside, history):
    page = said(inside.get("/espace/"))
    assert page.count('class="payment"') == 3
    assert "Le même jour" in page


def test_with_nothing_paid_the_page_says_so(inside):
    assert "Aucun remboursement pour l'instant." in said(inside.get(ALL))


# Nobody else's


def test_somebody_elses_decompte_does_not_exist(inside, stranger):
    answer = inside.get(f"{ALL}{stranger.pk}/")
    assert answer.status_code == 404
    assert "Secret" not in said(answer)
    assert "Secret" not in said(inside.get(ALL))


def test_somebody_elses_relative_cannot_be_chosen(inside, history, stranger):
    relative_of_other = stranger.lines.get().ayant_droit_id
    assert "Choisissez dans la liste." in said(inside.get(f"{ALL}?personne={relative_of_other}"))
    for path in (PAPER, SHEET):
        assert inside.get(f"{path}?personne={relative_of_other}").url == ALL


# Taken away


def test_the_sheet_holds_every_line_of_the_choice_and_runs_no_formula(
    inside, claire, domains, history, stranger
):
    paid(claire, date(2026, 1, 5), domains[0], '=HYPERLINK("http://x")')
    answer = inside.get(SHEET)
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig")), delimiter=";"))
    assert len(rows) == 1 + 26
    assert rows[1][5] == '\'=HYPERLINK("http://x")'
    assert rows[2][4:9] == ["Claire", "Le même jour", "Pharmacie", "30,00", "30,00"]
    assert answer["Content-Disposition"] == 'attachment; filename="releve-complet.csv"'
    only = inside.get(f"{SHEET}?annee=2024").content.decode("utf-8-sig")
    assert only.count("\n") == 1 + 12


def test_the_statement_is_a_tagged_pdf_and_the_same_each_time(inside, claire, history):
    answer = inside.get(f"{PAPER}?annee=2025")
    assert answer["Content-Type"] == "application/pdf"
    assert answer.content == inside.get(f"{PAPER}?annee=2025").content
    for mark in (b"/StructTreeRoot", b"/Table", b"/TH", b"/TD", b"/Lang (fr-FR)"):
        assert mark in answer.content, mark
    event = AuditEvent.objects.filter(action="reimbursements.downloaded").latest("pk")
    assert event.details == {"format": "pdf", "payments": 13}


def test_a_narrowed_statement_says_to_what_and_is_never_called_whole(
    inside, claire, domains, history
):
    paid(claire, date(2026, 1, 5), domains[1], "Couronne")

    def told(query):
        answer = inside.get(f"{PAPER}{query}")
        pages = pypdf.PdfReader(io.BytesIO(answer.content)).pages
        text = " ".join(" ".join(page.extract_text() for page in pages).split())
        return answer["Content-Disposition"], text

    name, text = told("")
    assert "releve-complet.pdf" in name
    assert "Tous les paiements." in text
    assert "Seulement" not in text
    name, text = told(f"?soin={domains[1].pk}")
    assert "releve-choix.pdf" in name
    assert "Seulement ces soins : Dentaire." in text.replace("\N{NO-BREAK SPACE}", " ")
    assert "Pharmacie" not in text
    assert "releve-2025.pdf" in told("?annee=2025")[0]


def test_too_long_a_statement_asks_for_a_year(inside, history, monkeypatch):
    monkeypatch.setattr(reimbursements, "MOST_LINES", 20)
    assert inside.get(PAPER).url == ALL
    assert "Choisissez une année" in said(inside.get(ALL))
    assert inside.get(f"{PAPER}?annee=2024").status_code == 200
