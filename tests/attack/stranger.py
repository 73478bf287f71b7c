"""What a stranger has: an HTTP client that sends whatever he likes, from an address of his own."""

import html
import http.client
import itertools
import re
import threading
import urllib.parse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

SESSION, CSRF = "session", "csrftoken"
_numbers = itertools.count(1)


def new_address() -> str:
    """An address that nobody else has had (RFC 6598), so that each attack meets whole limits."""
    number = next(_numbers)
    return f"100.{64 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def location(self) -> str:
        """The path and the query of where it leads, or the whole address when that is elsewhere."""
        return self.header("Location")

    @property
    def said(self) -> str:
        """The page, apostrophes as they are read."""
        return html.unescape(self.body.decode("utf-8", "replace"))

    @property
    def set_cookies(self) -> dict[str, str]:
        """The cookies that it sets; an empty value is a deleted one."""
        pairs = (
            value.split(";")[0] for name, value in self.headers if name.lower() == "set-cookie"
        )
        return {
            name.strip(): value.strip('"') for name, _, value in (p.partition("=") for p in pairs)
        }

    def header(self, name: str) -> str:
        return next((v for n, v in self.headers if n.lower() == name.lower()), "")

    def to_sign_in(self) -> bool:
        path = urllib.parse.urlsplit(self.location).path
        return self.status == 302 and path in ("/connexion/", "/admin/login/")


@dataclass
class Browser:
    """Keeps cookies. Stands behind one proxy, which adds the browser's address to X-Forwarded-For."""

    port: int
    address: str = field(default_factory=new_address)
    cookies: dict[str, str] = field(default_factory=dict)
    agent: str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

    def copy(self) -> "Browser":
        """Another browser with the same cookies, at the same address: a thief's, or a second tab."""
        return Browser(self.port, self.address, dict(self.cookies), self.agent)

    def get(self, path: str, **headers: str) -> Answer:
        return self.send("GET", path, headers=_named(headers))

    def head(self, path: str) -> Answer:
        return self.send("HEAD", path)

    def post(self, path: str, fields: dict | Sequence[tuple[str, str]] = (), **headers: str):
        """Posts a form with the CSRF token of this browser, fetched first when it has none."""
        body = urllib.parse.urlencode(
            [(CSRF_FIELD, self.token()), *(fields.items() if isinstance(fields, dict) else fields)],
        )
        return self.send("POST", path, body.encode(), _named(headers) | {"Content-Type": FORM})

    def token(self) -> str:
        if CSRF not in self.cookies:
            self.get("/connexion/")
        return self.cookies.get(CSRF, "")

    def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | Sequence[tuple[str, str]] = (),
    ) -> Answer:
        """One request on a connection of its own. `headers` replace ours of the same name."""
        given = list(headers.items()) if isinstance(headers, dict) else list(headers)
        names = {name.lower() for name, _value in given}
        ours = [
            ("Host", f"127.0.0.1:{self.port}"),
            ("User-Agent", self.agent),
            ("X-Forwarded-For", self.address),
        ]
        if self.cookies:
            cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            ours.append(("Cookie", cookies))
        if body is not None:
            ours.append(("Content-Length", str(len(body))))
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in [(n, v) for n, v in ours if n.lower() not in names] + given:
                connection.putheader(name, value.encode("latin-1", "replace"))
            connection.endheaders(body)
            response = connection.getresponse()
            answer = Answer(response.status, response.getheaders(), response.read())
        finally:
            connection.close()
        self.keep(answer)
        return answer

    def keep(self, answer: Answer):
        """Takes the cookies of `answer`, as a browser does."""
        for name, value in answer.set_cookies.items():
            if value:
                self.cookies[name] = value
            else:
                self.cookies.pop(name, None)

    def is_inside(self) -> bool:
        """Whether both factors opened this browser's session: the space shows itself."""
        return self.get("/espace/").status == 200


CSRF_FIELD = "csrfmiddlewaretoken"
FORM = "application/x-www-form-urlencoded"


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def at_once(acts: Sequence[Callable[[], object]]) -> list:
    """What each act returned, all of them begun at the same instant, each in a thread of its own."""
    barrier = threading.Barrier(len(acts))
    results: list = [None] * len(acts)

    def run(number: int):
        barrier.wait()
        try:
            results[number] = acts[number]()
        except Exception as error:  # told by the thread that asked
            results[number] = error

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results


def wrong(code: str, by: int = 1) -> str:
    return f"{(int(code) + by) % 1_000_000:06}"


def main_of(page: str) -> str:
    """The page without what differs from one visit to the next: tokens, references, hours."""
    page = re.sub(r'(name="csrfmiddlewaretoken" value=")[^"]*', r"\1", page)
    page = re.sub(r"(demande <strong>)[A-Z]{2}", r"\1", page)
    return re.sub(r"\d{1,2} h \d{2}", "", page)
