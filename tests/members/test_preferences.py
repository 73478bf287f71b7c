"""Which optional e-mails a member is sent."""

import pytest

from members import preferences
from members.models import AuditEvent, MailRefusal
from tests.members.conftest import make_member

pytestmark = pytest.mark.django_db


def test_a_member_wants_every_optional_e_mail_until_he_says_otherwise():
    claire = make_member()
    assert preferences.wants(claire, "requests")
    assert preferences.wanted(claire) == {"requests"}
    assert preferences.choose(claire, set(), request=None)
    assert not preferences.wants(claire, "requests")


def test_a_choice_is_an_event_and_the_same_choice_again_is_none():
    claire = make_member()
    for _ in range(2):
        preferences.choose(claire, set(), request=None)
    event = AuditEvent.objects.get(action="preferences.changed")
    assert event.details == {"refused": ["requests"]}
    assert preferences.choose(claire, {"requests"}, request=None)
    assert not MailRefusal.objects.exists()


@pytest.mark.parametrize("mail", ["incident", "password_changed", ""])
def test_what_is_not_optional_cannot_be_asked_as_if_it_were(mail):
    with pytest.raises(ValueError, match="OptionalMail"):
        preferences.wants(make_member(), mail)
