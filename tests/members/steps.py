"""What a person does at the door, through the client: typing, reading a text, typing again."""

import html
import re

from django.urls import reverse

from members.mail.memory import outbox as mailbox
from members.sms import memory
from tests.members.conftest import PASSWORD


def type_password(client, identifiant="claire", password=PASSWORD, **extra):
    return client.post(
        reverse("signin"), {"identifiant": identifiant, "password": password, **extra}
    )


def type_code(client, code):
    return client.post(reverse("signin_code"), {"code": code})


def read_code() -> str:
    """The code in the last text that arrived."""
    return re.match(r"(\d{6})\b", memory.outbox[-1].body).group(1)


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


def said(page) -> str:
    """What a page says, apostrophes as they are read."""
    return html.unescape(page.content.decode())


def signs_in(client, commits, identifiant="claire"):
    """Both steps; `commits` is django_capture_on_commit_callbacks."""
    with commits(execute=True):
        type_password(client, identifiant)
    with commits(execute=True):
        return type_code(client, read_code())


def link_in_mail(part: str = "/") -> str:
    """The path of the first link of the last e-mail in which `part` stands."""
    links = re.findall(r"https?://[^/\s]+(/\S+)", mailbox[-1].body)
    return next(link for link in links if part in link)
