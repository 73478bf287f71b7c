"""A browser and its system in words that their owner recognises: « Firefox sur Windows »."""

import re
from functools import lru_cache

from django.utils.translation import gettext as _
from ua_parser import parse

_NAME = re.compile(r"[\w +/-]{1,30}", re.ASCII)


@lru_cache(maxsize=512)
def _names(user_agent: str) -> tuple[str, str]:
    found = parse(user_agent)
    browser = found.user_agent.family if found.user_agent else ""
    system = found.os.family if found.os else ""
    return _plain(browser), _plain(system)


def _plain(name: str) -> str:
    """Some names are taken from what the browser sent, which anybody writes: no address, nothing long."""
    return name if _NAME.fullmatch(name) else ""


def described(user_agent: str) -> str:
    browser, system = _names(user_agent)
    if browser and system:
        return _("%(browser)s sur %(system)s") % {"browser": browser, "system": system}
    return browser or system or _("Navigateur inconnu")
