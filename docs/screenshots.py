"""Takes the pictures of docs/images again: `.venv/bin/python docs/screenshots.py`.

Starts the portal as `make run` does, on a database of its own, and lets the cast sign in. Needs what
`make test` installs.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.services import chromium  # noqa: E402
from tests.services.processes import Process, free_port, listens  # noqa: E402

IMAGES = ROOT / "docs" / "images"
PASSWORD = "trois-galets-gris"
NOTICE = "/information/2024-02-tiers-payant/"
DESKTOP = {"viewport": {"width": 1280, "height": 1000}}
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2}


@contextmanager
def portal(folder: Path) -> Iterator[str]:
    """The address of a demonstration that lasts as long as the pictures."""
    port = free_port()
    url = f"http://localhost:{port}"
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env = {
        **kept,
        "DEBUG": "1",
        "PUBLIC_URL": url,
        "DATABASE_URL": f"sqlite:///{folder / 'portal.sqlite3'}",
    }
    for command in ("migrate", "demo"):
        subprocess.run(
            [sys.executable, "manage.py", command],
            cwd=ROOT,
            env=env,
            check=True,
            capture_output=True,
        )
    web = Process(
        [
            *(sys.executable, "-m", "granian", "--interface", "wsgi", "--working-dir", ROOT),
            *("--host", "127.0.0.1", "--port", port, "--no-ws", "portal.wsgi:application"),
        ],
        log=folder / "web.log",
        env=env,
    )
    web.start(lambda: listens(port))
    try:
        yield url
    finally:
        web.stop()


class Visitor:
    """A browser of its own in front of the portal."""

    def __init__(self, browser: Browser, url: str, **options):
        context = browser.new_context(locale="fr-FR", timezone_id="Europe/Paris", **options)
        self.page: Page = context.new_page()
        self.url = url

    def goes(self, path: str) -> None:
        self.page.goto(self.url + path)

    def types_password(self, identifiant: str) -> None:
        self.goes("/connexion/")
        self.page.get_by_label("Identifiant").fill(identifiant)
        self.page.get_by_label("Mot de passe").fill(PASSWORD)
        self.page.get_by_role("button", name="Continuer").click()
        self.page.wait_for_url("**/connexion/code/")

    def types_code(self, identifiant: str) -> None:
        self.page.get_by_label(re.compile("^Code")).fill(self.reads_code(identifiant))
        self.page.get_by_role("button", name="Valider").click()
        self.page.wait_for_url(lambda url: "/connexion/" not in url)

    def reads_code(self, identifiant: str) -> str:
        """What the demo phone shows last for this person."""
        phone = self.page.context.new_page()
        phone.goto(f"{self.url}/demo/telephone/")
        text = phone.locator("main").inner_text()
        phone.close()
        _before, _found, after = text.partition(identifiant)
        return "".join(re.search(r"\b(\d{3})\s?(\d{3})\b", after).groups())

    def takes(self, name: str) -> None:
        self.page.evaluate("document.activeElement?.blur()")
        self.page.screenshot(path=IMAGES / f"{name}.png", animations="disabled")


def take_all(browser: Browser, url: str) -> None:
    anyone = Visitor(browser, url, **DESKTOP)
    anyone.goes("/connexion/")
    anyone.takes("connexion")
    anyone.goes(NOTICE)
    anyone.takes("information-publique")

    antoine = Visitor(browser, url, **DESKTOP)
    antoine.types_password("antoine.kervella")
    antoine.takes("code")
    antoine.types_code("antoine.kervella")
    antoine.takes("incident")
    antoine.page.get_by_role("button", name=re.compile("pris connaissance")).click()
    antoine.page.wait_for_url("**/espace/")
    antoine.takes("espace")
    antoine.goes("/espace/donnees/")
    antoine.takes("donnees")

    gwenaelle = Visitor(browser, url, **PHONE)
    gwenaelle.types_password("gwenaelle.garnier")
    gwenaelle.takes("code-telephone")
    gwenaelle.types_code("gwenaelle.garnier")
    gwenaelle.takes("incident-telephone")

    support = Visitor(browser, url, **DESKTOP)
    support.types_password("support")
    support.types_code("support")
    support.goes("/admin/members/member/?q=10000001")
    support.page.get_by_role("link", name="10000001").click()
    support.page.wait_for_url("**/change/**")
    support.takes("equipe-adherent")


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        with portal(folder) as url:
            path = chromium.executable(playwright, folder)
            browser = playwright.chromium.launch(executable_path=path, args=chromium.ARGUMENTS)
            take_all(browser, url)
            browser.close()


if __name__ == "__main__":
    main()
