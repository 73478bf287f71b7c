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


def test_other_lines_stay_as_they_are():
    assert printed("Not Found: /espace/17-0a/ 100%") == "Not Found: /espace/17-0a/ 100%"


def test_everything_that_is_logged_passes_there():
    handlers = settings.LOGGING["handlers"].values()
    assert all("without tokens" in handler["filters"] for handler in handlers)
