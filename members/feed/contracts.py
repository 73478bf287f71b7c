"""The stage of contracts, with who runs their tiers payant and who still holds their data."""

from collections import defaultdict

from django.utils.translation import gettext as _

from members.feed import layout, writing
from members.feed.changes import (
    Change,
    Ends,
    Group,
    ending,
    fetched,
    latest_asked,
    overlap,
    settle,
    write,
)
from members.feed.references import Known
from members.models import CareDomain, Contract, Delegation, Employer, Holding, Operator, Plan

CONTRACT = (
    "number", "kind", "employer_id", "population", "plan_id", "phone", "contact", "start", "end",
)  # fmt: skip
DELEGATION = (
    "operator_id", "domain_id", "start", "end", "convention_type", "csr", "categories",
)  # fmt: skip
HOLDING = ("operator_id", "until", "purged_on", "evidence")


class Contracts:
    to_confirm = ()

    def __init__(self, known: Known, ends: Ends):
        self.known, self.ends = known, ends

    def judge(self, groups: list[Group]) -> None:
        self._learn(groups)
        numbers = [group.key for group in groups]
        rows = {
            row["number"]: row
            for row in fetched(
                Contract.objects.filter(number__in=writing.codes(numbers)), ["id", *CONTRACT]
            )
        }
        of = {"contract__in": writing.ids(rows.values())}
        delegations, holdings = defaultdict(list), defaultdict(list)
        for row in fetched(
            Delegation.objects.filter(**of),
            ["id", "contract_id", *DELEGATION, "operator__code", "domain__code"],
        ):
            row["categories"] = Delegation._meta.get_field("categories").get_prep_value(
                row["categories"]
            )
            delegations[row["contract_id"]].append(row)
        for row in fetched(Holding.objects.filter(**of), ["id", "contract_id", *HOLDING]):
            holdings[row["contract_id"]].append(row)
        self.contracts, self.delegations, self.holdings = [], [], []
        for group in groups:
            row = rows.get(group.key)
            contract = self._contract(group, row)
            if contract is None:
                for of_file in (layout.DELEGATIONS, layout.HOLDINGS):
                    for line in group.readable(of_file):
                        line.refuse(_("numero_contrat : inconnu, ou refusé dans contracts.csv."))
                continue
            pk = row["id"] if row else None
            served = self._served(group, contract, delegations[pk])
            held = self._held(group, contract, holdings[pk], served)
            self.contracts.append(contract)
            self.delegations += served
            self.holdings += held
        for changes in (self.contracts, self.delegations, self.holdings):
            settle(changes)

    def _learn(self, groups: list[Group]) -> None:
        sirens, plans, operators, domains = set(), set(), set(), set()
        for group in groups:
            for line in group.of(layout.CONTRACTS):
                sirens.add(line.values.get("employer"))
                plans.add(line.values.get("plan"))
            for line in (*group.of(layout.DELEGATIONS), *group.of(layout.HOLDINGS)):
                operators.add(line.values.get("operator"))
                domains.add(line.values.get("domain"))
        empty = {None, ""}
        self.employers = self.known.learn(Employer, sirens - empty)
        self.plans = self.known.learn(Plan, plans - empty)
        self.operators = self.known.learn(Operator, operators - empty)
        self.domains = self.known.learn(CareDomain, domains - empty)

    def _contract(self, group: Group, row) -> Change | None:
        for line in group.readable(layout.CONTRACTS):
            values = line.values
            employer, plan = values["employer"], values["plan"]
            if employer and employer not in self.employers:
                line.refuse(_("siren_employeur : inconnu, ou refusé dans employers.csv."))
            if plan not in self.plans:
                line.refuse(_("plan : inconnu, ou refusé dans plans.csv."))
            if line.reasons:
                break
            final = {**(row or {"contact": ""}), **values}
            del final["employer"], final["plan"]
            final["employer_id"] = self.employers[employer] if employer else None
            final["plan_id"] = self.plans[plan]
            return Change(row, line, final)
        if row is None:
            return None
        if not group.of(layout.CONTRACTS):
            [change] = ending(
                group, layout.CONTRACTS, [(row, {"numero_contrat": group.key})], self.ends
            )
            return change
        return Change(row, values=row)

    def _served(self, group: Group, contract: Change, rows: list[dict]) -> list[Change]:
        by_key = {
            (row["operator_code"], row["domain_code"] or "", row["start"]): row for row in rows
        }
        for row in rows:
            del row["operator_code"], row["domain_code"]
        listed = {
            tuple(line.values.get(name) for name in layout.DELEGATIONS.key)
            for line in group.of(layout.DELEGATIONS)
        }
        changes = []
        for line in group.readable(layout.DELEGATIONS):
            values = line.values
            operator, domain = values["operator"], values["domain"]
            if operator not in self.operators:
                line.refuse(_("operateur : inconnu, ou refusé dans operators.csv."))
            if domain and domain not in self.domains:
                line.refuse(_("domaine : inconnu, ou refusé dans domains.csv."))
            row = by_key.get((operator, domain, values["start"]))
            if line.reasons:
                continue
            final = {
                **(row or {"contract": contract}),
                **{name: values[name] for name in DELEGATION if name in values},
                "operator_id": self.operators[operator],
                "domain_id": self.domains[domain] if domain else None,
            }
            changes.append(Change(row, line, final))
        taken = {id(change.row) for change in changes}
        unlisted = []
        for key, row in by_key.items():
            if key in listed:
                if id(row) not in taken:
                    changes.append(Change(row, values=row))
            else:
                operator, domain, start = key
                told = {"operateur": operator, "domaine": domain, "debut": start.isoformat()}
                unlisted.append((row, {"numero_contrat": group.key, **told}))
        changes += ending(group, layout.DELEGATIONS, unlisted, self.ends)
        while found := self._clash(changes):
            found.refuse(_("debut : un opérateur gère déjà ce contrat et ce domaine ces jours-là."))
            changes = [change for change in changes if change.values is not None]
        return changes

    @staticmethod
    def _clash(changes: list[Change]) -> Change | None:
        """The line to refuse of two delegations that touch; one without domain touches all."""
        everywhere = [change for change in changes if change.values["domain_id"] is None]
        by_domain = defaultdict(list)
        for change in changes:
            by_domain[change.values["domain_id"]].append(change)
        for domain, some in by_domain.items():
            if found := overlap(some if domain is None else some + everywhere):
                return latest_asked(*found)
        return None

    def _held(
        self, group: Group, contract: Change, rows: list[dict], served: list[Change]
    ) -> list[Change]:
        lines = list(group.readable(layout.HOLDINGS))
        by_key = {(row["operator_id"], row["purged_on"]): row for row in rows}
        open_still = {line.values["operator"] for line in lines if not line.values["purged_on"]}
        changes = []
        for line in lines:
            values = line.values
            operator = self.operators.get(values["operator"])
            if operator is None:
                line.refuse(_("operateur : inconnu, ou refusé dans operators.csv."))
                continue
            row = by_key.pop((operator, values["purged_on"]), None)
            if row is None and values["purged_on"] and values["operator"] not in open_still:
                row = by_key.pop((operator, None), None)  # it ends now: its purge is attested
            own = [change for change in served if change.values["operator_id"] == operator]
            purged_on = values["purged_on"]
            if not own:
                line.refuse(_("operateur : il n'a jamais géré ce contrat."))
            elif purged_on and not any(change.end and change.end <= purged_on for change in own):
                line.refuse(_("purge_le : la gestion était encore en cours ce jour-là."))
            if line.reasons:
                continue
            final = {
                **(row or {"contract": contract}),
                **{name: values[name] for name in HOLDING if name in values},
                "operator_id": operator,
            }
            changes.append(Change(row, line, final))
        return changes

    def write(self) -> None:
        write(Contract, self.contracts, CONTRACT)
        for change in (*self.delegations, *self.holdings):
            if change.is_new:
                change.values["contract_id"] = change.values.pop("contract").values["id"]
        write(Delegation, self.delegations, DELEGATION)
        write(Holding, self.holdings, HOLDING)

    def keep_in_mind(self) -> None:
        self.known.add(Contract, self.contracts)
