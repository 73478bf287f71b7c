"""Finds a Chromium: an installed one, else Playwright's own, else the system's package."""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ABSENT = "No Chromium here, and none could be fetched or installed: install the package chromium."


def executable(playwright, folder: Path) -> str:
    """The path of a browser that runs, or an empty string. Fetches one where none is installed.

    Of the workers of one run, one looks and the others read what it found in `folder`.
    """
    answer = folder / "chromium.path"
    with (folder / "chromium.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not answer.exists():
            answer.write_text(_installed(playwright) or _fetched(playwright) or _packaged() or "")
        return answer.read_text()


@contextlib.contextmanager
def scriptable(page):
    """The page itself; where scripts are off, a copy as it is shown, in which a checker can run."""
    if not page.evaluate("matchMedia('(scripting: none)').matches"):
        yield page
        return
    shown = page.content().replace("<noscript>", "<div>").replace("</noscript>", "</div>")
    only_the_checker = {"Content-Security-Policy": "script-src 'none'"}
    context = page.context.browser.new_context(viewport=page.viewport_size, locale="fr-FR")
    try:
        copy = context.new_page()
        copy.route(
            page.url,
            lambda route: route.fulfill(
                body=shown, content_type="text/html; charset=utf-8", headers=only_the_checker
            ),
        )
        copy.goto(page.url)
        yield copy
    finally:
        context.close()


def _installed(playwright) -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None) or _own(playwright)


def _own(playwright) -> str | None:
    path = playwright.chromium.executable_path
    return path if os.access(path, os.X_OK) else None


def _fetched(playwright) -> str | None:
    _try(sys.executable, "-m", "playwright", "install", "chromium")
    return _own(playwright)


def _packaged() -> str | None:
    if os.geteuid() == 0 and shutil.which("apt-get"):
        _try("apt-get", "update", "-qq")
        _try("apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium")
    return next(filter(None, map(shutil.which, NAMES)), None)


def _try(*command: str):
    quiet = {"stdin": subprocess.DEVNULL, "capture_output": True, "check": False, "timeout": 300}
    try:
        subprocess.run(command, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, **quiet)
    except (OSError, subprocess.TimeoutExpired):
        return
