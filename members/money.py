"""Amounts as people read them. They are integer cents everywhere else."""

NO_BREAK_SPACE, NARROW_SPACE = "\u00a0", "\u202f"


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
    """The cents of an amount as it is typed: « 45 », « 45,5 », « 1 045.50 € ». Raises ValueError."""
    typed = "".join(text.replace("€", "").split())
    whole, _mark, rest = typed.replace(",", ".").partition(".")
    if not (whole + rest).isascii() or not whole.isdigit() or len(whole) > 9:
        raise ValueError("not an amount")
    if len(rest) > 2 or (rest and not rest.isdigit()):
        raise ValueError("not cents")
    return int(whole) * 100 + int(rest.ljust(2, "0"))
