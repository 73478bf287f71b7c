"""The stages of a drill, in their order. A new one is a function under `@stage("its name")`."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from incidents import audience, counting, notices, reach, reach_letters
from incidents.dossiers import bundle, bundle_check, ground
from incidents.dossiers.shelf import KINDS
from incidents.models import Incident, NoticeVersion
from members.models import AyantDroit, Job, Member, User
from members.models.job import JobState
from members.sms import memory
from portal.demo import incident as february
from portal.demo import people as cast
from portal.drill import people


class Failed(Exception):
    """A stage did not do what it is there to show."""


@dataclass
class Drill:
    """What the stages hand on to each other."""

    members: int
    author: User | None = None
    approver: User | None = None
    version: NoticeVersion | None = None

    @property
    def incident(self) -> Incident:
        return self.version.incident


@dataclass(frozen=True)
class Timed:
    """What a stage took, in seconds, and what it did, in words."""

    name: str
    seconds: float
    said: str


STAGES: list[tuple[str, Callable[[Drill], str]]] = []


def stage(name: str):
    """Adds a function to the drill: it does its part, and says what it did. Raises Failed."""

    def register(run):
        STAGES.append((name, run))
        return run

    return register


def play(drill: Drill) -> Iterator[Timed]:
    for name, run in STAGES:
        began = time.perf_counter()
        said = run(drill)
        yield Timed(name, time.perf_counter() - began, said)


@stage("migrations")
def migrate(drill: Drill) -> str:
    call_command("migrate", verbosity=0)
    return "an empty database"


@stage("import")
def invent(drill: Drill) -> str:
    cast.load(known_secrets=True)
    drill.author = User.objects.get(identifiant="auteur")
    drill.approver = User.objects.get(identifiant="approbateur")
    people.invent(drill.members)
    return f"{Member.objects.count()} members, {AyantDroit.objects.count()} ayants droit"


@stage("facts")
def record(drill: Drill) -> str:
    drill.version = february.record(drill.author)
    return f"{drill.incident.reference}, submitted"


@stage("audience")
def count(drill: Drill) -> str:
    """On what is typed, as its approver wants to know it before he publishes."""
    job = counting.ask(drill.incident, by=drill.author)
    counted = counting.kept(drill.incident, None)
    if counted is None:
        job.refresh_from_db()
        raise Failed(f"Nothing was counted: {job.get_state_display()}. {job.problem}")
    totals = counted.figures["totals"]
    persons = sum(totals[kind] for kind in audience.CAPACITIES)
    return f"{persons} persons concerned" + (f", in {job_parts(job)} parts" if job else "")


def job_parts(job) -> int:
    job.refresh_from_db()
    return job.total


@stage("publication")
def publish(drill: Drill) -> str:
    notices.publish(drill.version, by=drill.approver)
    return f"version {drill.version.number}, in force"


@stage("sign-in")
def sign_in(drill: Drill) -> str:
    """One member: password, text, code, and the incident before anything else."""
    browser = Client(SERVER_NAME="localhost")
    typed = {"identifiant": people.identifiant(0), "password": cast.PASSWORD}
    _expect(browser.get(reverse("signin")), 200)
    _expect(browser.post(reverse("signin"), typed), 302)
    code = re.match(r"(\d{6})\b", memory.outbox[-1].body)[1]
    landed = browser.post(reverse("signin_code"), {"code": code})
    _expect(landed, 302)
    asked = reverse("incident", args=[drill.incident.reference])
    if landed.url != asked:
        raise Failed(f"The member landed on {landed.url}, not on the incident.")
    began = time.perf_counter()
    page = browser.get(asked)
    took = time.perf_counter() - began
    _expect(page, 200)
    return f"the incident's page took {took * 1000:.0f} ms, {len(page.content) // 1024} kB"


@stage("ledger")
def fill(drill: Drill) -> str:
    census = reach.fill(drill.incident)
    return f"{census.figures['concerned']} to inform, {census.figures['to_inform']} left"


@stage("letters")
def print_letters(drill: Drill) -> str:
    """To those who would not come: former members, adult ayants droit, members without an account."""
    job = reach_letters.start(drill.incident, unread_days=14, again=False, by=drill.author)
    return f"{_done(job)} of {job.total} letters"


@stage("dossiers")
def make_dossiers(drill: Drill) -> str:
    """Each on paper, then the bundle of evidence, made and checked."""
    counting.ask(drill.incident, by=drill.author)
    known = ground.of(drill.incident)
    offered = [kind for kind in KINDS.values() if not kind.refusal(known)]
    pages = sum(len(kind.build(known).pdf()) for kind in offered)
    job = bundle.ask(drill.incident, by=drill.author)
    _done(job)
    checked = bundle_check.check(Path(job.files.get().file.path))
    if checked.breach:
        raise Failed(f"The bundle does not verify: {checked.breach}")
    return (
        f"{len(offered)} dossiers, {pages // 1024} kB; "
        f"a bundle of {checked.files} files, {checked.events} events"
    )


def _done(job: Job) -> int:
    """How much a job did. Raises Failed when it did not end well."""
    job.refresh_from_db()
    if job.state != JobState.DONE:
        raise Failed(f"{job.kind}: {job.get_state_display()}. {job.problem}")
    return job.done


def _expect(response, status: int) -> None:
    if response.status_code != status:
        path = response.request["PATH_INFO"]
        raise Failed(f"{path} answered {response.status_code}, not {status}.")
