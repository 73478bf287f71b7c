"""The NIR (numéro de sécurité sociale): what a valid one is, and how it is shown.

Rule: docs/glossary.md, « NIR »: 13 characters and a key of 2 digits, key = 97 − (n mod 97), Corsica as
2A or 2B, month 01–12, 20–42 or 50–99, first digit among 1, 2, 3, 4, 7, 8.
"""

import re

from stdnum.exceptions import ValidationError as StdnumError
from stdnum.fr import nir as stdnum_nir

# Anything that may be a NIR in a text, whatever stands between its digits; Corsica's have an A or a B.
_BETWEEN = r"[\W_]{0,3}"
LIKE = re.compile(rf"\d(?:{_BETWEEN}\d){{5}}{_BETWEEN}[\dABab](?:{_BETWEEN}\d){{6,}}")
# What people write beside it, one or several in a row: French phone numbers, days, amounts.
_PHONE = r"(?:(?:\+|00)33[\s.\-]?|0)[1-9](?:[\s.\-]?\d\d){4}"
_DAY = r"[0-3]?\d[/.\-][01]?\d[/.\-](?:19|20)\d\d"
_AMOUNT = r"\d{1,3}(?: ?\d{3})*,\d\d(?!,)"
_NO_NIR = re.compile(rf"(?<!\d)(?<!\d[\W_])(?:(?:{_PHONE}|{_DAY}|{_AMOUNT})(?!\d)[\W_]*)+")

PUBLIC_SPECIMENS = frozenset({"269054958815780"})


class InvalidNir(ValueError):
    pass


def compact(value: str) -> str:
    """The 15 characters of a valid NIR, spaces dropped, letters in capitals. Raises InvalidNir."""
    if len(value) == 15 and value.isascii() and value.isdigit():  # as files write it, Corsica apart
        number = value
        if int(value[13:]) != 97 - int(value[:13]) % 97:
            raise InvalidNir("key")
    else:
        try:
            number = stdnum_nir.validate(value.strip().upper())
        except (StdnumError, UnicodeError) as error:
            raise InvalidNir(str(error)) from None
    if not number.isascii() or number[0] not in "123478" or not _month_exists(number[3:5]):
        raise InvalidNir("sex or month")
    if number in PUBLIC_SPECIMENS:
        raise InvalidNir("public specimen")
    return number


def _month_exists(month: str) -> bool:
    return month.isdigit() and (1 <= int(month) <= 12 or 20 <= int(month) <= 42 or int(month) >= 50)


def stands_in(text: str) -> bool:
    """Whether `text`, that a person wrote, may hold a NIR: phone numbers, days and amounts are none."""
    return LIKE.search(_NO_NIR.sub(" x ", text)) is not None


def masked(number: str) -> str:
    """« 1 78 •• •• ••• ••• •• »: sex and year only, never enough to find the rest."""
    return f"{number[0]} {number[1:3]} •• •• ••• ••• ••"
