"""Every address of the portal, with every cookie that is not enough for it."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.attack.stranger import Browser
from tests.portal.test_doors import ALL, CLOSED, PUBLIC

ENDS_A_SESSION = {"signout", "admin:logout"}
METHODS = ("GET", "POST", "HEAD")
STAFF_PLACES = ("/admin/", "/equipe/")
MEMBER_PLACES = ("/espace/", "/incidents/")


def walked(browser: Browser, pages, methods=METHODS) -> list[tuple]:
    """(name, method, path, answer) for each of these pages, with a right CSRF token."""
    browser.token()

    def ask(step):
        (name, path), method = step
        copy = browser.copy()
        return name, method, path, copy.post(path) if method == "POST" else copy.send(method, path)

    steps = [(page, method) for page in pages for method in methods]
    with ThreadPoolExecutor(4) as threads:
        return list(threads.map(ask, steps))


def broken(answers) -> list[str]:
    return [f"{m} {path}: {a.status}" for _name, m, path, a in answers if a.status >= 500]


@pytest.fixture(scope="module")
def half_way(town):
    return town.half_way(town.citizen())[0]


@pytest.fixture(scope="module")
def recovering(town):
    return town.recovers(town.citizen())


@pytest.fixture(scope="module")
def opening(town):
    return town.opens_by_link(town.citizen(account=False))[0]


@pytest.mark.parametrize("who", ["nobody", "half_way", "recovering", "opening"])
def test_whoever_lacks_a_factor_is_led_to_the_door_from_everywhere(town, verdict, request, who):
    browser = town.stranger() if who == "nobody" else request.getfixturevalue(who)
    answers = walked(browser, CLOSED)
    opened = [f"{m} {path}: {a.status}" for _n, m, path, a in answers if not a.to_sign_in()]
    verdict(len(answers), len(opened), what=opened)
    assert not browser.is_inside()


@pytest.mark.parametrize("who", ["nobody", "half_way", "recovering", "opening"])
def test_no_open_page_signs_in_or_breaks(town, verdict, request, who):
    browser = town.stranger() if who == "nobody" else request.getfixturevalue(who)
    browser = browser.copy()
    pages = [page for page in ALL if page[0] in PUBLIC]
    answers = walked(browser, pages, ("GET", "HEAD")) + walked(
        browser, [page for page in pages if page[0] not in ENDS_A_SESSION], ("POST",)
    )
    inside = [f"{m} {path}" for _n, m, path, a in answers if "Se déconnecter" in a.said]
    verdict(len(answers), len(inside) + len(broken(answers)), what=inside + broken(answers))
    assert not browser.is_inside()


def test_a_member_opens_nothing_of_the_staff(town, verdict):
    browser = town.inside(town.citizen())
    pages = [
        page
        for page in ALL
        if page[1].startswith(STAFF_PLACES) and page[0] not in PUBLIC | ENDS_A_SESSION
    ]
    assert len(pages) > 50
    answers = walked(browser, pages)
    opened = [
        f"{m} {path}: {a.status}"
        for _name, m, path, a in answers
        if a.status not in (403, 404, 405) and not a.to_sign_in()
    ]
    verdict(len(answers), len(opened), what=opened)
    assert browser.get("/admin/login/?next=/admin/").status == 403
    assert browser.is_inside()


def test_a_colleague_opens_nothing_of_the_members(town, verdict):
    pages = [page for page in ALL if page[1].startswith(MEMBER_PLACES)]
    assert len(pages) > 20
    answers = walked(town.colleague, pages)
    opened = [f"{m} {p}: {a.status}" for _n, m, p, a in answers if a.status not in (403, 405)]
    verdict(len(answers), len(opened), what=opened)
    assert town.colleague.get("/admin/").status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/espace//",
        "//espace/",
        "/./espace/",
        "/connexion/../espace/",
        "/connexion/%2e%2e/espace/",
        "/connexion/..;/espace/",
        "/ESPACE/",
        "/espace",
        "/espace/%00",
        "/espace/;jsessionid=1",
        "/static/../espace/",
        "/static/%2e%2e/%2e%2e/portal/settings.py",
        "/static/..%2f..%2fmanage.py",
        "/admin/members/user/1/password/",
        "/admin/r/1/1/",
        "/demo/telephone/",
        "/.env",
        "/.git/config",
    ],
)
def test_no_spelling_of_an_address_opens_it(town, verdict, half_way, path):
    answers = [browser.get(path) for browser in (town.stranger(), half_way.copy())]
    opened = [a for a in answers if a.status not in (301, 302, 400, 403, 404)]
    verdict(len(answers), len(opened), what=[(a.status, a.said[-500:]) for a in opened])


def test_no_other_method_opens_a_page(town, verdict, half_way):
    methods = ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "G" * 40)
    paths = ("/espace/", "/admin/", "/connexion/", "/connexion/code/", "/mot-de-passe/oublie/")
    answers = [half_way.copy().send(method, path) for method in methods for path in paths]
    opened = [answer for answer in answers if answer.status < 300 or answer.status >= 500]
    verdict(len(answers), len(opened), what=[(a.status, a.said[-300:]) for a in opened])
