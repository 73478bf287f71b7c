"""What an employer is told of an incident: how many people of each contract, and never who.

Groups of fewer than ten are not told, and a total that would give one away by subtraction is not either.
(docs/decisions/0034-reach-ledger.md)
"""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from django.db.models import Case, Count, Exists, F, OuterRef, Q, QuerySet, When
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents import notices, renderings
from incidents.exposure import AYANTS_DROIT, MEMBERS, Root, judged
from incidents.facts import Facts
from incidents.models import Incident, NoticeVersion
from incidents.models.wording import Audience
from incidents.reach_letters import CSV, PDF, in_print
from incidents.reasons import CONCERNED
from members import audit, jobs, letter_pages
from members.models import Contract, Delegation, Employer, Job
from members.spreadsheets import cell

KIND = "incidents.employers"
SMALLEST = 10
PER_FILE = 200  # employers: a step of the work
ROOTS = (MEMBERS, AYANTS_DROIT)


@dataclass(frozen=True)
class ContractCount:
    """`members` and `ayants_droit`: how many persons, None for fewer than ten, none included."""

    number: str
    members: int | None
    ayants_droit: int | None


@dataclass(frozen=True)
class EmployerCount:
    """`members` and `ayants_droit` in all: None where a small group could be subtracted. (`_total`)"""

    employer: Employer
    contracts: list[ContractCount] = field(default_factory=list)
    members: int | None = None
    ayants_droit: int | None = None


def count(facts: Facts, employers: Iterable[int] | None = None) -> list[EmployerCount]:
    """Every employer who has a contract in the scope, with all of his contracts there: that a contract
    has nobody concerned is not told either. `employers`: the ids of those to count, else all of them.
    Five statements, whatever the number of people."""
    contracts = _in_scope(facts).select_related("employer").order_by("employer__name", "number")
    if employers is not None:
        contracts = contracts.filter(employer__in=employers)
    by_contract = [_count(root, facts, "contract", employers) for root in ROOTS]
    by_employer = [_count(root, facts, "contract__employer", employers) for root in ROOTS]
    found: dict[int, tuple[Employer, list[ContractCount]]] = {}
    for contract in contracts:
        figures = [_shown(counted[contract.pk]) for counted in by_contract]
        _employer, own = found.setdefault(contract.employer_id, (contract.employer, []))
        own.append(ContractCount(contract.number, *figures))
    return [
        EmployerCount(
            employer,
            own,
            *(
                _total(by_employer[place][employer.pk], [getattr(one, name) for one in own])
                for place, name in enumerate(("members", "ayants_droit"))
            ),
        )
        for employer, own in found.values()
    ]


def _shown(number: int) -> int | None:
    return number if number >= SMALLEST else None


def _total(number: int, parts: list[int | None]) -> int | None:
    """A total beside parts of which one is withheld would give it away. What is missing to the sum of the
    parts is the people of several contracts: fewer than ten of them, or none, would be given away too."""
    if None in parts:
        return None
    overlap = sum(parts) - number
    return number if len(parts) == 1 or overlap >= SMALLEST else None


def _in_scope(facts: Facts) -> QuerySet:
    """The contracts that an attacked operator served in a domain and in a scope that are concerned."""
    served = Delegation.objects.filter(
        contract=OuterRef("pk"), operator__in=[target.operator_id for target in facts.targets]
    ).exclude(domain__in=[domain.id for domain in facts.excluded_domains])
    if facts.included_domains:
        among = Q(domain__in=[domain.id for domain in facts.included_domains])
        served = served.filter(among | Q(domain__isnull=True))
    contracts = Contract.objects.filter(Exists(served), employer__isnull=False)
    if facts.included:
        contracts = contracts.filter(pk__in=[contract.id for contract in facts.included])
    return contracts.exclude(pk__in=[contract.id for contract in facts.excluded])


def _count(root: Root, facts: Facts, path: str, employers: Iterable[int] | None) -> Counter:
    """Persons by contract, or by employer: a NIR, or a row where the NIR is unknown, counts once."""
    rows = judged(root, facts).annotate(
        group=F(f"{root.adhesions}__{path}"), employed_by=F(f"{root.adhesions}__contract__employer")
    )
    if employers is not None:
        rows = rows.filter(employed_by__in=employers)
    groups = (
        rows.filter(reason__in=CONCERNED)
        .values("group")
        .annotate(
            persons=Count("nir_digest", distinct=True)
            + Count(Case(When(nir_digest__isnull=True, then=F("pk"))), distinct=True)
        )
        .values_list("group", "persons")
        .order_by()
    )
    return Counter(dict(groups))


# -------------------------------------------------------------------------------------- the notices


def start(incident: Incident, *, by, request=None) -> Job:
    return jobs.start(KIND, by=by, request=request, key=incident.reference, incident=incident.pk)


@jobs.work(
    KIND,
    title=gettext_lazy("Avis aux employeurs"),
    permission="incidents.tell_employers",
)
def work(job) -> Iterator[jobs.Step]:
    """Files of some employers each: a table for us, and one letter for each of them."""
    incident = Incident.objects.get(pk=job.parameters["incident"])
    version = notices.latest(incident)
    if version is None:
        raise jobs.Failed(_("Aucune version n'est publiée."))
    cursor = job.cursor or {"version": version.pk, "file": 1, "after": 0, "done": 0}
    if cursor["version"] != version.pk:
        raise jobs.Failed(_("Une autre version a été publiée. Relancez les avis."))
    facts = notices.facts_of(version)
    blocks = renderings.render(version, Audience.EMPLOYER)
    whose = Employer.objects.filter(Exists(_in_scope(facts).filter(employer=OuterRef("pk"))))
    ids, total = whose.order_by("pk").values_list("pk", flat=True), whose.count()
    while some := list(ids.filter(pk__gt=cursor["after"])[:PER_FILE]):
        counted = count(facts, some)
        name = f"employeurs-{cursor['file']:03}"
        letters = [letter(one, version, blocks) for one in counted]
        jobs.keep(job, f"{name}.csv", CSV, [table(counted).encode()])
        jobs.keep(job, f"{name}.pdf", PDF, [letter_pages.render_long(letters)[0]])
        cursor = cursor | {
            "file": cursor["file"] + 1,
            "after": some[-1],
            "done": cursor["done"] + len(some),
        }
        yield jobs.Step(cursor["done"], max(total, cursor["done"]), cursor)
    audit.record(
        "incident.employers_notices_made",
        actor=job.by,
        incident=incident.reference,
        version=version.number,
        count=cursor["done"],
    )
    return {_("Employeurs"): cursor["done"]}


def told(number: int | None) -> str:
    return _("moins de %(least)d") % {"least": SMALLEST} if number is None else str(number)


def told_total(number: int | None) -> str:
    return _("non communiqué") if number is None else str(number)


def table(counted: list[EmployerCount]) -> str:
    out = io.StringIO()
    out.write("\ufeff")
    rows = csv.writer(out, delimiter=";")
    rows.writerow([_("SIREN"), _("employeur"), _("contrat"), _("adhérents"), _("ayants droit")])
    for one in counted:
        whose = [cell(one.employer.siren), cell(one.employer.name)]
        for contract in one.contracts:
            figures = [told(contract.members), told(contract.ayants_droit)]
            rows.writerow([*whose, cell(contract.number), *figures])
        figures = [told_total(one.members), told_total(one.ayants_droit)]
        rows.writerow([*whose, _("ensemble"), *figures])
    return out.getvalue()


def letter(
    counted: EmployerCount, version: NoticeVersion, blocks: list[renderings.Block]
) -> letter_pages.LongLetter:
    return letter_pages.LongLetter(
        civility="",
        name=counted.employer.name,
        address="",
        town="",
        reference="",
        made_on=timezone.localdate(),
        subject=version.headline,
        blocks=tuple(_blocks(counted, version, blocks)),
    )


def _blocks(
    counted: EmployerCount, version: NoticeVersion, blocks: list[renderings.Block]
) -> Iterator[tuple[str, str]]:
    yield "text", version.public_summary
    yield "title", _("Personnes concernées, par contrat")
    for contract in counted.contracts:
        yield (
            "item",
            _("%(contract)s : adhérents, %(members)s ; ayants droit, %(others)s.")
            % {
                "contract": contract.number,
                "members": told(contract.members),
                "others": told(contract.ayants_droit),
            },
        )
    yield (
        "item",
        _("Ensemble : adhérents, %(members)s ; ayants droit, %(others)s.")
        % {
            "members": told_total(counted.members),
            "others": told_total(counted.ayants_droit),
        },
    )
    yield "text", _("Nous ne disons ni les noms, ni les groupes de moins de dix personnes.")
    yield from in_print(blocks)
    yield "text", _("Chaque personne concernée est informée directement par la mutuelle.")
