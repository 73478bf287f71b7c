"""Who is covered, under what, and who holds the data: what the espace tells a member about himself."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from django.db.models import DateField, Exists, F, OuterRef
from django.utils import timezone

from members.models import Adhesion, AyantDroit, Contract, Demande, Holding, Member
from members.models.category import DataCategory
from members.models.member import HIMSELF
from members.models.period import FOREVER
from members.prepared import Prepared, Slot


@dataclass(frozen=True)
class Service:
    """An operator who runs, or ran, the tiers payant of a contract; inclusive dates."""

    name: str
    since: date
    until: date | None
    is_current: bool


@dataclass(frozen=True)
class Cover:
    """One adhésion of a member, with the operators of its contract, the present one first."""

    contract_id: int
    plan_id: int
    contract_number: str
    kind_label: str
    employer: str
    plan: str
    phone: str
    contact: str
    since: date
    until: date | None
    is_current: bool
    is_awaited: bool  # the member: something of him, for one of his demandes
    delegations: list[dict] = field(repr=False)

    @property
    def operators(self) -> list[Service]:
        today = timezone.localdate()
        services = {}
        for row in self.delegations:
            shared = shared_days(self.since, self.until, row["start"], row["end"])
            if shared:
                key = (row["operator"], *shared)
                services[key] = Service(row["operator"], *shared, _holds(*shared, today))
        return sorted(services.values(), key=lambda service: service.since, reverse=True)


@dataclass(frozen=True)
class CoveredPerson:
    """`rank` only tells twins apart: None unless another person of the family was born that day."""

    name: str
    kind_label: str
    is_member: bool
    rank: int | None
    birth_date: date
    since: date | None
    until: date | None
    noemie: str
    is_current: bool


@dataclass(frozen=True)
class Place:
    """Where data of one person is, or was. `state`: « active », « held », « purged » or « ended »."""

    operator: str
    contract_number: str
    since: date
    until: date | None
    state: str
    purged_on: date | None
    categories: list[str]


@dataclass(frozen=True)
class PersonPlaces:
    name: str
    kind_label: str
    places: list[Place]


def shared_days(
    start_a: date, end_a: date | None, start_b: date, end_b: date | None
) -> tuple[date, date | None] | None:
    """The days that two inclusive periods share, or None."""
    first, last = max(start_a, start_b), min(end_a or FOREVER, end_b or FOREVER)
    if first > last:
        return None
    return first, None if last == FOREVER else last


def _holds(since: date, until: date | None, day: date) -> bool:
    return since <= day <= (until or FOREVER)


def covers(member: Member) -> list[Cover]:
    """The adhésions of `member`, the latest first, each with its contract and operators. One statement."""
    today = timezone.localdate()
    found: dict[int, Cover] = {}
    for row in _adhesions.all(member=member.pk):
        contract = row.contract
        cover = found.setdefault(
            row.pk,
            Cover(
                contract_id=contract.pk,
                plan_id=contract.plan_id,
                contract_number=contract.number,
                kind_label=contract.get_kind_display(),
                employer=contract.employer.name if contract.employer else "",
                plan=contract.plan.name,
                phone=contract.phone,
                contact=contract.contact,
                since=row.start,
                until=row.end,
                is_current=row.holds(today),
                is_awaited=row.is_awaited,
                delegations=[],
            ),
        )
        if row.operator:
            cover.delegations.append(
                {
                    "operator": row.operator,
                    "operator_id": row.operator_id,
                    "start": row.delegated_from,
                    "end": row.delegated_until,
                    "categories": row.categories,
                }
            )
    return list(found.values())


_adhesions = Prepared(
    Adhesion.objects.filter(member=Slot("member"))
    .select_related("contract__employer", "contract__plan")
    .annotate(
        operator=F("contract__delegations__operator__name"),
        operator_id=F("contract__delegations__operator_id"),
        delegated_from=F("contract__delegations__start"),
        delegated_until=F("contract__delegations__end"),
        categories=F("contract__delegations__categories"),
        # Asked here, so that the first page of the espace costs no statement more (docs/requests.md)
        is_awaited=Exists(Demande.objects.filter(member=OuterRef("member")).await_their_member()),
    )
    .order_by("-start", "pk", "-delegated_from")
)


@dataclass(frozen=True, slots=True)
class Membership:
    """`contract`: the one whose phone answers. `is_former`: every adhésion has ended."""

    contract: Contract | None
    is_former: bool


def membership(member: Member) -> Membership:
    """The contract to call: the present one, else the last that ended, else the next. Of several present
    ones, the latest. One statement."""
    return memberships([member.pk])[member.pk]


def memberships(members: Iterable[int]) -> dict[int, Membership]:
    """The same for many members, by id, in one statement."""
    adhesions: dict[int, list[Adhesion]] = {pk: [] for pk in members}
    for one in Adhesion.objects.filter(member__in=adhesions).select_related("contract"):
        adhesions[one.member_id].append(one)
    return {pk: _membership(own) for pk, own in adhesions.items()}


def _membership(adhesions: list[Adhesion]) -> Membership:
    today = timezone.localdate()
    present = [one for one in adhesions if one.holds(today)]
    ended = [one for one in adhesions if one.end and one.end < today]
    if present:
        told = max(present, key=lambda one: one.start)
    elif ended:
        told = max(ended, key=lambda one: one.end)
    else:
        told = min(adhesions, key=lambda one: one.start, default=None)
    return Membership(
        contract=told.contract if told else None,
        is_former=bool(adhesions) and len(ended) == len(adhesions),
    )


def people(member: Member, covers: list[Cover]) -> list[CoveredPerson]:
    """The member and his ayants droit who are covered today, him first, then the eldest. One statement."""
    today = timezone.localdate()
    found = _covered(member, covers, _ayants_droit.all(member=member.pk, today=today), today)
    return [person for person in found if person.is_current]


def everybody(member: Member, covers: list[Cover]) -> list[CoveredPerson]:
    """The member, then each of his ayants droit, past and future ones last. One statement."""
    today = timezone.localdate()
    found = _covered(member, covers, list(AyantDroit.objects.filter(member=member)), today)
    return [found[0], *sorted(found[1:], key=lambda person: not person.is_current)]


def covered_on(member: Member, day: date) -> set[int]:
    """Who of a family was covered on `day`: ids of ayants droit, HIMSELF for the member. Nobody is outside
    the member's own adhésions. (domain.md §4.3) Two statements."""
    if not Adhesion.objects.filter(member=member).on(day).exists():
        return set()
    family = AyantDroit.objects.filter(member=member).on(day)
    return {HIMSELF, *family.values_list("pk", flat=True)}


def _covered(member, covers, family, today) -> list[CoveredPerson]:
    ends = [cover.until for cover in covers]
    is_open = any(cover.is_current for cover in covers)
    born = Counter(person.birth_date for person in [member, *family])

    def covered(person: Member | AyantDroit, since: date | None, until: date | None):
        return CoveredPerson(
            name=person.full_name,
            kind_label=person.kind_label,
            is_member=person is member,
            rank=person.birth_rank if born[person.birth_date] > 1 else None,
            birth_date=person.birth_date,
            since=since,
            until=until,
            noemie=person.noemie,
            is_current=is_open and since is not None and _holds(since, until, today),
        )

    himself = covered(
        member,
        since=min((cover.since for cover in covers), default=None),
        until=None if not ends or None in ends else max(ends),
    )

    def within(person: AyantDroit) -> tuple[date | None, date | None]:
        """Nobody is covered before or after the member's own adhésions. (domain.md §4.3)"""
        shared = covers and shared_days(person.start, person.end, himself.since, himself.until)
        return shared or (None, None)

    return [himself, *(covered(person, *within(person)) for person in family)]


_ayants_droit = Prepared(
    AyantDroit.objects.filter(member=Slot("member")).on(Slot("today", DateField()))
)


def places(member: Member) -> list[PersonPlaces]:
    """For the member and each ayant droit, past ones too: which operator has had his data, and still has.

    Three statements: adhésions with their delegations, holdings, ayants droit.
    """
    own = covers(member)
    holdings: dict[tuple[int, int], list[Holding]] = {}
    for holding in Holding.objects.filter(contract__in={cover.contract_id for cover in own}):
        holdings.setdefault((holding.operator_id, holding.contract_id), []).append(holding)
    himself = PersonPlaces(
        member.full_name,
        member.kind_label,
        _places([(cover, cover.since, cover.until) for cover in own], holdings),
    )
    family = []
    for person in AyantDroit.objects.filter(member=member):
        stays = []
        for cover in own:
            shared = shared_days(person.start, person.end, cover.since, cover.until)
            if shared:
                stays.append((cover, *shared))
        family.append(PersonPlaces(person.full_name, person.kind_label, _places(stays, holdings)))
    return [himself, *family]


def _purged_on(kept: list[Holding], served_until: date | None, today: date) -> date | None:
    """The first purge of what a delegation sent: a purge before its end erased nothing of it."""
    purges = [holding.purged_on for holding in kept if holding.purged_on]
    counting = [day for day in purges if served_until and served_until <= day <= today]
    return min(counting, default=None)


def _places(stays: list[tuple[Cover, date, date | None]], holdings) -> list[Place]:
    today = timezone.localdate()
    found = {}
    for cover, since, until in stays:
        for row in cover.delegations:
            shared = shared_days(since, until, row["start"], row["end"])
            if not shared:
                continue
            kept = holdings.get((row["operator_id"], cover.contract_id), [])
            purged_on = _purged_on(kept, row["end"], today)
            if _holds(*shared, today):
                state = "active"
            elif purged_on:
                state = "purged"
            elif kept or _holds(row["start"], row["end"], today):
                state = "held"
            else:
                state = "ended"
            place = Place(
                operator=row["operator"],
                contract_number=cover.contract_number,
                since=shared[0],
                until=shared[1],
                state=state,
                purged_on=purged_on,
                categories=[
                    category.label for category in DataCategory if category in row["categories"]
                ],
            )
            found[place.operator, place.contract_number, place.since, place.until] = place
    return sorted(found.values(), key=lambda place: place.since, reverse=True)
