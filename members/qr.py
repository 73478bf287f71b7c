"""QR codes: drawings that a phone's camera reads. The only module that knows segno."""

import segno
from django.utils.safestring import SafeString, mark_safe


def svg(text: str) -> SafeString:
    """`text` as a drawing for a page: SVG without any style or script."""
    drawing = _made(text).svg_inline(border=4, light="#fff", omitsize=True, svgclass=None)
    return mark_safe(drawing)  # segno writes every character of it; none is a person's


def squares(text: str) -> tuple[tuple[int, ...], ...]:
    """`text` as rows of squares for a sheet of paper, whose margin is white already: 1 is dark."""
    return tuple(tuple(int(bool(one)) for one in row) for row in _made(text).matrix_iter(border=0))


def _made(text: str) -> segno.QRCode:
    return segno.make(text, error="m", micro=False)
