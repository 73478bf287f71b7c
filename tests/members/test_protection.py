"""« Ce n'est pas moi »: from the e-mail of an alert to an account that its holder alone can open."""

import pytest
from django.utils import timezone

from members import alerts, links
from members.mail.memory import outbox
from members.models import (
    AuditEvent,
    EmailChange,
    KnownBrowser,
    Passkey,
    PhoneChange,
    Session,
    User,
)
from members.models.link import LinkPurpose
from members.sms import memory
from tests.members.conftest import PASSWORD
from tests.members.steps import link_in_mail, signs_in


@pytest.fixture
def alerted(client, claire, django_capture_on_commit_callbacks):
    """Somebody is signed in to Claire's space; she has the e-mail of an alert before her."""
    signs_in(client, django_capture_on_commit_callbacks)
    with django_capture_on_commit_callbacks(execute=True):
        alerts.tell(claire.user, "new_browser")
    return link_in_mail("alerte")


@pytest.fixture
def protects(alerted, django_client_factory, django_capture_on_commit_callbacks):
    def press():
        with django_capture_on_commit_callbacks(execute=True):
            return django_client_factory().post(alerted)

    return press


@pytest.fixture
def django_client_factory():
    from django.test import Client

    return Client


def test_following_the_link_changes_nothing(client, alerted, django_client_factory):
    page = django_client_factory().get(alerted)
    assert "Protéger mon espace maintenant" in page.content.decode()
    assert Session.objects.filter(user__isnull=False).count() == 1
    assert client.get("/espace/").status_code == 200


def test_pressing_the_button_ends_every_session_and_the_password(client, claire, protects):
    assert "Votre espace est protégé" in protects().content.decode()
    assert client.get("/espace/").status_code == 302
    user = User.objects.get(pk=claire.user.pk)
    assert not user.check_password(PASSWORD)
    assert AuditEvent.objects.filter(user=user, action="account.protected").count() == 1
    assert "Votre espace est protégé" in outbox[-1].subject
    assert "/mot-de-passe/" in link_in_mail("mot-de-passe")
    assert "protégé" in memory.outbox[-1].body


def test_it_undoes_what_was_changed_lately(claire, protects):
    now = timezone.now()
    KnownBrowser.objects.create(user=claire.user, digest="d", expires_at=now.replace(year=2099))
    Passkey.objects.create(user=claire.user, name="key", credential_id="x", public_key=b"")
    change = PhoneChange.objects.create(
        user=claire.user, new_phone="+33612345670", proof="present_phone"
    )
    EmailChange.objects.create(
        user=claire.user, old_email=claire.email, new_email="autre@x.invalid", confirmed_at=now
    )
    claire.email = "autre@x.invalid"
    claire.save()
    protects()
    claire.refresh_from_db()
    change.refresh_from_db()
    assert claire.email == "claire@exemple.invalid"
    assert change.cancelled_at
    assert not KnownBrowser.objects.live().exists()
    assert not Passkey.objects.live().exists()


def test_the_link_serves_once(protects):
    protects()
    assert protects().status_code == 410


def test_the_link_of_somebody_else_or_an_altered_one_says_that_it_is_dead(client, claire):
    token = links.token(links.make(claire.user, LinkPurpose.NOT_ME))
    for altered in (token[:-1] + ("0" if token[-1] != "0" else "1"), "1-", "x"):
        page = client.get(f"/alerte/{altered}/")
        assert page.status_code == 410
        assert "Ce lien ne sert plus" in page.content.decode()
