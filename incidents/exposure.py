"""Who an incident exposes, to which operator, with which data, and why. (docs/exposure.md)

One rule, one queryset. `judged` is the rule: the same rows answer here for one member at sign-in, and
are counted in `incidents.audience` for millions. Nothing is computed ahead or kept per person.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import models
from django.db.models import Case, DateField, F, FilteredRelation, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce, Greatest, Least

from incidents.facts import Facts, TargetFacts
from incidents.models.claim import ClaimState
from incidents.reasons import CONCERNED, ExposureState, Reason
from members.models import AyantDroit, Member
from members.models.category import DataCategory
from members.models.period import FOREVER

NO_OPERATOR = 0  # an empty list would make Django drop every row, and people with them


@dataclass(frozen=True)
class Root:
    """Whom the rule judges, and the path from him to the adhésions that cover him."""

    kind: str
    model: type[models.Model]
    adhesions: str
    covers: tuple[str, ...]  # paths to the periods that must all hold a day for him to be covered


MEMBERS = Root("adherent", Member, "adhesions", ("adhesions__",))
AYANTS_DROIT = Root("ayant_droit", AyantDroit, "member__adhesions", ("", "member__adhesions__"))


def judged(root: Root, facts: Facts) -> QuerySet:
    """Persons × adhésions × delegations to an attacked operator, each row with its `reason`.

    `since` and `until` bound the days when the person was covered while the operator served the
    contract. A person with no such adhésion or delegation still has one row, which says so. Several
    holdings, or several purges, repeat a row; every repetition has the same `reason`.
    """
    contract = f"{root.adhesions}__contract"
    delegations, holdings = f"{contract}__delegations", f"{contract}__holdings"
    operators = [target.operator_id for target in facts.targets]
    periods = (*root.covers, "served__")
    return root.model.objects.annotate(
        served=FilteredRelation(
            delegations,
            condition=Q(**{f"{delegations}__operator__in": operators or [NO_OPERATOR]}),
        ),
        kept=FilteredRelation(
            holdings, condition=Q(**{f"{holdings}__operator": F("served__operator")})
        ),
        # only a purge that follows the delegation erased what it sent
        purge=FilteredRelation(
            holdings,
            condition=Q(
                **{
                    f"{holdings}__operator": F("served__operator"),
                    f"{holdings}__purged_on__gte": F("served__end"),
                }
            )
            & _before_the_attack(f"{holdings}__", facts),
        ),
        since=Greatest(*(F(f"{period}start") for period in periods)),
        until=Least(*(Coalesce(F(f"{period}end"), Value(FOREVER)) for period in periods)),
        attack_from=_day_of_attack(facts, lambda target: target.first_day),
        attack_until=_day_of_attack(facts, lambda target: target.last_day),
    ).annotate(
        reason=Case(
            When(**{f"{root.adhesions}__start__isnull": True}, then=Value(Reason.SANS_ADHESION)),
            When(served__start__isnull=True, then=Value(Reason.JAMAIS_DELEGUE)),
            *_outside(contract, facts.included, facts.excluded, Reason.HORS_PERIMETRE),
            *_outside(
                "served__domain",
                facts.included_domains,
                facts.excluded_domains,
                Reason.HORS_DOMAINE,
            ),
            When(since__gt=F("attack_until"), then=Value(Reason.APRES_INCIDENT)),
            When(until__lt=F("since"), then=Value(Reason.NON_COUVERT)),
            When(served__end__isnull=True, then=Value(Reason.DELEGATION)),
            When(served__end__gte=F("attack_from"), then=Value(Reason.DELEGATION)),
            When(purge__operator__isnull=False, then=Value(Reason.PURGE_ATTESTEE)),
            When(kept__operator__isnull=True, then=Value(Reason.NON_DETENU)),
            default=Value(Reason.DETENTION),
            output_field=models.CharField(),
        )
    )


def _day_of_attack(facts: Facts, pick) -> Case:
    return Case(
        *(
            When(served__operator=target.operator_id, then=Value(pick(target)))
            for target in facts.targets
        ),
        default=None,
        output_field=DateField(),
    )


def _before_the_attack(holding: str, facts: Facts) -> Q:
    purged = Q(**{f"{holding}operator": NO_OPERATOR})
    for target in facts.targets:
        purged |= Q(
            **{
                f"{holding}operator": target.operator_id,
                f"{holding}purged_on__lt": target.first_day,
            }
        )
    return purged


def _outside(path: str, included, excluded, reason: Reason) -> Iterable[When]:
    """Rows that the scope leaves out by what `path` names. No domain is every domain: never outside."""
    if included:
        named = Q(**{f"{path}__isnull": False})
        among = Q(**{f"{path}__in": [one.id for one in included]})
        yield When(named & ~among, then=Value(reason))
    if excluded:
        yield When(Q(**{f"{path}__in": [one.id for one in excluded]}), then=Value(reason))


# One member, at sign-in


@dataclass(frozen=True, slots=True)
class OperatorExposure:
    """The answer for one person and one attacked operator."""

    target: TargetFacts
    reason: Reason
    since: date | None = None
    until: date | None = None
    sent: frozenset[str] = frozenset()
    purged_on: date | None = None

    @property
    def state(self) -> ExposureState:
        if not self.reason.is_concerned:
            return ExposureState.DISMISSED
        known = self.target.window_is_known
        return ExposureState.CONFIRMED if known else ExposureState.PRESUMED

    @property
    def categories(self) -> frozenset[str]:
        """The exposed ones: said exposed by the operator, and sent to it for this person."""
        if not self.reason.is_concerned:
            return frozenset()
        return self.target.categories(ClaimState.EXPOSED) & self.sent

    @property
    def sentence(self) -> str:
        return self.reason.sentence(
            operator=self.target.operator_name,
            purged_on=self.purged_on,
            rests_on_unknown_day=self._rests_on_unknown_day,
        )

    @property
    def _rests_on_unknown_day(self) -> bool:
        if self.reason in (Reason.PURGE_ATTESTEE, Reason.NON_DETENU):
            return self.target.window_from is None
        return not self.target.window_is_known

    def as_json(self) -> dict[str, Any]:
        return {
            "operator": self.target.operator,
            "state": self.state.value,
            "reason": self.reason.value,
            "from": self.since.isoformat() if self.since else None,
            "until": self.until.isoformat() if self.until else None,
            "categories": [code for code in DataCategory.values if code in self.categories],
        }


@dataclass(frozen=True, slots=True)
class PersonExposure:
    kind: str
    pk: int
    name: str
    kind_label: str = ""
    is_feminine: bool = False
    operators: tuple[OperatorExposure, ...] = ()

    @property
    def is_member(self) -> bool:
        return self.kind == MEMBERS.kind

    @property
    def state(self) -> ExposureState:
        states = [exposure.state for exposure in self.operators]
        return max(states, key=lambda state: state.strength, default=ExposureState.DISMISSED)

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "name": self.name,
            "state": self.state.value,
            "operators": [exposure.as_json() for exposure in self.operators],
        }

    def as_sent(self) -> dict[str, Any]:
        """As `as_json`, with all that is needed to write the same letter again. (`from_json`)"""
        operators = [
            one.as_json()
            | {
                "sent": [code for code in DataCategory.values if code in one.sent],
                "purged_on": one.purged_on.isoformat() if one.purged_on else None,
            }
            for one in self.operators
        ]
        return self.as_json() | {"operators": operators}


def of_member(member: Member, facts: Facts) -> list[PersonExposure]:
    """The member then his ayants droit, present and past, each with every attacked operator.

    Two statements, whatever the numbers of incidents, operators and people.
    """
    people = _people(MEMBERS, judged(MEMBERS, facts).filter(pk=member.pk), facts)
    family = judged(AYANTS_DROIT, facts).filter(member=member).order_by("birth_date", "birth_rank")
    return people + _people(AYANTS_DROIT, family, facts)


def of_ayant_droit(person: AyantDroit, facts: Facts) -> PersonExposure:
    """The same answer as in `of_member` of whoever covers him, for him alone. One statement."""
    [answer] = _people(AYANTS_DROIT, judged(AYANTS_DROIT, facts).filter(pk=person.pk), facts)
    return answer


def from_json(persons: list[dict[str, Any]], facts: Facts) -> list[PersonExposure]:
    """The people of a showing as `as_json` wrote them, under the facts of the version shown.

    What their rows say today does not matter. `sent` holds what was exposed, and no more is known, unless
    they are those of a letter (`as_sent`).
    """
    targets = {target.operator: target for target in facts.targets}
    return [
        PersonExposure(
            kind=person["kind"],
            pk=0,
            name=person["name"],
            operators=tuple(
                OperatorExposure(
                    target=targets[one["operator"]],
                    reason=Reason(one["reason"]),
                    since=date.fromisoformat(one["from"]) if one["from"] else None,
                    until=date.fromisoformat(one["until"]) if one["until"] else None,
                    sent=frozenset(one.get("sent", one["categories"])),
                    purged_on=date.fromisoformat(one["purged_on"])
                    if one.get("purged_on")
                    else None,
                )
                for one in person["operators"]
            ),
        )
        for person in persons
    ]


def of_people(
    root: Root, ids: Iterable[int], facts: Facts, same: dict[int, int] | None = None
) -> dict[int, PersonExposure]:
    """Many people at once, by id, in one statement.

    `same`: rows of one person under several members, each to the id under which his answer is given.
    """
    rows = judged(root, facts).filter(pk__in=list(ids)).order_by("pk")
    return {person.pk: person for person in _people(root, rows, facts, same or {})}


def _people(
    root: Root, rows: QuerySet, facts: Facts, same: dict[int, int] | None = None
) -> list[PersonExposure]:
    names = ["pk", "civility", "first_names", "birth_name", "usage_name"]
    names += ["link"] if root is AYANTS_DROIT else []
    rows_by_person: dict[int, list[dict]] = {}
    for row in rows.values(
        *names,
        "reason",
        "since",
        "until",
        "served__id",
        "served__operator",
        "served__categories",
        "purge__purged_on",
    ):
        row["pk"] = (same or {}).get(row["pk"], row["pk"])
        rows_by_person.setdefault(row["pk"], []).append(row)
    people = []
    for own in rows_by_person.values():
        person = root.model(**{name: own[0][name] for name in names})
        people.append(
            PersonExposure(
                kind=root.kind,
                pk=person.pk,
                name=person.full_name,
                kind_label=person.kind_label,
                is_feminine=person.is_feminine,
                operators=tuple(_at_operator(own, target) for target in facts.targets),
            )
        )
    return people


def _at_operator(rows: list[dict], target: TargetFacts) -> OperatorExposure:
    """One answer from a person's rows: the strongest reason, over all the days that share it."""
    found = [row for row in rows if row["served__operator"] == target.operator_id]
    if not found:
        has_adhesion = any(row["reason"] != Reason.SANS_ADHESION for row in rows)
        return OperatorExposure(
            target, Reason.JAMAIS_DELEGUE if has_adhesion else Reason.SANS_ADHESION
        )
    reason = max((Reason(row["reason"]) for row in found), key=lambda reason: reason.strength)
    if reason.is_concerned:
        told = [row for row in found if row["reason"] in CONCERNED]
    else:
        told = [row for row in found if row["reason"] == reason]
    covered = [row for row in told if row["since"] <= row["until"]]
    until = max((row["until"] for row in covered), default=FOREVER)
    return OperatorExposure(
        target=target,
        reason=reason,
        since=min((row["since"] for row in covered), default=None),
        until=None if until == FOREVER else until,
        sent=frozenset().union(*(row["served__categories"] for row in told)),
        purged_on=_purged_on(told),
    )


def _purged_on(rows: list[dict]) -> date | None:
    """The day on which all that these rows tell of was erased: each delegation by its first purge."""
    first: dict[int, date] = {}
    for row in rows:
        purge = row["purge__purged_on"]
        if purge:
            first[row["served__id"]] = min(purge, first.get(row["served__id"], purge))
    return max(first.values(), default=None)
