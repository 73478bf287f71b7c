"""Many at once, over several processes: no counter is passed, nothing serves twice."""

import re

import pytest

from tests.attack.stranger import at_once, wrong
from tests.attack.town import (
    LONG,
    NEW_PASSWORD,
    PASSWORD,
    settle,
    type_code,
    type_password,
)

ROUNDS = range(5 if LONG else 1)
NOT_THE_RIGHT_ONE = "Ce code n'est pas le bon"


@pytest.mark.parametrize("_round", ROUNDS)
def test_of_fifty_right_codes_at_once_one_opens_a_session(town, verdict, _round):
    browser, code = town.half_way(town.citizen())
    copies = [browser.copy() for _ in range(50)]
    at_once([lambda copy=copy: type_code(copy, code) for copy in copies])
    opened = {copy.cookies["session"] for copy in copies if copy.is_inside()}
    assert opened
    verdict(50, len(opened), may=1)


@pytest.mark.parametrize("_round", ROUNDS)
def test_of_two_hundred_wrong_codes_at_once_five_are_compared(town, verdict, _round):
    browser, code = town.half_way(town.citizen())
    guesses = 200 if LONG else 80
    answers = at_once(
        [lambda n=n: type_code(browser.copy(), wrong(code, n)) for n in range(1, guesses + 1)]
    )
    compared = sum(NOT_THE_RIGHT_ONE in answer.said for answer in answers)
    assert {answer.status for answer in answers} <= {200, 302}
    for _ in range(6):  # where all of them were too many at once, some attempts are left
        compared += NOT_THE_RIGHT_ONE in type_code(browser.copy(), wrong(code)).said
    last = browser.copy()
    type_code(last, code)
    verdict(guesses + 6, compared + last.is_inside(), may=5)
    assert compared == 5


@pytest.mark.parametrize("_round", ROUNDS)
def test_of_thirty_resends_at_once_one_sends_a_text(town, verdict, _round):
    citizen = town.citizen()
    browser, code = town.half_way(citizen)
    town.later(31, "challenge", "last_send_at")
    at_once([lambda: browser.copy().post("/connexion/code/renvoyer/") for _ in range(30)])
    texts = settle(lambda: [text.body[:6] for text in town.codes_to(citizen.phone)])
    assert set(texts) == {code}
    verdict(30, len(texts) - 1, may=1)
    assert len(texts) == 2


@pytest.mark.parametrize("_round", ROUNDS)
def test_of_fifty_wrong_passwords_at_once_five_are_compared(town, verdict, _round):
    citizen = town.citizen()
    browser = town.stranger()
    browser.token()
    tried = compared = 0
    for _wave in range(3):  # the gate turns some away uncounted: they come back
        answers = at_once(
            [
                lambda: type_password(browser.copy(), citizen.identifiant, "rien de tout cela")
                for _ in range(50)
            ]
        )
        tried += len(answers)
        compared += sum("mot de passe incorrect" in answer.said for answer in answers)
        assert {answer.status for answer in answers} <= {200, 429, 503}
    refused = type_password(browser.copy(), citizen.identifiant, PASSWORD)
    assert refused.status == 429
    verdict(tried, compared, may=5)
    assert compared == 5


def test_of_thirty_right_passwords_at_once_five_send_a_text(town, verdict):
    citizen = town.citizen()
    browsers = [town.stranger() for _ in range(30)]
    for browser in browsers:
        browser.token()
    answers = at_once([lambda b=b: type_password(b, citizen.identifiant) for b in browsers])
    assert {answer.status for answer in answers} <= {302, 429, 503}
    texts = settle(lambda: len(town.codes_to(citizen.phone)))
    verdict(30, texts, may=5)


@pytest.mark.parametrize("_round", ROUNDS)
def test_of_forty_wrong_codes_of_a_letter_at_once_five_are_compared(town, verdict, _round):
    citizen = town.citizen(account=False, letter=True)
    browsers = [town.stranger() for _ in range(40)]
    for browser in browsers:
        browser.token()
    false = "CCCCC-CCCCC" if citizen.letter != "CCCCC-CCCCC" else "DDDDD-DDDDD"
    at_once(
        [
            lambda b=b: b.post("/activation/courrier/", {"number": citizen.number, "code": false})
            for b in browsers
        ]
    )
    town.forgets_tries()  # only the letter's own count is left to stop the right code
    statement = (
        "SELECT attempts FROM members_lettercode l JOIN members_member m ON m.id = member_id"
    )
    [(spent,)] = town.portal.sql(f"{statement} WHERE number = %s", citizen.number)
    right = 0
    for _ in range(6 - spent):
        last = town.stranger()
        fields = {"number": citizen.number, "code": false if spent < 5 else citizen.letter}
        right += last.post("/activation/courrier/", fields).status == 302
        spent = min(spent + 1, 5)
    verdict(41, right)


def test_of_twenty_uses_of_one_reset_link_at_once_one_chooses(town, verdict):
    citizen = town.citizen()
    link = town.asks_reset(citizen)
    browsers = [town.stranger() for _ in range(20)]
    words = [f"{NEW_PASSWORD} {number}" for number in range(20)]
    for browser in browsers:
        browser.token()

    def use(browser, word):
        return browser.post(link, {"new_password": word, "new_password_again": word})

    acts = [lambda b=b, w=w: use(b, w) for b, w in zip(browsers, words, strict=True)]
    answers = at_once(acts)
    if not any(answer.status == 302 for answer in answers):  # all of them turned away at the gate
        answers = [act() for act in acts]
    assert {answer.status for answer in answers} <= {302, 410, 503}
    chosen = [word for word, a in zip(words, answers, strict=True) if a.status == 302]
    verdict(20, len(chosen), may=1)
    assert type_password(town.stranger(), citizen.identifiant, chosen[0]).status == 302
    assert type_password(town.stranger(), citizen.identifiant, PASSWORD).status == 200


def test_of_twenty_uses_of_one_saved_code_at_once_one_goes_on(town, verdict):
    citizen = town.citizen()
    code = town.saved_codes_of(town.inside(citizen))[0]
    browsers = [town.half_way(citizen)[0] for _ in range(4)]
    copies = [browser.copy() for browser in browsers for _ in range(5)]
    at_once(
        [
            lambda c=c: c.post("/connexion/code/aide/", {"way": "saved", "code": code})
            for c in copies
        ]
    )
    further = {
        copy.cookies["session"]
        for copy in copies
        if copy.get("/connexion/code/aide/telephone/").status == 200
    }
    assert further
    verdict(20, len(further), may=1)


def test_of_twenty_uses_of_one_first_link_at_once_one_goes_on(town, verdict):
    citizen = town.citizen(account=False)
    town.stranger().post("/activation/demande/", {"number": citizen.number, "channel": "email"})
    link = town.link_to(citizen.email, "/activation/lien/")
    browsers = [town.stranger() for _ in range(20)]
    for browser in browsers:
        browser.token()
    answers = at_once([lambda b=b: b.post(link) for b in browsers])
    assert {answer.status for answer in answers} == {302, 410}
    verdict(20, sum(answer.status == 302 for answer in answers), may=1)


def test_of_two_browsers_at_the_last_step_of_one_account_one_opens_it(town, verdict):
    citizen = town.citizen(account=False, letter=True)
    browsers = []
    for number in range(3):
        browser = town.stranger()
        fields = {"number": citizen.number, "code": citizen.letter}
        assert browser.post("/activation/courrier/", fields).status == 302
        word = f"{NEW_PASSWORD} {number}"
        browser.post(
            "/activation/mot-de-passe/",
            {
                "identifiant": f"{citizen.number}x{number}",
                "new_password": word,
                "new_password_again": word,
            },
        )
        before = len(town.codes_to(citizen.phone))
        assert browser.post("/activation/telephone/").status == 302
        browsers.append((browser, town.code_to(citizen.phone, before)))
    at_once(
        [lambda b=b, c=c: b.post("/activation/telephone/code/", {"code": c}) for b, c in browsers]
    )
    opened = sum(browser.is_inside() for browser, _code in browsers)
    assert opened
    verdict(len(browsers), opened, may=1)


def test_the_attempts_left_that_are_said_go_down_one_by_one(town, verdict):
    browser, code = town.half_way(town.citizen())
    answers = at_once([lambda n=n: type_code(browser.copy(), wrong(code, n)) for n in range(1, 9)])
    left = [
        found[1] for answer in answers if (found := re.search(r"reste (\d) essai", answer.said))
    ]
    verdict(8, len(left) - len(set(left)))
