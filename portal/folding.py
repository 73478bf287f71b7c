"""Templates whose constant parts are rendered once, when they are loaded, instead of on every page.

A page of ours asks some forty translations of sentences that never change, as there is one language. So
`{% translate "…" %}`, `{% static "…" %}`, `{% url "…" %}` and includes of nothing but text become text, and
texts that then touch become one; with « as name » they become a value at hand. Pages stay the same to the
byte; tests/portal/test_folding.py compares them.
"""

from collections.abc import Iterator
from contextvars import ContextVar

from django.conf import settings
from django.template import Context, Engine, Node, NodeList, TemplateDoesNotExist
from django.template.base import TextNode, Variable
from django.template.defaulttags import URLNode
from django.template.loader_tags import IncludeNode
from django.template.loaders import base, cached
from django.templatetags.i18n import TranslateNode
from django.templatetags.static import StaticNode
from django.urls import NoReverseMatch, reverse

_being_folded: ContextVar[tuple[str, ...]] = ContextVar("being_folded", default=())


class _Folding(base.Loader):
    def get_template(self, template_name, skip=None):
        template = super().get_template(template_name, skip)
        if len(settings.LANGUAGES) == 1:
            outer = _being_folded.set((*_being_folded.get(), template_name))
            try:
                _fold(template.nodelist, self.engine)
            finally:
                _being_folded.reset(outer)
        return template


class Loader(cached.Loader, _Folding):
    """Django's cached loader, which keeps templates once they are folded: no thread sees one half done."""


def _fold(nodes: NodeList, engine: Engine) -> None:
    folded: list[Node] = []
    for node in nodes:
        for inner in _inner_lists(node):
            _fold(inner, engine)
        text = _text(node, engine)
        if text is None:
            folded.append(_at_hand(node) or node)
        elif folded and isinstance(folded[-1], TextNode):
            folded[-1] = TextNode(folded[-1].s + text)
        else:
            folded.append(TextNode(text))
    nodes[:] = folded


def _inner_lists(node: Node) -> Iterator[NodeList]:
    if hasattr(node, "conditions_nodelists"):  # {% if %}: its `nodelist` is a copy
        yield from (nodes for _condition, nodes in node.conditions_nodelists)
    else:
        yield from (nodes for name in node.child_nodelists if (nodes := getattr(node, name, None)))


class _AtHand(Node):
    """What `{% translate "…" as name %}` and `{% url "…" as name %}` do, with the answer known."""

    def __init__(self, name: str, value: str):
        self.name, self.value = name, value

    def render(self, context):
        context[self.name] = self.value
        return ""


def _at_hand(node: Node) -> _AtHand | None:
    if isinstance(node, TranslateNode):
        constant = _is_constant(node.filter_expression) and not node.message_context
    else:
        constant = isinstance(node, URLNode) and _is_constant_url(node)
    if not constant or not node.asvar:
        return None
    said = Context()
    node.render(said)
    return _AtHand(node.asvar, said[node.asvar])


def _text(node: Node, engine: Engine) -> str | None:
    """What `node` always renders to, or None."""
    if isinstance(node, TextNode):
        return node.s
    if isinstance(node, TranslateNode):
        constant = _is_constant(node.filter_expression) and not (node.asvar or node.message_context)
        return node.render(Context()) if constant else None
    if isinstance(node, StaticNode):
        constant = _is_constant(node.path) and not node.varname
        return node.render(Context()) if constant else None
    if isinstance(node, URLNode):
        constant = _is_constant_url(node) and not node.asvar
        return node.render(Context()) if constant else None
    if isinstance(node, IncludeNode) and _is_constant(node.template):
        name = node.template.resolve(Context())
        if name in _being_folded.get():  # it includes itself
            return None
        try:
            inner = engine.get_template(name).nodelist
        except TemplateDoesNotExist:  # it is not meant to be reached
            return None
        if all(isinstance(each, TextNode) for each in inner):
            return "".join(each.s for each in inner)
    return None


def _is_constant_url(node: URLNode) -> bool:
    """A page of its own name, that exists. In a namespace, which page it is may depend on the request's."""
    if not _is_constant(node.view_name) or node.args or node.kwargs:
        return False
    name = node.view_name.resolve(Context())
    if ":" in name:
        return False
    try:
        reverse(name)
    except NoReverseMatch:  # it is not meant to be reached, or says so when it is
        return False
    return True


def _is_constant(expression) -> bool:
    variable = expression.var
    literal = isinstance(variable, str) or (
        isinstance(variable, Variable) and variable.lookups is None
    )
    return literal and not expression.filters
