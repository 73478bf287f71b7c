"""Charts drawn on the server: `{% bar_chart rows caption=… %}`, `{% line_chart points caption=… %}`.

Every figure is also a cell of a table: in the bar chart the table is the chart, under the line it unfolds.
Their style is in static/css/admin.css; nothing here needs a script.
"""

from collections.abc import Iterable

from django import template

register = template.Library()

WIDTH, HEIGHT = 600, 200  # units of the drawing, which takes the width of its page
ROWS = 400  # points of a line, at most: a screen shows no more


@register.inclusion_tag("components/bar_chart.html")
def bar_chart(rows: Iterable[tuple], caption: str, name: str = "", count: str = ""):
    """A table of `(label, number)` or `(label, number, address)`, with a bar each, from zero.

    `name` and `count` head the columns.
    """
    rows = [(*row, "")[:3] for row in rows]
    most = max((number for _label, number, _url in rows), default=0)
    return {
        "caption": caption,
        "name": name,
        "count": count,
        "rows": [
            {
                "label": label,
                "number": number,
                "url": url,
                "width": round(100 * number / most) if most else 0,
            }
            for label, number, url in rows
        ],
    }


@register.inclusion_tag("components/line_chart.html")
def line_chart(points: Iterable[tuple[str, int]], caption: str, name: str = "", count: str = ""):
    """A line through `(label, number)`, evenly spaced from the first to the last, from zero up.

    Of more points than a screen shows, the drawing keeps some, the first and the last among them; the
    table keeps all.
    """
    points = list(points)
    drawn = _thinned(points)
    most = max((number for _label, number in points), default=0)
    across, up = max(len(drawn) - 1, 1), most or 1
    places = [
        (round(WIDTH * place / across, 1), round(HEIGHT * (1 - number / up), 1))
        for place, (_label, number) in enumerate(drawn)
    ]
    if len(places) == 1:  # one point is no line: it lasts the whole width
        places.append((WIDTH, places[0][1]))
    return {
        "caption": caption,
        "name": name,
        "count": count,
        "points": points,
        "first": points[0] if points else None,
        "last": points[-1] if points else None,
        "most": most,
        "line": " ".join(f"{x},{y}" for x, y in places),
        "width": WIDTH,
        "height": HEIGHT,
    }


def _thinned(points: list) -> list:
    if len(points) <= ROWS:
        return points
    step = (len(points) - 1) / (ROWS - 1)
    return [points[round(step * place)] for place in range(ROWS)]
