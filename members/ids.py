"""Ids of rows that come from an address or a form."""


def row_id(text: str) -> int | None:
    """The id that `text` writes; None when no row can have it. Never more than 64 bits hold."""
    if text.isascii() and text.isdigit() and len(text) < 19:
        return int(text)
    return None
