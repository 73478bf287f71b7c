"""The stage of members: one family at a time, whole, with its adhésions, ayants droit and décomptes."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta

from django.utils.translation import gettext as _

from members import sealing
from members.days import day as in_words
from members.feed import layout, writing
from members.feed.changes import (
    Change,
    Ends,
    Group,
    Row,
    ending,
    fetched,
    latest_asked,
    overlap,
    settle,
    write,
)
from members.feed.lines import Line
from members.feed.references import Known
from members.models import (
    Adhesion,
    AyantDroit,
    CareDomain,
    Contract,
    Decompte,
    DecompteLine,
    Leaving,
    Member,
)
from members.models.demande import DemandeState
from members.models.member import MADE_HERE, NIR_PURPOSE, NirAbsence, Noemie
from members.models.period import FOREVER, gap_in

IDENTITY = (
    "civility", "birth_name", "usage_name", "first_names", "birth_date", "birth_rank",
    "address", "postal_code", "city", "nir_absence", "noemie",
)  # fmt: skip
# Where codes, links and alerts of an account go: the member's own business. (decision 0036)
CONTACTS = ("phone", "email")
RELATIVE = ("reference", "link", "start", "end", "email", *IDENTITY)
ADHESION = ("contract_id", "start", "end", "end_reason")
DECOMPTE = ("paid_on", "payee")
ACT = (
    "position", "care_on", "ayant_droit_id", "act", "domain_id", "expense", "base", "ro_rate",
    "ro_amount", "rc_amount", "flat_charge", "deductible", "left_amount",
)  # fmt: skip
AMOUNTS = [name for name in ACT if not name.endswith("_id")]
# What a line may leave out of somebody new.
_NOBODY = {
    "civility": "",
    "noemie": Noemie.UNKNOWN.value,
    "nir_digest": None,
    "nir_absence": NirAbsence.PENDING.value,
}
_PENDING = NirAbsence.PENDING.value
SEALED = ("nir_sealed", "nir_digest", "nir_absence")


@dataclass(slots=True)
class Family:
    member: Change
    adhesions: list[Change] = field(default_factory=list)
    relatives: list[Change] = field(default_factory=list)
    listed: dict[str, Change] = field(default_factory=dict)  # relatives by reference


class Families:
    def __init__(self, known: Known, ends: Ends):
        self.known, self.ends = known, ends
        self.end_reason = _("Absente de la gestion")
        self.to_confirm: list[tuple[Line, list[str]]] = []

    # ------------------------------------------------------------------------------------- judge

    def judge(self, groups: list[Group]) -> None:
        self.contracts = self.known.learn(Contract, self._named(groups, layout.ADHESIONS))
        self.domains = self.known.learn(CareDomain, self._named(groups, layout.DECOMPTES))
        rows, adhesions, relatives = self._fetch(groups)
        self.left = _ended_here(relatives)
        self.families, self.to_confirm = [], []
        self.decomptes, self.acts = [], []
        paid: list[tuple[Family, Group]] = []
        for group in groups:
            member = self._member(group, rows.get(group.key))
            if member is None:
                for of_file in (layout.ADHESIONS, layout.AYANTS_DROIT, layout.DECOMPTES):
                    for line in group.readable(of_file):
                        line.refuse(_("numero_adherent : inconnu, ou refusé dans members.csv."))
                continue
            pk = member.row["id"] if member.row else None
            family = Family(member)
            family.adhesions = self._adhesions(group, adhesions[pk])
            family.relatives = self._relatives(group, family, relatives[pk])
            _agree(family)
            self.families.append(family)
            if layout.DECOMPTES.name in group.lines:
                paid.append((family, group))
        if paid:
            self._paid(paid)
        for family in self.families:
            settle((family.member, *family.adhesions, *family.relatives))
        settle(self.acts)

    @staticmethod
    def _named(groups: list[Group], of: layout.Layout) -> set[str]:
        name = "contract" if of is layout.ADHESIONS else "domain"
        return {
            line.values[name] for group in groups for line in group.of(of) if name in line.values
        }

    @staticmethod
    def _fetch(groups: list[Group]):
        numbers = [group.key for group in groups]
        of_members = Member.objects.filter(number__in=writing.codes(numbers))
        fields = ["id", "number", *CONTACTS, *IDENTITY, "nir_digest", "user_id"]
        rows = {row["number"]: row for row in fetched(of_members, [*fields, "user__identifiant"])}
        adhesions, relatives = defaultdict(list), defaultdict(list)
        if rows:
            of = {"member__in": writing.ids(rows.values())}
            for row in fetched(
                Adhesion.objects.filter(**of).order_by(),
                ["id", "member_id", *ADHESION, "contract__number"],
            ):
                adhesions[row["member_id"]].append(row)
            for row in fetched(
                AyantDroit.objects.filter(**of).order_by(),
                ["id", "member_id", *RELATIVE, "nir_digest"],
            ):
                relatives[row["member_id"]].append(row)
        return rows, adhesions, relatives

    def _member(self, group: Group, row: Row | None) -> Change | None:
        account = row.pop("user_identifiant") if row else None
        for line in group.readable(layout.MEMBERS):
            values = _as_person(line.values, row)
            identifiant = values.pop("identifiant")
            change = Change(row, line, values)
            if row and row["user_id"] is not None:
                differs = [name for name in CONTACTS if values[name] != row[name]]
                values.update({name: row[name] for name in CONTACTS})
                if identifiant and identifiant != account:
                    differs.append("identifiant")
                if differs:
                    self.to_confirm.append((line, differs))
            elif row is None:
                values["user_id"] = None
            return change
        return Change(row, values=row) if row else None

    def _adhesions(self, group: Group, rows: list[Row]) -> list[Change]:
        lines = group.of(layout.ADHESIONS)
        if not (lines or self.ends.files):
            return [Change(row, values=row) for row in rows]
        by_key = {(row.pop("contract_number"), row["start"]): row for row in rows}
        changes = []
        for line in group.readable(layout.ADHESIONS):
            values = line.values
            contract_id = self.contracts.get(values["contract"])
            if contract_id is None:
                line.refuse(_("numero_contrat : inconnu, ou refusé dans contracts.csv."))
                continue
            row = by_key.pop((values["contract"], values["start"]), None)
            final = {
                "contract_id": contract_id,
                "start": values["start"],
                "end": values["end"],
                "end_reason": values["end_reason"],
            }
            changes.append(Change(row, line, {**row, **final} if row else final))
        if not by_key:
            return changes
        listed = {(line.values.get("contract"), line.values.get("start")) for line in lines}
        unlisted = []
        for (contract, start), row in by_key.items():
            if (contract, start) in listed:
                changes.append(Change(row, values=row))
            else:
                told = {"numero_contrat": contract, "debut": start.isoformat()}
                unlisted.append((row, {"numero_adherent": group.key, **told}))
        return changes + ending(
            group, layout.ADHESIONS, unlisted, self.ends, end_reason=self.end_reason
        )

    def _relatives(self, group: Group, family: Family, rows: list[Row]) -> list[Change]:
        lines = group.of(layout.AYANTS_DROIT)
        by_key = {row["reference"]: row for row in rows}
        changes = []
        for line in group.readable(layout.AYANTS_DROIT):
            reference = line.values["reference"]
            row = by_key.pop(reference, None)
            if row is None:
                row = _made_here(by_key, line)
            if row and reference.startswith(MADE_HERE) and not _is_same(row, line.values):
                line.refuse(_("reference : « P- » est celle d'une autre personne, déclarée ici."))
                by_key[reference] = row
                continue
            values = _as_person(line.values, row)
            del values["number"]
            left = self.left.get(row["id"]) if row else None
            if left and values["start"] <= left < (values["end"] or FOREVER):
                values["end"] = left
                self.to_confirm.append((line, ["end"]))
            changes.append(Change(row, line, values))
        if not by_key:
            return changes
        listed = {line.values.get("reference") for line in lines}
        unlisted = []
        for reference, row in by_key.items():
            if reference in listed or reference.startswith(MADE_HERE):
                changes.append(Change(row, values=row))
            else:
                unlisted.append((row, {"numero_adherent": group.key, "reference": reference}))
        return changes + ending(group, layout.AYANTS_DROIT, unlisted, self.ends)

    # -------------------------------------------------------------------------------- décomptes

    def _paid(self, paid: list[tuple[Family, Group]]) -> None:
        numbers = {
            line.values["decompte"]
            for _family, group in paid
            for line in group.of(layout.DECOMPTES)
            if "decompte" in line.values
        }
        rows = {
            row["number"]: row
            for row in fetched(
                Decompte.objects.filter(number__in=writing.codes(numbers)).order_by(),
                ["id", "number", "member_id", *DECOMPTE],
            )
        }
        acts: dict[int, dict[int, Row]] = defaultdict(dict)
        if rows:
            known = writing.ids(rows.values())
            of = DecompteLine.objects.filter(decompte__in=known)
            for row in fetched(of.order_by(), ["id", "decompte_id", *ACT]):
                acts[row["decompte_id"]][row["position"]] = row
        heads: dict[str, tuple[Change, Family]] = {}
        for family, group in paid:
            family.listed = {
                change.values["reference"]: change
                for change in family.relatives
                if change.values is not None
            }
            for line in group.readable(layout.DECOMPTES):
                self._act(line, family, rows, acts, heads)
        self.decomptes = [head for head, _family in heads.values()]

    def _act(self, line, family: Family, rows, acts, heads) -> None:
        values = line.values
        number = values["decompte"]
        row = rows.get(number)
        member = family.member.row
        if row and not (member and row["member_id"] == member["id"]):
            line.refuse(_("numero_decompte : il est celui d'un autre adhérent."))
        head, owner = heads.get(number, (None, None))
        if head and owner is not family:
            line.refuse(_("numero_decompte : un autre adhérent a le même dans ce fichier."))
        elif head and any(head.values[name] != values[name] for name in DECOMPTE):
            line.refuse(_("paye_le, paye_a : une autre ligne de ce décompte dit autre chose."))
        relative = family.listed.get(values["ayant_droit"])
        if values["ayant_droit"] and relative is None:
            line.refuse(_("ayant_droit : inconnu, ou refusé dans ayants_droit.csv."))
        if values["domain"] not in self.domains:
            line.refuse(_("domaine : inconnu, ou refusé dans domains.csv."))
        if line.reasons:
            return
        if head is None:
            told = {name: values[name] for name in DECOMPTE}
            final = {**row, **told} if row else {"number": number, "family": family, **told}
            head = Change(row, line, final)
            heads[number] = (head, family)
        before = acts[row["id"]].get(values["position"]) if row else None
        final = {name: values[name] for name in AMOUNTS}
        final["domain_id"] = self.domains[values["domain"]]
        final["ayant_droit_id"] = None
        if relative:
            final["ayant_droit_id"] = relative.row["id"] if relative.row else relative
        act = Change(before, line, {**before, **final} if before else {**final, "head": head})
        if head.is_changed and not act.is_new:
            line.outcome = "changed"
        self.acts.append(act)

    # ------------------------------------------------------------------------------------- write

    def write(self) -> None:
        people = [family.member for family in self.families]
        _seal(people)
        new = [change.values for change in people if change.is_new]
        changed = [change for change in people if change.is_changed]
        writing.insert(Member, new)
        _update_people(Member, changed, IDENTITY)
        contacts = [
            change.values
            for change in changed
            if any(change.values[name] != change.row[name] for name in CONTACTS)
        ]
        # an account that opened a moment ago keeps its own
        writing.update(Member, CONTACTS, contacts, only="user_id")
        adhesions = [change for family in self.families for change in family.adhesions]
        relatives = [change for family in self.families for change in family.relatives]
        for family in self.families:
            if family.member.is_new or family.adhesions or family.relatives:
                pk = family.member.values["id"]
                for change in (*family.adhesions, *family.relatives):
                    if change.is_new:
                        change.values["member_id"] = pk
        write(Adhesion, adhesions, ADHESION)
        _seal(relatives)
        _update_people(AyantDroit, _make_room(relatives), RELATIVE)
        writing.insert(AyantDroit, [change.values for change in relatives if change.is_new])
        self._write_paid()

    def _write_paid(self) -> None:
        for head in self.decomptes:
            if head.is_new:
                head.values["member_id"] = head.values.pop("family").member.values["id"]
        write(Decompte, self.decomptes, DECOMPTE)
        for act in self.acts:
            who = act.values["ayant_droit_id"]
            if isinstance(who, Change):
                act.values["ayant_droit_id"] = who.values["id"]
            if act.is_new:
                act.values["decompte_id"] = act.values.pop("head").values["id"]
        write(DecompteLine, self.acts, ACT)

    def keep_in_mind(self) -> None:
        """Nothing names a member but his own family, which is whole here."""


def _ended_here(relatives: dict[int, list[Row]]) -> dict[int, date]:
    """The last day of those whose cover an accepted demande ended, by id, where it still ends so."""
    ended = [row for rows in relatives.values() for row in rows if row["end"]]
    if not ended:
        return {}
    decided = Leaving.objects.filter(
        ayant_droit__in=writing.ids(ended), demande__state=DemandeState.ACCEPTED
    ).values_list("ayant_droit_id", "last_day")
    ends = {row["id"]: row["end"] for row in ended}
    return {pk: day for pk, day in decided if ends[pk] == day}


def _made_here(by_key: dict[str, Row], line: Line) -> Row | None:
    """Takes out of `by_key` the person that a demande made and that `line` brings under its own reference."""
    for reference, row in by_key.items():
        if reference.startswith(MADE_HERE) and _is_same(row, line.values):
            return by_key.pop(reference)
    return None


def _is_same(row: Row, values: Row) -> bool:
    """Whether both are born on the same day, of the same rank, with the same first name."""
    return all(row[name] == values[name] for name in ("birth_date", "birth_rank")) and (
        _first_name(row) == _first_name(values)
    )


def _first_name(values: Row) -> str:
    first = re.split(r"[\s,-]+", values["first_names"].strip())[0]
    letters = unicodedata.normalize("NFKD", first.casefold())
    return "".join(one for one in letters if not unicodedata.combining(one))


def _as_person(values: Row, row: Row | None) -> Row:
    """The row that `values` make of `row`: of the NIR its digest, and « nir » where it is new."""
    final = {**(row or _NOBODY), **values}
    number, reason = final.pop("nir"), values.get("nir_absence", "")
    if number:
        digest = sealing.digest(number, NIR_PURPOSE)
        known = row["nir_digest"] if row else None
        if known == digest or (known and known in sealing.digests(number, NIR_PURPOSE)):
            digest = known  # one that an older key digested is the same number
        else:
            final["nir"] = number
        final["nir_digest"], final["nir_absence"] = digest, ""
    elif reason:
        final["nir_digest"], final["nir_absence"] = None, reason
    elif row:
        final["nir_absence"] = row["nir_absence"]
    else:
        final["nir_absence"] = _PENDING
    return final


def _agree(family: Family) -> None:
    """Refuses lines, the last ones first, until the family keeps the rules of docs/feed.md.

    What was wrong before, and that no line of the feed touches, stays as it is.
    """
    while found := _fault(family):
        change, reason = found
        change.refuse(reason)
        family.adhesions = [one for one in family.adhesions if one.values is not None]
        family.relatives = [one for one in family.relatives if one.values is not None]


def _fault(family: Family) -> tuple[Change, str] | None:
    adhesions, relatives = family.adhesions, family.relatives
    if len(adhesions) > 1:
        by_contract = defaultdict(list)
        for change in adhesions:
            by_contract[change.values["contract_id"]].append(change)
        for some in by_contract.values():
            if found := overlap(some):
                return latest_asked(*found), _(
                    "debut : l'adhérent a déjà ce contrat sur une partie de ces jours."
                )
    if not relatives:
        return None
    member = family.member
    born: dict[tuple[date, int], Change] = {
        (member.values["birth_date"], member.values["birth_rank"]): member
    }
    for change in relatives:
        key = (change.values["birth_date"], change.values["birth_rank"])
        other = born.setdefault(key, change)
        if other is not change and (other.is_asked or change.is_asked):
            return latest_asked(other, change), _(
                "rang_naissance : une autre personne de la famille, née le même jour, a ce rang."
            )
    for change in relatives:
        gap = _gap(change, adhesions)
        if gap is None:
            continue
        refusal = _("debut, fin : l'adhérent n'a pas d'adhésion le %s.") % in_words(gap)
        if change.is_asked and change.has_other_days:
            return change, refusal
        shorter = [one for one in adhesions if one.shrinks]
        before = [Change(one.row, values=one.row) for one in adhesions if one.row]
        if shorter and _gap(change, before) is None:
            return latest_asked(*shorter), _(
                "fin : l'ayant droit %(reference)s n'aurait plus d'adhésion le %(day)s."
            ) % {"reference": change.values["reference"], "day": in_words(gap)}
        if change.is_asked and not change.is_ending:
            return change, refusal
    return None


def _gap(change: Change, adhesions: list[Change]) -> date | None:
    start, end = change.start, change.end or FOREVER
    for one in adhesions:
        if one.start <= start and (one.end or FOREVER) >= end:
            return None
    return gap_in(start, change.end, adhesions)


def _seal(changes: Iterable[Change]) -> None:
    """Seals the numbers that are new. The slowest of an import: rows that keep theirs are left alone."""
    for change in changes:
        values = change.values
        if values is not change.row:
            if "nir" in values:
                values["nir_sealed"] = sealing.seal(values.pop("nir"))
            elif change.row is None or values["nir_digest"] != change.row["nir_digest"]:
                values["nir_sealed"] = ""


def _update_people(model, changes: Iterable[Change], fields) -> None:
    """What changed, of those whose NIR stays, then of the others."""
    changed = [change.values for change in changes if change.is_changed]
    others = [name for name in fields if name != "nir_absence"]
    writing.update(model, others, changed)
    writing.update(model, SEALED, [values for values in changed if "nir_sealed" in values])
    reasons = [values for values in changed if "nir_sealed" not in values]
    writing.update(model, ["nir_absence"], reasons)


def _make_room(relatives: list[Change]) -> list[Change]:
    """Sets aside, for a moment, births that another of the family takes: twins whose ranks were mixed up."""
    changed = [change for change in relatives if change.is_changed]
    held = {
        (change.row["member_id"], change.row["birth_date"], change.row["birth_rank"]): change
        for change in relatives
        if change.row
    }
    aside = []
    for change in changed:
        values = change.values
        key = (values["member_id"], values["birth_date"], values["birth_rank"])
        if held.get(key, change) is not change:
            aside.append(held[key])
    nowhere = [
        {"id": change.row["id"], "birth_date": date(1, 1, 1) + timedelta(days=number)}
        for number, change in enumerate(aside)
    ]
    writing.update(AyantDroit, ["birth_date"], nowhere)
    return changed
