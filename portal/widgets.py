"""How form widgets become HTML: Django's templates, except for one-line inputs.

Those take Django two templates and a loop each, on every page with a form; here one expression writes the
same bytes. (docs/decisions/0030-cpu-of-a-sign-in.md; tests/portal/test_widgets.py compares them)
"""

from django.forms.renderers import DjangoTemplates
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe

INPUTS = {f"django/forms/widgets/{kind}.html" for kind in ("text", "password", "hidden", "email")}


class Renderer(DjangoTemplates):
    def render(self, template_name, context, request=None):
        if template_name in INPUTS:
            return _input(context["widget"])
        return super().render(template_name, context, request)


def _input(widget: dict) -> SafeString:
    written = f'<input type="{_said(widget["type"])}" name="{_said(widget["name"])}"'
    if widget["value"] is not None:
        written += f' value="{_said(widget["value"])}"'
    for name, value in widget["attrs"].items():
        if value is not False:
            written += f" {conditional_escape(name)}"
            written += "" if value is True else f'="{_said(value)}"'
    return mark_safe(written + ">")  # each part was escaped


def _said(value) -> str:
    return conditional_escape(str(value))
