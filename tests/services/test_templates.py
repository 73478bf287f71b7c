import pytest
from django.template import Context, Engine, Origin
from django.template import Template as DjangoTemplate

from tests.services.templates import OURS, MissingVariable


def render(source: str, name, **context) -> str:
    engine = Engine(string_if_invalid=MissingVariable())
    template = DjangoTemplate(source, origin=Origin(name=str(name)), engine=engine)
    return template.render(Context(context))


@pytest.mark.parametrize(
    "source", ["{{ name }}", "{{ name|upper }}", "{% if 1 %}{{ a.b }}{% endif %}"]
)
def test_a_missing_variable_of_ours_fails_the_test(source):
    with pytest.raises(pytest.fail.Exception, match="does not exist"):
        render(source, OURS / "page.html")


def test_a_missing_variable_may_be_asked_about():
    assert render("{% if name %}{{ name }}{% endif %}", OURS / "page.html") == ""


def test_a_missing_variable_of_others_stays_empty():
    assert render("({{ name }})", "/elsewhere/admin/base.html") == "()"
