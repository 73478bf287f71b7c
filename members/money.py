"""Amounts as people read them. They are integer cents everywhere else."""

import re

NO_BREAK_SPACE, NARROW_SPACE = "\u00a0", "\u202f"

# « 45 50 » is no amount: a space stands before three digits, and 4550 € is not what was meant.
_TYPED = re.compile(
    r"(?P<whole>[0-9]{1,9}|[0-9]{1,3}(?: [0-9]{3}){1,2})"
    r"(?:(?:[.,](?P<rest>[0-9]{0,2}))?(?: ?€)?| ?€ ?(?P<after_euro>[0-9]{2}))"
)


def euros(cents: int) -> str:
    """« 1 234,50 € », its spaces never broken at the end of a line."""
    whole, rest = divmod(cents, 100)
    thousands = f"{whole:,}".replace(",", NARROW_SPACE)
    return f"{thousands},{rest:02}{NO_BREAK_SPACE}€"


def plain(cents: int) -> str:
    """« 1234,50 », a number for a French spreadsheet."""
    whole, rest = divmod(cents, 100)
    return f"{whole},{rest:02}"


def cents(text: str) -> int:
    """The cents of an amount as it is typed: « 45 », « 45,5 », « 1 045.50 € », « 45€50 ».

    Raises ValueError for anything else, what may be read in two ways included.
    """
    found = _TYPED.fullmatch(" ".join(text.split()))
    if not found:
        raise ValueError("not an amount")
    rest = found["rest"] or found["after_euro"] or ""
    return int(found["whole"].replace(" ", "")) * 100 + int(rest.ljust(2, "0"))
