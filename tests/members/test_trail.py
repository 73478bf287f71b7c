"""Every action that the portal records has its French words, and no words stay without action."""

import ast
import re
from pathlib import Path

import pytest

from members import trail

ROOT = Path(__file__).resolve().parents[2]
ACTION = re.compile(r"[a-z]+\.[a-z_]+")


def recorded() -> dict[str, str]:
    """Each action given to `audit.record` anywhere, and where. Where a name is given instead of a
    string, every string of that file which looks like an action counts."""
    found = {}
    for folder in ("members", "incidents", "portal"):
        for path in (ROOT / folder).rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            calls = [node for node in ast.walk(tree) if is_record(node)]
            for call in calls:
                action = call.args[0]
                inside = tree if isinstance(action, ast.Name) else action
                for node in ast.walk(inside):
                    if (
                        isinstance(node, ast.Constant)
                        and ACTION.fullmatch(str(node.value))
                        and not str(node.value).startswith("members.")  # a right, not an action
                    ):
                        found[node.value] = f"{path.relative_to(ROOT)}:{call.lineno}"
    return found


def is_record(node) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "audit.record"


def test_every_call_is_seen():
    assert {"signin.locked", "account.closed", "nir.replaced", "incident.created"} <= set(
        recorded()
    )


def test_every_recorded_action_has_a_label():
    wordless = {place: action for action, place in recorded().items() if action not in trail.LABELS}
    assert not wordless


def test_every_label_is_of_an_action_that_is_recorded():
    assert set(trail.LABELS) <= set(recorded())


def test_two_actions_never_read_alike():
    labels = [str(label) for label in trail.LABELS.values()]
    assert len(set(labels)) == len(labels)


@pytest.mark.parametrize("action", ["signin.completed", "nir.revealed"])
def test_a_label_is_french_and_an_unknown_action_is_still_shown(action):
    assert trail.label(action) == str(trail.LABELS[action]) != action
    assert trail.label("former.action") == "former.action"
