"""The portal under attack, and those who live in it: members whom it is allowed to harm."""

import base64
import itertools
import os
import re
import time
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from django.contrib.auth.hashers import Argon2PasswordHasher
from django.utils import timezone
from django_otp.oath import totp

from members import letters
from members.models import Member, SmsDevice, User
from members.models.recovery import LetterPurpose
from portal.demo import people
from tests.attack.stranger import Browser
from tests.members.test_letters import code_in
from tests.services.processes import wait_until

PROCESSES = 2  # of the web server
LONG = os.environ.get("ATTACK") == "long"
PASSWORD = "sept mouettes sur le môle"
NEW_PASSWORD = "huit cormorans au large"
# Two keys of letters as in production are dear: one hash serves everybody here.
HASH = Argon2PasswordHasher()
HASH.time_cost, HASH.memory_cost, HASH.parallelism = 1, 47_104, 1
HASHED = HASH.encode(PASSWORD, "attack-suite-salt-0123")
NIR = "281091300104217"
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Citizen:
    """A member: what is on file for him. `identifiant` is empty while he has no account."""

    number: str
    identifiant: str
    phone: str
    email: str
    letter: str = ""


class Town:
    """A portal with several processes, a worker, texts and e-mails; every secret that went through it."""

    def __init__(self, portal, twilio, smtp):
        self.portal, self.twilio, self.smtp = portal, twilio, smtp
        self.citizens: list[Citizen] = []
        self.saved_codes: list[str] = []

    def stranger(self, **options) -> Browser:
        return Browser(self.portal.port, **options)

    # ------------------------------------------------------------------------- who lives there

    def citizen(self, *, account=True, phone=True, letter=False, **user_fields) -> Citizen:
        """A new member of his own, with PASSWORD. `letter`: one to open his account was printed."""
        number = next(_numbers)
        own = Citizen(
            number=str(40_000_000 + number),
            identifiant=f"citoyen{number:05}" if account else "",
            phone=f"+336123{number:05}" if phone else "",
            email=f"citoyen{number:05}@exemple.invalid",
        )
        with self.portal.orm():
            user = None
            if account:
                user = User.objects.create(
                    identifiant=own.identifiant, password=HASHED, **user_fields
                )
                if phone:
                    SmsDevice.objects.create(user=user, name="sms")
            member = Member(
                number=own.number,
                user=user,
                phone=own.phone,
                email=own.email,
                civility="MME",
                first_names="Maud",
                birth_name="Corre",
                birth_date=date(1981, 9, 14),
                address="3 rue du Phare",
                postal_code="29200",
                city="Brest",
            )
            member.set_nir(NIR)
            member.save()
            code = ""
            if letter:
                code = code_in(letters.print_batch([member], LetterPurpose.ACTIVATION, None))
        own = Citizen(own.number, own.identifiant, own.phone, own.email, code)
        self.citizens.append(own)
        return own

    def closed(self) -> Citizen:
        return self.citizen(is_active=False)

    def suspended(self) -> Citizen:
        return self.citizen(suspended_at=timezone.now())

    # --------------------------------------------------------------------------- walking about

    def code_to(self, phone: str, after: int = 0) -> str:
        """The code in the latest text to `phone`, once there are more than `after`."""

        def found():
            texts = [t for t in self.texts_to(phone) if re.match(r"\d{6}\b", t.body)]
            return texts if len(texts) > after else None

        return wait_until(found, 20, f"a code to {phone}")[-1].body[:6]

    def texts_to(self, phone: str) -> list:
        return [text for text in list(self.twilio.requests) if text.to == phone]

    def codes_to(self, phone: str) -> list:
        return [text for text in self.texts_to(phone) if re.match(r"\d{6}\b", text.body)]

    def half_way(self, citizen: Citizen, browser: Browser | None = None) -> tuple[Browser, str]:
        """A browser where the right password was typed, and the code that it waits for."""
        browser = browser or self.stranger()
        before = len(self.codes_to(citizen.phone))
        answer = type_password(browser, citizen.identifiant)
        assert answer.location == "/connexion/code/", (answer.status, answer.said[-3000:])
        return browser, self.code_to(citizen.phone, before)

    def inside(self, citizen: Citizen, browser: Browser | None = None) -> Browser:
        """A browser where both factors were shown."""
        browser, code = self.half_way(citizen, browser)
        answer = type_code(browser, code)
        assert answer.status == 302, answer.said[-3000:]
        assert browser.is_inside()
        return browser

    @cached_property
    def colleague(self) -> Browser:
        """A browser where Sacha, of the support, showed both factors."""
        staff = next(person for person in people.STAFF if person.identifiant == "support")
        browser = self.stranger()
        type_password(browser, staff.identifiant, people.PASSWORD)
        answer = type_code(browser, f"{totp(bytes.fromhex(staff.totp_key)):06}")
        assert answer.location == "/admin/", answer.said[-3000:]
        return browser

    def saved_codes_of(self, browser: Browser) -> list[str]:
        """New saved codes of who is signed in there, as the page shows them once."""
        page = browser.post("/espace/securite/codes-de-secours/").said
        codes = re.findall(r"\b(?:[A-Z2-9]{4}-){3}[A-Z2-9]{4}\b", page)
        assert codes, page[-3000:]
        self.saved_codes += codes
        return codes

    def asks_reset(self, citizen: Citizen, browser: Browser | None = None) -> str:
        """The path of the link that « mot de passe oublié » sends."""
        before = len(self.smtp.to(citizen.email, "/mot-de-passe/nouveau/"))
        asked = (browser or self.stranger()).post(
            "/mot-de-passe/oublie/", {"identifiant": citizen.identifiant}
        )
        assert asked.status == 200
        return self.link_to(citizen.email, "/mot-de-passe/nouveau/", before)

    def link_to(self, email: str, part: str, after: int = 0) -> str:
        """The path of the link with `part` in the latest of more than `after` e-mails."""
        mail = self.smtp.wait_for(email, part, after + 1)
        link = next(link for link in mail.links if part in link)
        assert link.startswith(self.portal.url + "/"), link
        return link.removeprefix(self.portal.url)

    def opens_by_link(self, citizen: Citizen) -> tuple[Browser, str]:
        """A browser half-way through a first sign-in, and the link that began it, used."""
        browser = self.stranger()
        browser.post("/activation/demande/", {"number": citizen.number, "channel": "email"})
        link = self.link_to(citizen.email, "/activation/lien/")
        assert browser.post(link).location == "/activation/mot-de-passe/"
        return browser, link

    def recovers(self, citizen: Citizen) -> Browser:
        """A browser half-way through a recovery: right password, then a saved code."""
        code = self.saved_codes_of(self.inside(citizen))[0]
        browser, _code = self.half_way(citizen)
        answer = browser.post("/connexion/code/aide/", {"way": "saved", "code": code})
        assert answer.location == "/connexion/code/aide/telephone/", answer.said[-3000:]
        return browser

    # ---------------------------------------------------------------------------------- time

    def later(self, seconds: int, table: str, *columns: str):
        """Time passes for every row of `table`: these moments lie that much further back."""
        moved = ", ".join(f"{c} = {c} - interval '{int(seconds)} seconds'" for c in columns)
        self.portal.sql(f"UPDATE members_{table} SET {moved}")

    def forgets_tries(self):
        """Every count starts anew, as after a quiet day."""
        self.portal.sql("TRUNCATE members_throttle")

    # ------------------------------------------------------------------------------- secrets

    def sent_codes(self) -> set[str]:
        bodies = (text.body for text in list(self.twilio.requests))
        return {found[0] for body in bodies if (found := re.match(r"\d{6}\b", body))}

    def sent_tokens(self) -> set[str]:
        """The secret part of every link that was sent."""
        links = (link for mail in list(self.smtp.received) for link in mail.links)
        return {found[1] for link in links if (found := re.search(r"/\d+-([0-9a-f]{64})/", link))}


def type_password(browser: Browser, identifiant: str, password: str = PASSWORD, **more):
    return browser.post("/connexion/", {"identifiant": identifiant, "password": password, **more})


def type_code(browser: Browser, code: str):
    return browser.post("/connexion/code/", {"code": code})


def settle(look, quiet: float = 1.0, timeout: float = 15):
    """What `look` returns once it has not changed for `quiet` seconds."""
    seen, since, end = look(), time.monotonic(), time.monotonic() + timeout
    while time.monotonic() - since < quiet and time.monotonic() < end:
        time.sleep(0.05)
        now = look()
        if now != seen:
            seen, since = now, time.monotonic()
    return seen


def in_plain(text: str) -> str:
    """`text`, and what the Base64 in it stands for: the broker's messages are written so."""
    found = re.findall(r"[A-Za-z0-9+/_-]{16,}={0,2}", text)
    decoded = []
    for one in found:
        try:
            decoded.append(base64.b64decode(one.translate(_URL_SAFE) + "=" * (-len(one) % 4)))
        except ValueError:
            continue
    return text + "\n" + "\n".join(raw.decode("latin-1") for raw in decoded)


_URL_SAFE = str.maketrans("-_", "+/")
