"""Amounts as people read them."""

NO_BREAK_SPACE, NARROW_SPACE = "\u00a0", "\u202f"


def euros(cents: int) -> str:
    """Integer cents in French: « 1 234,50 € », its spaces never broken at the end of a line."""
    whole, rest = divmod(abs(cents), 100)
    thousands = f"{whole:,}".replace(",", NARROW_SPACE)
    return f"{'−' if cents < 0 else ''}{thousands},{rest:02}{NO_BREAK_SPACE}€"
