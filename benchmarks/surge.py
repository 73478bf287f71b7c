"""What happens when twice as many people come as the processors can hash passwords for.

    python -m benchmarks.surge [--seconds 40] [--times 2] [--workers 1] [--threads 16]

Open loop: members arrive at their own pace, whatever the server does, and sign in. Who is told to come
back comes back when told. Meanwhile a few signed-in members load their home page again and again. The
same load then meets a gate opened wide: everybody is let in, and waits.
"""

import asyncio
import random
import time
from collections.abc import Awaitable
from dataclasses import dataclass, field

from benchmarks import signin, stage
from benchmarks.browser import Browser, Texts, Unexpected, Visit
from benchmarks.measure import memory_mib, percentile

OPEN_WIDE = {"LIMIT_GATE_QUEUE": "1000000", "LIMIT_GATE_WAIT_MS": "1000000"}
SIGNED_IN, HOME_EVERY = 5, 0.5
CAPACITY_FROM = 60  # sign-ins


@dataclass
class Surge:
    """One run, and what was seen in it."""

    on: stage.Stage
    let_in: list[float] = field(default_factory=list)  # seconds from arrival to home
    busy: list[float] = field(default_factory=list)  # seconds to be told
    homes: list[float] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    memory: float = 0
    arrived: int = 0
    over: bool = False

    async def run(self, members: list, signed_in: list, rate: float, seconds: float) -> None:
        """Members arrive for `seconds`; those still outside get as long again."""
        texts = Texts(self.on.texts)
        visits = signin.visits(signed_in, self.on, texts)
        await signin.each(visits, signin.sign_in)
        pace = random.Random(1)
        async with asyncio.TaskGroup() as group:
            watchers = [group.create_task(self._watch_memory())]
            watchers += [group.create_task(self._stay(visit.browser)) for visit in visits]
            end = time.perf_counter() + seconds
            arrivals = []
            for visit in signin.visits(members, self.on, texts):
                if time.perf_counter() > end:
                    break
                self.arrived += 1
                arrivals.append(group.create_task(self._noted(self._arrive(visit))))
                await asyncio.sleep(pace.expovariate(rate))
            self.in_at_once = len(self.let_in)
            await asyncio.wait(arrivals, timeout=seconds)
            for task in (*arrivals, *watchers):
                task.cancel()

    async def _arrive(self, visit: Visit) -> None:
        began = time.perf_counter()
        try:
            while True:
                await visit.page()
                page = await visit.password()
                if page.status != 503:
                    break
                self.busy.append(page.seconds)
                await asyncio.sleep(int(page.headers["retry-after"]))
            await visit.code_page()
            await visit.code()
            await visit.home()
        finally:
            await visit.browser.close()
        self.let_in.append(time.perf_counter() - began)

    async def _stay(self, browser: Browser) -> None:
        while True:
            await self._noted(self._home(browser))
            await asyncio.sleep(HOME_EVERY)

    async def _home(self, browser: Browser) -> None:
        self.homes.append((await browser.get("/espace/")).seconds)

    async def _noted(self, act: Awaitable) -> None:
        try:
            await act
        except (OSError, EOFError, TimeoutError, Unexpected) as error:
            self.unanswered.append(f"{type(error).__name__} {str(error)[:200]}")

    async def _watch_memory(self) -> None:
        while True:
            self.memory = max(self.memory, memory_mib(self.on.portal.process.pid))
            await asyncio.sleep(1)

    def tell(self) -> None:
        count = max(self.arrived, 1)
        print(f"  {self.arrived} members came")
        print(f"  in while others came: {self.in_at_once / count:.0%}", end=", ")
        print(f"in the end: {len(self.let_in) / count:.0%}", end=", ")
        print(f"after p50 {percentile(self.let_in, 0.5):.1f} s")
        print(f"  « occupé »: {len(self.busy)} times", end=", ")
        print(f"told within p50 {percentile(self.busy, 0.5):.2f} s", end=", ")
        print(f"p95 {percentile(self.busy, 0.95):.2f} s, max {max(self.busy, default=0):.2f} s")
        print(f"  unanswered: {len(self.unanswered)} {sorted(set(self.unanswered))[:3]}")
        print(f"  home of {SIGNED_IN} signed-in members: {len(self.homes)} times", end=", ")
        print(f"p50 {percentile(self.homes, 0.5):.3f} s, p95 {percentile(self.homes, 0.95):.3f} s")
        print(f"  web memory (PSS), highest: {self.memory:.0f} MiB")


def main() -> None:
    parser = stage.options(__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=40)
    parser.add_argument("--times", type=float, default=2, help="of the measured capacity")
    parser.add_argument("--gate-only", action="store_true", help="leave out the gate opened wide")
    chosen = parser.parse_args()
    with stage.services():
        from benchmarks.people import invent

        rate = 0.0
        runs = [("With the gate", {})]
        if not chosen.gate_only:
            runs.append(("With the gate opened wide", OPEN_WIDE))
        for number, (title, env) in enumerate(runs, start=1):
            with stage.portal(f"bench_surge_{number}", chosen, number, **env) as on:
                with on.portal.orm():
                    first = invent(signin.WARM_UP + CAPACITY_FROM + SIGNED_IN)
                if not rate:
                    spent = asyncio.run(signin.whole(on, first[SIGNED_IN:]))
                    rate = chosen.times * spent["rate"]
                    print(f"Capacity: {spent['rate']:.1f} sign-ins per second", end=", ")
                    print(f"{rate:.1f} members come per second for {chosen.seconds:g} s")
                with on.portal.orm():
                    crowd = invent(int(rate * chosen.seconds * 1.3) + 10, after=len(first))
                surge = Surge(on)
                asyncio.run(surge.run(crowd, first[:SIGNED_IN], rate, chosen.seconds))
            print(f"\n{title}")
            surge.tell()


if __name__ == "__main__":
    main()
