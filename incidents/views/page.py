"""What the pages of an incident show: the version's texts, its facts, and the exposure of each person."""

from dataclasses import dataclass, field
from datetime import date, datetime

from django.utils.translation import gettext as _

from incidents import notices
from incidents.acknowledgements import Showing
from incidents.exposure import OperatorExposure, PersonExposure
from incidents.facts import Facts, TargetFacts
from incidents.models import Incident, NoticeVersion
from incidents.models.claim import ClaimState
from incidents.models.incident import ServiceState, StepKind
from incidents.reasons import ExposureState
from members.models import Adhesion, Member
from members.models.category import DataCategory


@dataclass(frozen=True, slots=True)
class Category:
    code: str
    label: str
    description: str


def listed(codes) -> list[Category]:
    """Categories in the order of the enumeration, whatever the order of `codes`."""
    return [
        Category(category.value, category.label, category.description)
        for category in DataCategory
        if category in codes
    ]


@dataclass(frozen=True, slots=True)
class Claims:
    exposed: list[Category]
    not_exposed: list[Category]
    checking: list[Category]
    not_stated: list[Category]


@dataclass(frozen=True, slots=True)
class TargetView:
    operator: str
    what_happened: str
    window_text: str
    claims: Claims


@dataclass(frozen=True, slots=True)
class OperatorView:
    operator: str
    state: str
    reason_code: str
    reason_text: str
    since: date | None
    until: date | None
    exposed: list[Category] = field(default_factory=list)
    not_exposed: list[Category] = field(default_factory=list)
    checking: list[Category] = field(default_factory=list)
    not_stated: list[Category] = field(default_factory=list)
    not_sent: list[Category] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PersonView:
    name: str
    kind_label: str
    is_member: bool
    state: str
    headline: str
    operators: list[OperatorView]


@dataclass(frozen=True, slots=True)
class StepView:
    done_on: date | None
    actor: str
    label: str
    text: str


@dataclass(frozen=True, slots=True)
class ServiceView:
    label: str
    domain: str
    state: str
    state_label: str
    note: str


@dataclass(frozen=True, slots=True)
class Contacts:
    dpo_name: str
    dpo_email: str
    dpo_address: str
    public_phone: str
    contract_phone: str = ""
    contract_number: str = ""


@dataclass(frozen=True, slots=True)
class Update:
    number: int
    published_at: datetime
    change_note: str


@dataclass(frozen=True, slots=True)
class Page:
    incident: Incident
    version: NoticeVersion
    targets: list[TargetView]
    steps: list[StepView]
    services: list[ServiceView]
    contacts: Contacts
    updates: list[Update]
    people: list[PersonView] | None = None
    acknowledged_at: datetime | None = None
    acknowledged_number: int | None = (
        None  # the version that he read, which this one may only correct
    )
    fingerprint: str = ""
    is_preview: bool = False


def public(version: NoticeVersion, facts: Facts, updates: list[Update]) -> Page:
    """What anybody may read: no person, no contract. No statement."""
    return Page(**_common(version, facts, updates), contacts=_contacts(facts))


def personal(
    version: NoticeVersion,
    facts: Facts,
    member: Member,
    people: list[PersonExposure],
    *,
    showing: Showing | None = None,
    is_preview: bool = False,
) -> Page:
    read = showing.read if showing else None
    return Page(
        **_common(version, facts, updates_of(version.incident)),
        contacts=_contacts(facts, _contract(member)),
        people=[_person(person) for person in people],
        acknowledged_at=read.acknowledged_at if read else None,
        acknowledged_number=read.version.number if read else None,
        fingerprint=showing.fingerprint if showing else "",
        is_preview=is_preview,
    )


def updates_of(incident: Incident) -> list[Update]:
    rows = notices.published(incident).values_list("number", "published_at", "change_note")
    return [Update(*row) for row in rows]


def _common(version: NoticeVersion, facts: Facts, updates: list[Update]) -> dict:
    return {
        "incident": version.incident,
        "version": version,
        "targets": [_target(target) for target in facts.targets],
        "steps": [
            StepView(step.done_on, step.actor, StepKind(step.kind).label, step.text)
            for step in facts.steps
        ],
        "services": [
            ServiceView(
                service.label,
                service.domain,
                service.state,
                ServiceState(service.state).label,
                service.note,
            )
            for service in facts.services
        ],
        "updates": updates,
    }


def _target(target: TargetFacts) -> TargetView:
    return TargetView(
        operator=target.operator_name,
        what_happened=target.what_happened,
        window_text=target.window_text,
        claims=Claims(
            exposed=listed(target.categories(ClaimState.EXPOSED)),
            not_exposed=listed(target.categories(ClaimState.NOT_EXPOSED)),
            checking=listed(target.categories(ClaimState.CHECKING)),
            not_stated=listed(target.categories(ClaimState.NOT_STATED)),
        ),
    )


def _person(person: PersonExposure) -> PersonView:
    return PersonView(
        name=person.name,
        kind_label=str(person.kind_label),
        is_member=person.is_member,
        state=person.state.value,
        headline=_headline(person),
        operators=[_operator(exposure) for exposure in person.operators],
    )


def _operator(exposure: OperatorExposure) -> OperatorView:
    target = exposure.target
    view = {
        "operator": target.operator_name,
        "state": exposure.state.value,
        "reason_code": exposure.reason.value,
        "reason_text": exposure.sentence,
        "since": exposure.since,
        "until": exposure.until,
    }
    if not exposure.reason.is_concerned:
        return OperatorView(**view)
    exposed = target.categories(ClaimState.EXPOSED)
    checking = target.categories(ClaimState.CHECKING)
    return OperatorView(
        **view,
        exposed=listed(exposure.categories),
        not_exposed=listed(target.categories(ClaimState.NOT_EXPOSED)),
        checking=listed(checking & exposure.sent),
        not_stated=listed(target.categories(ClaimState.NOT_STATED)),
        not_sent=listed((exposed | checking) - exposure.sent),
    )


def _headline(person: PersonExposure) -> str:
    operators = [
        exposure.target.operator_name
        for exposure in person.operators
        if exposure.reason.is_concerned
    ]
    told = {"name": person.name, "operators": _(" et ").join(operators)}
    sentences = {
        (ExposureState.CONFIRMED, True): _(
            "Une partie de vos données est exposée : %(operators)s."
        ),
        (ExposureState.CONFIRMED, False): _(
            "Une partie des données de %(name)s est exposée : %(operators)s."
        ),
        (ExposureState.PRESUMED, True): _(
            "Vos données sont sans doute exposées. Les dates de l'attaque restent inconnues."
        ),
        (ExposureState.PRESUMED, False): _(
            "Les données de %(name)s sont sans doute exposées. "
            "Les dates de l'attaque restent inconnues."
        ),
        (ExposureState.DISMISSED, True): _("Cet incident ne touche pas vos données."),
        (ExposureState.DISMISSED, False): _("Cet incident ne touche pas les données de %(name)s."),
    }
    return sentences[person.state, person.is_member] % told


def _contract(member: Member):
    """The contract whose phone answers this member: the present one, or the last he had."""
    adhesion = (
        Adhesion.objects.filter(member=member).select_related("contract").order_by("-start").first()
    )
    return adhesion.contract if adhesion else None


def _contacts(facts: Facts, contract=None) -> Contacts:
    told = facts.contacts
    return Contacts(
        dpo_name=told.dpo_name,
        dpo_email=told.dpo_email,
        dpo_address=told.dpo_address,
        public_phone=told.public_phone,
        contract_phone=contract.phone if contract else "",
        contract_number=contract.number if contract else "",
    )
