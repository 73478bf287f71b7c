"""Values that no browser sends: always a polite page, never an error of ours."""

import json
from collections.abc import Callable

import pytest

from tests.attack.stranger import CSRF, CSRF_FIELD, FORM, SESSION, Answer, Browser
from tests.attack.town import Town

# As they travel, percent-encoded: a form's value is bytes.
VALUES = {
    "empty": "",
    "spaces": "+++",
    "10 kB": "A" * 10_240,
    "10 kB of digits": "1" * 10_240,
    "NUL": "12%003456",
    "Arabic digits": "%D9%A1%D9%A2%D9%A3%D9%A4%D9%A5%D9%A6",
    "superscripts": "%C2%B2%C2%B3%C2%B9%C2%B2%C2%B3%C2%B9",
    "wide digits": "%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96",
    "lone surrogate": "%ED%A0%80%ED%B0%80",
    "broken UTF-8": "%FF%FE%C3",
    "over-long UTF-8": "%C0%AF",
    "right to left": "%E2%80%AE%F0%9F%8C%8A",
    "line ends": "a%0D%0ASet-Cookie:+session=planted",
    "markup": "%3Cscript%3Ealert(1)%3C/script%3E",
    "template": "%7B%7B+7*7+%7D%7D%25s%7Bx%7D",
    "quotes": "'%22%3B+DROP+TABLE+members_user;--",
    "huge number": "9" * 40,
    "negative": "-1",
    "not a number": "NaN",
}
POLITE = {200, 302, 400, 403, 404, 405, 410, 413, 429}


def impolite(answer: Answer) -> str:
    """What is wrong with this answer, or an empty string."""
    page = answer.said
    if answer.status not in POLITE:
        return f"{answer.status}"
    if answer.status != 302 and b"<" in answer.body and '<html lang="fr">' not in page:
        return f"{answer.status} in another look"
    if "Traceback" in page or "<script>alert(1)" in answer.body.decode("utf-8", "replace"):
        return "shows what it must not"
    if answer.set_cookies.get(SESSION) == "planted":
        return "lets a header in"
    return ""


@pytest.fixture(scope="module")
def places(town) -> dict[str, tuple[str, list[str], Callable[[], Browser]]]:
    """Each public form: its address, its fields, and how to come before it."""
    newcomers = [town.citizen(account=False) for _ in range(2)]
    half_way = town.half_way(town.citizen())[0]
    recovering = town.recovers(town.citizen())
    opening = town.opens_by_link(newcomers[0])[0]
    asked = town.stranger()
    asked.post("/activation/demande/", {"number": newcomers[1].number, "channel": "text"})
    link = town.asks_reset(town.citizen())
    passwords = ["new_password", "new_password_again"]
    nobody = town.stranger
    return {
        "door": ("/connexion/", ["identifiant", "password", "next"], nobody),
        "code": ("/connexion/code/", ["code"], half_way.copy),
        "resend": ("/connexion/code/renvoyer/", ["x"], half_way.copy),
        "text": ("/connexion/code/sms/", ["x"], half_way.copy),
        "lost phone": ("/connexion/code/aide/", ["way", "code"], half_way.copy),
        "new phone": ("/connexion/code/aide/telephone/", ["phone"], recovering.copy),
        "new phone's code": ("/connexion/code/aide/telephone/code/", ["code"], recovering.copy),
        "reopen": ("/connexion/reprendre/", ["password", "next"], nobody),
        "forgotten": ("/mot-de-passe/oublie/", ["identifiant"], nobody),
        "reset": (link, passwords, nobody),
        "letter": ("/activation/courrier/", ["number", "code"], nobody),
        "ask": ("/activation/demande/", ["number", "channel"], nobody),
        "asked code": ("/activation/code/", ["code"], asked.copy),
        "first password": ("/activation/mot-de-passe/", ["identifiant", *passwords], opening.copy),
        "first phone": ("/activation/telephone/", ["phone"], opening.copy),
        "first phone's code": ("/activation/telephone/code/", ["code"], opening.copy),
        "colleague": ("/equipe/arrivee/", ["identifiant", "ticket"], nobody),
        "colleague's app": ("/equipe/arrivee/compte/", [*passwords, "code"], nobody),
        "key": ("/connexion/cle/", ["credential", "next"], nobody),
        "key's question": ("/connexion/cle/options/", ["x"], nobody),
        "not me": ("/alerte/1-0/", ["x"], nobody),
        "sign-out": ("/deconnexion/", ["next"], nobody),
    }


PLACES = [
    "door",
    "code",
    "resend",
    "text",
    "lost phone",
    "new phone",
    "new phone's code",
    "reopen",
    "forgotten",
    "reset",
    "letter",
    "ask",
    "asked code",
    "first password",
    "first phone",
    "first phone's code",
    "colleague",
    "colleague's app",
    "key",
    "key's question",
    "not me",
    "sign-out",
]
BENIGN = {"way": "saved", "channel": "text", "identifiant": "personne", "number": "49999998"}


def _sent(town: Town, browser: Browser, path: str, body: str, kind=FORM) -> Answer:
    browser.address = town.stranger().address
    token = browser.token()
    return browser.send(
        "POST", path, f"{CSRF_FIELD}={token}&{body}".encode(), {"Content-Type": kind}
    )


def test_no_place_is_left_out(places):
    assert sorted(places) == sorted(PLACES)


@pytest.mark.parametrize("place", PLACES)
def test_a_form_answers_politely_whatever_is_typed(town, verdict, places, place):
    path, fields, come = places[place]
    bodies = ["", "&&=&=&%00=1", "&".join(f"x{n}=1" for n in range(600))]
    for field in fields:
        others = [f"{other}={BENIGN.get(other, 'x')}" for other in fields if other != field]
        bodies.append("&".join(others))
        bodies.append("&".join([*others, f"{field}=123456", f"{field}=123457"]))
        bodies.append("&".join([*others, f"{field}[]=1", f"{field}[a]=1", f"{field}.x=1"]))
        bodies += ["&".join([*others, f"{field}={value}"]) for value in VALUES.values()]
    town.forgets_tries()
    wrong = []
    for body in bodies:
        answer = _sent(town, come(), path, body)
        if problem := impolite(answer):
            wrong.append((problem, body[:120]))
    verdict(len(bodies), len(wrong), what=wrong)


@pytest.mark.parametrize(
    "kind",
    [
        "application/x-www-form-urlencoded; charset=utf-7",
        "application/x-www-form-urlencoded; charset=utf-16",
        "application/x-www-form-urlencoded; charset=hex",
        "application/x-www-form-urlencoded; charset=rot13",
        "application/x-www-form-urlencoded; charset=idna",
        "application/x-www-form-urlencoded; charset=nope",
        "application/x-www-form-urlencoded; charset*=utf-8''x",
        'application/x-www-form-urlencoded; charset="utf-8',
        "application/json",
        "text/plain",
        "text/xml",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=" + "x" * 2000,
        "multipart/mixed; boundary=x",
        "é",
        "",
        ";",
    ],
)
def test_a_form_of_another_kind_is_answered_politely(town, verdict, places, kind):
    wrong = []
    for place in PLACES:
        path, fields, come = places[place]
        body = "&".join(f"{field}=12+3456" for field in fields)
        if problem := impolite(_sent(town, come(), path, body, kind)):
            wrong.append((place, problem))
    verdict(len(PLACES), len(wrong), what=wrong)


def _multipart(token: str, parts: str) -> bytes:
    field = f'--x\r\nContent-Disposition: form-data; name="{CSRF_FIELD}"\r\n\r\n{token}\r\n'
    return (field + parts).encode("utf-8", "surrogatepass")


FILE = (
    'Content-Disposition: form-data; name="code"; filename="%s"\r\nContent-Type: %s\r\n\r\n%s\r\n'
)
PARTS = {
    "file": "--x\r\n" + FILE % ("a.txt", "text/plain", "123456") + "--x--\r\n",
    "file out of its folder": "--x\r\n" + FILE % ("../../x.py", "text/x-python", "1") + "--x--\r\n",
    "large file": "--x\r\n" + FILE % ("a", "image/png", "A" * 200_000) + "--x--\r\n",
    "file in Base64": "--x\r\nContent-Transfer-Encoding: base64\r\n"
    + FILE % ("a", "text/plain", "!!!")
    + "--x--\r\n",
    "no end": '--x\r\nContent-Disposition: form-data; name="code"\r\n\r\n123456',
    "no name": "--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--\r\n",
    "no header": "--x\r\n\r\n1\r\n--x--\r\n",
    "many parts": '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' * 700
    + "--x--\r\n",
    "odd charset": '--x\r\nContent-Disposition: form-data; name="code"\r\n'
    "Content-Type: text/plain; charset=hex\r\n\r\n1\r\n--x--\r\n",
    "lone surrogate": '--x\r\nContent-Disposition: form-data; name="code"\r\n\r\n\ud800\r\n--x--\r\n',
}


@pytest.mark.parametrize("parts", PARTS)
def test_a_form_with_a_file_is_answered_politely(town, verdict, places, parts):
    wrong = []
    for place in PLACES:
        path, _fields, come = places[place]
        browser = come()
        browser.address = town.stranger().address
        body = _multipart(browser.token(), PARTS[parts])
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        if problem := impolite(browser.send("POST", path, body, kind)):
            wrong.append((place, problem))
    verdict(len(PLACES), len(wrong), what=wrong)


def test_what_is_in_the_address_is_answered_politely(town, verdict, places):
    pages = ["/connexion/", "/connexion/code/aide/", "/activation/", "/activation/lien/%s/"]
    pages += ["/mot-de-passe/nouveau/%s/", "/alerte/%s/", "/information/%s/", "/incidents/%s/"]
    pages += ["/sms/%s/statut/", "/contact/email/confirmer/%s/", "/%s", "/static/%s", "/admin/%s/"]
    wrong, tried = [], 0
    browser = places["code"][2]()
    for page in pages:
        for name, value in VALUES.items():
            value = value.replace("+", "%20").replace(";", "%3B")
            filled = page % (value or "-") if "%s" in page else page
            for path in (f"{filled}?next={value}", f"{filled}?motif={value}&x={value}&{value}"):
                tried += 1
                if problem := impolite(browser.copy().get(path)):
                    wrong.append((problem, page, name))
    verdict(tried, len(wrong), what=wrong)


@pytest.mark.parametrize(
    "cookie", [SESSION, CSRF, "browser-0123456789", "messages", "sessionid", "x"]
)
def test_what_is_in_a_cookie_is_answered_politely(town, verdict, cookie):
    values = [
        "",
        "0",
        "A" * 4000,
        "%00",
        "%ED%A0%80",
        '"',
        "a;b=c",
        "é",
        "\\",
        "a,b",
        "=",
        '"\\303"',
    ]
    values += [f"{n}" for n in range(12)] if cookie.startswith("browser") else []
    wrong = []
    for value in values:
        for path in ("/connexion/", "/espace/", "/connexion/code/", "/"):
            answer = town.stranger(cookies={cookie: value}).get(path)
            if problem := impolite(answer):
                wrong.append((problem, path, value[:20]))
    many = town.stranger(cookies={f"browser-{n}": "x" for n in range(200)})
    if problem := impolite(many.post("/connexion/", {"identifiant": "a", "password": "b"})):
        wrong.append((problem, "200 cookies"))
    verdict(4 * len(values) + 1, len(wrong), what=wrong)


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"credential": null}',
        '{"credential": []}',
        '{"credential": {"id": 1, "rawId": {}, "response": "x", "type": []}}',
        '{"credential": {"id": "AAAA", "rawId": "AAAA", "type": "public-key", "response": {}}}',
        '{"credential": "' + "A" * 20_000 + '"}',
        "[" * 20_000,
        '{"credential": {"id": "\\ud800", "rawId": "\\u0000"}, "next": 3}',
        "1e400",
        "NaN",
        "\ufeff{}",
    ],
)
def test_an_answer_of_no_key_is_answered_politely(town, verdict, sent):
    browser = town.stranger()
    token = {"X-CSRFToken": browser.token(), "Content-Type": "application/json"}
    assert browser.send("POST", "/connexion/cle/options/", b"", token).status == 200
    answer = browser.send("POST", "/connexion/cle/", sent.encode(), token)
    wrong = answer.status != 403 or not json.loads(answer.body)["message"]
    verdict(1, int(wrong) + browser.is_inside(), what=answer)
