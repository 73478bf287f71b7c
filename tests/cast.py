"""The small named cast of domain.md §5, as fixtures: the people of the demonstration, and its incident.

Import it from a conftest: `from tests.cast import *`.
"""

from dataclasses import dataclass

import pytest
from django.utils import timezone
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp.plugins.otp_totp.models import TOTPDevice

from incidents import reach
from incidents.models import Incident
from incidents.models.reach import Unreachable
from members.models import Member, User
from portal import roles
from portal.demo import incident as february
from portal.demo import people
from tests.services import snapshots

__all__ = [
    "as_member",
    "as_staff",
    "cast",
    "colleague",
    "february_2024",
    "nobody_left_to_inform",
]


@dataclass(frozen=True)
class Cast:
    """Antoine and his family are at both operators, Bianca at Almerys, César at Viamedis…"""

    antoine: Member
    bianca: Member
    cesar: Member
    denise: Member
    fabien: Member
    gwenaelle: Member
    gilles: Member
    support: User
    auteur: User
    approbateur: User
    courriers: User


@pytest.fixture
def cast(db) -> Cast:
    snapshots.loaded("cast", lambda: people.load(known_secrets=True))
    members = {member.number: member for member in Member.objects.select_related("user")}
    by_letter = {person.letter: members[person.number] for person in people.CAST}
    staff = {user.identifiant: user for user in User.objects.filter(is_staff=True)}
    return Cast(
        antoine=by_letter["A"],
        bianca=by_letter["B"],
        cesar=by_letter["C"],
        denise=by_letter["D"],
        fabien=by_letter["F"],
        gwenaelle=by_letter["G"],
        gilles=by_letter["H"],
        **staff,
    )


@pytest.fixture
def february_2024(cast) -> Incident:
    """The incident of February 2024, live with its first version."""
    snapshots.loaded(
        "february_2024", lambda: february.load(author=cast.auteur, approver=cast.approbateur)
    )
    return Incident.objects.get(reference=february.REFERENCE)


@pytest.fixture
def colleague(db):
    """`colleague("auteur", roles.WRITING)` is staff with one role and an app, where the cast is too many."""

    def make(identifiant: str, role: str) -> User:
        user = User.objects.create_user(identifiant, is_staff=True, name=identifiant.capitalize())
        user.groups.add(roles._sync(role, roles.ROLES[role]))
        TOTPDevice.objects.create(user=user, name="app", confirmed=True)
        return user

    return make


def nobody_left_to_inform(incident: Incident) -> Incident:
    """The incident, its ledger filled, everybody in it known as unreachable: it may be closed."""
    reach.fill(incident)
    incident.reach.update(
        unreachable=Unreachable.OTHER,
        unreachable_note="Pour la suite de l'essai",
        unreachable_at=timezone.now(),
    )
    return incident


@pytest.fixture
def as_member(client):
    """`as_member(antoine)` is the client of a browser where both his factors were checked."""
    return lambda member: _signed_in(client, member.user, member.user.sms_device)


@pytest.fixture
def as_staff(client):
    return lambda user: _signed_in(client, user, TOTPDevice.objects.get(user=user))


def _signed_in(client, user, device):
    client.force_login(user)
    session = client.session
    session[DEVICE_ID_SESSION_KEY] = device.persistent_id
    session.save()
    return client
