"""Charts: every figure is readable without the drawing, and the drawing says the same."""

import re

from django.template import Context, Template

BARS = Template('{% load charts %}{% bar_chart rows caption="Par état" %}')
LINE = Template('{% load charts %}{% line_chart points caption="Par jour" %}')


def drawn(template, **context):
    return template.render(Context(context))


def places(html):
    line = re.search(r'points="([^"]*)"', html)[1]
    return [tuple(map(float, place.split(","))) for place in line.split()]


def test_bars_are_a_table_and_the_longest_takes_the_whole_width():
    html = drawn(BARS, rows=[("Lu", 30), ("Affiché", 15, "/liste/"), ("Rien", 0)])
    assert re.findall(r'<td class="bars__number">(\d+)</td>', html) == ["30", "15", "0"]
    assert re.findall(r'rect width="(\d+)"', html) == ["100", "50", "0"]
    assert '<a href="/liste/">Affiché</a>' in html
    assert "<caption>Par état</caption>" in html


def test_without_anything_to_count_no_bar_is_drawn():
    assert re.findall(r'rect width="(\d+)"', drawn(BARS, rows=[("Lu", 0)])) == ["0"]
    assert "Rien à montrer." in drawn(BARS, rows=[])
    assert "Rien à montrer." in drawn(LINE, points=[])


def test_a_line_goes_from_the_first_to_the_last_point_and_up_to_the_most():
    html = drawn(LINE, points=[("1er mars", 0), ("2 mars", 5), ("3 mars", 10)])
    assert places(html) == [(0, 200), (300, 100), (600, 0)]
    assert re.findall(r"<td>(\d+)</td>", html) == ["0", "5", "10"]
    assert 'aria-label="De 0 (1er mars) à 10 (3 mars)"' in html


def test_one_point_is_drawn_across_and_labels_are_escaped():
    html = drawn(LINE, points=[("<b>", 3)])
    assert places(html) == [(0, 0), (600, 0)]
    assert "<b>" not in html


def test_of_a_long_line_the_table_keeps_all_and_the_drawing_its_ends():
    html = drawn(LINE, points=[(str(number), number) for number in range(1000)])
    assert html.count('<th scope="row">') == 1000
    drawn_at = places(html)
    assert len(drawn_at) == 400
    assert (drawn_at[0], drawn_at[-1]) == ((0, 200), (600, 0))
