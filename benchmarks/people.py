"""Invented members, each with an account, a phone and a family, like those of a company's contract."""

from datetime import date

from django.contrib.auth.hashers import make_password
from django.utils import timezone

from benchmarks.browser import PASSWORD, Someone
from incidents.models import Acknowledgement, NoticeVersion
from members.models import Adhesion, AyantDroit, Contract, Member, SmsDevice, User
from members.models.member import Link, NirAbsence

CONTRACT = "TA-SOCLE"


def invent(count: int, after: int = 0) -> list[Someone]:
    """Writes `count` members who have read the incident's notice; a spouse and two children each.

    `after`: how many were written before.
    """
    people = [
        Someone(
            f"banc.{n:06}",
            f"+336{20_000_000 + n}",
            f"127.{1 + n // 62_500}.{n // 250 % 250}.{2 + n % 250}",
        )
        for n in range(after, after + count)
    ]
    password = make_password(PASSWORD)  # one hash serves all: only checking it is measured
    users = User.objects.bulk_create(
        [User(identifiant=someone.identifiant, password=password) for someone in people]
    )
    SmsDevice.objects.bulk_create([SmsDevice(user=user, name="sms") for user in users])
    members = Member.objects.bulk_create(
        [
            Member(
                number=f"7{number:07}",
                user=user,
                phone=someone.phone,
                first_names="Aurélien",
                birth_name=f"Ménez{number}",
                birth_date=date(1980, 1, 1 + number % 28),
                nir_absence=NirAbsence.PENDING,
            )
            for number, (user, someone) in enumerate(zip(users, people, strict=True), start=after)
        ]
    )
    contract = Contract.objects.get(number=CONTRACT)
    start = date(2019, 1, 1)
    Adhesion.objects.bulk_create(
        [Adhesion(member=member, contract=contract, start=start) for member in members]
    )
    family = ((Link.CONJOINT, "Maëlle"), (Link.ENFANT, "Lucas"), (Link.ENFANT, "Inès"))
    AyantDroit.objects.bulk_create(
        [
            AyantDroit(
                member=member,
                reference=f"{position:02}",
                link=link,
                first_names=name,
                birth_name=member.birth_name,
                birth_date=date(2010, 1, position),
                nir_absence=NirAbsence.PENDING,
                start=start,
            )
            for member in members
            for position, (link, name) in enumerate(family, start=1)
        ]
    )
    version = NoticeVersion.objects.visible().get()
    Acknowledgement.objects.bulk_create(
        [
            Acknowledgement(
                member=member, version=version, shown={}, acknowledged_at=timezone.now()
            )
            for member in members
        ]
    )
    return people
