"""The documents say what the code does: names, defaults, paths and commands that exist."""

import ast
import re
from pathlib import Path

import pytest
from django.core.management import get_commands

from members.limits import DEFAULTS

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
SOURCES = ("portal", "members", "incidents", "templates", "tests", "benchmarks")
TOP = (*SOURCES, "docs", "static", "locale", ".ci")

documents = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)


def variables_read() -> set[str]:
    """What portal/settings.py asks of the environment, secrets with their NAME_FILE left out."""
    tree = ast.parse((ROOT / "portal" / "settings.py").read_text(encoding="utf-8"))
    names = {
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "env"
        and isinstance(node.args[0], ast.Constant)
    }
    return names | {f"LIMIT_{name}" for name in DEFAULTS}


def rows_of_configuration() -> dict[str, str]:
    """Each variable of the page's tables, and its default as written there."""
    return dict(re.findall(r"^\| `([A-Z0-9_]+)` \| ([^|]*?) \|", CONFIGURATION, re.M))


def code_in(text: str) -> str:
    """What stands in code blocks and between backquotes."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.S | re.M)
    return "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", text)])


def test_every_variable_is_documented_and_no_other():
    assert variables_read() == set(rows_of_configuration())


def test_the_defaults_of_the_limits_are_those_of_the_code():
    written = rows_of_configuration()
    assert {f"LIMIT_{name}": str(value) for name, value in DEFAULTS.items()} == {
        name: default.replace("\u202f", "").replace(" ", "")
        for name, default in written.items()
        if name.startswith("LIMIT_")
    }


def test_every_check_that_stops_a_start_is_documented():
    checks = (ROOT / "portal" / "checks.py").read_text(encoding="utf-8")
    found = set(re.findall(r"portal\.[EW]\d{3}", checks))
    assert found == set(re.findall(r"portal\.[EW]\d{3}", CONFIGURATION))


@documents
def test_links_lead_somewhere(document):
    targets = re.findall(r"\]\(([^)#\s]+)", document.read_text(encoding="utf-8"))
    ours = [target for target in targets if "://" not in target]
    assert not [target for target in ours if not (document.parent / target).exists()]


@documents
def test_paths_exist(document):
    top = "|".join(map(re.escape, TOP))
    named = re.findall(
        rf"(?<![\w/.-])((?:{top})/[\w./*-]*)", code_in(document.read_text(encoding="utf-8"))
    )
    wrong = [path for path in named if not any(ROOT.glob(path.rstrip("./")))]
    assert not wrong


@documents
def test_commands_exist(document):
    code = code_in(document.read_text(encoding="utf-8"))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.M))
    assert set(re.findall(r"\bmake ([a-z]+)", code)) <= targets
    assert set(re.findall(r"manage\.py ([a-z_]+)", code)) <= set(get_commands())


@documents
def test_the_tests_that_are_named_exist(document):
    ours = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    defined = set(re.findall(r"def (test_\w+)", ours))
    files = {path.stem for path in (ROOT / "tests").rglob("test_*.py")}
    named = set(re.findall(r"\btest_\w+", document.read_text(encoding="utf-8")))
    assert named <= defined | files


def test_the_code_names_only_documents_that_exist():
    named = {
        name
        for folder in SOURCES
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".html")
        for name in re.findall(r"\bdocs/[\w/-]+\.md", path.read_text(encoding="utf-8"))
    }
    assert not [name for name in named if not (ROOT / name).exists()]


# The grid of docs/architecture.md: the head of a column is a folder, its cells name files of it.


def grid() -> list[tuple[str, str]]:
    """(folder, name) of every name in the tables of the grid; the name of a whole folder ends with /."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = text.partition("## The grid\n")[2].partition("\n## ")[0]
    named, folders = [], []
    for line in section.splitlines():
        cells = [re.findall(r"`([^`]+)`", cell) for cell in line.strip("|").split("|")]
        if line.startswith("| topic "):
            folders = [cell[0] if cell else "" for cell in cells]
        elif line.startswith("| "):
            named += [
                (folder, name)
                for folder, names in zip(folders, cells, strict=True)
                for name in names
            ]
    return named


def test_every_name_in_the_grid_exists():
    assert len(grid()) > 150
    wrong = [
        folder + name
        for folder, name in grid()
        if not (ROOT / folder / (name if name.endswith("/") else f"{name}.py")).exists()
    ]
    assert not wrong


def test_every_module_has_a_cell_in_the_grid():
    """Whoever writes a module says of which topic it is. (docs/architecture.md, « The grid »)"""
    files = {f"{folder}{name}.py" for folder, name in grid() if not name.endswith("/")}
    folders = tuple(folder + name for folder, name in grid() if name.endswith("/"))
    modules = {
        path.relative_to(ROOT).as_posix()
        for package in ("members", "incidents", "portal")
        for path in (ROOT / package).rglob("*.py")
        if path.name != "__init__.py" and "migrations" not in path.parts
    }
    assert not sorted(one for one in modules - files if not one.startswith(folders))


def test_no_two_decisions_share_a_number_and_each_is_listed():
    names = [path.name for path in sorted((ROOT / "docs" / "decisions").glob("0*.md"))]
    numbers = [int(name[:4]) for name in names]
    assert numbers == list(range(1, len(names) + 1))
    index = (ROOT / "docs" / "decisions" / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"\]\(([^)]+)\)", index) == names
