"""A variable that one of our templates prints must exist, or the test fails."""

import inspect
from pathlib import Path

import pytest
from django.template import Node

from tests.services.processes import ROOT

OURS = ROOT / "templates"


class MissingVariable(str):
    """The engine's `string_if_invalid`: Django formats it with the name of the missing variable.

    Templates of Django and its admin rely on missing variables being empty: they stay as they are.
    `{% if name %}` may always ask.
    """

    __slots__ = ()

    def __new__(cls):
        return super().__new__(cls, "%s")

    def __mod__(self, variable) -> str:
        template = self._template()
        if template and template.is_relative_to(OURS):
            pytest.fail(f"{template.relative_to(OURS)} prints {variable}, which does not exist.")
        return ""

    @staticmethod
    def _template() -> Path | None:
        """The template that is being rendered, found by the node that is at work."""
        frame = inspect.currentframe()
        while frame := frame.f_back:
            node = frame.f_locals.get("self")
            if isinstance(node, Node) and getattr(node, "origin", None):
                return Path(node.origin.name)
        return None
