"""The words of a text, the gateways for a developer's machine, tasks, and what staff see."""

import logging
import re
from datetime import timedelta
from types import SimpleNamespace
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone
from django.utils.module_loading import import_string
from kombu.exceptions import OperationalError

from members import tasks, throttle
from members.models import Session, SmsMessage, Throttle
from members.models.challenge import Purpose
from members.models.sms import SmsState
from members.sms import memory, words
from members.sms.console import ConsoleGateway
from members.sms.gateway import Problem, Text, get_gateway, routes
from members.tasks import wake_sender
from portal.celery import app
from tests.members.conftest import make_member
from tests.members.routes import queued_text
from tests.signing import sign_in

LONGEST_HOST = "espace-adherent.la-mutuelle-du-rivage.example"
TEXT = Text(
    id=UUID("5b3c2f0e-0000-4000-8000-000000000000"),
    to="+33612345678",
    body="123456 : code",
    lifetime=180,
    user="claire",
)

# Words


def text_of(seconds_left=300, purpose=Purpose.SIGN_IN, code="048213", reference="BK"):
    return words.one_time_code(
        purpose=purpose, code=code, reference=reference, seconds_left=seconds_left
    )


def test_the_text_begins_with_the_code_and_ends_bound_to_our_site(settings):
    settings.PUBLIC_HOST = "espace.rivage.example"
    text = text_of(299.9)
    assert text.startswith("048213 ")
    assert text.splitlines()[-1] == "@espace.rivage.example #048213"
    assert "BK" in text
    assert "5 min" in text


@pytest.mark.parametrize("purpose", Purpose)
def test_the_text_is_one_segment_with_its_longest_values(settings, purpose):
    settings.PUBLIC_HOST = LONGEST_HOST
    text = text_of(99 * 60, purpose, code="88888888", reference="WW")
    assert words.segments(text) == 1


@pytest.mark.parametrize("kind", words.NOTICES)
def test_a_notice_is_one_segment_without_any_link(kind):
    text = words.notice(kind)
    assert words.segments(text) == 1
    assert not re.search(r"https?:|www\.", text)


def test_the_text_holds_no_link():
    text = text_of()
    assert not re.search(r"https?:|www\.", text)


@pytest.mark.parametrize(
    ("seconds", "minutes"), [(300, 5), (285, 5), (284, 4), (60, 1), (44, 1), (0, 1)]
)
def test_the_validity_is_never_promised_longer_than_fifteen_seconds_too_much(seconds, minutes):
    text = text_of(seconds)
    assert f"valable {minutes} min" in text


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("é" * 160, 1),
        ("é" * 161, 2),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("ê" * 70, 1),
        ("ê" + "e" * 70, 2),
        ("ê" + "e" * 159, 3),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
    ],
)
def test_segments_are_counted_as_they_are_billed(text, segments):
    assert words.segments(text) == segments


# Gateways


def test_the_memory_gateway_keeps_the_last_five_hundred_texts():
    for _ in range(501):
        reference = memory.MemoryGateway().send(TEXT)
    assert len(memory.outbox) == 500
    sent = memory.outbox[-1]
    assert (sent.to, sent.body, sent.user) == ("+33612345678", "123456 : code", "claire")
    assert reference


def test_the_console_gateway_prints(capsys):
    ConsoleGateway().send(TEXT)
    printed = capsys.readouterr().out
    assert "+33612345678" in printed
    assert "123456 : code" in printed


def test_a_text_hides_its_number_and_its_words():
    assert "612345678" not in repr(TEXT)
    assert "123456" not in repr(TEXT)


def test_a_gateway_is_made_once_per_process(settings):
    path = settings.SMS_GATEWAYS["memory"]
    assert get_gateway(path) is get_gateway(path)


def test_the_other_route_is_optional_and_never_the_same_twice(settings):
    settings.SMS_GATEWAY, settings.SMS_FALLBACK_GATEWAY = "a.A", ""
    assert routes() == ["a.A"]
    settings.SMS_FALLBACK_GATEWAY = "a.A"
    assert routes() == ["a.A"]
    settings.SMS_FALLBACK_GATEWAY = "b.B"
    assert routes() == ["a.A", "b.B"]


def test_each_named_gateway_fits_the_column_of_its_route(settings):
    longest = SmsMessage._meta.get_field("route").max_length
    assert all(len(path) <= longest for path in settings.SMS_GATEWAYS.values())


def test_each_problem_fits_its_columns():
    longest = SmsMessage._meta.get_field("problem").max_length
    assert all(len(problem) <= longest for problem in Problem)


# Tasks


def test_a_message_wakes_a_worker_with_its_id_alone(monkeypatch):
    published = []
    monkeypatch.setattr(tasks, "send_sms", SimpleNamespace(apply_async=published.append))
    wake_sender(TEXT.id)
    assert published == [[str(TEXT.id)]]


def test_a_broker_that_fails_is_left_alone_for_five_seconds(monkeypatch, caplog):
    tries = []

    def away(args):
        tries.append(args)
        raise OperationalError

    monkeypatch.setattr(tasks, "send_sms", SimpleNamespace(apply_async=away))
    monkeypatch.setattr(tasks, "_ask_broker_from", 0.0)
    for _ in range(3):
        wake_sender(TEXT.id)
    assert len(tries) == 1
    monkeypatch.setattr(tasks, "_ask_broker_from", 0.0)
    wake_sender(TEXT.id)
    assert len(tries) == 2


def test_an_error_inside_the_task_never_reaches_the_page(monkeypatch, claire):
    def broken(message_id):
        raise ValueError

    monkeypatch.setattr(tasks.delivery, "deliver", broken)
    wake_sender(queued_text(claire).pk)


def test_codes_have_a_queue_of_their_own():
    def queue_of(task):
        return app.amqp.router.route({}, task)["queue"].name

    assert queue_of("members.tasks.send_sms") == "codes"
    for entry in app.conf.beat_schedule.values():
        assert queue_of(entry["task"]) == "background"
    bindings = {(queue.exchange.name, queue.routing_key) for queue in app.amqp.queues.values()}
    assert bindings == {("codes", "codes"), ("background", "background")}


def test_every_scheduled_task_exists_and_expires_before_the_next_one():
    app.loader.import_default_modules()
    for entry in app.conf.beat_schedule.values():
        assert import_string(entry["task"]).name == entry["task"]
        assert entry["options"]["expires"]


def test_scheduled_tasks_do_their_work(claire):
    now = timezone.now()
    Session.objects.create(key_digest="old", data="", expires_at=now - timedelta(seconds=1))
    throttle.reserve(throttle.Hit(throttle.SENDS_PHONE_HOUR, claire.phone))
    Throttle.objects.update(ends_at=0)
    for entry in app.conf.beat_schedule.values():
        import_string(entry["task"])()
    assert not Session.objects.exists()
    assert not Throttle.objects.exists()


def test_the_sweeper_command_leaves_the_memory_gateway_to_the_web_process():
    with pytest.raises(CommandError, match="memory"):
        call_command("sms_sweeper")


# Staff


@pytest.fixture
def superuser(hugo):
    hugo.is_superuser = True
    hugo.save()
    return hugo


@pytest.fixture
def desk(client, superuser):
    return sign_in(client, superuser, superuser.totpdevice_set.get())


def test_staff_find_the_texts_of_a_member_without_code_or_number(desk, claire):
    text = queued_text(claire)
    SmsMessage.objects.filter(pk=text.pk).update(
        state=SmsState.FAILED, problem=Problem.NOT_A_MOBILE, route="members.sms.x.Gateway"
    )
    query = {"q": claire.user.identifiant}
    page = desk.get(reverse("admin:members_smsmessage_changelist", query=query)).text
    for shown in ("06 •• •• •• 78", "échoué", Problem.NOT_A_MOBILE.label, "Gateway"):
        assert str(shown) in page
    one = desk.get(reverse("admin:members_smsmessage_change", args=[text.pk])).text
    for hidden in (claire.phone, "612345678", text.challenge.code()):
        assert hidden not in page
        assert hidden not in one


def test_no_text_of_another_member_is_listed(desk, claire):
    other = make_member("denis", phone="+33698765432", nir="180017510000042")
    text = queued_text(other)
    query = {"q": claire.user.identifiant}
    page = desk.get(reverse("admin:members_smsmessage_changelist", query=query)).text
    assert str(text.pk) not in page


def test_rows_written_by_machines_cannot_be_changed(desk, claire):
    text = queued_text(claire)
    change = reverse("admin:members_smsmessage_change", args=[text.pk])
    assert desk.post(change, {"state": "delivered"}).status_code == 403
    assert desk.get(reverse("admin:members_smsmessage_add")).status_code == 403
    delete = reverse("admin:members_smsmessage_delete", args=[text.pk])
    assert desk.post(delete, {"post": "yes"}).status_code == 403


def test_sending_logs_neither_code_nor_number(claire, caplog):
    text = queued_text(claire)
    with caplog.at_level(logging.DEBUG):
        wake_sender(text.pk)
    assert memory.outbox
    assert text.challenge.code() not in caplog.text
    assert claire.phone[3:] not in caplog.text
