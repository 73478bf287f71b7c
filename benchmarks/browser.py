"""A browser as thin as can be, so that the load costs less than what it loads: one kept connection,
cookies, forms. And a member's whole sign-in, step by step."""

import asyncio
import re
import time
from dataclasses import dataclass, field
from urllib.parse import urlencode

from tests.services.twilio import TwilioStandIn

TOKEN = re.compile(rb'name="csrfmiddlewaretoken" value="([^"]+)"')
PASSWORD = "cinq-phares-et-une-digue"
PATIENCE = 15.0  # seconds after which a request counts as unanswered


@dataclass(frozen=True)
class Someone:
    """A member who signs in. His browser has an address of its own, as at home."""

    identifiant: str
    phone: str
    address: str


@dataclass(frozen=True)
class Page:
    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float


class Unexpected(Exception):
    """The server answered something else than this step of a sign-in."""


class Browser:
    def __init__(self, port: int, address: str = "127.0.0.1"):
        self.port = port
        self.address = address
        self.cookies: dict[str, str] = {}
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str) -> Page:
        return await self._ask("GET", path, b"")

    async def post(self, path: str, form: dict[str, str]) -> Page:
        return await self._ask("POST", path, urlencode(form).encode())

    async def close(self) -> None:
        if self._streams:
            self._streams[1].close()
            self._streams = None

    async def _ask(self, method: str, path: str, body: bytes) -> Page:
        began = time.perf_counter()
        try:
            async with asyncio.timeout(PATIENCE):
                status, headers, content = await self._exchange(method, path, body)
        except (OSError, EOFError, TimeoutError):
            await self.close()
            raise
        return Page(status, headers, content, time.perf_counter() - began)

    async def _exchange(self, method, path, body):
        if self._streams is None:
            self._streams = await asyncio.open_connection(
                "127.0.0.1", self.port, local_addr=(self.address, 0)
            )
        reader, writer = self._streams
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
            f"User-Agent: Mozilla/5.0 (X11; Linux x86_64) Benchmark\r\nAccept-Encoding: gzip\r\n"
            f"Origin: http://127.0.0.1:{self.port}\r\nCookie: {cookies}\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:-2]:
            name, _colon, value = line.partition(": ")
            headers[name.lower()] = value
            if name.lower() == "set-cookie":
                self._keep(value)
        content = await reader.readexactly(int(headers.get("content-length", 0)))
        return int(lines[0].split()[1]), headers, content

    def _keep(self, cookie: str) -> None:
        name, _equals, value = cookie.partition(";")[0].partition("=")
        if value in ("", '""'):
            self.cookies.pop(name, None)
        else:
            self.cookies[name] = value


class Texts:
    """What arrived on the phones, as the stand-in received it from the worker."""

    def __init__(self, stand_in: TwilioStandIn):
        self._received = stand_in.requests
        self._read = 0
        self._codes: dict[str, str] = {}

    async def code(self, phone: str) -> str:
        """The code of the text to `phone`, once it is there."""
        async with asyncio.timeout(PATIENCE):
            while phone not in self._codes:
                for text in self._received[self._read :]:
                    self._codes[text.to] = text.body.rpartition("#")[2]
                    self._read += 1
                await asyncio.sleep(0.01)
        return self._codes.pop(phone)


@dataclass
class Visit:
    """One member's sign-in. Each step answers its page; a wrong one raises Unexpected."""

    who: Someone
    browser: Browser
    texts: Texts
    _token: str = field(default="", init=False)

    async def page(self) -> Page:
        return self._form(await self.browser.get("/connexion/"))

    async def password(self) -> Page:
        """A page with status 503 says to come back later."""
        form = {"identifiant": self.who.identifiant, "password": PASSWORD, "next": ""}
        page = await self.browser.post("/connexion/", {**form, "csrfmiddlewaretoken": self._token})
        return page if page.status == 503 else self._moved(page, "/connexion/code/")

    async def code_page(self) -> Page:
        return self._form(await self.browser.get("/connexion/code/"))

    async def code(self) -> Page:
        form = {"code": await self.texts.code(self.who.phone), "csrfmiddlewaretoken": self._token}
        return self._moved(await self.browser.post("/connexion/code/", form), "/espace/")

    async def home(self) -> Page:
        page = await self.browser.get("/espace/")
        if page.status != 200:
            raise Unexpected(f"{page.status} {page.body[:2000]!r}")
        return page

    def _form(self, page: Page) -> Page:
        token = TOKEN.search(page.body)
        if page.status != 200 or not token:
            raise Unexpected(f"{page.status} {page.headers} {page.body[:2000]!r}")
        self._token = token[1].decode()
        return page

    def _moved(self, page: Page, where: str) -> Page:
        if page.status != 302 or page.headers.get("location") != where:
            raise Unexpected(f"{page.status} {page.headers} {page.body[:2000]!r}")
        return page
