"""Codes by letter: in the PDF and nowhere else, five tries, once, and the same answer for everybody."""

import contextlib
import re
import threading
from datetime import timedelta
from io import BytesIO, StringIO

import pypdf
import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice
from hypothesis import given
from hypothesis import strategies as st

from members import letters, paper
from members.models import AuditEvent, LetterCode, Member, User
from members.models.recovery import LetterPurpose
from tests.signing import sign_in

ACTIVATION, RECOVERY = LetterPurpose.ACTIVATION, LetterPurpose.RECOVERY
POINTS = 72 / 25.4  # in a millimetre


def invited(number="10000011", **fields):
    """A member who has no account yet, at a whole postal address."""
    fields = {
        "civility": "M",
        "birth_name": "Keromnès",
        "first_names": "Jules",
        "birth_date": "1946-11-30",
        "nir_absence": "en_attente",
        "address": "12 quai des Brumes",
        "postal_code": "29200",
        "city": "Brest",
        **fields,
    }
    return Member.objects.create(number=number, **fields)


def text_of(pdf: bytes, page=0) -> str:
    return pypdf.PdfReader(BytesIO(pdf)).pages[page].extract_text()


def code_in(pdf: bytes, page=0) -> str:
    return re.search(r"\b([A-Z0-9]{5}-[A-Z0-9]{5})\b", text_of(pdf, page)).group(1)


def printed(member, purpose=ACTIVATION, by=None) -> str:
    """The code of a letter just printed for this member."""
    return code_in(letters.print_batch([member], purpose, by))


def checked(member, purpose, typed):
    """Recognised and used up, as its callers do: in two steps."""
    letter = letters.recognise(member, purpose, typed)
    letters.use(letter)
    return letter


def other(code: str) -> str:
    """The same code with another first sign."""
    return ("C" if code[0] != "C" else "D") + code[1:]


@pytest.fixture
def jules(db):
    return invited()


# The code


def test_a_code_has_ten_signs_in_two_groups_and_none_looks_like_another(jules):
    codes = {printed(jules) for _ in range(20)}
    assert len(codes) == 20
    assert all(re.fullmatch(r"[A-Z3-9]{5}-[A-Z3-9]{5}", code) for code in codes)
    assert not set("".join(codes)) & set("0O1ILAEUY2Z5S8B")
    assert len(set(letters.ALPHABET)) ** letters.LENGTH > 2**40


@pytest.mark.parametrize("shown", ["{}", " {} ", "{}\u00a0", "\u202f{}"])
@pytest.mark.parametrize("case", [str.lower, str.upper, lambda code: code.replace("-", " ")])
def test_case_spaces_and_hyphens_do_not_matter(jules, shown, case):
    assert checked(jules, ACTIVATION, shown.format(case(printed(jules))))


@given(st.text(max_size=40))
def test_whatever_is_typed_is_a_code_or_nothing(typed):
    assert letters.plain(typed) == "" or set(letters.plain(typed)) <= set(letters.ALPHABET)


def test_no_column_of_the_database_holds_the_code(jules):
    code = printed(jules)
    letters.recognise(jules, ACTIVATION, code)
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            rows = str(cursor.fetchall()).upper()
            assert code not in rows, table
            assert code.replace("-", "") not in rows, table


def test_a_stolen_digest_is_worth_nothing_without_the_pepper(jules, settings):
    code = printed(jules)
    settings.OTP_PEPPER = "another pepper"
    with pytest.raises(letters.LetterRefused):
        checked(jules, ACTIVATION, code)


# Checking


def test_the_right_code_opens_once(jules):
    code = printed(jules)
    assert checked(jules, ACTIVATION, code).member == jules
    with pytest.raises(letters.LetterRefused):
        checked(jules, ACTIVATION, code)


def test_recognising_a_letter_does_not_use_it_up_but_costs_a_try(jules):
    code = printed(jules)
    for spent in range(1, 6):
        letter = letters.recognise(jules, ACTIVATION, code)
        letter.refresh_from_db()
        assert (letter.attempts, letter.used_at) == (spent, None)
    with pytest.raises(letters.LetterRefused):
        letters.recognise(jules, ACTIVATION, code)
    letters.use(letter)


def test_five_wrong_codes_kill_the_letter_even_for_the_right_one(jules):
    code = printed(jules)
    for _ in range(5):
        with pytest.raises(letters.LetterRefused):
            checked(jules, ACTIVATION, other(code))
    with pytest.raises(letters.LetterRefused):
        checked(jules, ACTIVATION, code)


def test_the_letter_dies_after_21_days_and_says_an_earlier_day(jules):
    pdf = letters.print_batch([jules], ACTIVATION, None)
    last = timezone.localdate() + timedelta(days=20)
    assert f"{last:%Y} inclus" in text_of(pdf)
    assert f"jusqu'au {last.day} " in text_of(pdf)
    with (
        time_machine.travel(timezone.now() + timedelta(days=21, seconds=1)),
        pytest.raises(letters.LetterRefused),
    ):
        checked(jules, ACTIVATION, code_in(pdf))


def test_printing_again_cancels_the_letter_before(jules):
    first, second = printed(jules), printed(jules)
    with pytest.raises(letters.LetterRefused):
        checked(jules, ACTIVATION, first)
    assert checked(jules, ACTIVATION, second)


def test_the_database_keeps_one_living_letter_per_member_and_purpose(jules):
    printed(jules)
    letter = LetterCode.objects.get()
    letter.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        letter.save(force_insert=True)


def test_a_letter_serves_its_own_member_and_its_own_purpose(jules, claire):
    Member.objects.filter(pk=claire.pk).update(address="1 quai", postal_code="29200", city="Brest")
    claire.refresh_from_db()
    code, hers = printed(jules), printed(claire, RECOVERY)
    for member, purpose, typed in [
        (claire, ACTIVATION, code),
        (jules, RECOVERY, code),
        (claire, ACTIVATION, hers),
        (claire, RECOVERY, code),
    ]:
        with pytest.raises(letters.LetterRefused):
            checked(member, purpose, typed)
    assert checked(claire, RECOVERY, hers)


def test_wrong_dead_absent_and_unknown_cost_the_same_statements(jules):
    code = printed(jules)
    used = invited("10000021")
    checked(used, ACTIVATION, printed(used))
    costs = set()
    for member, typed in [
        (jules, other(code)),
        (used, code),
        (invited("10000022"), code),
        (None, code),
        (None, ""),
        (jules, ""),
    ]:
        with CaptureQueriesContext(connection) as asked, pytest.raises(letters.LetterRefused):
            checked(member, ACTIVATION, typed)
        costs.add(tuple(query["sql"].split()[0] for query in asked))
    assert costs == {("SELECT", "UPDATE")}


def at_once(count, act):
    outcomes = []

    def run():
        try:
            outcomes.append(act())
        except Exception as error:
            outcomes.append(type(error))
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


@pytest.mark.django_db(transaction=True)
def test_of_forty_right_codes_at_once_one_opens():
    jules = invited()
    code = printed(jules)
    outcomes = at_once(40, lambda: checked(jules, ACTIVATION, code))
    assert len(outcomes) == 40
    assert sum(isinstance(outcome, LetterCode) for outcome in outcomes) == 1
    assert set(map(type, outcomes)) <= {LetterCode, type}
    assert LetterCode.objects.get().attempts <= 5


@pytest.mark.django_db(transaction=True)
def test_of_forty_wrong_codes_at_once_five_are_compared(monkeypatch):
    jules = invited()
    code = other(printed(jules))
    compared = []
    genuine = letters.constant_time_compare

    def compare(expected, given):
        compared.append(expected.strip("0"))
        return genuine(expected, given)

    monkeypatch.setattr(letters, "constant_time_compare", compare)
    at_once(40, lambda: checked(jules, ACTIVATION, code))
    attempts = LetterCode.objects.get().attempts
    assert len(list(filter(None, compared))) == attempts <= 5


@pytest.mark.django_db(transaction=True)
def test_of_two_prints_at_once_one_letter_lives():
    jules = invited()
    printed(jules)
    outcomes = at_once(6, lambda: printed(jules))
    assert LetterCode.objects.live().count() == 1
    assert {outcome for outcome in outcomes if isinstance(outcome, type)} <= {letters.NotPrintable}
    codes = [outcome for outcome in outcomes if isinstance(outcome, str)]
    living = []
    for code in codes:
        LetterCode.objects.update(attempts=0)
        with contextlib.suppress(letters.LetterRefused):
            living.append(letters.recognise(jules, ACTIVATION, code))
    assert len(living) == 1


# The paper


def placed(pdf: bytes, page=0) -> dict[str, tuple[float, float]]:
    """Each piece of text, with its place in millimetres from the top left corner."""
    found = {}

    def note(text, _cm, tm, _font, _size):
        if text.strip():
            found[text.strip()] = (tm[4] / POINTS, 297 - tm[5] / POINTS)

    pypdf.PdfReader(BytesIO(pdf)).pages[page].extract_text(visitor_text=note)
    return found


def test_the_address_is_in_the_window_and_the_code_never_is(jules):
    pdf = letters.print_batch([jules], ACTIVATION, None)
    places = placed(pdf)
    for line in ("Monsieur Jules Keromnès", "12 quai des Brumes", "29200 BREST"):
        across, down = places[line]
        assert 100 <= across <= 130, line
        assert 45 <= down <= 90, line
    assert places[code_in(pdf)][1] > 99
    assert all(line.split()[0] != "Code" or place[1] > 99 for line, place in places.items())


def test_a_page_is_a4_in_french_with_its_own_letters_for_every_accent(jules):
    reader = pypdf.PdfReader(BytesIO(letters.print_batch([jules], ACTIVATION, None)))
    assert reader.metadata.title == "Courriers de la Mutuelle du Rivage"
    assert reader.root_object["/Lang"].startswith("fr")
    width, height = (float(side) / POINTS for side in reader.pages[0].mediabox[2:])
    assert (round(width), round(height)) == (210, 297)
    text = reader.pages[0].extract_text()
    assert "Numéro d'adhérent" in text
    assert "testserver/activation/" in text
    fonts = [font.get_object() for font in reader.pages[0]["/Resources"]["/Font"].values()]
    used = [font for font in fonts if font["/BaseFont"] != "/Helvetica"]
    assert len(used) == 2
    assert all("/FontFile2" in font["/FontDescriptor"] for font in used)


def test_a_name_from_elsewhere_loses_an_accent_and_not_a_letter(db):
    member = invited(first_names="Győző", birth_name="Szabó-Nagy")
    assert "Gyozo Szabó-Nagy" in text_of(letters.print_batch([member], ACTIVATION, None))
    assert "?" not in paper.printable("Győző Łukasz-Ştefan Ngọc Ąę", "Vera")


def test_a_long_address_stays_in_the_window(db):
    member = invited(
        address="Résidence des Grands Pins Parasols, bâtiment C, escalier 12, "
        "245 bis avenue du Général de Gaulle, lieu-dit Kerlosquet",
        birth_name="de La Rochefoucauld-Montmorency-Luxembourg",
        city="Saint-Germain-de-Tallevende-la-Lande-Vaumont",
    )
    places = placed(letters.print_batch([member], ACTIVATION, None))
    address = [place for place in places.values() if place[0] > 100 and place[1] < 99]
    assert 4 <= len(address) <= 6
    assert max(down for _across, down in address) <= 90


def test_a_letter_of_recovery_has_other_words(claire):
    Member.objects.filter(pk=claire.pk).update(address="1 quai", postal_code="29200", city="Brest")
    claire.refresh_from_db()
    text = text_of(letters.print_batch([claire], RECOVERY, None))
    assert "téléphone perdu" in text
    assert "testserver/connexion/" in text
    assert "/activation/" not in text


def test_no_sentence_of_a_letter_is_longer_than_twenty_words(jules):
    text = text_of(letters.print_batch([jules], ACTIVATION, None)).replace("\n", " ")
    for sentence in re.split(r"[.?:]\s", text):
        assert len(sentence.split()) <= 24, sentence  # addresses and headings run into each other


# Who gets one


def test_a_batch_is_in_the_order_of_the_numbers(db):
    members = [invited(f"100000{n}") for n in (33, 31, 32)]
    pdf = letters.print_batch(members, ACTIVATION, None)
    numbers = [re.search(r"100000\d\d", text_of(pdf, page)).group() for page in range(3)]
    assert numbers == ["10000031", "10000032", "10000033"]


def test_who_cannot_use_a_letter_gets_none_and_nothing_changes(jules, claire):
    before = printed(jules)
    for members, purpose in [
        ([jules, claire], ACTIVATION),
        ([jules], RECOVERY),
        ([], ACTIVATION),
        ([invited("10000041", city="")], ACTIVATION),
        ([jules] * 501, ACTIVATION),
    ]:
        with pytest.raises(letters.NotPrintable):
            letters.print_batch(members, purpose, None)
    assert checked(jules, ACTIVATION, before)


def test_a_suspended_member_gets_no_letter(claire):
    User.objects.filter(pk=claire.user_id).update(suspended_at=timezone.now())
    claire = Member.objects.select_related("user").get(pk=claire.pk)
    for purpose in LetterPurpose:
        assert letters.sorted_out([claire], purpose)[0] == []


def test_a_former_member_may_open_his_space(jules):
    """He is a person whose data we keep: what concerns him is his to read."""
    assert not jules.adhesions.exists()
    assert letters.sorted_out([jules], ACTIVATION)[0] == [jules]


def test_every_letter_is_in_the_trail_without_its_code(jules, hugo):
    code = printed(jules, by=hugo)
    event = AuditEvent.objects.get(action="letter.printed")
    assert event.actor == hugo
    assert event.details["person"] == f"member/{jules.pk}"
    assert event.details["purpose"] == "activation"
    assert code not in str(event.details)
    assert LetterCode.objects.get().made_by == hugo


# At the desk

PRINT = "/admin/members/lettercode/imprimer/"


@pytest.fixture
def desk(client, hugo):
    """Hugo at work, with the right to print."""
    names = ["view_member", "view_lettercode", "print_letters"]
    hugo.user_permissions.set(Permission.objects.filter(codename__in=names))
    return sign_in(client, hugo, TOTPDevice.objects.get(user=hugo))


def test_staff_print_a_batch_as_a_file_that_nobody_keeps(desk, jules, hugo, caplog):
    second = invited("10000012")
    form = {"numbers": f"{jules.number}\n{second.number} ", "purpose": "activation", "print": "1"}
    response = desk.post(PRINT, form)
    assert response["Content-Type"] == "application/pdf"
    assert "no-store" in response["Cache-Control"]
    assert response["Content-Disposition"].startswith('attachment; filename="courriers-activation')
    assert checked(second, ACTIVATION, code_in(response.content, 1))
    told = AuditEvent.objects.filter(action="letter.printed", actor=hugo, address="127.0.0.1")
    assert told.count() == 2
    assert code_in(response.content) not in caplog.text


def test_the_index_holds_numbers_and_names_and_prints_nothing(desk, jules):
    invited("10000012", first_names="=cmd()", birth_name="Ruse")
    form = {"numbers": "10000012, 10000011", "purpose": "activation", "index": "1"}
    response = desk.post(PRINT, form)
    lines = response.content.decode("utf-8-sig").splitlines()
    assert lines == ["numéro;nom", "10000011;Jules Keromnès", "10000012;'=cmd() Ruse"]
    assert not LetterCode.objects.exists()
    event = AuditEvent.objects.get(action="letter.listed")
    persons = Member.objects.order_by("number").values_list("pk", flat=True)
    assert event.details["persons"] == [f"member/{pk}" for pk in persons]
    assert event.actor.identifiant == "hugo"


def test_who_cannot_get_one_is_named_and_may_be_left_out(desk, jules, claire):
    form = {"numbers": f"{jules.number} {claire.number}", "purpose": "activation"}
    page = desk.post(PRINT, {**form, "print": "1"}).content.decode()
    assert f"{claire.number} (espace déjà ouvert)" in page
    assert not LetterCode.objects.exists()
    response = desk.post(PRINT, {**form, "skip": "1"})
    assert len(pypdf.PdfReader(BytesIO(response.content)).pages) == 1


@pytest.mark.parametrize("numbers", ["", "99999999", "\0", "x" * 20_000, " , ;"])
def test_odd_numbers_are_refused_beside_the_field(desk, jules, numbers):
    response = desk.post(PRINT, {"numbers": numbers, "purpose": "activation"})
    assert response.status_code == 200
    assert "errorlist" in response.content.decode()
    assert not LetterCode.objects.exists()


def test_looking_at_the_page_prints_nothing(desk, jules):
    page = desk.get(PRINT, {"numero": jules.number}).content.decode()
    assert jules.number in page
    assert desk.head(PRINT).status_code == 200
    assert not LetterCode.objects.exists()


def test_from_the_list_of_members_to_the_page_that_prints(desk, jules):
    assert PRINT in desk.get(f"/admin/members/member/{jules.pk}/change/").content.decode()
    chosen = {"action": "print_letters", "_selected_action": [jules.pk]}
    page = desk.post("/admin/members/member/?q=10000011", chosen).content.decode()
    assert jules.number in page
    assert not LetterCode.objects.exists()


def test_without_the_permission_there_is_neither_page_nor_action(desk, jules, hugo):
    hugo.user_permissions.remove(Permission.objects.get(codename="print_letters"))
    form = {"numbers": jules.number, "purpose": "activation", "print": "1"}
    assert desk.get(PRINT).status_code == 403
    assert desk.post(PRINT, form).status_code == 403
    assert "print_letters" not in desk.get("/admin/members/member/?q=10000011").content.decode()
    assert PRINT not in desk.get(f"/admin/members/member/{jules.pk}/change/").content.decode()
    chosen = {"action": "print_letters", "_selected_action": [jules.pk]}
    desk.post("/admin/members/member/?q=10000011", chosen)
    assert not LetterCode.objects.exists()


def test_a_visitor_and_a_member_get_no_page(jules, claire):
    assert Client().post(PRINT).status_code == 302
    signed_in = sign_in(Client(), claire.user)
    assert signed_in.post(PRINT, {"numbers": jules.number}).status_code in (302, 403)
    assert not LetterCode.objects.exists()


def test_the_list_shows_the_state_of_letters_and_no_digest(desk, jules):
    printed(jules)
    page = desk.get("/admin/members/lettercode/?q=10000011").content.decode()
    assert "en cours" in page
    letter = LetterCode.objects.get()
    assert (
        letter.digest
        not in desk.get(f"/admin/members/lettercode/{letter.pk}/change/").content.decode()
    )


# The command


def test_the_command_prints_into_a_file_of_its_own(jules, tmp_path):
    file = tmp_path / "courriers.pdf"
    out = StringIO()
    call_command("print_letters", jules.number, "--output", str(file), stdout=out)
    assert file.stat().st_mode & 0o077 == 0
    code = code_in(file.read_bytes())
    assert code not in out.getvalue()
    assert checked(jules, ACTIVATION, code)


def test_the_command_overwrites_nothing_and_says_what_is_wrong(jules, tmp_path):
    file = tmp_path / "courriers.pdf"
    with pytest.raises(CommandError, match="Unknown: 99999999"):
        call_command("print_letters", jules.number, "99999999", "--output", str(file))
    with pytest.raises(CommandError, match="pas encore ouvert"):
        call_command("print_letters", jules.number, "--purpose", "recovery", "--output", str(file))
    assert not file.exists()
    file.write_text("mine")
    with pytest.raises(CommandError, match="exists"):
        call_command("print_letters", jules.number, "--output", str(file))
    assert file.read_text() == "mine"
    assert not LetterCode.objects.exists()
