"""What the pages of an incident show: the version's texts, its facts, and the exposure of each person."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents import information
from incidents.acknowledgements import Showing
from incidents.exposure import OperatorExposure, PersonExposure
from incidents.facts import Facts, TargetFacts
from incidents.information import Update
from incidents.models import Incident, NoticeVersion
from incidents.models.claim import ClaimState
from incidents.models.incident import ServiceState, StepKind
from incidents.models.wording import WRITTEN, Audience
from incidents.reasons import ExposureState
from members.cover import Membership
from members.models import Contract
from members.models.category import DataCategory

# What harms most in the wrong hands, in the words of the answer at the top of the page.
GRAVEST = {
    DataCategory.IDENTIFIANTS_ESPACE: gettext_lazy("identifiants de l'espace"),
    DataCategory.BANCAIRE: gettext_lazy("informations bancaires"),
    DataCategory.MEDICAL: gettext_lazy("données médicales"),
    DataCategory.ETAT_CIVIL: gettext_lazy("nom"),
    DataCategory.DATE_NAISSANCE: gettext_lazy("date de naissance"),
    DataCategory.NIR: gettext_lazy("numéro de sécurité sociale"),
}

# Of whom a headline speaks: (the member is one of them, they are several).
YOU, YOU_AND_OTHERS, ANOTHER, OTHERS = (True, False), (True, True), (False, False), (False, True)


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


@dataclass(frozen=True, slots=True)
class GroupView:
    """People whose answers are the same in every word: said once, for all of them.

    `gravest` names the worst of what is exposed; `reasons` says why nobody of them is concerned.
    """

    people: list[PersonView]
    names: str
    state: str
    is_feminine: bool
    headline: str
    gravest: str
    reasons: list[str]
    operators: list[OperatorView]

    @property
    def is_concerned(self) -> bool:
        return self.state != ExposureState.DISMISSED

    @property
    def is_several(self) -> bool:
        return len(self.people) > 1


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
class Page:
    incident: Incident
    version: NoticeVersion
    targets: list[TargetView]
    steps: list[StepView]
    services: list[ServiceView]
    contacts: Contacts
    updates: list[Update]
    audience: Audience = Audience.PUBLIC
    groups: list[GroupView] = field(default_factory=list)
    acknowledged_at: datetime | None = None
    acknowledged_number: int | None = None  # of the version read, which this one may only correct
    fingerprint: str = ""
    is_preview: bool = False
    closed_at: datetime | None = None

    @property
    def texts(self) -> dict[str, str]:
        """The words of its audience, by topic."""
        return {topic.value: self.version.text(self.audience, topic) for topic in WRITTEN}

    @property
    def is_concerned(self) -> bool:
        """Whether anybody of the family is."""
        return any(group.is_concerned for group in self.groups)


def public(
    version: NoticeVersion,
    facts: Facts,
    updates: list[Update],
    *,
    audience: Audience = Audience.PUBLIC,
    closed_at: datetime | None = None,
) -> Page:
    """What an audience reads without any person or contract. No statement."""
    return Page(
        **_common(version, facts, updates),
        audience=audience,
        contacts=_contacts(facts),
        closed_at=closed_at,
    )


def audience_of(membership: Membership) -> Audience:
    """In whose words a member reads his page."""
    return Audience.FORMER if membership.is_former else Audience.MEMBER


def personal(
    version: NoticeVersion,
    facts: Facts,
    membership: Membership,
    people: list[PersonExposure],
    *,
    audience: Audience | None = None,
    showing: Showing | None = None,
    updates: list[Update] | None = None,
) -> Page:
    """What the people of `membership` read: the exposure of each, and the phone of their contract.

    No statement when `updates` are given: those of the incident, read once for many people.
    """
    read = showing.read if showing else None
    return Page(
        **_common(
            version, facts, information.updates_of(version.incident) if updates is None else updates
        ),
        audience=audience or audience_of(membership),
        contacts=_contacts(facts, membership.contract),
        groups=_groups(people),
        acknowledged_at=read.acknowledged_at if read else None,
        acknowledged_number=read.version.number if read else None,
        fingerprint=showing.fingerprint if showing else "",
    )


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


def _groups(people: list[PersonExposure]) -> list[GroupView]:
    """In the order of the first of each group; the member is always first of his own."""
    found: list[tuple[list[OperatorView], list[PersonExposure]]] = []
    for person in people:
        answers = [_operator(exposure) for exposure in person.operators]
        alike = next((together for known, together in found if known == answers), None)
        if alike is None:
            found.append((answers, [person]))
        else:
            alike.append(person)
    return [_group(together, answers) for answers, together in found]


def _group(people: list[PersonExposure], operators: list[OperatorView]) -> GroupView:
    state = people[0].state
    at_worst = [exposure for exposure in people[0].operators if exposure.state == state]
    exposed = frozenset().union(*(exposure.categories for exposure in at_worst))
    dismissed = state == ExposureState.DISMISSED
    return GroupView(
        people=[PersonView(one.name, one.kind_label, one.is_member) for one in people],
        names=_names(people),
        state=state.value,
        is_feminine=all(person.is_feminine for person in people),
        headline=_headline(people),
        gravest=", ".join(str(words) for code, words in GRAVEST.items() if code in exposed),
        reasons=list(dict.fromkeys(one.reason_text for one in operators)) if dismissed else [],
        operators=operators,
    )


def _names(people: list[PersonExposure]) -> str:
    """« Vous, Aurélie et Adèle »; whole names where first names are not enough, or for one alone."""
    first_names = [person.name.partition(" ")[0] for person in people]
    short = len(people) > 1 and len(set(first_names)) == len(people)
    return _enumerated(
        [
            _("Vous") if person.is_member else first_name if short else person.name
            for person, first_name in zip(people, first_names, strict=True)
        ]
    )


def _enumerated(words: Sequence[str]) -> str:
    """« A, B et C ». An empty text for no word."""
    *others, last = words or [""]
    return (
        _("%(others)s et %(last)s") % {"others": ", ".join(others), "last": last}
        if others
        else last
    )


def _operator(exposure: OperatorExposure) -> OperatorView:
    target = exposure.target
    view = {
        "operator": target.operator_name,
        "state": exposure.state.value,
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


def _headline(people: list[PersonExposure]) -> str:
    """One sentence under the names of `people`, which it does not repeat."""
    state = people[0].state
    operators = [one.target.operator_name for one in people[0].operators if one.state == state]
    sentences = {
        ExposureState.CONFIRMED: {
            YOU: _("Une partie de vos données est exposée chez %(operators)s."),
            YOU_AND_OTHERS: _(
                "Une partie de vos données et des leurs est exposée chez %(operators)s."
            ),
            ANOTHER: _("Une partie de ses données est exposée chez %(operators)s."),
            OTHERS: _("Une partie de leurs données est exposée chez %(operators)s."),
        },
        ExposureState.PRESUMED: {
            YOU: _("Vos données sont sans doute exposées chez %(operators)s."),
            YOU_AND_OTHERS: _(
                "Vos données et les leurs sont sans doute exposées chez %(operators)s."
            ),
            ANOTHER: _("Ses données sont sans doute exposées chez %(operators)s."),
            OTHERS: _("Leurs données sont sans doute exposées chez %(operators)s."),
        },
        ExposureState.DISMISSED: {
            YOU: _("Cet incident ne touche pas vos données."),
            YOU_AND_OTHERS: _("Cet incident ne touche ni vos données ni les leurs."),
            ANOTHER: _("Cet incident ne touche pas ses données."),
            OTHERS: _("Cet incident ne touche pas leurs données."),
        },
    }
    told = sentences[state][people[0].is_member, len(people) > 1]
    if state == ExposureState.PRESUMED:
        told += " " + _("Les dates de l'attaque restent inconnues.")
    return told % {"operators": _enumerated(operators)}


def _contacts(facts: Facts, contract: Contract | None = None) -> Contacts:
    told = facts.contacts
    return Contacts(
        dpo_name=told.dpo_name,
        dpo_email=told.dpo_email,
        dpo_address=told.dpo_address,
        public_phone=told.public_phone,
        contract_phone=contract.phone if contract else "",
        contract_number=contract.number if contract else "",
    )
