"""The invented people of the demonstration and of the tests. No one here exists. (docs/demo.md)

`load` is safe to run again: what is there stays as it is.
"""

import secrets
from dataclasses import dataclass
from datetime import date, datetime, time

from django.contrib.auth.models import Group
from django.db import transaction
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice

from members.models import (
    Adhesion,
    AyantDroit,
    BankAccount,
    CareDomain,
    Contract,
    Delegation,
    Employer,
    Holding,
    Member,
    Operator,
    Plan,
    SmsDevice,
    User,
)
from members.models.category import DataCategory as Data
from members.models.contract import ContractKind
from members.models.member import Civility, Link, NirAbsence, Noemie
from portal import roles
from portal.demo import care

PASSWORD = "trois-galets-gris"
IBAN = "FR7630006000011234567890189"  # the one of examples: of no bank

VIAMEDIS, ALMERYS, OCEANE = "VIAMEDIS", "ALMERYS", "OCEANE"
OPERATORS = {VIAMEDIS: "Viamedis", ALMERYS: "Almerys", OCEANE: "Océane Santé"}
CARE_DOMAINS = {
    "PHAR": "Pharmacie",
    "LABO": "Laboratoire",
    "RADL": "Radiologie",
    "AUXM": "Auxiliaires médicaux",
    "SAGE": "Sages-femmes",
    "OPTI": "Optique",
    "DENT": "Dentaire",
    "EXTE": "Soins externes",
    "HOSP": "Hospitalisation",
    "AUDI": "Audioprothèse",
    "TRAN": "Transport",
}
EXPOSED = (
    Data.ETAT_CIVIL,
    Data.RANG_NAISSANCE,
    Data.DATE_NAISSANCE,
    Data.NIR,
    Data.NOM_ASSUREUR,
    Data.GARANTIES_CONTRAT,
    Data.REFERENCE_INTERNE,
)
SENT = frozenset({*EXPOSED, Data.NUMERO_ADHERENT, Data.NUMERO_CONTRAT})


@dataclass(frozen=True)
class Served:
    """One delegation of a contract; `purged_on` and `held` tell what was kept afterwards."""

    operator: str
    start: date
    end: date | None = None
    held: bool = False
    purged_on: date | None = None


@dataclass(frozen=True)
class InventedContract:
    number: str
    plan: str
    phone: str
    start: date
    served: tuple[Served, ...]
    employer: tuple[str, str] | None = None  # SIREN, name
    population: str = ""


@dataclass(frozen=True)
class Relative:
    link: Link
    first_names: str
    birth_name: str
    birth_date: date
    start: date
    nir: str = ""
    civility: Civility = Civility.NONE
    usage_name: str = ""
    birth_rank: int = 1
    noemie: Noemie = Noemie.LINKED
    address: tuple[str, str, str] = ("", "", "")


@dataclass(frozen=True)
class Invented:
    """A member of the cast: a letter, who he is, and what one may try with his account."""

    letter: str
    number: str
    civility: Civility
    first_names: str
    birth_name: str
    birth_date: date
    contract: str
    start: date
    story: str
    end: date | None = None
    nir: str = ""
    phone: str = ""
    identifiant: str = ""
    suspended: bool = False
    family: tuple[Relative, ...] = ()


@dataclass(frozen=True)
class Staff:
    identifiant: str
    name: str
    role: str
    story: str
    totp_key: str  # hexadecimal, for the demonstration only


@dataclass(frozen=True)
class Account:
    """How to sign in as someone: `password` and `totp_key` are None where they are not ours to tell."""

    identifiant: str
    who: str
    story: str
    password: str | None
    number: str = ""
    letter: str = ""
    phone: str = ""
    totp_key: str | None = None

    @property
    def is_staff(self) -> bool:
        return not self.number


CONTRACTS = (
    InventedContract(
        number="TA-SOCLE",
        plan="Socle collectif",
        phone="02 61 91 00 10",
        start=date(2015, 1, 1),
        employer=("900000015", "Télécom Atlantique"),
        population="Ensemble des salariés",
        served=(
            Served(VIAMEDIS, date(2015, 1, 1), date(2023, 12, 31), held=True),
            Served(ALMERYS, date(2024, 1, 1)),
        ),
    ),
    InventedContract(
        number="CG-CADRES",
        plan="Cadres confort",
        phone="02 61 91 00 20",
        start=date(2017, 1, 1),
        employer=("900000023", "Chantiers du Golfe"),
        population="Cadres",
        served=(
            Served(VIAMEDIS, date(2017, 1, 1), date(2023, 12, 31), held=True),
            Served(ALMERYS, date(2024, 1, 1)),
        ),
    ),
    InventedContract(
        number="IND-1042",
        plan="Individuel sérénité",
        phone="02 61 91 00 30",
        start=date(2012, 1, 1),
        served=(
            Served(VIAMEDIS, date(2012, 1, 1), date(2018, 12, 31), purged_on=date(2022, 6, 30)),
        ),
    ),
    InventedContract(
        number="IND-2077",
        plan="Individuel essentiel",
        phone="02 61 91 00 40",
        start=date(2020, 1, 1),
        served=(Served(OCEANE, date(2020, 1, 1)),),
    ),
)

CAST = (
    Invented(
        letter="A",
        number="10000001",
        civility=Civility.MONSIEUR,
        first_names="Antoine Louis",
        birth_name="Kervella",
        birth_date=date(1978, 6, 14),
        nir="178067512345644",
        phone="+33600000001",
        identifiant="antoine.kervella",
        contract="TA-SOCLE",
        start=date(2019, 1, 1),
        story="Adhérent depuis 2019, avec sa conjointe et leurs jumelles : deux opérateurs.",
        family=(
            Relative(
                Link.CONJOINT,
                "Aurélie",
                "Marchetti",
                date(1981, 9, 3),
                date(2019, 1, 1),
                nir="281091300104217",
                civility=Civility.MADAME,
                usage_name="Kervella",
            ),
            Relative(
                Link.ENFANT,
                "Apolline",
                "Kervella",
                date(2010, 11, 21),
                date(2019, 1, 1),
                nir="210119935200723",
            ),
            Relative(
                Link.ENFANT,
                "Adèle",
                "Kervella",
                date(2010, 11, 21),
                date(2019, 1, 1),
                nir="210119935200822",
                birth_rank=2,
                noemie=Noemie.NOT_LINKED,
            ),
        ),
    ),
    Invented(
        letter="B",
        number="10000002",
        civility=Civility.MADAME,
        first_names="Bianca",
        birth_name="Santoni",
        birth_date=date(1984, 12, 8),
        nir="284122B03302108",
        phone="+33600000002",
        identifiant="bianca.santoni",
        contract="TA-SOCLE",
        start=date(2024, 1, 15),
        story="Adhérente depuis le 15 janvier 2024 : Almerys seulement.",
    ),
    Invented(
        letter="C",
        number="10000003",
        civility=Civility.MONSIEUR,
        first_names="César",
        birth_name="Orsini",
        birth_date=date(1980, 6, 2),
        nir="180062A00403319",
        contract="TA-SOCLE",
        start=date(2020, 3, 1),
        end=date(2023, 10, 31),
        story="Parti le 31 octobre 2023, sans compte : Viamedis garde ses données.",
    ),
    Invented(
        letter="D",
        number="10000004",
        civility=Civility.MADAME,
        first_names="Denise",
        birth_name="Fauvel",
        birth_date=date(1951, 3, 27),
        phone="+33600000004",
        identifiant="denise.fauvel",
        contract="IND-1042",
        start=date(2012, 1, 1),
        end=date(2018, 12, 31),
        story="Partie en 2018, effacement attesté en 2022 : non concernée.",
    ),
    Invented(
        letter="F",
        number="10000006",
        civility=Civility.MONSIEUR,
        first_names="Fabien",
        birth_name="Loriot",
        birth_date=date(1990, 2, 19),
        phone="+33600000006",
        identifiant="fabien.loriot",
        contract="IND-2077",
        start=date(2020, 1, 1),
        story="Contrat géré par un autre opérateur : non concerné.",
    ),
    Invented(
        letter="G",
        number="10000007",
        civility=Civility.MADAME,
        first_names="Gwenaëlle",
        birth_name="Garnier",
        birth_date=date(1979, 5, 11),
        phone="+33600000007",
        identifiant="gwenaelle.garnier",
        contract="CG-CADRES",
        start=date(2018, 9, 1),
        story="Couvre son fils majeur Émile, et Gabin que son père couvre aussi.",
        family=(
            Relative(
                Link.ENFANT,
                "Émile",
                "Garnier",
                date(2005, 7, 30),
                date(2018, 9, 1),
                nir="105079205011880",
                civility=Civility.MONSIEUR,
                address=("8 rue du Phare", "56100", "Lorient"),
            ),
            Relative(
                Link.ENFANT,
                "Gabin",
                "Perrin",
                date(2016, 3, 5),
                date(2018, 9, 1),
                nir="116037510004264",
            ),
        ),
    ),
    Invented(
        letter="H",
        number="10000008",
        civility=Civility.MONSIEUR,
        first_names="Gilles",
        birth_name="Perrin",
        birth_date=date(1977, 2, 23),
        phone="+33600000008",
        identifiant="gilles.perrin",
        contract="TA-SOCLE",
        start=date(2016, 9, 1),
        story="Père de Gabin, qui a deux adhérents pour parents et ne compte qu'une fois.",
        family=(
            Relative(
                Link.ENFANT,
                "Gabin",
                "Perrin",
                date(2016, 3, 5),
                date(2016, 9, 1),
                nir="116037510004264",
            ),
        ),
    ),
    Invented(
        letter="S",
        number="10000009",
        civility=Civility.MADAME,
        first_names="Simone",
        birth_name="Verdier",
        birth_date=date(1969, 8, 1),
        phone="+33600000009",
        identifiant="simone.verdier",
        contract="TA-SOCLE",
        start=date(2016, 1, 1),
        suspended=True,
        story="Compte suspendu : la connexion répond comme à un inconnu.",
    ),
    Invented(
        letter="P",
        number="10000010",
        civility=Civility.MONSIEUR,
        first_names="Paulin",
        birth_name="Roche",
        birth_date=date(1988, 10, 17),
        identifiant="paulin.roche",
        contract="TA-SOCLE",
        start=date(2021, 5, 1),
        story="Sans téléphone enregistré : la connexion répond comme à un inconnu.",
    ),
    Invented(
        letter="I",
        number="10000011",
        civility=Civility.MADAME,
        first_names="Inès Jeanne",
        birth_name="Le Gall",
        birth_date=date(1992, 4, 6),
        phone="+33600000011",
        contract="IND-2077",
        start=date(2022, 9, 1),
        story="Sans compte, avec e-mail et mobile : ouvre son espace par le moyen de son choix.",
    ),
    Invented(
        letter="J",
        number="10000012",
        civility=Civility.MONSIEUR,
        first_names="Jules",
        birth_name="Keromnès",
        birth_date=date(1946, 11, 30),
        contract="IND-2077",
        start=date(2020, 6, 1),
        story="Sans compte ni mobile : un courrier ou un e-mail, puis il indique son téléphone.",
    ),
)

STAFF = (
    Staff(
        "support",
        "Sacha Lemoine",
        roles.SUPPORT,
        "Assistance : retrouve un adhérent et ce qu'il a lu.",
        "00112233445566778899aabbccddeeff00112233",
    ),
    Staff(
        "auteur",
        "Axelle Quéré",
        roles.WRITING,
        "Incidents : rédige et soumet.",
        "112233445566778899aabbccddeeff0011223344",
    ),
    Staff(
        "approbateur",
        "Basile Tanguy",
        roles.APPROVAL,
        "Incidents : approuve et publie ce qu'un autre a écrit.",
        "2233445566778899aabbccddeeff001122334455",
    ),
    Staff(
        "courriers",
        "Camille Ollivier",
        roles.LETTERS,
        "Courriers : imprime, et classe ceux qui reviennent.",
        "33445566778899aabbccddeeff00112233445566",
    ),
)


@transaction.atomic
def load(*, known_secrets: bool) -> list[Account]:
    """Creates who is missing; every account, with the secrets that are known.

    `known_secrets`: the demonstration's password and keys. Otherwise each new account gets random ones,
    told this once.
    """
    groups = {group.name: group for group in roles.sync()}
    _load_operators_and_domains()
    plans = care.load_plans()
    contracts = {one.number: _contract(one, plans[one.plan]) for one in CONTRACTS}
    accounts = [_staff(staff, groups[staff.role], known_secrets=known_secrets) for staff in STAFF]
    members = []
    for person in CAST:
        member = _member(person, contracts[person.contract])
        if person.identifiant:
            accounts.append(_account(person, member, known_secrets=known_secrets))
        members.append(member)
    care.load_decomptes(members)
    return accounts


def strangers() -> int:
    """How many members are not of this cast: a demonstration never mixes with real people."""
    return Member.objects.exclude(number__in=[person.number for person in CAST]).count()


def demo_accounts() -> list[Account]:
    """The accounts of a demonstration, as its sign-in page tells them; no statement."""
    members = [_told(person, PASSWORD) for person in CAST if person.identifiant]
    return members + [_told_staff(staff, PASSWORD, staff.totp_key) for staff in STAFF]


def newcomers() -> list[Invented]:
    """Who has no account yet and may open one; no statement."""
    return [person for person in CAST if not person.identifiant]


def _load_operators_and_domains() -> None:
    for code, name in OPERATORS.items():
        Operator.objects.get_or_create(code=code, defaults={"name": name})
    for position, (code, label) in enumerate(CARE_DOMAINS.items(), start=1):
        CareDomain.objects.get_or_create(
            code=code, defaults={"label": label, "position": position * 10}
        )


def _contract(invented: InventedContract, plan: Plan) -> Contract:
    found = Contract.objects.filter(number=invented.number).first()
    if found:
        return found
    employer = None
    if invented.employer:
        siren, name = invented.employer
        employer, _created = Employer.objects.get_or_create(siren=siren, defaults={"name": name})
    contract = _saved(
        Contract(
            number=invented.number,
            kind=ContractKind.COLLECTIVE if employer else ContractKind.INDIVIDUAL,
            employer=employer,
            population=invented.population,
            plan=plan,
            phone=invented.phone,
            contact="Du lundi au vendredi, de 8 h 30 à 18 h",
            start=invented.start,
        )
    )
    for served in invented.served:
        operator = Operator.objects.get(code=served.operator)
        _saved(
            Delegation(
                contract=contract,
                operator=operator,
                start=served.start,
                end=served.end,
                categories=SENT,
                convention_type="TP",
                csr="R01",
            )
        )
        if served.held or served.purged_on:
            _saved(
                Holding(
                    contract=contract,
                    operator=operator,
                    purged_on=served.purged_on,
                    evidence="Attestation d'effacement de l'opérateur" if served.purged_on else "",
                )
            )
    return contract


def _member(person: Invented, contract: Contract) -> Member:
    found = Member.objects.filter(number=person.number).first()
    if found:
        return found
    member = Member(
        number=person.number,
        civility=person.civility,
        first_names=person.first_names,
        birth_name=person.birth_name,
        birth_date=person.birth_date,
        noemie=Noemie.LINKED if person.nir else Noemie.UNKNOWN,
        phone=person.phone,
        email=f"{person.number}@exemple.invalid",
        address="12 quai des Brumes",
        postal_code="29200",
        city="Brest",
    )
    _with_nir(member, person.nir)
    _saved(Adhesion(member=_saved(member), contract=contract, start=person.start, end=person.end))
    for position, relative in enumerate(person.family, start=1):
        address, postal_code, city = relative.address
        ayant_droit = AyantDroit(
            member=member,
            reference=f"{position:02}",
            link=relative.link,
            civility=relative.civility,
            first_names=relative.first_names,
            birth_name=relative.birth_name,
            usage_name=relative.usage_name,
            birth_date=relative.birth_date,
            birth_rank=relative.birth_rank,
            noemie=relative.noemie,
            address=address,
            postal_code=postal_code,
            city=city,
            start=relative.start,
        )
        _with_nir(ayant_droit, relative.nir)
        _saved(ayant_droit)
    return member


def _with_nir(person, nir: str) -> None:
    if nir:
        person.set_nir(nir)
    else:
        person.nir_absence = NirAbsence.PENDING


def _account(person: Invented, member: Member, *, known_secrets: bool) -> Account:
    password = PASSWORD if known_secrets else None
    if member.user is None:
        password = password or secrets.token_urlsafe(12)
        member.user = User.objects.create_user(
            person.identifiant,
            password,
            suspended_at=timezone.now() if person.suspended else None,
        )
        member.save(update_fields=["user"])
        if person.phone:
            SmsDevice.objects.create(user=member.user, name="sms")
        _bank_account(person, member)
    return _told(person, password)


def _bank_account(person: Invented, member: Member) -> None:
    since = datetime.combine(person.start, time(9), tzinfo=timezone.get_default_timezone())
    account = BankAccount(
        member=member,
        holder=member.full_name,
        asked_at=since,
        confirmed_at=since,
        serves_from=since,
        applied_at=since,
    )
    account.set_iban(IBAN)
    account.save()


def _staff(staff: Staff, group: Group, *, known_secrets: bool) -> Account:
    password = PASSWORD if known_secrets else None
    key = staff.totp_key if known_secrets else None
    if not User.objects.filter(identifiant=staff.identifiant).exists():
        password, key = password or secrets.token_urlsafe(12), key or secrets.token_hex(20)
        user = User.objects.create_user(staff.identifiant, password, name=staff.name, is_staff=True)
        user.groups.add(group)
        TOTPDevice.objects.create(user=user, name="application", key=key, confirmed=True)
    return _told_staff(staff, password, key)


def _told(person: Invented, password: str | None) -> Account:
    return Account(
        identifiant=person.identifiant,
        who=f"{person.first_names.split()[0]} {person.birth_name}",
        story=person.story,
        password=password,
        number=person.number,
        letter=person.letter,
        phone=person.phone,
    )


def _told_staff(staff: Staff, password: str | None, key: str | None) -> Account:
    return Account(
        identifiant=staff.identifiant,
        who=staff.name,
        story=staff.story,
        password=password,
        totp_key=key,
    )


def _saved(row):
    """Saves with every check of the model: SQLite keeps the rules about periods there only."""
    row.full_clean()
    row.save()
    return row
