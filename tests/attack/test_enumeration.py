"""Who is a member: by words, status, headers, cookies, length and time."""

import random
import time
from math import erf, sqrt
from statistics import median

import pytest

from portal.demo import people
from tests.attack.stranger import Answer, main_of
from tests.attack.town import LONG, NEW_PASSWORD, PASSWORD, type_password

SAMPLES = 150 if LONG else 8
MISSING = "citoyen99999"  # as long as the identifiants of the others
SUPPORT = "support"


def looks(answer: Answer, typed: str) -> dict:
    """All that an answer tells, but for what each visit changes and for what was typed."""
    own = {"date", "content-length", "set-cookie", "location"}
    return {
        "status": answer.status,
        "headers": sorted((n.lower(), v) for n, v in answer.headers if n.lower() not in own),
        "cookies": sorted(answer.set_cookies),
        "location": answer.location,
        "length": len(answer.body) - len(typed) * answer.body.count(typed.encode()),
        "page": main_of(answer.said).replace(typed, ""),
    }


def differing(answers: dict[str, tuple[Answer, str]]) -> list[str]:
    """« who: what differs » for each who is not answered as the first one."""
    told = {who: looks(*answer) for who, answer in answers.items()}
    first = next(iter(told.values()))
    return [
        f"{who}: {what}"
        for who, seen in told.items()
        for what, value in seen.items()
        if value != first[what]
    ]


@pytest.fixture(scope="module")
def people_of_all_kinds(town):
    """An identifiant and a password of each kind that opens nothing, unknown first."""
    return {
        "unknown": (MISSING, PASSWORD),
        "wrong": (town.citizen().identifiant, "rien de tout cela"),
        "closed": (town.closed().identifiant, PASSWORD),
        "suspended": (town.suspended().identifiant, PASSWORD),
        "without phone": (town.citizen(phone=False).identifiant, PASSWORD),
        "staff": (SUPPORT, "rien de tout cela"),
    }


def test_the_sign_in_answers_everybody_alike(town, verdict, people_of_all_kinds):
    answers = {
        who: (type_password(town.stranger(), name, word), name)
        for who, (name, word) in people_of_all_kinds.items()
    }
    assert "mot de passe incorrect" in answers["unknown"][0].said
    told = differing(answers)
    verdict(len(answers), len(told), what=told)


def test_the_limits_of_the_sign_in_are_the_same_for_everybody(town, verdict, people_of_all_kinds):
    seen = {}
    for who, (name, _word) in people_of_all_kinds.items():
        browser = town.stranger()
        answers = [type_password(browser, name, "rien de tout cela") for _ in range(8)]
        seen[who] = [(answer.status, bool(answer.header("Retry-After"))) for answer in answers]
    assert seen["unknown"][-1] == (429, True)
    told = [who for who, answers in seen.items() if answers != seen["unknown"]]
    verdict(8 * len(seen), len(told), what=seen)


def test_a_forgotten_password_answers_everybody_alike(town, verdict, people_of_all_kinds):
    asked = {who: name for who, (name, _word) in people_of_all_kinds.items()}
    asked["member"] = town.citizen().identifiant
    answers = {
        who: (town.stranger().post("/mot-de-passe/oublie/", {"identifiant": name}), name)
        for who, name in asked.items()
    }
    told = differing(answers)
    verdict(len(answers), len(told), what=told)


def test_the_limits_of_a_forgotten_password_are_the_same_for_everybody(town, verdict):
    town.forgets_tries()
    seen = {}
    for name in (MISSING, town.citizen().identifiant, town.suspended().identifiant, SUPPORT):
        answers = [
            town.stranger().post("/mot-de-passe/oublie/", {"identifiant": name}) for _ in range(7)
        ]
        seen[name] = [answer.status for answer in answers]
    town.forgets_tries()
    told = [name for name, statuses in seen.items() if statuses != seen[MISSING]]
    assert seen[MISSING][-1] == 429
    verdict(28, len(told), what=seen)


@pytest.fixture(scope="module")
def numbers(town):
    """A member number of each kind, one that nobody has first."""
    return {
        "unknown": "49999999",
        "newcomer": town.citizen(account=False).number,
        "newcomer with a letter": town.citizen(account=False, letter=True).number,
        "newcomer without phone": town.citizen(account=False, phone=False).number,
        "open account": town.citizen().number,
        "suspended": town.suspended().number,
        "closed": town.closed().number,
    }


@pytest.mark.parametrize("channel", ["email", "text", "", "les deux"])
def test_asking_to_open_an_account_answers_everybody_alike(town, verdict, numbers, channel):
    town.forgets_tries()
    answers = {}
    for who, number in numbers.items():
        browser = town.stranger()
        browser.token()
        fields = {"number": number, "channel": channel}
        answers[who] = browser.post("/activation/demande/", fields), number
        answers[f"{who}, code"] = browser.get("/activation/code/"), number
        answers[f"{who}, wrong"] = browser.post("/activation/code/", {"code": "000000"}), number
    steps = len(answers) // len(numbers)
    told = []
    for step in range(steps):
        told += differing(dict(list(answers.items())[step::steps]))
    verdict(len(answers), len(told), what=told)


def test_a_wrong_letter_answers_everybody_alike(town, verdict, numbers):
    town.forgets_tries()
    answers = {}
    for who, number in numbers.items():
        fields = {"number": number, "code": "CCCCC-CCCCC"}
        answers[who] = town.stranger().post("/activation/courrier/", fields), number
    told = differing(answers)
    verdict(len(answers), len(told), what=told)


def test_no_page_of_a_dead_link_tells_why_it_is_dead(town, verdict):
    citizen = town.citizen()
    link = town.asks_reset(citizen)
    fields = {"new_password": NEW_PASSWORD, "new_password_again": NEW_PASSWORD}
    assert town.stranger().post(link, fields).status == 302
    number, _dash, secret = link.split("/")[3].partition("-")
    tokens = [f"{number}-{secret}", f"{number}-{'0' * 64}", f"9{number}-{secret}", "x", "1-"]
    answers = {
        token: (town.stranger().get(f"/mot-de-passe/nouveau/{token}/"), "") for token in tokens
    }
    told = differing(answers)
    verdict(len(answers), len(told), what=told)


# ------------------------------------------------------------------------------------------ time


def times_of(acts: dict, rounds: int, prepare) -> dict[str, list[float]]:
    """Milliseconds of each act, in another order each round, so that the machine disturbs all alike."""
    times: dict[str, list[float]] = {who: [] for who in acts}
    chance = random.Random(20240201)
    for number in range(rounds + 1):
        for who in chance.sample(list(acts), len(acts)):
            ready = prepare()
            begun = time.perf_counter()
            answer = acts[who](ready)
            spent = (time.perf_counter() - begun) * 1000
            assert answer.status in (200, 302), (who, answer.status)
            if number:  # the first round warms what is cold
                times[who].append(spent)
            time.sleep(0.01)
    return times


def likelihood(one: list[float], other: list[float]) -> float:
    """Two-sided p of Mann and Whitney's U: how often chance alone sets two such series so far apart."""
    ranked = sorted(
        (value, series) for series, values in enumerate((one, other)) for value in values
    )
    ranks = sum(rank for rank, (_value, series) in enumerate(ranked, start=1) if series == 0)
    n, m = len(one), len(other)
    u = ranks - n * (n + 1) / 2
    z = (u - n * m / 2) / sqrt(n * m * (n + m + 1) / 12)
    return 1 - erf(abs(z) / sqrt(2))


def told_by_time(times: dict[str, list[float]]) -> list[str]:
    """Who takes visibly longer or shorter than the first. Short: half as long again, and 15 ms. Long: a
    difference of 2 ms and of 3 %, which chance makes once in 10 000."""
    first, *others = times
    told = []
    for who in others:
        usual, own = median(times[first]), median(times[who])
        apart = abs(own - usual)
        if LONG:
            visible = apart > 2 and apart > 0.03 * usual
            visible = visible and likelihood(times[first], times[who]) < 0.0001
        else:
            visible = apart > 15 and apart > 0.5 * min(usual, own)
        if visible:
            told.append(f"{who}: {own:.1f} ms, {first}: {usual:.1f} ms")
    return told


def measured(verdict, acts, prepare):
    times = times_of(acts, SAMPLES, prepare)
    told = told_by_time(times)
    shown = {who: round(median(values), 1) for who, values in times.items()}
    verdict(SAMPLES * len(acts), len(told), what=(told, shown))


def test_the_measure_sees_a_hash_that_is_left_out():
    chance = random.Random(1)
    honest = [40 + chance.expovariate(0.2) for _ in range(SAMPLES)]
    without = [8 + chance.expovariate(0.2) for _ in range(SAMPLES)]
    alike = [40 + chance.expovariate(0.2) for _ in range(SAMPLES)]
    assert told_by_time({"unknown": honest, "wrong": without})
    assert not told_by_time({"unknown": honest, "wrong": alike})


def test_the_time_of_the_sign_in_tells_nobody(town, verdict, people_of_all_kinds):
    def prepare():
        town.forgets_tries()
        browser = town.stranger()
        browser.token()
        return browser

    acts = {
        who: lambda browser, name=name, word=word: type_password(browser, name, word)
        for who, (name, word) in people_of_all_kinds.items()
    }
    measured(verdict, acts, prepare)


def test_the_time_of_a_forgotten_password_tells_nobody(town, verdict, people_of_all_kinds):
    def prepare():
        town.forgets_tries()
        browser = town.stranger()
        browser.token()
        return browser

    asked = {"unknown": MISSING, "member": town.citizen().identifiant}
    asked["suspended"] = people_of_all_kinds["suspended"][0]
    acts = {
        who: lambda b, name=name: b.post("/mot-de-passe/oublie/", {"identifiant": name})
        for who, name in asked.items()
    }
    measured(verdict, acts, prepare)


def test_the_time_of_a_first_sign_in_tells_nobody(town, verdict, numbers):
    def prepare():
        town.forgets_tries()
        town.portal.sql("UPDATE members_lettercode SET attempts = 0")
        browser = town.stranger()
        browser.token()
        return browser

    acts = {
        who: lambda b, n=numbers[who]: b.post(
            "/activation/courrier/", {"number": n, "code": "CCCCC-CCCCC"}
        )
        for who in ("unknown", "newcomer with a letter", "open account")
    }
    measured(verdict, acts, prepare)


def test_the_known_password_of_the_demonstration_opens_nothing_alone(town, verdict):
    """The cast of the demonstration lives here too: its password is public."""
    inside = 0
    accounts = [person for person in people.CAST if person.identifiant]
    for person in accounts:
        browser = town.stranger()
        type_password(browser, person.identifiant, people.PASSWORD)
        inside += browser.is_inside()
    verdict(len(accounts), inside)
