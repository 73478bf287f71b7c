import logging

import pytest
from django.conf import settings
from django.urls import reverse

from members import links
from portal.redaction import WithoutTokens

TOKEN = "17-" + "0a" * 32


def printed(*words) -> str:
    record = logging.makeLogRecord({"msg": words[0], "args": words[1:]})
    assert WithoutTokens().filter(record)
    return logging.Formatter("%(message)s").format(record)


@pytest.mark.parametrize("name", links.VIEWS.values())
def test_the_token_of_a_link_is_not_in_the_log(name):
    line = printed("%s: %s", "Service Unavailable", reverse(name, args=[TOKEN]))
    assert line.startswith("Service Unavailable: /")
    assert line.endswith("/17-…/")


MANGLED = [
    TOKEN[:-2],
    TOKEN[:20],
    TOKEN + "0",
    TOKEN.upper(),
    TOKEN.replace("-", ""),
    TOKEN[2:],
    TOKEN.replace("-", "-\\xe9"),
    TOKEN.replace("17", "\N{ARABIC-INDIC DIGIT THREE}"),
]


@pytest.mark.parametrize("mangled", MANGLED)
def test_nor_is_what_a_mail_program_made_of_it(mangled):
    assert "0a0a" not in printed("Gone: /alerte/%s/", mangled).lower()


@pytest.mark.parametrize(
    ("page", "safe"),
    [
        ("attestation_checked", "/attestations/…/"),
        ("card_check", "/cartes/…/"),
        ("past_card", "/espace/carte/…/"),
        ("past_card_pdf", "/espace/carte/…"),
    ],
)
def test_the_code_of_an_attestation_or_of_a_card_is_not_in_the_log(page, safe):
    address = reverse(page, args=["CDFG-HJKM-NPQR-TVWX"])
    assert printed("%s: %s", "Not Found", address) == f"Not Found: {safe}"


def test_other_lines_stay_as_they_are():
    line = "Not Found: /incidents/2024-02-tiers-payant/ /espace/17-0a/ 100%"
    assert printed(line) == line


def test_everything_that_is_logged_passes_there():
    handlers = settings.LOGGING["handlers"].values()
    assert all("without tokens" in handler["filters"] for handler in handlers)
