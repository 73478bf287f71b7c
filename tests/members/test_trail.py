"""Every action that the portal records has its French words, and no words stay without action."""

import ast
import re
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from django.utils import timezone

from members import audit, trail
from tests.signing import sign_in

ROOT = Path(__file__).resolve().parents[2]
ACTIVITY = "/espace/securite/activite/"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0"
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


# What a member reads of it


@pytest.fixture
def browser(client, claire):
    return sign_in(client, claire.user)


def test_a_member_reads_his_year_in_plain_words_and_places_by_prefix_only(browser, claire, rf):
    request = rf.get("/", headers={"user-agent": FIREFOX}, REMOTE_ADDR="198.51.100.77")
    request.user = claire.user
    audit.record("signin.completed", user=claire.user, request=request)
    page = browser.get(ACTIVITY).content.decode()
    assert "Connexion" in page
    assert "Firefox sur Windows, réseau 198.51.100.0/24" in page
    assert "198.51.100.77" not in page


def test_what_an_agent_did_is_told_without_his_name(browser, claire, hugo):
    audit.record("support.unlocked", user=claire.user, actor=hugo)
    page = browser.get(ACTIVITY).content.decode()
    assert "par la mutuelle" in page
    assert "Hugo" not in page


def test_he_sees_nobody_elses_and_nothing_older_than_a_year(browser, claire, hugo):
    audit.record("signin.completed", user=hugo)
    with time_machine.travel(timezone.now() - timedelta(days=366)):
        audit.record("signin.locked", user=claire.user)
    assert "Rien à montrer." in browser.get(ACTIVITY).content.decode()


def test_a_long_year_is_read_page_by_page_at_the_same_cost(
    browser, claire, django_assert_num_queries
):
    for number in range(70):
        audit.record("signin.password_failed", user=claire.user, number=number)
    with django_assert_num_queries(2):  # session and account · one page of the trail
        first = browser.get(ACTIVITY)
    assert first.content.decode().count("rows__item") == 50
    second = browser.get(ACTIVITY, {"avant": first.context["older"]})
    assert second.content.decode().count("rows__item") == 20


@pytest.mark.parametrize("before", ["", "x", "-1", "9" * 40, "١"])
def test_odd_places_begin_at_the_beginning(browser, claire, before):
    assert browser.get(ACTIVITY, {"avant": before}).status_code == 200
