"""Limits that several processes share, and that lock nobody out."""

import sys
from itertools import count
from pathlib import Path

import pytest

from tests.attack.stranger import at_once, wrong
from tests.attack.town import PASSWORD, PROCESSES, settle, type_code, type_password

NOTHING_OF_THIS = "rien de tout cela"


def compared(answer) -> bool:
    return "mot de passe incorrect" in answer.said


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells of children")
def test_the_web_server_runs_in_several_processes(town):
    """Without which this suite would say little about several."""
    pid = town.portal.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    assert len(children) >= PROCESSES


def test_a_phone_gets_five_texts_an_hour_and_ten_a_day(town, verdict):
    citizen = town.citizen()
    texts = []
    for _hour in range(4):
        statuses = [type_password(town.stranger(), citizen.identifiant).status for _ in range(6)]
        assert 429 in statuses
        texts.append(settle(lambda: len(town.codes_to(citizen.phone)), quiet=0.4))
        assert texts[0] == 5
        # an hour passes for the counts of an hour; a day's windows end later still
        town.portal.sql("UPDATE members_throttle SET ends_at = ends_at - 3601")
    verdict(24, texts[-1], may=10, what=texts)


def test_after_ten_wrong_codes_no_new_code_is_looked_at(town, verdict):
    citizen = town.citizen()
    looked = 0
    for _challenge in range(3):
        browser, code = town.half_way(citizen)
        for n in range(1, 6):
            looked += "n'est pas le bon" in type_code(browser, wrong(code, n)).said
    browser, code = town.half_way(citizen)
    last = type_code(browser, code)
    assert last.status == 429
    assert 0 < int(last.header("Retry-After")) <= 31
    assert "Trop d'essais" in last.said
    verdict(16, looked + browser.is_inside(), may=10)
    town.later(31, "smsdevice", "last_failure_at")
    assert type_code(browser, code).status == 302, "the wait over, the same code opens"


def test_nor_is_one_that_would_move_the_account_to_another_phone(town, verdict):
    citizen = town.citizen()
    inside = town.inside(citizen)
    looked = 0
    for _challenge in range(2):
        browser, code = town.half_way(citizen)
        for n in range(1, 6):
            looked += "n'est pas le bon" in type_code(browser, wrong(code, n)).said
    before = len(town.codes_to(citizen.phone))
    inside.post("/espace/securite/telephone/", {"phone": f"+33698{citizen.phone[-6:]}"})
    code = town.code_to(citizen.phone, before)
    answer = inside.post("/espace/securite/telephone/code/", {"code": code})
    assert answer.status == 429
    assert "Trop d'essais" in answer.said
    verdict(11, looked + (inside.get("/espace/securite/telephone/code/").status == 302), may=10)


@pytest.mark.parametrize("kind", ["member", "suspended", "nobody"])
def test_after_five_wrong_passwords_the_right_one_waits_too(town, verdict, kind):
    citizen = town.suspended() if kind == "suspended" else town.citizen()
    name = "citoyen88888" if kind == "nobody" else citizen.identifiant
    browser = town.stranger()
    looked = sum(compared(type_password(browser, name, NOTHING_OF_THIS)) for _ in range(9))
    right = type_password(browser, name, PASSWORD)
    assert right.status == 429
    assert 0 < int(right.header("Retry-After")) <= 31
    verdict(10, looked, may=5)
    assert looked == 5


def test_no_spelling_of_an_identifiant_has_tries_of_its_own(town, verdict):
    citizen = town.citizen()
    browser = town.stranger()
    name = citizen.identifiant
    spellings = [name, name.upper(), name.title(), f" {name}", f"{name} ", f"\t{name}\u00a0"]
    spellings += [
        name.replace("c", "ｃ"),
        f"{name}\u3000",
        f"{name[0]}\u200b{name[1:]}",
        f"{name}\u0301",
    ]
    known = [one for one in spellings if type_password(town.stranger(), one).status == 302]
    assert len(known) >= 3, "some of them name the account"
    town.forgets_tries()
    looked = sum(
        compared(type_password(browser, spelling, NOTHING_OF_THIS))
        for spelling in known
        for _ in range(3)
    )
    verdict(3 * len(known), looked, may=5)


def test_an_account_guessed_at_from_everywhere_waits(town, verdict):
    citizen = town.citizen()
    looked = sum(
        compared(type_password(town.stranger(), citizen.identifiant, NOTHING_OF_THIS))
        for _ in range(26)
    )
    verdict(26, looked, may=20)


def test_one_address_that_guesses_at_everybody_waits_and_its_known_browser_does_not(town, verdict):
    citizen, names = town.citizen(), count(1)
    home = town.inside(citizen)
    home.post("/deconnexion/")
    thief = town.stranger(address=home.address)

    def guess():
        return type_password(thief.copy(), f"inconnu{next(names):05}", NOTHING_OF_THIS)

    thief.token()
    answers = [answer for _ in range(18) for answer in at_once([guess] * 6)]
    assert guess().status == 429
    town.inside(citizen, home)
    verdict(109, sum(map(compared, answers)) + (not home.is_inside()), may=100)


def test_the_addresses_of_one_home_count_as_one(town, verdict):
    citizen = town.citizen()
    looked = sum(
        compared(
            type_password(
                town.stranger(address=f"2001:db8:4:7:{n:x}::{n}"),
                citizen.identifiant,
                NOTHING_OF_THIS,
            )
        )
        for n in range(1, 10)
    )
    verdict(9, looked, may=5)


def test_a_known_browser_is_not_locked_out_by_strangers(town, verdict):
    citizen = town.citizen()
    home = town.inside(citizen)
    home.post("/deconnexion/")
    for _ in range(24):
        type_password(town.stranger(), citizen.identifiant, NOTHING_OF_THIS)
    outside = type_password(town.stranger(), citizen.identifiant, PASSWORD)
    assert outside.status == 429, "who is not known waits"
    town.inside(citizen, home)
    verdict(24, int(not home.is_inside()))


def test_a_stolen_cookie_of_a_known_browser_guesses_no_further(town, verdict):
    citizen, other = town.citizen(), town.citizen()
    home = town.inside(citizen)
    kept = {name: v for name, v in home.cookies.items() if name.startswith("browser-")}
    looked = sum(
        compared(
            type_password(town.stranger(cookies=dict(kept)), citizen.identifiant, NOTHING_OF_THIS)
        )
        for _ in range(15)
    )
    elsewhere = sum(
        compared(
            type_password(
                town.stranger(cookies=dict(kept), address=home.address),
                other.identifiant,
                NOTHING_OF_THIS,
            )
        )
        for _ in range(9)
    )
    assert elsewhere <= 5, "it is known to one account only"
    verdict(24, looked, may=10)


def test_the_password_of_a_borrowed_session_is_not_guessed_from_inside(town, verdict):
    citizen = town.citizen()
    browser = town.inside(citizen)
    fields = {
        "present_password": NOTHING_OF_THIS,
        "new_password": "neuf sternes sur la dune",
        "new_password_again": "neuf sternes sur la dune",
    }
    answers = [browser.post("/espace/securite/mot-de-passe/", fields) for _ in range(14)]
    looked = sum("Ce mot de passe n'est pas le bon" in answer.said for answer in answers)
    assert "Trop d'essais" in answers[-1].said
    verdict(14, looked, may=10)


def test_links_are_sent_five_times_an_hour(town, verdict):
    citizen = town.citizen()
    for _ in range(8):
        town.stranger().post("/mot-de-passe/oublie/", {"identifiant": citizen.identifiant})
    mails = settle(lambda: len(town.smtp.to(citizen.email, "/mot-de-passe/nouveau/")))
    verdict(8, mails, may=5)
    assert mails == 5


def test_a_newcomer_is_texted_five_times_an_hour_whoever_asks(town, verdict):
    citizen = town.citizen(account=False)
    for _ in range(8):
        fields = {"number": citizen.number, "channel": "text"}
        town.stranger().post("/activation/demande/", fields)
    verdict(8, settle(lambda: len(town.codes_to(citizen.phone))), may=5)


def test_saved_codes_are_guessed_at_ten_times_an_hour(town, verdict):
    citizen = town.citizen()
    right = town.saved_codes_of(town.inside(citizen))[0]
    looked = 0
    browser, _code = town.half_way(citizen)
    for _ in range(14):
        fields = {"way": "saved", "code": "AAAA-BBBB-CCCC-DDDD"}
        looked += "n'est pas le bon" in browser.post("/connexion/code/aide/", fields).said
    answer = browser.post("/connexion/code/aide/", {"way": "saved", "code": right})
    verdict(15, looked + (answer.status == 302), may=10)


def test_a_code_sent_to_a_new_phone_is_guessed_at_five_times(town, verdict):
    citizen = town.citizen()
    browser = town.recovers(citizen)
    new = f"+33698{citizen.phone[-6:]}"
    assert browser.post("/connexion/code/aide/telephone/", {"phone": new}).status == 302
    code = town.code_to(new)
    path = "/connexion/code/aide/telephone/code/"
    looked = sum(
        "n'est pas le bon" in browser.post(path, {"code": wrong(code, n)}).said for n in range(1, 9)
    )
    done = browser.post(path, {"code": code}).said
    verdict(9, looked + ("est confirmé" in done), may=5)
