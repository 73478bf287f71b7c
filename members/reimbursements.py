"""A member's reimbursements: the latest, a page of them, one in full, sums per year, a period as a file.

What was done, the act, is health data: whoever asks says whether it may be told (`acts`). Where it may not,
to an agent who looks, the domain of care stands for it.
"""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from django.db.models import Exists, OuterRef, Q, Sum
from django.db.models.functions import ExtractYear
from django.utils.translation import gettext as _

from members.models import Decompte, DecompteLine, Member
from members.models.decompte import Payee
from members.models.member import HIMSELF, first_name_of
from members.money import plain
from members.prepared import Prepared, Slot
from members.spreadsheets import cell

LATEST = 3
PAGE = 10
MOST_LINES = 3_000  # in one file: several lives of one family's décomptes


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a member asked to see; None: all. `person`: HIMSELF, or the id of an ayant droit."""

    person: int | None = None
    year: int | None = None
    domain: int | None = None

    def lines(self) -> Q:
        """The lines that are meant, as a filter of DecompteLine."""
        wanted = Q()
        if self.person == HIMSELF:
            wanted &= Q(ayant_droit=None)
        elif self.person is not None:
            wanted &= Q(ayant_droit=self.person)
        if self.domain is not None:
            wanted &= Q(domain=self.domain)
        return wanted


@dataclass(frozen=True, slots=True)
class Sums:
    """Integer cents, as in DecompteLine."""

    expense: int = 0
    ro: int = 0
    rc: int = 0
    left: int = 0

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            self.expense + other.expense,
            self.ro + other.ro,
            self.rc + other.rc,
            self.left + other.left,
        )


@dataclass(frozen=True, slots=True)
class Line:
    care_on: date
    person: str  # a first name; empty for the member himself
    act: str
    domain: str
    sums: Sums
    base: int
    ro_rate: int
    flat_charge: int
    deductible: int


@dataclass(frozen=True, slots=True)
class Payment:
    """One décompte with those of its lines that were asked for."""

    id: int
    number: str
    paid_on: date
    payee: str
    lines: list[Line] = field(default_factory=list)

    @property
    def sums(self) -> Sums:
        return sum((line.sums for line in self.lines), Sums())

    @property
    def persons(self) -> list[str]:
        """Each first name once, the member's, an empty one, before all."""
        return sorted({line.person for line in self.lines})

    @property
    def others(self) -> int:
        """How many acts there are beside the first."""
        return len(self.lines) - 1

    @property
    def to_professional(self) -> bool:
        return self.payee == Payee.PROFESSIONAL


COLUMNS = (
    "decompte__id",
    "decompte__number",
    "decompte__paid_on",
    "decompte__payee",
    "care_on",
    "ayant_droit__first_names",
    "act",
    "domain__label",
    "expense",
    "ro_amount",
    "rc_amount",
    "left_amount",
    "base",
    "ro_rate",
    "flat_charge",
    "deductible",
)
IN_ORDER = ("-decompte__paid_on", "-decompte__id", "position")


def latest(member: Member, *, acts: bool) -> list[Payment]:
    """The last décomptes of `member`, LATEST at most, the latest first. One statement."""
    return _gathered(_latest.all(member=member.pk), acts)


_latest = Prepared(
    DecompteLine.objects.filter(
        decompte__in=Decompte.objects.filter(member=Slot("member"))
        .order_by("-paid_on", "-id")
        .values("pk")[:LATEST]
    )
    .order_by(*IN_ORDER)
    .values_list(*COLUMNS)
)


def page(
    member: Member, chosen: Chosen, after: tuple[date, int] | None = None, *, acts: bool
) -> tuple[list[Payment], tuple[date, int] | None]:
    """PAGE décomptes at most, the latest first, and what to ask for the next ones. Two statements.

    `after`: where the page before ended, a day of payment and an id.
    """
    found = _decomptes(member, chosen)
    if after:
        day, key = after
        found = found.filter(Q(paid_on__lt=day) | Q(paid_on=day, pk__lt=key))
    keys = list(found.order_by("-paid_on", "-pk").values_list("paid_on", "pk")[: PAGE + 1])
    shown = [key for _day, key in keys[:PAGE]]
    lines = DecompteLine.objects.filter(chosen.lines(), decompte__in=shown)
    payments = _gathered(lines.order_by(*IN_ORDER).values_list(*COLUMNS), acts)
    return payments, keys[PAGE - 1] if len(keys) > PAGE else None


def _decomptes(member: Member, chosen: Chosen):
    found = Decompte.objects.filter(member=member)
    if chosen.year:
        found = found.filter(paid_on__range=(date(chosen.year, 1, 1), date(chosen.year, 12, 31)))
    wanted = chosen.lines()
    if wanted:
        found = found.filter(Exists(DecompteLine.objects.filter(wanted, decompte=OuterRef("pk"))))
    return found


def one(member: Member, key: int, *, acts: bool) -> Payment | None:
    """One décompte of `member` in full; None when it is not his. One statement."""
    lines = DecompteLine.objects.filter(decompte=key, decompte__member=member)
    return next(iter(_gathered(lines.order_by(*IN_ORDER).values_list(*COLUMNS), acts)), None)


def _gathered(rows: Iterable[tuple], acts: bool) -> list[Payment]:
    """Rows of COLUMNS, in the order of IN_ORDER, under their décomptes."""
    found: dict[int, Payment] = {}
    for key, number, paid_on, payee, care_on, names, act, domain, *amounts in rows:
        expense, ro, rc, left, base, ro_rate, flat_charge, deductible = amounts
        payment = found.setdefault(key, Payment(key, number, paid_on, payee))
        payment.lines.append(
            Line(
                care_on=care_on,
                person=first_name_of(names or ""),
                act=act if acts else domain,
                domain=domain,
                sums=Sums(expense, ro, rc, left),
                base=base,
                ro_rate=ro_rate,
                flat_charge=flat_charge,
                deductible=deductible,
            )
        )
    return list(found.values())


# ------------------------------------------------------------------------------------------ sums


@dataclass(frozen=True, slots=True)
class History:
    """Sums of all that was paid to a member, by year, person and care domain."""

    sums: dict[tuple[int, int, int], Sums]  # (year, person, domain)
    domains: dict[int, str]

    @property
    def years(self) -> list[int]:
        """The latest first."""
        return sorted({year for year, _person, _domain in self.sums}, reverse=True)

    def per_year(self, chosen: Chosen) -> dict[int, Sums]:
        """The sums of every year of what was chosen, the latest first; its own year does not count."""
        found = {}
        for (year, person, domain), sums in self.sums.items():
            if chosen.person in (None, person) and chosen.domain in (None, domain):
                found[year] = found.get(year, Sums()) + sums
        return dict(sorted(found.items(), reverse=True))


def history(member: Member) -> History:
    """One statement: a row for each year, person and domain, however many lines there are."""
    rows = (
        DecompteLine.objects.filter(decompte__member=member)
        .order_by()
        .values_list(
            ExtractYear("decompte__paid_on"),
            "ayant_droit",
            "domain",
            "domain__label",
            "domain__position",
        )
        .annotate(Sum("expense"), Sum("ro_amount"), Sum("rc_amount"), Sum("left_amount"))
    )
    rows = sorted(rows, key=lambda row: row[4])
    return History(
        sums={
            (year, person or HIMSELF, domain): Sums(*amounts)
            for year, person, domain, _label, _position, *amounts in rows
        },
        domains={domain: label for _year, _person, domain, label, *_rest in rows},
    )


# ----------------------------------------------------------------------------------------- files


class TooMuch(Exception):
    """More lines than one file takes: a year must be chosen."""


def whole(member: Member, chosen: Chosen, *, acts: bool) -> list[Payment]:
    """Every décompte that was chosen, the latest first. One statement. Raises TooMuch."""
    lines = DecompteLine.objects.filter(
        chosen.lines(), decompte__in=_decomptes(member, chosen).values("pk")
    )
    rows = list(lines.order_by(*IN_ORDER).values_list(*COLUMNS)[: MOST_LINES + 1])
    if len(rows) > MOST_LINES:
        raise TooMuch
    return _gathered(rows, acts)


def as_csv(member: Member, payments: Iterable[Payment]) -> str:
    """Semicolons, decimal commas and safe cells, as French spreadsheets read them."""
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=";")
    writer.writerow(
        [
            _("décompte"),
            _("payé le"),
            _("payé à"),
            _("date de soins"),
            _("bénéficiaire"),
            _("acte"),
            _("domaine de soins"),
            _("dépense"),
            _("base de remboursement"),
            _("taux de l'Assurance Maladie en %"),
            _("part de l'Assurance Maladie"),
            _("part de la mutuelle"),
            _("participation forfaitaire"),
            _("franchise"),
            _("reste à charge"),
        ]
    )
    for payment in payments:
        for line in payment.lines:
            row = [
                payment.number,
                payment.paid_on.isoformat(),
                Payee(payment.payee).label,
                line.care_on.isoformat(),
                line.person or member.first_name,
                line.act,
                line.domain,
                plain(line.sums.expense),
                plain(line.base),
                line.ro_rate,
                plain(line.sums.ro),
                plain(line.sums.rc),
                plain(line.flat_charge),
                plain(line.deductible),
                plain(line.sums.left),
            ]
            writer.writerow([cell(value) for value in row])
    return stream.getvalue()
