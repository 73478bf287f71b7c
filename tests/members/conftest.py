"""The small cast of these tests: Claire signs in, Hugo supports, and doors stay shut to the others."""

import itertools
import threading
from datetime import date

import pytest
from django.db import connection
from django_otp.plugins.otp_totp.models import TOTPDevice

from members import tasks
from members.mail import delivery as mail_delivery
from members.mail.memory import outbox as mailbox
from members.models import (
    Adhesion,
    AyantDroit,
    CareDomain,
    Contract,
    Employer,
    Member,
    Plan,
    SmsDevice,
    User,
)
from members.models.contract import ContractKind
from members.sms import delivery, memory

PASSWORD = "marée haute à sept heures"
_numbers = itertools.count(100_000)


def make_member(identifiant="claire", phone="+33612345678", nir="281091300104217", **user_fields):
    user = User(identifiant=identifiant, **user_fields)
    user.set_password(PASSWORD)
    user.save()
    member = Member(
        number=str(next(_numbers)),
        user=user,
        phone=phone,
        civility="MME",
        birth_name="Vasseur",
        first_names="Claire Marie",
        birth_date=date(1981, 9, 14),
        email=f"{identifiant}@exemple.invalid",
    )
    member.set_nir(nir)
    member.save()
    if phone:
        SmsDevice.objects.create(user=user, name="sms")
    return member


@pytest.fixture
def claire(db):
    return make_member()


@pytest.fixture
def hugo(db):
    """Support staff, with an authenticator app."""
    user = User(identifiant="hugo", name="Hugo Lantier", is_staff=True)
    user.set_password(PASSWORD)
    user.save()
    TOTPDevice.objects.create(user=user, name="totp", confirmed=True)
    return user


def plan_named(name):
    plan, _created = Plan.objects.get_or_create(name=name, defaults={"code": name.upper()})
    return plan


@pytest.fixture
def contract(db):
    employer = Employer.objects.create(siren="552100554", name="Chantiers du Rivage")
    return Contract.objects.create(
        number="C-100",
        kind=ContractKind.COLLECTIVE,
        employer=employer,
        plan=plan_named("Équilibre"),
        phone="02 00 00 00 00",
        start=date(2019, 1, 1),
    )


@pytest.fixture
def covered(claire, contract):
    return Adhesion.objects.create(member=claire, contract=contract, start=date(2019, 1, 1))


@pytest.fixture
def private_files(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def glasses(db):
    return CareDomain.objects.create(code="OPTI", label="Optique")


@pytest.fixture
def lea(claire):
    """Her daughter, covered since she was born."""
    return AyantDroit.objects.create(
        member=claire,
        reference="01",
        link="enfant",
        birth_name="Vasseur",
        first_names="Léa",
        birth_date=date(2021, 5, 4),
        start=date(2021, 5, 4),
        nir_absence="en_attente",
    )


@pytest.fixture
def together():
    """`together(first, second)` calls them at the same instant, each in a thread and a connection of its
    own; the name of the error that each raised, or "". For tests with a transaction of their own."""

    def run(*acts) -> list[str]:
        ready, raised = threading.Barrier(len(acts)), [""] * len(acts)

        def act(number):
            try:
                ready.wait(10)
                acts[number]()
            except Exception as error:
                raised[number] = type(error).__name__
            finally:
                connection.close()

        threads = [threading.Thread(target=act, args=[number]) for number in range(len(acts))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        return raised

    return run


@pytest.fixture(autouse=True)
def _messages_arrive_at_once(monkeypatch, settings):
    """No worker here: the task's function runs on commit. Real workers have their journeys."""
    memory.outbox.clear()
    mailbox.clear()
    settings.EMAIL_BACKEND = "members.mail.memory.MemoryBackend"  # the test runner sets its own
    monkeypatch.setattr(
        tasks, "wake_sender", lambda message_id, urgent=True: delivery.deliver(message_id)
    )
    monkeypatch.setattr(tasks, "wake_mailer", mail_delivery.deliver)


@pytest.fixture
def warm(client, db):
    """Somebody else has just looked at the first page: the live notices are in the cache."""
    client.get("/connexion/")
