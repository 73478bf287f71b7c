"""Folded pages are the same to the byte, and templates hold less to do."""

import pytest
from django.template import Context, Engine
from django.template.base import TextNode

from portal.folding import Loader

BUILTINS = ["django.templatetags.i18n", "django.templatetags.static"]
TEMPLATES = {
    "icon.html": "<svg></svg>",
    "name.html": "<b>{{ name }}</b>",
    "base.html": "{% block title %}{% translate 'Base' %}{% endblock %}|{% block body %}{% endblock %}",
    "child.html": "{% extends 'base.html' %}{% block body %}{{ name }}{% translate 'b' %}{% endblock %}",
    "tree.html": "{{ depth }}{% if depth %}{% include 'tree.html' with depth='' %}{% endif %}",
}
SOURCES = [
    "a{% translate 'b <i>' %}c",
    "{% static 'css/tokens.css' %}",
    "{% include 'icon.html' %}",
    "{% include 'name.html' with name=name|upper %}",
    "{% include 'name.html' only %}",
    "{% include which %}",
    "{% translate name %}",
    "{% translate 'b' as said %}[{{ said }}]",
    "{% translate '<b>' as said %}[{{ said }}]",
    "{% url 'signin' %}",
    "{% url 'signin' as there %}{% if name %}[{{ there }}]{% endif %}",
    "{% url 'incident' slug %}",
    "{% url 'passkeys:list' %}",
    "{% url 'passkeys:list' as there %}",
    "{% url 'nowhere' as there %}[{{ there }}]",
    "{% if not name %}{% url 'nowhere' %}{% endif %}",
    "{% translate 'b' context 'other' %}",
    "{% translate 'b'|upper %}",
    "{% blocktranslate %}Hello {{ name }}{% endblocktranslate %}",
    "{% if name %}x{% translate 'yes' %}{% else %}x{% translate 'no' %}{% endif %}",
    "{% if not name %}x{% translate 'yes' %}{% elif 0 %}q{% else %}x{% translate 'no' %}{% endif %}",
    "{% for one in many %}{% translate 'b' %}{{ one }}{% empty %}{% translate 'none' %}{% endfor %}",
    "{% with other=name %}{% translate 'b' %}{{ other }}{% endwith %}",
    "{% autoescape off %}{% translate '<b>' %}{{ name }}{% endautoescape %}",
    "{% extends 'child.html' %}{% block title %}{{ block.super }}{% translate 'Child' %}{% endblock %}",
    "{% include 'tree.html' with depth='1' %}",
]


def engine(*, folded: bool) -> Engine:
    plain = (
        "django.template.loaders.locmem.Loader",
        TEMPLATES | {f"{number}.html": source for number, source in enumerate(SOURCES)},
    )
    loader = ("portal.folding.Loader", [plain]) if folded else plain
    return Engine(loaders=[loader], builtins=BUILTINS)


@pytest.mark.parametrize("number", range(len(SOURCES)), ids=SOURCES)
def test_a_folded_template_renders_to_the_same_bytes(number):
    told = [
        engine(folded=folded)
        .get_template(f"{number}.html")
        .render(Context({"name": "<Claire>", "slug": "a-b", "many": [1, 2], "which": "icon.html"}))
        for folded in (False, True)
    ]
    assert told[0] == told[1]


def test_constant_parts_become_one_text():
    folded = engine(folded=True).get_template("0.html")
    assert [type(node) for node in folded.nodelist] == [TextNode]
    assert [type(node) for node in engine(folded=True).get_template("2.html").nodelist] == [
        TextNode
    ]


def test_a_constant_value_is_not_asked_again():
    names = [f"{SOURCES.index(source)}.html" for source in SOURCES if " as " in source]
    kinds = {type(engine(folded=True).get_template(name).nodelist[0]).__name__ for name in names}
    assert kinds == {"_AtHand", "URLNode"}, "what does not exist, or depends, is asked each time"


def test_a_page_of_a_namespace_is_asked_each_time():
    for source in ("{% url 'passkeys:list' %}", "{% url 'passkeys:list' as there %}"):
        number = SOURCES.index(source)
        [node, *_rest] = engine(folded=True).get_template(f"{number}.html").nodelist
        assert type(node).__name__ == "URLNode", "it leads members and staff to pages of their own"


def test_two_languages_fold_nothing(settings):
    settings.LANGUAGES = [("fr", "Français"), ("en", "English")]
    assert len(engine(folded=True).get_template("0.html").nodelist) == 3


def test_no_thread_meets_a_template_before_it_is_folded(monkeypatch):
    kept_then = []

    def fold(nodes, its_engine):
        kept_then.append(dict(loader.get_template_cache))

    portal_engine = engine(folded=True)
    loader = portal_engine.template_loaders[0]
    monkeypatch.setattr("portal.folding._fold", fold)
    assert isinstance(loader, Loader)
    portal_engine.get_template("0.html")
    assert kept_then == [{}]
