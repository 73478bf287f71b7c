"""What an employer is told of an incident: how many people of each contract, and never who.

Groups of fewer than ten are not told, and a total that would give one away by subtraction is not either.
(docs/decisions/0034-reach-ledger.md)
"""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from django.db.models import Case, Count, F, QuerySet, When
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
from members.models import Contract, Employer, Job
from members.spreadsheets import cell

KIND = "incidents.employers"
SMALLEST = 10
ROOTS = (MEMBERS, AYANTS_DROIT)


@dataclass(frozen=True)
class ContractCount:
    """`members` and `ayants_droit`: how many persons, None for fewer than ten, none included."""

    number: str
    members: int | None
    ayants_droit: int | None


@dataclass(frozen=True)
class EmployerCount:
    """`members` and `ayants_droit` in all: None when a contract's figure is withheld, or too small."""

    employer: Employer
    contracts: list[ContractCount] = field(default_factory=list)
    members: int | None = None
    ayants_droit: int | None = None


def count(facts: Facts) -> list[EmployerCount]:
    """Every employer who has a contract in the scope, with all of his contracts there: that a contract
    has nobody concerned is not told either. Six statements, whatever the number of people."""
    contracts = _in_scope(facts).select_related("employer").order_by("employer__name", "number")
    by_contract = [_count(root, facts, "contract") for root in ROOTS]
    by_employer = [_count(root, facts, "contract__employer") for root in ROOTS]
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
    """A total beside parts of which one is withheld would give it away."""
    return None if None in parts else _shown(number)


def _in_scope(facts: Facts) -> QuerySet:
    contracts = Contract.objects.filter(
        employer__isnull=False,
        delegations__operator__in=[target.operator_id for target in facts.targets],
    ).distinct()
    if facts.included:
        contracts = contracts.filter(pk__in=[contract.id for contract in facts.included])
    return contracts.exclude(pk__in=[contract.id for contract in facts.excluded])


def _count(root: Root, facts: Facts, path: str) -> Counter:
    """Persons by contract, or by employer: a NIR, or a row where the NIR is unknown, counts once."""
    groups = (
        judged(root, facts)
        .annotate(group=F(f"{root.adhesions}__{path}"))
        .filter(reason__in=CONCERNED)
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
    """One table for us, and one letter for each employer."""
    incident = Incident.objects.get(pk=job.parameters["incident"])
    version = notices.latest(incident)
    if version is None:
        raise jobs.Failed(_("Aucune version n'est publiée."))
    facts = notices.facts_of(version)
    counted = count(facts)
    blocks = renderings.render(version, Audience.EMPLOYER)
    letters = [letter(one, version, blocks) for one in counted]
    yield jobs.Step(len(letters), len(letters))
    jobs.keep(job, "employeurs.csv", CSV, [table(counted).encode()])
    if letters:
        jobs.keep(job, "employeurs.pdf", PDF, [letter_pages.render_long(letters)[0]])
    audit.record(
        "incident.employers_notices_made",
        actor=job.by,
        incident=incident.reference,
        version=version.number,
        count=len(counted),
    )
    return {_("Employeurs"): len(counted)}


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
