"""Headers that say what is not so: another address, another host, another site."""

import urllib.parse

import pytest

from tests.attack.stranger import CSRF, CSRF_FIELD, FORM
from tests.attack.town import PASSWORD, type_code, type_password

EVIL = "mutuelle-du-rivage.attaque.invalid"
ADDRESS_HEADERS = [
    "X-Real-IP",
    "Forwarded",
    "X-Client-IP",
    "True-Client-IP",
    "CF-Connecting-IP",
    "X-Originating-IP",
    "X-Forwarded",
    "X_Forwarded_For",
    "Client-IP",
]


# ------------------------------------------------------------------------------------ addresses


def _one_line(address, number):
    """As a proxy that writes on: nginx's $proxy_add_x_forwarded_for."""
    return [("X-Forwarded-For", f"203.0.113.{number}, {address}")]


def _two_lines(address, number):
    """As a proxy that adds a line of its own: HAProxy's option forwardfor."""
    return [("X-Forwarded-For", f"203.0.113.{number}"), ("X-Forwarded-For", address)]


def _many(address, number):
    return [("X-Forwarded-For", f"203.0.113.{number}," * 50 + address)]


def _unreadable(address, number):
    return [("X-Forwarded-For", f"é{number}, {address}")]


def _with_port(address, number):
    return [("X-Forwarded-For", f"203.0.113.{number}, {address}:{4000 + number}")]


def _others(address, number):
    forged = [(name, f"203.0.113.{number}") for name in ADDRESS_HEADERS]
    return [("X-Forwarded-For", address), *forged]


@pytest.mark.parametrize("forge", [_one_line, _two_lines, _many, _unreadable, _with_port, _others])
def test_a_forged_address_gives_no_more_tries(town, verdict, forge):
    citizen = town.citizen()
    browser = town.stranger()
    token = browser.token()
    body = f"{CSRF_FIELD}={token}&identifiant={citizen.identifiant}&password=rien+de+tout+cela"
    compared = 0
    for number in range(1, 13):
        headers = [("Content-Type", FORM), *forge(browser.address, number)]
        answer = browser.send("POST", "/connexion/", body.encode(), headers)
        assert answer.status in (200, 429)
        compared += "mot de passe incorrect" in answer.said
    verdict(12, compared, may=5)


def test_a_forged_address_is_not_the_one_that_its_member_is_told(town, verdict):
    citizen = town.citizen()
    browser, code = town.half_way(citizen)
    headers = {"X-Forwarded-For": f"203.0.113.77, {browser.address}", "Content-Type": FORM}
    body = f"{CSRF_FIELD}={browser.token()}&code={code}".encode()
    assert browser.send("POST", "/connexion/code/", body, headers).status == 302
    told = town.smtp.wait_for(citizen.email, "nouveau navigateur").body
    assert "Réseau\N{NO-BREAK SPACE}: 100.64." in told
    verdict(1, int("203.0.113" in told))


# ---------------------------------------------------------------------------------------- hosts


@pytest.mark.parametrize(
    "host",
    [
        EVIL,
        f"127.0.0.1@{EVIL}",
        f"{EVIL}:80",
        f"127.0.0.1.{EVIL}",
        "127.0.0.1 evil",
        "",
        "localhost",
    ],
)
def test_an_unknown_host_gets_no_page(town, verdict, host):
    answers = [
        town.stranger().send(method, "/mot-de-passe/oublie/", body, {"Host": host})
        for method, body in (("GET", None), ("POST", b"identifiant=x"))
    ]
    verdict(2, sum(answer.status != 400 for answer in answers), what=answers)


def test_links_in_emails_name_our_own_host_whatever_the_request_says(town, verdict):
    forged = {
        "X-Forwarded-Host": EVIL,
        "X-Host": EVIL,
        "X-Forwarded-Server": EVIL,
        "X-Original-URL": f"https://{EVIL}/",
        "X-Rewrite-URL": f"https://{EVIL}/",
        "Forwarded": f"host={EVIL};proto=https",
        "X-Forwarded-Port": "4443",
        "X-Forwarded-Prefix": f"//{EVIL}",
        "X-Script-Name": "/ailleurs",
        "Script-Name": "/ailleurs",
    }
    citizen, newcomer = town.citizen(), town.citizen(account=False)
    asks = [
        ("/mot-de-passe/oublie/", {"identifiant": citizen.identifiant}, citizen.email),
        ("/activation/demande/", {"number": newcomer.number, "channel": "email"}, newcomer.email),
    ]
    links = []
    for path, fields, email in asks:
        assert town.stranger().post(path, fields, **forged).status == 200
        links += town.smtp.wait_for(email).links
    browser, code = town.half_way(town.citizen())
    assert browser.post("/connexion/code/", {"code": code}, **forged).status == 302
    links += town.smtp.wait_for(town.citizens[-1].email, "nouveau navigateur").links
    astray = [link for link in links if not link.startswith(f"{town.portal.url}/")]
    assert len(links) >= 3
    verdict(len(links), len(astray) + sum("ailleurs" in link for link in links), what=astray)


@pytest.mark.parametrize(
    "target",
    [
        f"https://{EVIL}/",
        f"//{EVIL}/",
        f"/\\{EVIL}/",
        f"\\\\{EVIL}",
        f"///{EVIL}",
        f"https:{EVIL}",
        f"http:///{EVIL}/",
        f"/%09/{EVIL}",
        f"/\t/{EVIL}",
        f" //{EVIL}",
        "javascript:alert(1)",
        "/espace/\r\nSet-Cookie: session=planted",
        f"/.{EVIL}",
        f"@{EVIL}",
        f"/{'a' * 3000}",
    ],
)
def test_no_sign_in_ends_on_another_site(town, verdict, target):
    browser, citizen = town.stranger(), town.citizen()
    asked = type_password(browser, citizen.identifiant, next=target)
    assert asked.location == "/connexion/code/"
    answer = type_code(browser, town.code_to(citizen.phone))
    inside = browser.get(f"/connexion/?{urllib.parse.urlencode({'next': target})}")
    astray = [
        a.location
        for a in (answer, inside)
        if not a.location.startswith("/") or a.location.startswith(("//", "/\\", "/\t"))
    ]
    planted = [a for a in (answer, inside) if a.set_cookies.get("session") == "planted"]
    verdict(2, len(astray) + len(planted), what=astray)
    assert browser.is_inside()


# ---------------------------------------------------------------------------------- other sites

FORMS = [
    "/connexion/",
    "/connexion/code/",
    "/connexion/code/renvoyer/",
    "/connexion/code/aide/",
    "/connexion/cle/options/",
    "/connexion/cle/",
    "/connexion/reprendre/",
    "/deconnexion/",
    "/mot-de-passe/oublie/",
    "/activation/courrier/",
    "/activation/demande/",
    "/activation/code/",
    "/equipe/arrivee/",
    "/alerte/1-0/",
]
INSIDE = [
    "/espace/securite/sessions/",
    "/espace/securite/telephone/",
    "/espace/securite/email/",
    "/espace/securite/mot-de-passe/",
    "/espace/securite/codes-de-secours/",
    "/session/prolonger/",
]


@pytest.fixture(scope="module")
def inside(town):
    return town.inside(town.citizen())


def _posts(browser, paths, headers, token):
    body = f"{CSRF_FIELD}={token}&others=1".encode()
    return [browser.copy().send("POST", p, body, {"Content-Type": FORM} | headers) for p in paths]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": f"https://{EVIL}"},
        {"Origin": "null"},
        {"Origin": f"http://127.0.0.1.{EVIL}"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "http://127.0.0.1:1"},
        {"X-Forwarded-Proto": "https", "Referer": f"https://{EVIL}/"},
        {"X-Forwarded-Proto": "https", "Referer": ""},
        {"X-Forwarded-Proto": "https"},
    ],
    ids=lambda headers: " ".join(f"{name} {value or 'empty'}" for name, value in headers.items()),
)
def test_no_form_is_taken_from_another_site(town, verdict, inside, headers):
    answers = _posts(inside, FORMS + INSIDE, headers, inside.token())
    taken = [a.status for a in answers if a.status != 403]
    verdict(len(answers), len(taken), what=taken)
    assert inside.is_inside()


@pytest.mark.parametrize("token", ["", "x", "A" * 32, "A" * 64, "%00", "é" * 32, "of another"])
def test_no_form_is_taken_without_the_token_of_its_browser(town, verdict, inside, token):
    token = town.stranger().token() if token == "of another" else token
    answers = _posts(inside, FORMS + INSIDE, {}, token)
    naked = town.stranger()
    answers += _posts(naked, FORMS, {}, token)
    taken = [a.status for a in answers if a.status != 403]
    verdict(len(answers), len(taken), what=taken)
    assert inside.is_inside()


def test_a_token_in_another_place_or_method_is_no_token(town, verdict, inside):
    token = inside.token()
    tries = [
        inside.copy().send("POST", f"/deconnexion/?{CSRF_FIELD}={token}", b""),
        inside.copy().send("POST", "/deconnexion/", b"", {"X-XSRF-Token": token}),
        inside.copy().send("POST", "/deconnexion/", b"", {"X-HTTP-Method-Override": "GET"}),
        inside.copy().send("GET", f"/deconnexion/?_method=POST&{CSRF_FIELD}={token}"),
    ]
    verdict(len(tries), sum(answer.status not in (403, 405) for answer in tries))
    assert inside.is_inside()


def test_a_page_says_that_no_other_site_may_frame_read_or_keep_it(town, verdict, inside):
    pages = [town.stranger().get("/connexion/"), inside.get("/espace/"), inside.get("/admin/")]
    loose = []
    for page in pages:
        policy = page.header("Content-Security-Policy")
        loose += [
            page.status
            for right in (
                "frame-ancestors 'none'" in policy,
                "unsafe" not in policy,
                page.header("X-Frame-Options") == "DENY",
                "no-store" in page.header("Cache-Control"),
                not page.header("Access-Control-Allow-Origin"),
                page.header("Cross-Origin-Opener-Policy") == "same-origin",
            )
            if not right
        ]
    verdict(len(pages) * 6, len(loose))


def test_cookies_are_read_by_no_script_and_sent_by_no_other_site(town, verdict):
    browser, code = town.half_way(town.citizen())
    first = town.stranger().get("/connexion/")
    answers = [first, type_code(browser, code)]
    cookies = [v for a in answers for n, v in a.headers if n.lower() == "set-cookie"]
    kept = [cookie for cookie in cookies if "max-age=0" not in cookie.lower()]
    assert {cookie.partition("=")[0] for cookie in kept} >= {CSRF, "session"}
    loose = [c for c in kept if "HttpOnly" not in c or "SameSite=Lax" not in c or "Domain" in c]
    verdict(len(kept), len(loose), what=loose)


def test_the_word_of_a_forged_receipt_is_not_taken(town, verdict):
    citizen = town.citizen()
    town.half_way(citizen)
    text = town.codes_to(citizen.phone)[-1]
    path = text.callback.removeprefix(town.portal.url)
    body = f"MessageSid={text.sid}&MessageStatus=failed".encode()
    forged = [{}, {"X-Twilio-Signature": ""}, {"X-Twilio-Signature": "A" * 28}]
    answers = [
        town.stranger().send("POST", path, body, {"Content-Type": FORM} | headers)
        for headers in forged
    ]
    answers.append(town.stranger().send("POST", path, None, {"X-Twilio-Signature": PASSWORD}))
    verdict(len(answers), sum(answer.status != 403 for answer in answers))
