"""What the invented contracts promise, and what was reimbursed over two years. No one here exists.

Prices and rates are plausible, rounded and of no real insurer.
"""

import random
from dataclasses import dataclass
from datetime import date, timedelta

from django.utils import timezone

from members.models import CardDomain, CareDomain, Decompte, DecompteLine, Guarantee, Member, Plan
from members.models.decompte import Payee
from members.models.plan import Heading

SINCE = date(2024, 1, 1)
MONTHS = 24


@dataclass(frozen=True)
class Promise:
    """A guarantee; `example`: act, then price, part of the RO and of the mutual, in cents."""

    heading: Heading
    label: str
    level: str
    example: tuple[str, int, int, int] | None = None


@dataclass(frozen=True)
class InventedPlan:
    code: str
    name: str
    rate: int  # of the card, in percent
    promises: tuple[Promise, ...]


def _promises(level: int, crown: int, lenses: int, hearing: int, room: int) -> tuple[Promise, ...]:
    """Guarantees of a plan: a percentage of the base, then the mutual's euros for dear things."""
    doctor = min(3_000 * (level - 70) // 100, 2_000)
    specialist_price = 5_500
    specialist = min(2_300 * (level - 70) // 100, specialist_price - 1_610)
    return (
        Promise(
            Heading.HOSPITALISATION,
            "Forfait journalier hospitalier",
            "100 % des frais réels",
            ("une journée en médecine", 2_000, 0, 2_000),
        ),
        Promise(
            Heading.HOSPITALISATION,
            "Chambre particulière",
            f"{room} € par jour",
            ("une nuit", 8_000, 0, min(room * 100, 8_000)),
        ),
        Promise(Heading.HOSPITALISATION, "Honoraires du chirurgien", f"{level} % BR"),
        Promise(
            Heading.DENTAIRE,
            "Soins et prothèses 100 % santé",
            "sans reste à charge",
            ("une couronne du panier 100 % santé", 50_000, 7_200, 42_800),
        ),
        Promise(
            Heading.DENTAIRE,
            "Prothèses hors 100 % santé",
            f"{crown} € par couronne",
            ("une couronne sur une molaire", 60_000, 7_200, min(crown * 100, 52_800)),
        ),
        Promise(
            Heading.OPTIQUE,
            "Lunettes 100 % santé",
            "sans reste à charge",
            ("une paire à verres simples", 12_500, 2_250, 10_250),
        ),
        Promise(
            Heading.OPTIQUE,
            "Lunettes hors 100 % santé",
            f"{lenses} € tous les deux ans",
            ("une paire à verres progressifs", 34_500, 9, min(lenses * 100, 34_491)),
        ),
        Promise(
            Heading.AIDES_AUDITIVES,
            "Aides auditives 100 % santé",
            "sans reste à charge",
            ("un appareil du panier 100 % santé", 95_000, 24_000, 71_000),
        ),
        Promise(
            Heading.AIDES_AUDITIVES,
            "Aides auditives hors 100 % santé",
            f"{hearing} € par oreille",
            ("un appareil", 147_600, 24_000, min(hearing * 100, 123_600)),
        ),
        Promise(
            Heading.SOINS_COURANTS,
            "Consultation d'un généraliste",
            f"{level} % BR",
            ("une consultation sans dépassement", 3_000, 1_900, min(doctor, 900)),
        ),
        Promise(
            Heading.SOINS_COURANTS,
            "Consultation d'un spécialiste",
            f"{level} % BR",
            ("une consultation avec dépassement", specialist_price, 1_410, specialist),
        ),
        Promise(Heading.SOINS_COURANTS, "Analyses et radiologie", f"{min(level, 150)} % BR"),
        Promise(Heading.SOINS_COURANTS, "Médicaments remboursés à 65 %", "100 % BR"),
    )


PLANS = (
    InventedPlan("SOCLE", "Socle collectif", 100, _promises(130, 250, 200, 400, 50)),
    InventedPlan("CADRES", "Cadres confort", 100, _promises(200, 450, 345, 900, 80)),
    InventedPlan("SERENITE", "Individuel sérénité", 100, _promises(150, 300, 250, 600, 60)),
    InventedPlan("ESSENTIEL", "Individuel essentiel", 100, _promises(100, 125, 100, 200, 30)),
)
NEED_AGREEMENT = ("OPTI", "DENT", "AUDI", "HOSP")

# What is done in a life: act, domain, price, base, rate, part of the mutual, participation, franchise.
ACTS = (
    ("Consultation d'un généraliste", "EXTE", 3_000, 3_000, 70, 900, 200, 0),
    ("Médicaments", "PHAR", 1_840, 1_840, 65, 644, 0, 200),
    ("Consultation d'un dermatologue", "EXTE", 5_500, 3_150, 70, 1_890, 200, 0),
    ("Analyse de sang", "LABO", 2_760, 2_760, 60, 1_104, 200, 0),
    ("Séance de kinésithérapie", "AUXM", 1_656, 1_656, 60, 663, 0, 100),
    ("Radiographie du poignet", "RADL", 2_494, 2_494, 70, 749, 200, 0),
    ("Détartrage", "DENT", 2_892, 2_892, 60, 1_157, 0, 0),
    ("Bilan orthoptique", "AUXM", 2_620, 2_620, 60, 1_048, 0, 100),
)
GLASSES = ("Lunettes, verres simples", "OPTI", 24_500, 15, 60, 20_000, 0, 0)
MONTH_OF_GLASSES = 7
AT_PROFESSIONALS = ("PHAR", "LABO", "RADL", "OPTI")


def load_plans() -> dict[str, Plan]:
    """Each plan by its name, made if it is missing; needs the care domains."""
    domains = {domain.code: domain for domain in CareDomain.objects.all()}
    return {invented.name: _plan(invented, domains) for invented in PLANS}


def _plan(invented: InventedPlan, domains: dict[str, CareDomain]) -> Plan:
    found = Plan.objects.filter(name=invented.name).order_by("pk").first()
    plan = found or Plan.objects.create(code=invented.code, name=invented.name)
    if plan.guarantees.exists():
        return plan
    Guarantee.objects.bulk_create(
        _guarantee(plan, promise, position * 10)
        for position, promise in enumerate(invented.promises, start=1)
    )
    CardDomain.objects.bulk_create(
        CardDomain(
            plan=plan, domain=domain, rate=invented.rate, needs_agreement=code in NEED_AGREEMENT
        )
        for code, domain in domains.items()
    )
    return plan


def _guarantee(plan: Plan, promise: Promise, position: int) -> Guarantee:
    row = Guarantee(
        plan=plan,
        heading=promise.heading,
        label=promise.label,
        level=promise.level,
        position=position,
        start=SINCE,
    )
    if promise.example:
        act, price, ro, rc = promise.example
        row.example_act, row.example_price, row.example_ro = act, price, ro
        row.example_rc, row.example_left = rc, price - ro - rc
    return row


def load_decomptes(members: list[Member]) -> None:
    """Two years of reimbursements for who is covered today and has none; the same on the same day."""
    today = timezone.localdate()
    domains = {domain.code: domain for domain in CareDomain.objects.all()}
    for member in members:
        covered = member.adhesions.on(today).first()
        if covered is None or member.decomptes.exists():
            continue
        family = [None, *member.ayants_droit.on(today)]
        chance = random.Random(member.number)
        payments, lines = [], []
        for month in range(MONTHS):
            care_on = today - timedelta(days=12 + month * 30 + chance.randrange(9))
            if care_on < covered.start:
                break
            acts = chance.sample(ACTS, chance.choice((1, 1, 2)))
            if month == MONTH_OF_GLASSES:
                acts = [GLASSES]
            at_professionals = all(act[1] in AT_PROFESSIONALS for act in acts)
            payment = Decompte(
                member=member,
                number=f"{member.number}-{care_on:%y%m}-{month:02}",
                paid_on=care_on + timedelta(days=5),
                payee=Payee.PROFESSIONAL if at_professionals else Payee.MEMBER,
            )
            payments.append(payment)
            lines += [
                _line(payment, position, care_on, chance.choice(family), act, domains)
                for position, act in enumerate(acts, start=1)
            ]
        Decompte.objects.bulk_create(payments)
        DecompteLine.objects.bulk_create(lines)


def _line(payment, position, care_on, who, act, domains) -> DecompteLine:
    label, domain, price, base, rate, rc, participation, franchise = act
    ro = base * rate // 100 - participation - franchise
    return DecompteLine(
        decompte=payment,
        position=position,
        care_on=care_on,
        ayant_droit=who,
        act=label,
        domain=domains[domain],
        expense=price,
        base=base,
        ro_rate=rate,
        ro_amount=ro,
        rc_amount=rc,
        flat_charge=participation,
        deductible=franchise,
        left_amount=price - ro - rc,
    )
