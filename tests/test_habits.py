"""What we promised each other, where a machine can tell. (docs/architecture.md)"""

import ast
import re
import subprocess
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db.models import PROTECT

from members.models.written_once import WrittenOnceModel
from portal.celery import app
from tests.services import environment
from tests.services.portal import manage

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("portal", "incidents", "members")
NOT_TOPICS = {"common", "core", "helper", "helpers", "lib", "misc", "service", "services", "shared"}
NOT_TOPICS |= {"tools", "util", "utils"}


def files(*patterns: str, under: tuple[str, ...] = PACKAGES) -> list[Path]:
    return sorted(
        path
        for folder in under
        for pattern in patterns
        for path in (ROOT / folder).rglob(pattern)
        if "migrations" not in path.parts
    )


def at(path: Path, line: int = 0) -> str:
    return f"{path.relative_to(ROOT)}:{line}" if line else str(path.relative_to(ROOT))


def lines_with(pattern: str, paths: list[Path], flags=0) -> list[str]:
    found = []
    for path in paths:
        text = path.read_text(encoding="utf-8")
        found += [
            f"{at(path, text.count(chr(10), 0, match.start()) + 1)}: {match[0]}"
            for match in re.finditer(pattern, text, flags)
        ]
    return found


def tracked() -> list[Path]:
    """Every text file of the repository; outside a clone, what our folders hold."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        return files("*.py", "*.html", "*.md", "*.css", "*.js", under=(*PACKAGES, "tests", "docs"))
    texts = {".py", ".html", ".md", ".css", ".js", ".txt", ".toml", ".po", ".svg", ".json", ""}
    paths = [ROOT / name for name in listed.stdout.splitlines()]
    return [path for path in paths if path.suffix in texts and path.is_file()]


# Modules


def test_a_module_is_named_for_what_it_does():
    wrong = [at(path) for path in files("*.py") if NOT_TOPICS & {path.stem, path.parent.name}]
    assert not wrong


def test_every_import_is_absolute():
    wrong = [
        at(path, node.lineno)
        for path in files("*.py", under=(*PACKAGES, "tests"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert not wrong


def test_every_folder_of_ours_is_a_package():
    wrong = {
        at(path.parent) for path in files("*.py") if not (path.parent / "__init__.py").exists()
    }
    assert not wrong


# Words


def test_no_file_knows_the_machine_it_was_written_on():
    assert not lines_with(r"(?<![\w.])/(work|root|home/\w+)/\S*", tracked())


def test_no_file_names_a_package_registry():
    assert not lines_with(r"pypi\.org|files\.pythonhosted|registry\.npmjs|deb\.debian", tracked())


# Templates


def templates() -> list[Path]:
    return files("*.html", under=("templates",))


def test_templates_hold_no_inline_script_or_style():
    """The content security policy would refuse them."""
    assert not lines_with(
        r"<script(?![^>]*\ssrc=)[^>]*>|<style\b|\sstyle=|\son[a-z]+=\"", templates()
    )


def test_every_form_that_posts_carries_a_csrf_token():
    wrong = []
    for path in templates():
        for form in re.findall(
            r"<form[^>]*method=\"post\".*?</form>", path.read_text(encoding="utf-8"), re.S | re.I
        ):
            if "csrf_token" not in form:
                wrong.append(at(path))
    assert not wrong


def test_nothing_is_loaded_from_another_site():
    assert not lines_with(
        r"(src|srcset)=\"(https?:)?//[^\"]*|<link[^>]*href=\"(https?:)?//", templates()
    )


# Models


def test_no_cascade_passes_over_a_row_written_once():
    """Django's collector bypasses `delete`: only PROTECT stops it."""
    passed = [
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        if issubclass(model, WrittenOnceModel)
        for field in model._meta.get_fields()
        if field.many_to_one or field.one_to_one
        if field.concrete and field.remote_field.on_delete is not PROTECT
    ]
    assert not passed


# Queues


def worker_commands() -> list[str]:
    """The worker commands that our documents tell an operator to run."""
    documents = [ROOT / "README.md", *files("*.md", under=("docs",))]
    text = "\n".join(path.read_text(encoding="utf-8") for path in documents if path.exists())
    return re.findall(r"celery -A portal worker[^\n`]*", text)


def queues_in_use() -> set[str]:
    app.loader.import_default_modules()
    ours = [name for name in app.tasks if name.startswith(PACKAGES)]
    scheduled = [entry.get("options", {}).get("queue") for entry in app.conf.beat_schedule.values()]
    asked = {
        keyword.value.value
        for path in files("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "queue" and isinstance(keyword.value, ast.Constant)
    }
    routed = {app.amqp.router.route({}, name)["queue"].name for name in ours}
    return routed | asked | set(filter(None, scheduled))


def queues_read() -> set[str]:
    read = set()
    for command in worker_commands() or ["celery -A portal worker"]:
        chosen = re.search(r"(?:-Q|--queues)[ =](\S+)", command)
        read |= set(chosen[1].split(",")) if chosen else set(app.amqp.queues.consume_from)
    return read


def test_every_queue_has_a_reader():
    assert queues_in_use() <= queues_read()


def test_codes_do_not_wait_behind_other_tasks():
    from members.tasks import send_sms

    codes = app.amqp.router.route({}, send_sms.name)["queue"].name
    others = {
        app.amqp.router.route({}, name)["queue"].name
        for name in app.tasks
        if name.startswith(PACKAGES) and name != send_sms.name
    }
    assert codes not in others


def test_every_scheduled_task_exists():
    app.loader.import_default_modules()
    assert {entry["task"] for entry in app.conf.beat_schedule.values()} <= set(app.tasks)


# Django


def test_no_migration_is_missing(db):
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


def test_settings_of_production_pass_every_check_for_deployment():
    env = environment.production(
        "https://espace.mutuelle-du-rivage.example",
        "sqlite://:memory:",
        "redis://127.0.0.1:1/0",
        TRUSTED_PROXIES="1",
        TWILIO_BASE_URL="",
    )
    manage(["check", "--deploy", "--fail-level", "WARNING"], env)


@pytest.mark.parametrize(
    "name", ["django", "django-otp", "twilio", "celery", "redis", "pytest-django"]
)
def test_requirements_list_what_the_project_is_made_of(name):
    required = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert re.search(rf"^{name}~=", required, re.M)
