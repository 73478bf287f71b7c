"""The arrow of docs/architecture.md: portal → incidents → members, and the order inside each."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from django.apps import apps

ROOT = Path(__file__).resolve().parent.parent
MAY_IMPORT = {"portal": {"incidents", "members"}, "incidents": {"members"}, "members": set()}

# Who reads the request, staff pages and what Django finds by name: nothing else imports them.
DOORS = ("admin", "apps", "management", "middleware", "receivers", "templatetags", "urls", "views")

# The order inside members, top to bottom. Two modules of one line do not import each other. Topics
# without a line (audit, sessions, throttle…) stand below the forms; a circle would show itself.
ORDER = [
    ["forms", "stepup"],
    ["signin"],
    ["codes"],
    ["alerts"],
    ["tasks"],
    ["sms.delivery", "mail.delivery"],
    ["sms.twilio", "sms.console", "sms.memory"],
    ["sms.gateway"],
    ["models"],
]


@cache
def modules() -> dict[str, Path]:
    """Every module of ours by its dotted name, migrations left out: they hold the past."""
    found = {}
    for package in MAY_IMPORT:
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if "migrations" not in parts:
                found[".".join(parts).removesuffix(".__init__")] = path
    return found


def named(path: Path) -> Iterator[tuple[str, int]]:
    """Every name that a file imports, anywhere in it, and the line where it does."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names):
                yield from ((alias.name, node.lineno) for alias in names)
            case ast.ImportFrom(module, names):
                yield from ((f"{module}.{alias.name}", node.lineno) for alias in names)
            case ast.Call(
                ast.Name("import_module" | "__import__") | ast.Attribute(attr="import_module"),
                [ast.Constant(str(name)), *_],
            ):
                yield name, node.lineno


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """The modules of ours among them: `from members.models import User` means members.models."""
    for name, line in named(path):
        while name and name not in modules():
            name = name.rpartition(".")[0]
        if name:
            yield name, line


@cache
def edges() -> list[tuple[str, str, str]]:
    """(importer, imported, place) of every import between two modules of ours."""
    return [
        (module, target, f"{path.relative_to(ROOT)}:{line}: {module} imports {target}")
        for module, path in modules().items()
        for target, line in imports(path)
        if target != module
    ]


def is_door(module: str) -> bool:
    _package, _, rest = module.partition(".")
    return rest.split(".")[0] in DOORS


def rank(module: str) -> int | None:
    """The line of a module of members in ORDER, 0 at the top; None where it has no line."""
    inner = module.removeprefix("members.")
    for number, line in enumerate(ORDER):
        if any(inner == name or inner.startswith(f"{name}.") for name in line):
            return number
    return None


def test_all_modules_are_seen():
    assert {"portal.settings", "incidents.models", "members.models.user"} <= set(modules())


def test_packages_import_along_the_arrow_only():
    def package(name):
        return name.partition(".")[0]

    wrong = [
        place
        for module, target, place in edges()
        if package(target) not in {package(module), *MAY_IMPORT[package(module)]}
    ]
    assert not wrong, "\n".join(wrong)


def test_models_point_along_the_arrow_only():
    wrong = [
        f"{model._meta.label}.{field.name} points to {field.related_model._meta.label}"
        for model in apps.get_models()
        if model._meta.app_label in MAY_IMPORT
        for field in model._meta.get_fields()
        if field.is_relation and not field.auto_created and field.related_model
        if (target := field.related_model._meta.app_label) in MAY_IMPORT
        and target not in {model._meta.app_label, *MAY_IMPORT[model._meta.app_label]}
    ]
    assert not wrong, "\n".join(wrong)


def test_no_module_imports_itself_through_others():
    graph = {module: set() for module in modules()}
    for module, target, _ in edges():
        graph[module].add(target)
    circle = find_circle(graph)
    assert not circle, " → ".join(circle)


def find_circle(graph: dict[str, set[str]]) -> list[str]:
    done: set[str] = set()

    def visit(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return []
        for target in sorted(graph[module]):
            if circle := visit(target, [*path, module]):
                return circle
        done.add(module)
        return []

    for module in sorted(graph):
        if circle := visit(module, []):
            return circle
    return []


@pytest.mark.parametrize(
    ("graph", "circle"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"b"}, "b": {"c"}, "c": {"b"}}, ["b", "c", "b"]),
    ],
)
def test_a_circle_is_found(graph, circle):
    assert find_circle(graph) == circle


def test_only_doors_and_composition_import_doors():
    wrong = [
        place
        for module, target, place in edges()
        if is_door(target) and not is_door(module) and not module.startswith("portal.")
    ]
    assert not wrong, "\n".join(wrong)


def test_members_keep_their_inner_order():
    wrong = []
    for module, target, place in edges():
        if not (module.startswith("members.") and target.startswith("members.")):
            continue
        above, below = rank(module), rank(target)
        if is_door(module) or below is None:
            continue
        # A topic without a line may use anything below the forms.
        if (above is None and below == 0) or (above is not None and not_below(module, target)):
            wrong.append(place)
    assert not wrong, "\n".join(wrong)


def not_below(module: str, target: str) -> bool:
    above, below = rank(module), rank(target)
    if above == below:
        own = next(n for n in ORDER[above] if f"{module}.".startswith(f"members.{n}."))
        return not f"{target}.".startswith(f"members.{own}.")
    return below < above


@pytest.mark.parametrize(
    ("sdk", "only"),
    [
        ("twilio", ["members.sms.twilio"]),
        ("webauthn", ["members.passkeys"]),
        ("segno", ["members.qr"]),
        ("PIL", ["members.cleaning"]),
        ("pikepdf", ["members.cleaning"]),
        ("pillow_heif", ["members.cleaning"]),
        ("reportlab", ["members.paper", "members.letter_pages"]),  # text that flows; what is folded
    ],
)
def test_an_integration_lives_in_one_place(sdk, only):
    wrong = [
        f"{module} imports {name}"
        for module, path in modules().items()
        for name, _ in named(path)
        if name.split(".")[0] == sdk and module not in only
    ]
    assert not wrong, "\n".join(wrong)


def test_hostile_bytes_are_read_by_a_module_that_nothing_imports():
    """It is run as a process of its own, and knows nothing of ours."""
    touching = [
        place for module, target, place in edges() if "members.cleaning" in (module, target)
    ]
    assert not touching, "\n".join(touching)
