"""The facts of an incident, detached from the database: live ones, or those frozen by a publication.

Exposure, pages and completeness read `Facts` and nothing else, so what was published can be computed
again years later, whatever the rows have become.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import Any

from django.utils.translation import gettext as _

from incidents.models import (
    Claim,
    ContractScope,
    DomainScope,
    Incident,
    ServiceStatus,
    Step,
    Target,
)
from incidents.models.claim import ClaimState
from incidents.models.incident import ScopeRule
from members.days import day
from members.models.category import DataCategory, mask_of

# How far from the day when it was known an attack may have begun, or ended, while nobody says.
PLAUSIBLE = timedelta(days=365)  # docs/decisions/0019-unknown-days.md


@dataclass(frozen=True, slots=True)
class ClaimFacts:
    category: str
    state: str
    source: str
    stated_on: date


@dataclass(frozen=True, slots=True)
class TargetFacts:
    operator_id: int
    operator: str
    operator_name: str
    window_from: date | None
    window_until: date | None
    window_source: str
    detected_on: date
    what_happened: str
    claims: tuple[ClaimFacts, ...] = ()

    @property
    def window_is_known(self) -> bool:
        return self.window_from is not None and self.window_until is not None

    @property
    def first_day(self) -> date:
        """The first day of the attack, or the earliest plausible one."""
        return self.window_from or self.detected_on - PLAUSIBLE

    @property
    def last_day(self) -> date:
        """The last day of the attack, or the latest plausible one."""
        begun = self.window_from or self.detected_on
        return self.window_until or max(begun, self.detected_on) + PLAUSIBLE

    @property
    def window_text(self) -> str:
        first, last = self.window_from, self.window_until
        if not first:
            return _("dates inconnues, incident connu le %(day)s") % {"day": day(self.detected_on)}
        if not last:
            return _("depuis le %(first)s, fin inconnue") % {"first": day(first)}
        if first == last:
            return _("le %(day)s") % {"day": day(first)}
        return _("du %(first)s au %(last)s") % {"first": day(first), "last": day(last)}

    def categories(self, state: str) -> frozenset[str]:
        """The categories in one state. « Non mentionnée » holds those that nobody spoke of, too."""
        said = {claim.category for claim in self.claims}
        found = {claim.category for claim in self.claims if claim.state == state}
        silent = set(DataCategory.values) - said if state == ClaimState.NOT_STATED else set()
        return frozenset(found | silent)

    @property
    def exposed_mask(self) -> int:
        return mask_of(self.categories(ClaimState.EXPOSED))


@dataclass(frozen=True, slots=True)
class StepFacts:
    kind: str
    actor: str
    done_on: date | None
    text: str
    operator: str = ""


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    label: str
    domain: str
    state: str
    note: str


@dataclass(frozen=True, slots=True)
class ContractFacts:
    id: int
    number: str


@dataclass(frozen=True, slots=True)
class DomainFacts:
    id: int
    label: str


@dataclass(frozen=True, slots=True)
class ContactFacts:
    dpo_name: str
    dpo_email: str
    dpo_address: str
    public_phone: str


@dataclass(frozen=True, slots=True)
class Facts:
    reference: str
    title: str
    detected_on: date
    contacts: ContactFacts
    targets: tuple[TargetFacts, ...] = ()
    steps: tuple[StepFacts, ...] = ()
    services: tuple[ServiceFacts, ...] = ()
    included: tuple[ContractFacts, ...] = ()
    excluded: tuple[ContractFacts, ...] = ()
    included_domains: tuple[DomainFacts, ...] = ()
    excluded_domains: tuple[DomainFacts, ...] = ()

    def snapshot(self) -> dict[str, Any]:
        """The same facts as JSON values; `from_snapshot` reads them back."""
        return _with_iso_dates(asdict(self))


def of(incident: Incident) -> Facts:
    """The facts as the rows of `incident` say them now, in seven statements."""
    return of_rows(
        incident,
        targets=list(incident.targets.select_related("operator")),
        claims=Claim.objects.live()
        .filter(target__incident=incident)
        .order_by("target", "category"),
        steps=incident.steps.all(),
        services=incident.services.select_related("domain"),
        contracts=list(incident.scope.select_related("contract")),
        domains=list(incident.domain_scope.select_related("domain")),
    )


def of_rows(
    incident: Incident,
    *,
    targets: list[Target],
    claims: Iterable[Claim],
    steps: Iterable[Step],
    services: Iterable[ServiceStatus],
    contracts: Iterable[ContractScope],
    domains: Iterable[DomainScope],
) -> Facts:
    """The same from rows that were read already, for many incidents at once; claims come by target."""
    claims_by_target = {
        target: tuple(
            ClaimFacts(claim.category, claim.state, claim.source, claim.stated_on)
            for claim in of_target
        )
        for target, of_target in groupby(claims, key=lambda claim: claim.target_id)
    }
    operators = {target.pk: target.operator.code for target in targets}
    return Facts(
        reference=incident.reference,
        title=incident.title,
        detected_on=incident.detected_on,
        contacts=ContactFacts(
            incident.dpo_name, incident.dpo_email, incident.dpo_address, incident.public_phone
        ),
        targets=tuple(
            TargetFacts(
                operator_id=target.operator_id,
                operator=target.operator.code,
                operator_name=target.operator.name,
                window_from=target.window_from,
                window_until=target.window_until,
                window_source=target.window_source,
                detected_on=target.detected_on,
                what_happened=target.what_happened,
                claims=claims_by_target.get(target.pk, ()),
            )
            for target in targets
        ),
        steps=tuple(
            StepFacts(
                step.kind, step.actor, step.done_on, step.text, operators.get(step.target_id, "")
            )
            for step in steps
        ),
        services=tuple(
            ServiceFacts(
                service.label,
                service.domain.label if service.domain else "",
                service.state,
                service.note,
            )
            for service in services
        ),
        included=_contracts(contracts, ScopeRule.INCLUDE),
        excluded=_contracts(contracts, ScopeRule.EXCLUDE),
        included_domains=_domains(domains, ScopeRule.INCLUDE),
        excluded_domains=_domains(domains, ScopeRule.EXCLUDE),
    )


def from_snapshot(snapshot: dict[str, Any]) -> Facts:
    """The facts that a publication froze. Older ones say nothing of care domains: all are concerned."""
    return Facts(
        reference=snapshot["reference"],
        title=snapshot["title"],
        detected_on=date.fromisoformat(snapshot["detected_on"]),
        contacts=ContactFacts(**snapshot["contacts"]),
        targets=tuple(
            TargetFacts(
                **_with_dates(target, "window_from", "window_until", "detected_on")
                | {
                    "claims": tuple(
                        ClaimFacts(**_with_dates(claim, "stated_on")) for claim in target["claims"]
                    )
                }
            )
            for target in snapshot["targets"]
        ),
        steps=tuple(StepFacts(**_with_dates(step, "done_on")) for step in snapshot["steps"]),
        services=tuple(ServiceFacts(**service) for service in snapshot["services"]),
        included=tuple(ContractFacts(**contract) for contract in snapshot["included"]),
        excluded=tuple(ContractFacts(**contract) for contract in snapshot["excluded"]),
        included_domains=_domains_of(snapshot, "included_domains"),
        excluded_domains=_domains_of(snapshot, "excluded_domains"),
    )


def _contracts(scope, rule) -> tuple[ContractFacts, ...]:
    return tuple(
        ContractFacts(row.contract_id, row.contract.number) for row in scope if row.rule == rule
    )


def _domains(scope, rule) -> tuple[DomainFacts, ...]:
    return tuple(DomainFacts(row.domain_id, row.domain.label) for row in scope if row.rule == rule)


def _domains_of(snapshot, key) -> tuple[DomainFacts, ...]:
    return tuple(DomainFacts(**domain) for domain in snapshot.get(key, ()))


def _with_iso_dates(value):
    match value:
        case date():
            return value.isoformat()
        case dict():
            return {key: _with_iso_dates(item) for key, item in value.items()}
        case list() | tuple():
            return [_with_iso_dates(item) for item in value]
    return value


def _with_dates(values: dict[str, Any], *names: str) -> dict[str, Any]:
    dates = {name: date.fromisoformat(values[name]) for name in names if values[name]}
    return values | dates
