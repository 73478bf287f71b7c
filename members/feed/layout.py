"""The files of the feed and their columns: a public contract, told to its makers in docs/feed.md.

A column's `field` is where its value goes in a line's `values`: mostly a field of the model.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from members.feed import cells
from members.models.contract import ContractKind
from members.models.decompte import Payee
from members.models.member import Civility, Link, NirAbsence, Noemie
from members.models.plan import Heading

Check = Callable[[dict[str, Any]], Iterable[str]]


@dataclass(frozen=True)
class Column:
    """An `optional` one may be missing from the header: what the portal knows then stays."""

    name: str
    field: str
    read: cells.Reader
    optional: bool = False


@dataclass(frozen=True)
class Layout:
    """`group`: the column whose value gathers lines that are judged and written together.

    `key`: the fields that tell two lines apart, besides the group's own.
    """

    name: str
    group: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    check: Check = lambda values: ()

    @cached_property
    def group_field(self) -> str:
        return next(column.field for column in self.columns if column.name == self.group)


def _period(values) -> Iterable[str]:
    if values["end"] is not None and values["end"] < values["start"]:
        yield _("fin : elle précède le début.")


def _contract(values) -> Iterable[str]:
    yield from _period(values)
    if (values["kind"] == ContractKind.COLLECTIVE) != bool(values["employer"]):
        yield _("siren_employeur : un contrat collectif en a un, un contrat individuel n'en a pas.")


def _holding(values) -> Iterable[str]:
    if values["purged_on"] and not values["evidence"]:
        yield _("preuve : un effacement attesté demande sa preuve.")


def _guarantee(values) -> Iterable[str]:
    yield from _period(values)
    parts = [values[name] for name in ("example_ro", "example_rc", "example_left")]
    amounts = [values["example_price"], *parts]
    if not values["example_act"]:
        if any(amount is not None for amount in amounts):
            yield _("exemple_acte : vide, alors que l'exemple a un montant.")
    elif None in amounts:
        yield _("exemple_prix : un exemple dit son prix et ses trois parts.")
    elif sum(parts) != values["example_price"]:
        yield _("exemple_prix : il n'est pas la somme des trois parts.")


def _decompte(values) -> Iterable[str]:
    if values["expense"] != values["ro_amount"] + values["rc_amount"] + values["left_amount"]:
        yield _("depense : elle n'est pas la somme des deux parts et du reste à charge.")
    if values["left_amount"] < values["flat_charge"] + values["deductible"]:
        yield _("reste_a_charge : moins que la participation et la franchise.")


def _person(values) -> Iterable[str]:
    if values["nir"] and values.get("nir_absence"):
        yield _("motif_sans_nir : vide quand le NIR est donné.")


def _ayant_droit(values) -> Iterable[str]:
    yield from _person(values)
    yield from _period(values)


SIREN = cells.pattern(r"[0-9]{9}", gettext_noop("neuf chiffres"))
SIREN_OR_EMPTY = cells.pattern(r"[0-9]{9}", gettext_noop("neuf chiffres"), required=False)
PLAN = cells.pattern(r"[0-9A-Z-]{1,30}", gettext_noop("chiffres, majuscules et tirets"))
MEMBER = cells.pattern(r"[0-9A-Z]{4,20}", gettext_noop("de 4 à 20 chiffres et majuscules"))
DECOMPTE = cells.pattern(r"[0-9A-Z-]{1,30}", gettext_noop("chiffres, majuscules et tirets"))
IDENTIFIANT = cells.pattern(
    r"[a-z0-9][a-z0-9._@-]{2,63}",
    gettext_noop("lettres minuscules sans accent, chiffres, point, tiret ou arobase"),
    required=False,
)
OPERATOR, DOMAIN = cells.text(20, required=True), cells.text(10, required=True)
CONTRACT = cells.text(30, required=True)

NUMBER = Column("numero_adherent", "number", MEMBER)
CONTRACT_NUMBER = Column("numero_contrat", "contract", CONTRACT)
PERIOD = (Column("debut", "start", cells.day), Column("fin", "end", cells.day_or_empty))
NAMES = (
    Column("nom_naissance", "birth_name", cells.text(100, required=True)),
    Column("nom_usage", "usage_name", cells.text(100)),
    Column("prenoms", "first_names", cells.text(150, required=True)),
    Column("date_naissance", "birth_date", cells.birth_day),
    Column("rang_naissance", "birth_rank", cells.integer(1, 9)),
    Column("nir", "nir", cells.nir_or_empty),
)
EMAIL = Column("email", "email", cells.email_or_empty)
PLACE = (
    Column("adresse", "address", cells.text(200)),
    Column("code_postal", "postal_code", cells.text(10)),
    Column("ville", "city", cells.text(100)),
)
REASONS = [reason for reason in NirAbsence.values if reason]
WITHOUT_NIR = Column("motif_sans_nir", "nir_absence", cells.choice(*REASONS, required=False), True)
NOEMIE = Column("noemie", "noemie", cells.choice(*Noemie.values), True)
CIVILITY = cells.choice(*[code for code in Civility.values if code], required=False)

DOMAINS = Layout(
    "domains.csv",
    "code",
    (
        Column("code", "code", DOMAIN),
        Column("libelle", "label", cells.text(100, required=True)),
        Column("ordre", "position", cells.integer(0, 32767)),
    ),
)
OPERATORS = Layout(
    "operators.csv",
    "code",
    (Column("code", "code", OPERATOR), Column("nom", "name", cells.text(100, required=True))),
)
EMPLOYERS = Layout(
    "employers.csv",
    "siren",
    (Column("siren", "siren", SIREN), Column("nom", "name", cells.text(150, required=True))),
)
PLANS = Layout(
    "plans.csv",
    "code",
    (Column("code", "code", PLAN), Column("nom", "name", cells.text(100, required=True))),
)
GUARANTEES = Layout(
    "guarantees.csv",
    "plan",
    (
        Column("plan", "plan", PLAN),
        Column("rubrique", "heading", cells.choice(*Heading.values)),
        Column("garantie", "label", cells.text(150, required=True)),
        Column("niveau", "level", cells.text(100, required=True)),
        Column("ordre", "position", cells.integer(0, 32767)),
        *PERIOD,
        Column("exemple_acte", "example_act", cells.text(150)),
        Column("exemple_prix", "example_price", cells.cents_or_empty),
        Column("exemple_part_ro", "example_ro", cells.cents_or_empty),
        Column("exemple_part_rc", "example_rc", cells.cents_or_empty),
        Column("exemple_reste", "example_left", cells.cents_or_empty),
    ),
    key=("heading", "label", "start"),
    check=_guarantee,
)
CONTRACTS = Layout(
    "contracts.csv",
    "numero_contrat",
    (
        Column("numero_contrat", "number", CONTRACT),
        Column("type", "kind", cells.choice(*ContractKind.values)),
        Column("siren_employeur", "employer", SIREN_OR_EMPTY),
        Column("population", "population", cells.text(100)),
        Column("plan", "plan", PLAN),
        Column("telephone", "phone", cells.dialled),
        *PERIOD,
        Column("contact", "contact", cells.text(200), optional=True),
    ),
    check=_contract,
)
DELEGATIONS = Layout(
    "delegations.csv",
    "numero_contrat",
    (
        Column("operateur", "operator", OPERATOR),
        CONTRACT_NUMBER,
        Column("domaine", "domain", cells.text(10)),
        *PERIOD,
        Column("type_convention", "convention_type", cells.text(10)),
        Column("csr", "csr", cells.text(10)),
        Column("categories", "categories", cells.categories),
    ),
    key=("operator", "domain", "start"),
    check=_period,
)
HOLDINGS = Layout(
    "holdings.csv",
    "numero_contrat",
    (
        Column("operateur", "operator", OPERATOR),
        CONTRACT_NUMBER,
        Column("jusqu_au", "until", cells.day_or_empty),
        Column("purge_le", "purged_on", cells.day_or_empty),
        Column("preuve", "evidence", cells.text(200)),
    ),
    key=("operator", "purged_on"),
    check=_holding,
)
MEMBERS = Layout(
    "members.csv",
    "numero_adherent",
    (
        NUMBER,
        Column("civilite", "civility", CIVILITY),
        *NAMES,
        EMAIL,
        Column("telephone", "phone", cells.mobile_or_empty),
        *PLACE,
        Column("identifiant", "identifiant", IDENTIFIANT),
        WITHOUT_NIR,
        NOEMIE,
    ),
    check=_person,
)
ADHESIONS = Layout(
    "adhesions.csv",
    "numero_adherent",
    (NUMBER, CONTRACT_NUMBER, *PERIOD, Column("motif_fin", "end_reason", cells.text(100))),
    key=("contract", "start"),
    check=_period,
)
AYANTS_DROIT = Layout(
    "ayants_droit.csv",
    "numero_adherent",
    (
        NUMBER,
        Column("reference", "reference", cells.text(20, required=True)),
        Column("lien", "link", cells.choice(*Link.values)),
        *NAMES,
        *PERIOD,
        EMAIL,
        *PLACE,
        Column("civilite", "civility", CIVILITY, optional=True),
        WITHOUT_NIR,
        NOEMIE,
    ),
    key=("reference",),
    check=_ayant_droit,
)
DECOMPTES = Layout(
    "decomptes.csv",
    "numero_adherent",
    (
        NUMBER,
        Column("numero_decompte", "decompte", DECOMPTE),
        Column("paye_le", "paid_on", cells.day),
        Column("paye_a", "payee", cells.choice(*Payee.values)),
        Column("ligne", "position", cells.integer(0, 32767)),
        Column("date_soins", "care_on", cells.day),
        Column("ayant_droit", "ayant_droit", cells.text(20)),
        Column("acte", "act", cells.text(150, required=True)),
        Column("domaine", "domain", DOMAIN),
        Column("depense", "expense", cells.cents),
        Column("base", "base", cells.cents),
        Column("taux_ro", "ro_rate", cells.integer(0, 100)),
        Column("part_ro", "ro_amount", cells.cents),
        Column("part_rc", "rc_amount", cells.cents),
        Column("participation", "flat_charge", cells.cents),
        Column("franchise", "deductible", cells.cents),
        Column("reste_a_charge", "left_amount", cells.cents),
    ),
    key=("decompte", "position"),
    check=_decompte,
)

# Stages, in the order in which they are imported: each refers to those before it only.
STAGES: tuple[tuple[Layout, ...], ...] = (
    (DOMAINS,),
    (OPERATORS,),
    (EMPLOYERS,),
    (PLANS, GUARANTEES),
    (CONTRACTS, DELEGATIONS, HOLDINGS),
    (MEMBERS, ADHESIONS, AYANTS_DROIT, DECOMPTES),
)
LAYOUTS = tuple(layout for stage in STAGES for layout in stage)
# What a file that lists everything may end, by no longer listing it.
ENDED = (CONTRACTS, DELEGATIONS, ADHESIONS, AYANTS_DROIT)
