"""E-mails and the links in them: the row is the message, the token is nowhere at rest."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.db import connection, transaction
from django.utils import timezone

from members import alerts, links, tasks
from members.mail import delivery, words
from members.mail.memory import outbox
from members.models import Mail, OneTimeLink, SmsMessage
from members.models.link import LinkPurpose
from members.models.mail import MailState

FACTS = {
    "day": "25/11/2026",
    "time": "08:05",
    "browser": "Firefox",
    "place": "198.51.100.0/24",
    "phone": "06 •• •• •• 78",
    "serves_from": "28 novembre 2026 à 8 h 05",
    "name": "Application d'authentification",
    "at": "2026-11-25T03:37:00+00:00",
    "position": 12,
    "chain": "abc",
    "percent": 80,
    "duty": "Notification à la CNIL",
    "article": "RGPD, art. 33",
    "incident": "2026-11-essai",
    "version": 2,
    "due_day": "28/11/2026",
    "due_time": "08:05",
    "by": "Odile Kermarrec",
    "account": "FR76 •••• •••• 0189",
    "days": 7,
    "asked": "3 mars 2026",
}


def queued(claire, kind="new_browser", **options) -> Mail:
    return alerts.send(claire.user, kind, to=claire.email, **options)


@pytest.fixture
def tell(django_capture_on_commit_callbacks):
    def told(*arguments, **options):
        with django_capture_on_commit_callbacks(execute=True):
            alerts.tell(*arguments, **options)

    return told


# Words


@pytest.mark.parametrize("kind", words.SUBJECTS)
def test_each_mail_says_what_happened_who_we_are_and_nothing_that_serves_a_thief(
    claire, monkeypatch, kind
):
    monkeypatch.setattr(links, "url", lambda link: f"https://espace.exemple/{link.purpose}")
    link = links.make(claire.user, LinkPurpose.RESET)
    mail = queued(claire, kind, link=link, **FACTS)
    body = words.body(mail)
    assert words.subject(mail)
    assert body.startswith("Bonjour,\n\n")
    assert "La Mutuelle du Rivage\nNous ne demandons jamais votre mot de passe" in body
    assert "&#" not in body
    assert not re.search(r"\n\n\n", body)
    assert ("https://espace.exemple/not_me" in body) == (kind not in alerts.WITHOUT_NOT_ME)
    assert claire.phone not in body


@pytest.mark.parametrize(
    ("sent", "written"),
    [
        (
            "Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0",
            "Firefox sur Windows",
        ),
        ("Firefox. URGENT : confirmez sur https://evil.example/ maintenant", "Navigateur inconnu"),
        ("https://evil.example/ Bot/1.0", ""),
        ("evil.example/1.0 CFNetwork/808 Darwin/16", ""),
    ],
)
def test_what_a_browser_says_of_itself_is_never_copied_into_our_e_mails(
    claire, rf, tell, sent, written
):
    tell(claire.user, "new_browser", request=rf.get("/", HTTP_USER_AGENT=sent))
    body = outbox[-1].body
    assert f"Navigateur\u00a0: {written}" in body
    assert "evil" not in body


# Sending


def test_an_alert_is_an_email_and_for_the_gravest_a_text_too(claire, tell):
    tell(claire.user, "new_browser")
    assert [mail.to for mail in outbox] == ["claire@exemple.invalid"]
    assert not SmsMessage.objects.exists()
    tell(claire.user, "password_changed")
    assert SmsMessage.objects.get().notice == "password_changed"
    assert set(Mail.objects.values_list("state", flat=True)) == {MailState.SENT}


def test_nobody_is_told_of_what_was_rolled_back(claire, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        point = transaction.savepoint()
        alerts.tell(claire.user, "password_changed")
        transaction.savepoint_rollback(point)
    assert not Mail.objects.exists()
    assert not outbox


def test_without_an_address_nothing_is_queued(claire, tell):
    claire.user.member.email = ""
    tell(claire.user, "new_browser")
    assert not Mail.objects.exists()


def test_a_mail_is_sent_once_whoever_holds_its_id(claire):
    mail = queued(claire)
    for _ in range(3):
        delivery.deliver(mail.pk)
    assert len(outbox) == 1


@pytest.fixture
def broken_server(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1


def test_a_server_that_is_away_is_tried_again_later_and_then_given_up(
    claire, broken_server, caplog
):
    mail = queued(claire)
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for _ in range(delivery.MOST_TRIES):
            delivery.deliver(mail.pk)
            clock.shift(3600)
    mail.refresh_from_db()
    assert (mail.state, mail.tries) == (MailState.FAILED, delivery.MOST_TRIES)
    assert mail.problem == "ConnectionRefusedError"
    assert claire.email not in caplog.text


def test_the_sweep_takes_what_no_task_came_for(claire, monkeypatch):
    monkeypatch.setattr(tasks, "wake_mailer", lambda mail_id: None)
    queued(claire)
    assert delivery.sweep() == 0
    with time_machine.travel(timezone.now() + timedelta(seconds=6)):
        assert delivery.sweep() == 1
    assert len(outbox) == 1


def test_a_mail_whose_worker_died_is_sent_again(claire):
    mail = queued(claire)
    Mail.objects.update(state=MailState.SENDING, tries=1, state_at=timezone.now())
    delivery.deliver(mail.pk)
    assert not outbox
    with time_machine.travel(timezone.now() + timedelta(minutes=3)):
        delivery.sweep()
    assert len(outbox) == 1


def test_a_reset_that_waits_does_not_follow_to_an_address_that_was_taken_back(claire):
    """Made when it is sent, its link would fit the account as its holder has just restored it."""
    thief = "voleur@exemple.invalid"
    mail = alerts.send(claire.user, "reset", to=thief)
    delivery.deliver(mail.pk)
    assert not outbox
    mail.refresh_from_db()
    assert (mail.state, mail.problem) == (MailState.FAILED, "moved")
    assert not OneTimeLink.objects.filter(purpose=LinkPurpose.RESET).exists()


# Links


def test_a_token_is_found_again_and_held_by_no_row(claire):
    link = links.make(claire.user, LinkPurpose.NOT_ME)
    token = links.token(link)
    assert links.find(token, LinkPurpose.NOT_ME) == link
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            assert link.secret() not in str(cursor.fetchall()), table


def test_a_link_serves_once_and_only_its_purpose(claire):
    link = links.make(claire.user, LinkPurpose.RESET)
    with pytest.raises(links.DeadLink):
        links.find(links.token(link), LinkPurpose.ACTIVATION)
    links.use(link)
    with pytest.raises(links.DeadLink):
        links.use(link)
    with pytest.raises(links.DeadLink):
        links.find(links.token(link), LinkPurpose.RESET)


@pytest.mark.parametrize(
    "token", ["", "-", "1", "1-", "9" * 400, "١-x", "1-é", "\0", "0-" + "a" * 64]
)
def test_an_altered_token_opens_nothing(claire, token):
    links.make(claire.user, LinkPurpose.RESET)
    with pytest.raises(links.DeadLink):
        links.find(token, LinkPurpose.RESET)


def test_a_reset_link_dies_after_thirty_minutes(claire):
    token = links.token(links.make(claire.user, LinkPurpose.RESET))
    with time_machine.travel(timezone.now() + timedelta(minutes=31)), pytest.raises(links.DeadLink):
        links.find(token, LinkPurpose.RESET)


@pytest.mark.parametrize("change", ["password", "phone", "email", "status"])
def test_a_reset_link_dies_when_the_account_changes_and_a_not_me_link_does_not(claire, change):
    reset = links.token(links.make(claire.user, LinkPurpose.RESET))
    not_me = links.token(links.make(claire.user, LinkPurpose.NOT_ME))
    match change:
        case "password":
            claire.user.set_password("une autre marée haute")
        case "phone":
            claire.phone = "+33612345670"
        case "email":
            claire.email = "autre@exemple.invalid"
        case "status":
            claire.user.suspended_at = timezone.now()
    claire.user.save()
    claire.save()
    with pytest.raises(links.DeadLink):
        links.find(reset, LinkPurpose.RESET)
    assert links.find(not_me, LinkPurpose.NOT_ME)


def test_every_purpose_has_a_lifetime_and_a_page():
    assert set(links.LIFETIMES) == set(links.VIEWS) == set(LinkPurpose)
    assert OneTimeLink._meta.get_field("purpose").max_length >= max(map(len, LinkPurpose.values))
