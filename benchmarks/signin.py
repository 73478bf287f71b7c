"""What a whole sign-in costs: page, password, code page, code, home.

    python -m benchmarks.signin [--members 400] [--workers 1] [--threads 16] [--env NAME=VALUE]...

The web server runs twice, once with only the call of the hash left out. CPU is that of its processes,
user and system; clients, worker and database are counted apart. Only ratios and counts are comparable
from one machine to another.
"""

import asyncio
import gzip
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks import hashes, stage
from benchmarks.browser import Browser, Texts, Visit
from benchmarks.measure import cpu_seconds, memory_mib

STEPS = ("page", "password", "code_page", "code", "home")
PAGES = ("/connexion/", "/espace/", "/espace/donnees/", "/incidents/", "/incidents/{}/")
CLIENTS = 4
WARM_UP = 30
CONTROL = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "ROLLBACK", "SELECT 1")


@dataclass
class Meter:
    """CPU between two readings, by program."""

    stage: stage.Stage

    def __post_init__(self):
        self.start()

    def start(self) -> None:
        self.began = self._read()
        self.at = time.perf_counter()

    def _read(self) -> dict[str, float]:
        return {
            "web": cpu_seconds(self.stage.portal.process.pid),
            "worker": cpu_seconds(self.stage.worker.pid),
            "clients": time.process_time(),
        }

    def milliseconds(self) -> dict[str, float]:
        return {name: (now - self.began[name]) * 1000 for name, now in self._read().items()}

    def seconds(self) -> float:
        return time.perf_counter() - self.at


async def each(items: list, act: Callable) -> None:
    """Acts on every item, CLIENTS at a time."""
    waiting = iter(items)

    async def client():
        for item in waiting:
            await act(item)

    async with asyncio.TaskGroup() as group:
        for _client in range(CLIENTS):
            group.create_task(client())


def visits(people: list, on: stage.Stage, texts: Texts) -> list[Visit]:
    return [Visit(who, Browser(on.portal.port, who.address), texts) for who in people]


async def sign_in(visit: Visit) -> None:
    for step in STEPS:
        await getattr(visit, step)()


async def count_statements(on: stage.Stage, visit: Visit) -> None:
    statements = stage.Statements(on.portal)
    await asyncio.gather(*(Browser(visit.browser.port).get("/sante/pret/") for _n in range(50)))
    total = 0
    print(
        "\nStatements, as PostgreSQL logs them (checks of the connection, BEGIN and COMMIT apart)"
    )
    for step in STEPS:
        position = statements.position()
        page = await getattr(visit, step)()
        asked = statements.since(position)
        control = [one for one in asked if one.startswith(CONTROL)]
        total += len(asked) - len(control)
        print(f"  {step:10} {len(asked) - len(control):3}   + {len(control)}   {_size(page)}")
    print(f"  {'in all':10} {total:3}")
    print("\nPages, warm")
    incident = on.portal.sql("SELECT reference FROM incidents_incident")[0][0]
    for path in [page.format(incident) for page in PAGES]:
        browser = Browser(visit.browser.port) if path == PAGES[0] else visit.browser
        await browser.get(path)
        position = statements.position()
        page = await browser.get(path)
        asked = [one for one in statements.since(position) if one != "SELECT 1"]
        print(f"  {path:32} {len(asked):2} statements   {_size(page)}")


def _size(page) -> str:
    if not page.body:
        return f"{page.status}"
    sent, zipped = len(page.body) / 1000, len(gzip.compress(page.body, 6)) / 1000
    if page.headers.get("content-encoding") == "gzip":
        return f"{page.status}  {sent:.1f} kB on the wire"
    return f"{page.status}  {sent:.1f} kB on the wire ({zipped:.1f} kB if a proxy zips it)"


async def besides_the_hash(on: stage.Stage, people: list) -> float:
    """Prints the CPU of each step; ms of web CPU for a sign-in without its hash."""
    texts = Texts(on.texts)
    await each(visits(people[:WARM_UP], on, texts), sign_in)
    measured = visits(people[WARM_UP:], on, texts)
    meter, total = Meter(on), 0.0
    print("\nWeb CPU besides the hash, ms")
    for step in STEPS:
        meter.start()
        await each(measured, lambda visit, step=step: getattr(visit, step)())
        spent = meter.milliseconds()["web"] / len(measured)
        total += spent
        print(f"  {step:10} {spent:6.2f}")
    print(f"  {'in all':10} {total:6.2f}")
    for visit in measured:
        await visit.browser.close()
    return total


async def whole(on: stage.Stage, people: list) -> dict[str, float]:
    """Signs everybody in with the hash; CPU by program and sign-in, and sign-ins per second."""
    texts = Texts(on.texts)
    await each(visits(people[:WARM_UP], on, texts), sign_in)
    meter = Meter(on)
    await each(visits(people[WARM_UP:], on, texts), sign_in)
    count = len(people) - WARM_UP
    spent = {name: value / count for name, value in meter.milliseconds().items()}
    return {**spent, "rate": count / meter.seconds()}


def main() -> None:
    parser = stage.options(__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=400)
    chosen = parser.parse_args()
    chosen.members += WARM_UP
    with stage.services():
        from benchmarks.people import invent

        free = {"DJANGO_SETTINGS_MODULE": "benchmarks.settings_without_hash"}
        with stage.portal("bench_free", chosen, 1, **free) as on:
            with on.portal.orm():
                people = invent(chosen.members)
            without = asyncio.run(besides_the_hash(on, people))
        with stage.portal("bench_whole", chosen, 2) as on:
            with on.portal.orm():
                people = invent(chosen.members + 1)
            resting = memory_mib(on.portal.process.pid)
            spent = asyncio.run(whole(on, people[1:]))
            after = memory_mib(on.portal.process.pid)
            asyncio.run(
                count_statements(on, visits(people[:1], on, Texts(on.texts))[0]),
            )
            hash_in_place = spent["web"] - without
            memory, passes, lanes = _parameters(on.portal.env)
            one_hash, _faults = hashes.measure(
                memory, passes, lanes, on.portal.env.get("GLIBC_TUNABLES", "")
            )
    print(
        f"\nOne hash alone (m={memory / 1024:g} MiB t={passes} p={lanes}): {one_hash:.1f} ms of CPU"
    )
    print(f"Web CPU of a whole sign-in: {spent['web']:.1f} ms", end=", ")
    print(
        f"{spent['web'] / one_hash:.2f} × one hash; the hash in its place: {hash_in_place:.1f} ms"
    )
    print(f"Worker: {spent['worker']:.1f} ms a text; our clients: {spent['clients']:.1f} ms")
    print(f"Sign-ins per second, {CLIENTS} clients, {os.cpu_count()} cores: {spent['rate']:.1f}")
    print(f"Web memory (PSS): {resting:.0f} MiB at rest, {after:.0f} MiB after {chosen.members}")


def _parameters(env: dict[str, str]) -> tuple[int, int, int]:
    from django.conf import settings

    return tuple(
        int(env.get(name, getattr(settings, name)))
        for name in ("ARGON2_MEMORY_KIB", "ARGON2_TIME", "ARGON2_PARALLELISM")
    )


if __name__ == "__main__":
    main()
