"""Cells of the CSV files that colleagues open in a spreadsheet."""

FORMULA = ("=", "+", "-", "@", "\t", "\r")


def cell(value):
    """`value`, behind an apostrophe when a spreadsheet would run it as a formula: a name or a browser may
    begin like one. (OWASP, « CSV Injection »)"""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
