"""The IBAN of a bank account: what a valid one is, where we can pay, and how it is shown.

Structure, check digits and the rules of each country: python-stdnum. Countries: those of the European
Payments Council's list of the SEPA schemes' scope (EPC409-09), by the code that their IBANs begin with.
"""

from stdnum import iban
from stdnum.exceptions import ValidationError as StdnumError

SEPA = {
    *(
        "AD",
        "AL",
        "AT",
        "BE",
        "BG",
        "CH",
        "CY",
        "CZ",
        "DE",
        "DK",
        "EE",
        "ES",
        "FI",
        "FR",
        "GB",
        "GI",
    ),
    *(
        "GR",
        "HR",
        "HU",
        "IE",
        "IS",
        "IT",
        "LI",
        "LT",
        "LU",
        "LV",
        "MC",
        "MD",
        "ME",
        "MK",
        "MT",
        "NL",
    ),
    *("NO", "PL", "PT", "RO", "RS", "SE", "SI", "SK", "SM", "VA"),
}


class InvalidIban(ValueError):
    """Mistyped: its check digits or its length are wrong."""


class OutOfReach(InvalidIban):
    """Of a country where no euro transfer of ours arrives."""


def compact(text: str) -> str:
    """A valid IBAN without spaces, in capitals. Raises InvalidIban or OutOfReach."""
    try:
        number = iban.validate(text.strip().upper())
    except (StdnumError, UnicodeError) as error:
        raise InvalidIban(str(error)) from None
    if not number.isascii():
        raise InvalidIban("signs")
    if number[:2] not in SEPA:
        raise OutOfReach(number[:2])
    return number


def masked(start: str, end: str) -> str:
    """« FR76 •••• •••• 1234 », from its first four and its last four signs."""
    return f"{start} •••• •••• {end}"
