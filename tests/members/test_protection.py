"""« Ce n'est pas moi »: from the e-mail of an alert to an account that its holder alone can open."""

from datetime import timedelta

import pytest
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice

from members import alerts, contacts, links, protection
from members.mail.memory import outbox
from members.models import (
    AuditEvent,
    EmailChange,
    KnownBrowser,
    Member,
    Passkey,
    PhoneChange,
    Session,
    User,
)
from members.models.link import LinkPurpose
from members.sms import memory
from tests.members.conftest import PASSWORD
from tests.members.steps import link_in_mail, said, signs_in

HERS, THIEF = "neuve@exemple.invalid", "voleur@exemple.invalid"


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


def test_an_app_linked_lately_is_removed_and_an_older_one_stays(claire, protects):
    app = TOTPDevice.objects.create(user=claire.user, name="application", confirmed=True)
    TOTPDevice.objects.update(created_at=timezone.now() - timedelta(days=8))
    recent = TOTPDevice.objects.create(user=claire.user, name="application", confirmed=True)
    protects()
    assert list(TOTPDevice.objects.all()) == [app]
    assert recent != app


def test_the_app_of_a_colleague_stays(hugo):
    protection.protect(links.make(hugo, LinkPurpose.NOT_ME), request=None)
    assert TOTPDevice.objects.filter(user=hugo).exists()


@pytest.fixture
def moved(claire, django_capture_on_commit_callbacks):
    """Claire's e-mails went to a thief's mailbox: the change, her link back, the link in his mailbox."""
    change = EmailChange.objects.create(
        user=claire.user, old_email=claire.email, new_email="voleur@exemple.invalid"
    )
    with django_capture_on_commit_callbacks(execute=True):
        contacts.confirm_email(
            links.make(claire.user, LinkPurpose.CONFIRM_EMAIL, email_change=change), request=None
        )
    back = link_in_mail("email/annuler")
    hers = link_in_mail("alerte")
    with django_capture_on_commit_callbacks(execute=True):
        alerts.tell(User.objects.get(pk=claire.user.pk), "new_browser")
    assert outbox[-1].to == "voleur@exemple.invalid"
    return back, hers, link_in_mail("alerte")


@pytest.mark.parametrize("way", ["not me", "change taken back"])
def test_a_link_in_the_mailbox_of_a_thief_ends_when_the_address_is_taken_back(
    client, claire, moved, way
):
    back, hers, his = moved
    client.post(hers if way == "not me" else back)
    claire.refresh_from_db()
    assert claire.email == "claire@exemple.invalid"
    assert client.post(his).status_code == 410
    if way == "change taken back":
        assert client.post(hers).status_code == 200, "her own link still protects her"


@pytest.fixture
def changes(claire, django_capture_on_commit_callbacks):
    """`changes(old, new)`: the link sent to `new` was followed."""

    def follow(old, new):
        user = User.objects.get(pk=claire.user.pk)
        change = EmailChange.objects.create(user=user, old_email=old, new_email=new)
        link = links.make(user, LinkPurpose.CONFIRM_EMAIL, email_change=change)
        with django_capture_on_commit_callbacks(execute=True):
            contacts.confirm_email(link, request=None)
        return change

    return follow


@pytest.fixture
def presses(client, django_capture_on_commit_callbacks):
    def press(path):
        with django_capture_on_commit_callbacks(execute=True):
            return client.post(path)

    return press


def test_the_address_that_the_link_was_sent_to_serves_again_where_there_was_none_at_first(
    claire, changes, presses
):
    Member.objects.filter(pk=claire.pk).update(email="")
    first = changes("", HERS)
    changes(HERS, THIEF)
    assert outbox[-1].to == HERS
    presses(link_in_mail("alerte"))
    claire.refresh_from_db()
    assert claire.email == HERS
    assert (outbox[-1].to, outbox[-1].subject) == (HERS, "Votre espace est protégé")
    first.refresh_from_db()
    assert not first.cancelled_at, "her own change was not taken back"


def test_her_own_change_of_these_days_stays_and_the_older_address_may_still_take_it_back(
    claire, changes, presses, django_capture_on_commit_callbacks
):
    changes(claire.email, HERS)
    back = link_in_mail("email/annuler")
    with django_capture_on_commit_callbacks(execute=True):
        alerts.tell(User.objects.get(pk=claire.user.pk), "new_browser")
    presses(link_in_mail("alerte"))
    assert Member.objects.get(pk=claire.pk).email == HERS
    assert outbox[-1].to == HERS
    assert presses(back).status_code == 200
    assert Member.objects.get(pk=claire.pk).email == claire.email


def test_where_we_do_not_know_whom_the_link_went_to_the_first_address_serves_again(claire, changes):
    Member.objects.filter(pk=claire.pk).update(email="")
    changes("", HERS)
    changes(HERS, THIEF)
    link = links.make(User.objects.get(pk=claire.user.pk), LinkPurpose.NOT_ME)
    protection.protect(link, request=None)
    assert Member.objects.get(pk=claire.pk).email == HERS


@pytest.mark.parametrize("way", ["alerte", "email/annuler"])
def test_an_address_that_is_taken_away_is_told_so_without_a_link_to_take_it_again(
    claire, changes, presses, way
):
    changes(claire.email, HERS)
    memory.outbox.clear()
    presses(link_in_mail(way))
    told = [mail for mail in outbox if mail.to == HERS]
    assert [mail.subject for mail in told] == ["Votre ancienne adresse e-mail sert à nouveau"]
    assert "http" not in told[0].body
    words = "espace est protégé" if way == "alerte" else "adresse e-mail de votre espace a changé"
    assert [words in text.body for text in memory.outbox] == [True]


def test_so_is_the_last_of_several(claire, changes, presses):
    changes(claire.email, HERS)
    back = link_in_mail("email/annuler")
    changes(HERS, THIEF)
    outbox.clear()
    presses(back)
    assert {mail.to for mail in outbox} == {claire.email, HERS, THIEF}


def moved_phone(member, new, *, old=None, applied):
    PhoneChange.objects.create(
        user=member.user,
        old_phone=member.phone if old is None else old,
        new_phone=new,
        proof="saved_code",
        confirmed_at=applied - timedelta(days=3),
        serves_from=applied,
        applied_at=applied,
    )
    Member.objects.filter(pk=member.pk).update(phone=new)
    member.user.member.phone = new


def test_the_phone_of_a_thief_serves_no_more_and_the_page_and_the_e_mail_say_so(claire, protects):
    now = timezone.now()
    moved_phone(claire, "+33612345670", applied=now - timedelta(days=2))
    moved_phone(claire, "+33612345671", old="+33612345670", applied=now - timedelta(days=1))
    assert "un code arrive sur votre téléphone d'avant" in said(protects())
    assert Member.objects.get(pk=claire.pk).phone == "+33612345678"
    assert "Vos codes arrivent sur celui d'avant" in outbox[-1].body
    assert memory.outbox[-1].to == "+33612345678"
    assert AuditEvent.objects.filter(user=claire.user, action="phone.restored").count() == 1
    protected = links.make(User.objects.get(pk=claire.user.pk), LinkPurpose.NOT_ME)
    assert not protection.protect(protected, request=None)
    assert Member.objects.get(pk=claire.pk).phone == "+33612345678"


def test_where_there_was_none_before_nothing_says_that_codes_arrive_there(claire, protects):
    moved_phone(claire, "+33612345670", old="", applied=timezone.now())
    assert "téléphone d'avant" not in said(protects())
    assert Member.objects.get(pk=claire.pk).phone == ""
    assert "celui d'avant" not in outbox[-1].body


def test_nor_does_a_phone_that_began_to_serve_in_the_instant_of_the_press(claire, alerted):
    token = alerted.strip("/").split("/")[-1]
    link = links.find(token, LinkPurpose.NOT_ME)
    assert link.user.phone == "+33612345678", "as the page read it"
    moved_phone(claire, "+33612345670", applied=timezone.now())
    assert protection.protect(link, request=None)
    assert Member.objects.get(pk=claire.pk).phone == "+33612345678"


@pytest.mark.parametrize("case", ["served for long", "written otherwise since"])
def test_a_phone_stays_that_was_not_changed_lately_by_such_a_change(claire, protects, case):
    long_ago = timezone.now() - timedelta(days=8 if case == "served for long" else 1)
    moved_phone(claire, "+33612345670", applied=long_ago)
    if case == "written otherwise since":
        Member.objects.filter(pk=claire.pk).update(phone="+33612345672")
    kept = Member.objects.get(pk=claire.pk).phone
    assert "téléphone d'avant" not in said(protects())
    assert Member.objects.get(pk=claire.pk).phone == kept
    assert "celui d'avant" not in outbox[-1].body


def test_the_link_serves_once(protects):
    protects()
    assert protects().status_code == 410


def test_the_link_of_somebody_else_or_an_altered_one_says_that_it_is_dead(client, claire):
    token = links.token(links.make(claire.user, LinkPurpose.NOT_ME))
    for altered in (token[:-1] + ("0" if token[-1] != "0" else "1"), "1-", "x"):
        page = client.get(f"/alerte/{altered}/")
        assert page.status_code == 410
        assert "Ce lien ne sert plus" in page.content.decode()
