"""Links of e-mails: followed by scanners, used twice, altered, too old, or taken to another page."""

import pytest

from tests.attack.stranger import Browser
from tests.attack.town import NEW_PASSWORD, PASSWORD, Town

RESET, FIRST, NOT_ME = "/mot-de-passe/nouveau/", "/activation/lien/", "/alerte/"
PHONE_CANCEL = "/contact/telephone/annuler/"
EMAIL_CONFIRM, EMAIL_CANCEL = "/contact/email/confirmer/", "/contact/email/annuler/"
PURPOSES = [RESET, FIRST, NOT_ME, PHONE_CANCEL, EMAIL_CONFIRM, EMAIL_CANCEL]
CHOICE = {"new_password": NEW_PASSWORD, "new_password_again": NEW_PASSWORD}
HOUR = 3600
LIVES = {RESET: HOUR // 2, FIRST: HOUR, EMAIL_CONFIRM: HOUR}


def sent(town: Town, purpose: str) -> tuple[str, Browser | None]:
    """A fresh link of this purpose, and the browser of its holder, signed in."""
    if purpose == FIRST:
        newcomer = town.citizen(account=False)
        fields = {"number": newcomer.number, "channel": "email"}
        town.stranger().post("/activation/demande/", fields)
        return town.link_to(newcomer.email, FIRST), None
    citizen = town.citizen()
    browser = town.inside(citizen)
    if purpose == RESET:
        return town.asks_reset(citizen), browser
    if purpose == NOT_ME:
        return town.link_to(citizen.email, NOT_ME), browser
    if purpose == PHONE_CANCEL:
        new = f"+33698{citizen.phone[-6:]}"
        browser.post("/espace/securite/telephone/", {"phone": new})
        for phone in (citizen.phone, new):
            code = town.code_to(phone, after=1 if phone == citizen.phone else 0)
            answer = browser.post("/espace/securite/telephone/code/", {"code": code})
            assert answer.status == 302, answer.said[-3000:]
        return town.link_to(citizen.email, PHONE_CANCEL), browser
    address = f"nouvelle-{citizen.email}"
    assert browser.post("/espace/securite/email/", {"email": address}).status == 302
    return town.link_to(address if purpose == EMAIL_CONFIRM else citizen.email, purpose), browser


def acts(answer) -> bool:
    return answer.status in (200, 302)


def use(town: Town, link: str):
    return town.stranger().post(link, CHOICE)


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_scanner_that_follows_a_link_changes_nothing(town, verdict, purpose):
    link, holder = sent(town, purpose)
    mails = len(town.smtp.received)
    answers = []
    for agent in ("Mozilla/5.0 (compatible; Scanner/1.0)", "", "curl/8"):
        scanner = town.stranger(agent=agent)
        answers += [scanner.get(link), scanner.head(link), scanner.get(link, Purpose="prefetch")]
        answers.append(scanner.get(f"{link}?utm_source=mail&{'&'.join(CHOICE)}"))
        answers.append(scanner.send("OPTIONS", link))
    assert {answer.status for answer in answers} <= {200, 405}
    signed_out = bool(holder) and not holder.is_inside()
    still_serves = acts(use(town, link))
    verdict(len(answers), signed_out + (not still_serves) + (len(town.smtp.received) < mails))


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_link_serves_once(town, verdict, purpose):
    link, _holder = sent(town, purpose)
    assert acts(use(town, link))
    again = [use(town, link), town.stranger().get(link), use(town, link)]
    verdict(len(again), sum(answer.status != 410 for answer in again))


@pytest.mark.parametrize("purpose", PURPOSES)
def test_an_altered_link_opens_nothing(town, verdict, purpose):
    link, _holder = sent(town, purpose)
    token = link.removeprefix(purpose).rstrip("/")
    number, _dash, secret = token.partition("-")
    altered = [
        f"{number}-{secret[:-1]}{'1' if secret[-1] == '0' else '0'}",
        f"{number}-{'1' if secret[0] == '0' else '0'}{secret[1:]}",
        f"{int(number) + 1}-{secret}",
        f"{int(number) - 1}-{secret}",
        f"{number}-{secret.upper()}",
        f"{number}-{secret}0",
        f"{number}-{secret[:-1]}",
        f"{number}-",
        f"{number}{secret}",
        f"-{secret}",
        f"{number}-{'0' * 64}",
        f"{number}-%C3%A9{secret[1:]}",
        f"%D9%A3-{secret}",  # an Arabic 3
        f"{'9' * 30}-{secret}",
        f"{number}-{secret}%00",
        f"{number}-{secret}%0a",
        f"0x{int(number):x}-{secret}",
        f"{number}-%ED%A0%80",
        "x" * 3000,
    ]
    opened = []
    for one in altered:
        for answer in (town.stranger().get(f"{purpose}{one}/"), use(town, f"{purpose}{one}/")):
            if answer.status not in (400, 404, 410):
                opened.append((one, answer.status))
    verdict(2 * len(altered), len(opened), what=opened)
    assert acts(use(town, link))


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_link_opens_no_page_of_another_purpose(town, verdict, purpose):
    link, _holder = sent(town, purpose)
    token = link.removeprefix(purpose)
    paths = [other + token for other in PURPOSES if other != purpose]
    answers = [a for path in paths for a in (town.stranger().get(path), use(town, path))]
    verdict(len(answers), sum(answer.status != 410 for answer in answers))
    assert acts(use(town, link))


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_link_does_not_outlive_its_time(town, verdict, purpose):
    link, _holder = sent(town, purpose)
    town.later(LIVES.get(purpose, 7 * 24 * HOUR) + 1, "onetimelink", "created_at", "expires_at")
    answers = [town.stranger().get(link), use(town, link)]
    verdict(len(answers), sum(answer.status != 410 for answer in answers))


def test_a_reset_link_dies_with_the_password_it_was_for(town, verdict):
    citizen = town.citizen()
    first, second = town.asks_reset(citizen), town.asks_reset(citizen)
    assert use(town, second).status == 302
    verdict(1, int(use(town, first).status != 410))


def test_no_link_signs_anybody_in(town, verdict):
    inside = 0
    for purpose in PURPOSES:
        link, _holder = sent(town, purpose)
        browser = town.stranger()
        browser.get(link)
        assert acts(browser.post(link, CHOICE))
        inside += browser.is_inside()
    verdict(len(PURPOSES), inside)


def test_who_says_not_me_ends_every_session_and_the_old_password(town, verdict):
    citizen = town.citizen()
    thief = town.inside(citizen)
    half_way, code = town.half_way(citizen)
    link = town.link_to(citizen.email, NOT_ME)
    assert use(town, link).status == 200
    half_way.post("/connexion/code/", {"code": code})
    again = town.stranger().post(
        "/connexion/", {"identifiant": citizen.identifiant, "password": PASSWORD}
    )
    verdict(3, thief.is_inside() + half_way.is_inside() + (again.status == 302))


def test_a_cancelled_change_of_phone_comes_back_in_no_way(town, verdict):
    link, holder = sent(town, PHONE_CANCEL)
    assert "Annuler ce changement" in holder.get("/espace/securite/telephone/").said
    assert use(town, link).status == 200
    page = holder.get("/espace/securite/telephone/").said
    code = holder.post("/espace/securite/telephone/code/", {"code": "000000"})
    verdict(2, int("Annuler ce changement" in page) + (code.status != 302))
