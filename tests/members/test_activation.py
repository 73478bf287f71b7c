"""« Première connexion »: opening an account is a door too, no wider than the front door."""

import re
import threading
from datetime import timedelta

import pytest
import time_machine
from django.core.cache import cache
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice

from members import links, throttle
from members.mail.memory import outbox as mailbox
from members.models import (
    AuditEvent,
    Challenge,
    LetterCode,
    Mail,
    Member,
    OneTimeLink,
    Passkey,
    Session,
    SmsDevice,
    SmsMessage,
    User,
)
from members.models.link import LinkPurpose
from members.sms import memory
from tests.members.conftest import PASSWORD, make_member
from tests.members.steps import link_in_mail, read_code, type_password, wrong
from tests.members.test_letters import at_once, invited, other, printed
from tests.signing import sign_in

START, LETTER, ASK = "/activation/", "/activation/courrier/", "/activation/demande/"
CODE, CHOOSE = "/activation/code/", "/activation/mot-de-passe/"
PHONE, PHONE_CODE = "/activation/telephone/", "/activation/telephone/code/"
RESEND = "/activation/telephone/code/renvoyer/"
NEW = "douze goélands sur la jetée"
MOBILE = "+33612345670"


@pytest.fixture
def ines(db):
    """E-mail and mobile on file, no account."""
    return invited(
        "10000011",
        civility="MME",
        birth_name="Le Gall",
        first_names="Inès",
        phone=MOBILE,
        email="ines@exemple.invalid",
    )


@pytest.fixture
def jules(db):
    """Neither e-mail nor mobile, no account."""
    return invited("10000012")


class Visitor:
    """A browser in front of the pages of a first sign-in; its messages arrive at once."""

    def __init__(self, commits):
        self.client, self.commits = Client(), commits
        self.get, self.head = self.client.get, self.client.head

    def post(self, path, **typed):
        with self.commits(execute=True):
            return self.client.post(path, typed)

    def shows_letter(self, member, code):
        return self.post(LETTER, number=getattr(member, "number", member), code=code)

    def asks(self, number, channel):
        return self.post(ASK, number=number, channel=channel)

    def chooses(self, password=NEW, again=None, identifiant="10000011"):
        again = password if again is None else again
        return self.post(
            CHOOSE, identifiant=identifiant, new_password=password, new_password_again=again
        )

    @property
    def is_in(self):
        return self.get("/espace/").status_code == 200


@pytest.fixture
def visitor(django_capture_on_commit_callbacks):
    return Visitor(django_capture_on_commit_callbacks)


@pytest.fixture
def another(django_capture_on_commit_callbacks):
    return Visitor(django_capture_on_commit_callbacks)


def actions():
    return [*AuditEvent.objects.order_by("id").values_list("action", flat=True)]


# The whole way


def test_from_the_letter_to_the_space(visitor, jules):
    assert visitor.shows_letter(jules, printed(jules))["Location"] == CHOOSE
    assert 'value="10000012"' in visitor.get(CHOOSE).content.decode()
    assert visitor.chooses(identifiant="10000012")["Location"] == PHONE
    assert not User.objects.exists(), "nothing exists before both factors stand"
    assert visitor.post(PHONE, phone="06 12 34 56 71")["Location"] == PHONE_CODE
    assert "06 •• •• •• 71" in visitor.get(PHONE_CODE).content.decode()
    assert visitor.post(PHONE_CODE, code=read_code())["Location"] == "/espace/"
    assert visitor.is_in
    jules.refresh_from_db()
    assert (jules.user.identifiant, jules.phone) == ("10000012", "+33612345671")
    assert jules.user.check_password(NEW)
    assert jules.user.sms_device.confirmed
    assert LetterCode.objects.get().used_at
    assert actions() == [
        "letter.printed",
        "activation.begun",
        "signin.code_sent",
        "activation.completed",
        "signin.completed",
    ]


def test_from_the_link_to_the_space_with_the_phone_on_file(visitor, ines):
    visitor.asks("10000011", "email")
    assert mailbox[-1].to == "ines@exemple.invalid"
    link = link_in_mail("/activation/")
    assert "Continuer" in visitor.get(link).content.decode()
    assert visitor.post(link)["Location"] == CHOOSE
    assert visitor.chooses()["Location"] == PHONE
    assert "06 •• •• •• 70" in visitor.get(PHONE).content.decode()
    visitor.post(PHONE)
    assert memory.outbox[-1].to == MOBILE
    visitor.post(PHONE_CODE, code=read_code())
    assert visitor.is_in
    assert mailbox[-1].subject == "Votre espace adhérent est ouvert"
    assert "06 •• •• •• 70" in mailbox[-1].body


def test_from_the_code_to_the_space_the_phone_is_shown_already(visitor, ines):
    assert visitor.asks("10000011", "text")["Location"] == CODE
    assert memory.outbox[-1].to == MOBILE
    assert "code d'ouverture" in memory.outbox[-1].body
    assert visitor.post(CODE, code=read_code())["Location"] == CHOOSE
    assert visitor.chooses()["Location"] == "/espace/"
    assert visitor.is_in


def test_who_opened_his_space_signs_in_as_everybody_does(visitor, ines, another):
    visitor.asks("10000011", "text")
    visitor.post(CODE, code=read_code())
    visitor.chooses(identifiant="Ines.LeGall")
    with another.commits(execute=True):
        assert type_password(another.client, "ines.legall", NEW)["Location"] == "/connexion/code/"


def test_a_member_whose_account_no_phone_opens_opens_it_anew_under_his_identifiant(visitor, db):
    paulin = make_member("paulin", phone="")
    sign_in(other_browser := Client(), paulin.user)
    visitor.asks(paulin.number, "email")
    visitor.post(link_in_mail("/activation/"))
    assert "<strong>paulin</strong>" in visitor.get(CHOOSE).content.decode()
    visitor.chooses(identifiant="another")
    visitor.post(PHONE, phone="0612345672")
    visitor.post(PHONE_CODE, code=read_code())
    assert visitor.is_in
    paulin.refresh_from_db()
    assert (paulin.user.identifiant, paulin.phone) == ("paulin", "+33612345672")
    assert paulin.user.check_password(NEW)
    assert other_browser.get("/espace/").status_code == 302
    assert User.objects.count() == 1


def test_the_link_of_a_forgotten_password_without_phone_leads_here_too(visitor, db):
    make_member("paulin", phone="")
    visitor.post("/mot-de-passe/oublie/", identifiant="paulin")
    assert visitor.post(link_in_mail("/activation/"))["Location"] == CHOOSE


def test_the_sign_in_page_leads_here(client, db):
    assert f'href="{START}"' in client.get("/connexion/").content.decode()


def test_neither_nir_nor_birth_date_is_asked_for(client, db):
    for path in (START, LETTER, ASK):
        page = client.get(path).content.decode()
        names = set(re.findall(r'name="(\w+)"', page.partition("<main")[2]))
        assert names <= {"csrfmiddlewaretoken", "number", "code", "channel"}


# Nobody learns who is a member


def everybody():
    """One number for every case: what is on file, and what became of the account."""
    closed = make_member("denis", nir="178067512345644", phone="+33612345679")
    User.objects.filter(pk=closed.user_id).update(is_active=False)
    suspended = make_member("simone", nir="284122B03302108", phone="+33612345678")
    User.objects.filter(pk=suspended.user_id).update(suspended_at=timezone.now())
    return {
        "unknown": "99999999",
        "new": invited("10000051", phone="+33612345651", email="a@exemple.invalid").number,
        "without phone": invited("10000052", email="b@exemple.invalid").number,
        "without e-mail": invited("10000053", phone="+33612345653").number,
        "open": make_member("claire", phone="+33612345677").number,
        "no phone": make_member("paulin", nir="180062A00403319", phone="").number,
        "closed": closed.number,
        "suspended": suspended.number,
    }


def seen_by(visitor, answer):
    """What a stranger can tell of an answer: not what is random in every one of them."""
    body = re.sub(rb'value="[^"]{64}"|<strong>[A-Z]{2}</strong>', b"", answer.content)
    headers = {name: value for name, value in answer.items() if name != "Set-Cookie"}
    cookies = sorted((name, len(cookie.value)) for name, cookie in answer.cookies.items())
    return answer.status_code, body, str(headers), str(cookies)


def shape(queries):
    """Statements without their values: none more, none less, none other."""
    without = r"\"s\d+_x\d+\"|'[^']*'|\b\d+\b|NULL|\{[^}]*\}|\\x[0-9a-f]+|::\w+"
    return tuple(re.sub(without, "?", query["sql"])[:60] for query in queries)


@pytest.mark.parametrize("channel", ["email", "text"])
def test_asking_answers_everybody_alike_at_the_same_cost(hugo, channel):
    seen = {}
    for case, number in everybody().items():
        visitor = Client()
        visitor.get(ASK)
        cache.clear()
        with time_machine.travel("2024-02-10 10:00:00+01:00", tick=False):
            with CaptureQueriesContext(connection) as asked:
                answer = visitor.post(ASK, {"number": number, "channel": channel})
            page = visitor.get(CODE) if channel == "text" else answer
            seen[case] = (seen_by(visitor, answer), seen_by(visitor, page), shape(asked))
    assert len(set(seen.values())) == 1, seen


def test_a_wrong_code_of_a_text_answers_everybody_alike_at_the_same_cost(hugo):
    seen = {}
    for case, number in everybody().items():
        visitor = Client()
        with time_machine.travel("2024-02-10 10:00:00+01:00", tick=False):
            visitor.post(ASK, {"number": number, "channel": "text"})
            code = wrong(Challenge.objects.order_by("-pk").first().code())
            answers = []
            for _ in range(6):
                cache.clear()
                with CaptureQueriesContext(connection) as asked:
                    answer = visitor.post(CODE, {"code": code})
                answer.content = answer.content.replace(code.encode(), b"")
                answers.append((seen_by(visitor, answer), shape(asked)))
        seen[case] = tuple(answers)
    assert len(set(seen.values())) == 1, seen


def test_a_wrong_letter_answers_everybody_alike_at_the_same_cost(hugo):
    numbers = everybody()
    new = Member.objects.get(number=numbers["new"])
    new.letter_codes.create(
        purpose="activation", digest="0" * 64, expires_at=timezone.now() + timedelta(days=1)
    )
    seen = {}
    for case, number in numbers.items():
        visitor = Client()
        visitor.get(LETTER)
        cache.clear()
        with CaptureQueriesContext(connection) as asked:
            answer = visitor.post(LETTER, {"number": number, "code": "CCCCCCCCCC"})
        body = answer.content.replace(number.encode(), b"")
        seen[case] = (answer.status_code, re.sub(rb'value="[^"]{64}"', b"", body), shape(asked))
    assert len(set(seen.values())) == 1, seen
    assert "ne vont pas ensemble" in answer.content.decode()


def test_the_limits_are_the_same_for_a_number_that_nobody_has(visitor, ines):
    for channel in ("email", "text"):
        for number in ("10000011", "99999999"):
            with time_machine.travel(
                timezone.now() + timedelta(hours=2 if channel == "text" else 0)
            ):
                answers = [visitor.asks(number, channel).status_code for _ in range(7)]
            assert answers[5:] == [429, 429], (channel, number)
            assert len(set(answers[:5])) == 1


def test_a_phone_that_had_enough_texts_shows_nowhere(visitor, ines):
    for _ in range(5):
        throttle.reserve(throttle.Hit(throttle.ACTIVATION_TEXTS, MOBILE))
    assert visitor.asks("10000011", "text")["Location"] == CODE
    assert not memory.outbox


def test_who_asks_for_texts_to_a_shared_phone_holds_up_no_sign_in(visitor, client, claire):
    child = make_member("jules", nir="178067512345644", phone=claire.phone)
    Member.objects.filter(pk=child.pk).update(user=None)
    for _ in range(5):
        visitor.asks(child.number, "text")
    assert len(memory.outbox) == 5
    assert type_password(client)["Location"] == "/connexion/code/"


@pytest.mark.parametrize("channel", ["email", "text"])
def test_only_who_is_concerned_gets_a_message(visitor, hugo, channel):
    for number in everybody().values():
        visitor.asks(number, channel)
    told = {(mail.to, mail.subject) for mail in mailbox}
    note = ("claire@exemple.invalid", "Votre espace adhérent est déjà ouvert")
    if channel == "text":
        assert told == {note}
        assert {text.to for text in memory.outbox} == {"+33612345651", "+33612345653"}
    else:
        link = "Ouvrir votre espace adhérent"
        to = ("a@exemple.invalid", "b@exemple.invalid", "paulin@exemple.invalid")
        assert told == {note, *((address, link) for address in to)}
        assert not memory.outbox


def test_an_open_space_is_told_by_email_alone_with_the_way_to_reset(visitor, claire):
    visitor.asks(claire.number, "email")
    assert link_in_mail("/") == "/mot-de-passe/oublie/"
    assert not OneTimeLink.objects.exists()


def test_the_code_of_a_text_that_went_nowhere_opens_nothing(visitor, claire):
    visitor.asks(claire.number, "text")
    challenge = Challenge.objects.get()
    assert challenge.user is None
    assert SmsMessage.objects.get().state == "cancelled"
    assert visitor.post(CODE, code=challenge.code()).status_code in (200, 302)
    assert visitor.get(CHOOSE).status_code == 302


# Limits


def test_wrong_letters_are_bounded_per_number_and_per_address(visitor, jules, settings):
    answers = [visitor.shows_letter(jules, "CCCCCCCCCC") for _ in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert answers[-1]["Retry-After"]
    settings.LIMITS = {**settings.LIMITS, "ACTIVATION_TRIES_PER_ADDRESS": 11}
    assert visitor.shows_letter("99999991", "CCCCCCCCCC").status_code == 200
    assert visitor.shows_letter("99999992", "CCCCCCCCCC").status_code == 429


def test_who_guesses_at_letters_holds_up_no_other_way(visitor, another, ines):
    for _ in range(11):
        another.shows_letter(ines, "CCCCCCCCCC")
    visitor.asks("10000011", "text")
    assert visitor.post(CODE, code=read_code())["Location"] == CHOOSE


def test_right_letters_cost_no_try_of_the_number(visitor, jules):
    for _ in range(12):
        assert visitor.shows_letter(jules, printed(jules))["Location"] == CHOOSE


def test_wrong_codes_to_the_phone_are_bounded_across_challenges(visitor, ines):
    visitor.shows_letter(ines, printed(ines))
    visitor.chooses()
    with time_machine.travel(timezone.now(), tick=False) as clock:
        statuses = []
        for _round in range(3):
            visitor.post(PHONE)
            code = wrong(read_code())
            statuses += [visitor.post(PHONE_CODE, code=code).status_code for _ in range(4)]
            clock.shift(1)
    assert statuses == [200] * 10 + [429] * 2


def test_texts_to_numbers_that_are_typed_are_bounded(visitor, jules):
    visitor.shows_letter(jules, printed(jules))
    visitor.chooses(identifiant="10000012")
    answers = [visitor.post(PHONE, phone="0612345671") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [302] * 5 + [429]
    assert len(memory.outbox) == 5


def test_identifiants_cannot_be_listed_by_trying(visitor, jules, claire):
    visitor.shows_letter(jules, printed(jules))
    answers = [visitor.chooses(identifiant="claire") for _ in range(11)]
    assert "déjà pris" in answers[0].content.decode()
    assert answers[-1].status_code == 429


# A thief


@pytest.mark.parametrize("way", ["passkey", "app"])
def test_an_account_without_phone_that_something_else_opens_is_not_opened_anew(
    visitor, claire, way
):
    Member.objects.filter(pk=claire.pk).update(phone="")
    assert Member.objects.get().may_activate
    if way == "app":
        TOTPDevice.objects.create(user=claire.user, name="app", confirmed=True)
    else:
        Passkey.objects.create(user=claire.user, name="k", credential_id="x", public_key=b"")
    assert not Member.objects.get().may_activate
    assert not Member.objects.with_factors().get().may_activate
    visitor.asks(claire.number, "email")
    assert not mailbox
    visitor.post("/mot-de-passe/oublie/", identifiant="claire")
    assert mailbox[-1].subject == "Choisir un nouveau mot de passe"


def test_the_letter_alone_opens_nothing_where_a_phone_is_on_file(visitor, ines):
    visitor.shows_letter(ines, printed(ines))
    visitor.chooses()
    visitor.post(PHONE, phone="0699999999")
    assert {text.to for text in memory.outbox} == {MOBILE}
    visitor.post(PHONE_CODE, code=wrong(read_code()))
    assert not visitor.is_in
    assert not User.objects.exists()
    ines.refresh_from_db()
    assert ines.phone == MOBILE


def test_the_link_alone_opens_nothing_where_a_phone_is_on_file(visitor, ines):
    visitor.asks("10000011", "email")
    visitor.post(link_in_mail("/activation/"))
    visitor.chooses()
    assert visitor.get(PHONE_CODE)["Location"] == PHONE
    assert not visitor.is_in


@pytest.mark.parametrize("path", ["/espace/", "/espace/securite/", "/incidents/", "/admin/"])
def test_the_half_way_session_opens_nothing(visitor, ines, path):
    visitor.shows_letter(ines, printed(ines))
    visitor.chooses()
    assert visitor.get(path).status_code == 302


def test_the_session_key_changes_at_the_proof_and_at_the_end(visitor, ines):
    visitor.asks("10000011", "text")
    keys = [visitor.client.cookies["session"].value]
    visitor.post(CODE, code=read_code())
    keys.append(visitor.client.cookies["session"].value)
    visitor.chooses()
    keys.append(visitor.client.cookies["session"].value)
    assert len(set(keys)) == 3
    for key in keys[:2]:
        thief = Client()
        thief.cookies["session"] = key
        assert thief.get(CHOOSE).status_code == 302
        assert thief.get("/espace/").status_code == 302


def test_no_password_is_at_rest_and_no_code_either(visitor, ines):
    letter = printed(ines)
    visitor.shows_letter(ines, letter)
    visitor.chooses()
    visitor.post(PHONE)
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            rows = str(cursor.fetchall())
            assert NEW not in rows, table
            assert read_code() not in rows, table
            assert letter not in rows, table
    kept = Session.objects.get().data
    decoded = visitor.client.session.decode(kept)
    assert NEW not in str(decoded)
    assert decoded["activation"]["password"].startswith("argon2")


def test_the_code_of_another_browser_opens_nothing(visitor, another, ines):
    visitor.asks("10000011", "text")
    code = read_code()
    another.asks("99999999", "text")
    another.post(CODE, code=code)
    assert another.get(CHOOSE).status_code == 302


# Steps in their order


def test_without_proof_every_later_page_leads_to_the_start(visitor, db):
    for path in (CODE, CHOOSE, PHONE, PHONE_CODE):
        assert visitor.get(path)["Location"] == START
        assert visitor.post(path, code="123456")["Location"] == START
    assert visitor.post(RESEND)["Location"] == START


def test_no_step_can_be_left_out(visitor, ines):
    visitor.shows_letter(ines, printed(ines))
    for path in (PHONE, PHONE_CODE):
        assert visitor.get(path)["Location"] == CHOOSE
        assert visitor.post(path, code="123456")["Location"] == CHOOSE
    visitor.chooses()
    assert visitor.get(PHONE_CODE)["Location"] == PHONE
    assert visitor.post(PHONE_CODE, code="123456")["Location"] == PHONE
    assert not memory.outbox


def test_getting_reloading_or_prefetching_changes_nothing(visitor, ines):
    code = printed(ines)
    visitor.asks("10000011", "email")
    link = link_in_mail("/activation/")
    for path in (START, LETTER, ASK, link):
        for method in (visitor.get, visitor.head, visitor.get):
            assert method(path).status_code == 200
    assert not OneTimeLink.objects.get().used_at
    visitor.shows_letter(ines, code)
    visitor.chooses()
    for path in (CHOOSE, PHONE, PHONE):
        visitor.get(path)
        visitor.head(path)
    assert not memory.outbox
    assert visitor.get(RESEND).status_code == 405
    assert not LetterCode.objects.get().used_at
    assert not User.objects.exists()


def test_who_leaves_half_way_may_use_his_letter_again(visitor, another, jules):
    code = printed(jules)
    visitor.shows_letter(jules, code)
    visitor.chooses(identifiant="10000012")
    another.shows_letter(jules, code)
    another.chooses(identifiant="10000012")
    another.post(PHONE, phone="0612345671")
    another.post(PHONE_CODE, code=read_code())
    assert another.is_in
    assert visitor.get(PHONE)["Location"].startswith(START)


def test_the_same_code_is_sent_again_after_a_wait(visitor, ines):
    visitor.shows_letter(ines, printed(ines))
    visitor.chooses()
    visitor.post(PHONE)
    visitor.post(RESEND)
    assert len(memory.outbox) == 1
    with time_machine.travel(timezone.now() + timedelta(seconds=31)):
        assert visitor.post(RESEND)["Location"] == PHONE_CODE
    assert [read_code()] * 2 == [text.body[:6] for text in memory.outbox]


def test_a_dead_code_leads_back_to_the_page_that_sends_another(visitor, ines):
    visitor.shows_letter(ines, printed(ines))
    visitor.chooses()
    visitor.post(PHONE)
    code = read_code()
    with time_machine.travel(timezone.now() + timedelta(seconds=301)):
        answer = visitor.post(PHONE_CODE, code=code)
        assert answer["Location"] == PHONE
        assert "ne peut plus servir" in visitor.get(PHONE).content.decode()


# What ends it


def begun(visitor, member):
    visitor.shows_letter(member, printed(member))
    visitor.chooses(identifiant=member.number)
    visitor.post(PHONE)


def test_it_expires(visitor, ines):
    visitor.shows_letter(ines, printed(ines))
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        assert visitor.chooses()["Location"].startswith(START)


def test_it_expires_however_busy_its_browser_is(visitor, ines):
    visitor.shows_letter(ines, printed(ines))
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for _ in range(4):
            clock.shift(500)
            answer = visitor.chooses()
    assert answer["Location"] == f"{START}?motif=expired"
    assert "a expiré" in visitor.get(answer["Location"]).content.decode()


@pytest.mark.parametrize(
    "change",
    [
        {"phone": "+33612345699"},
        {"phone": ""},
        {"email": "thief@exemple.invalid"},
    ],
)
def test_a_change_of_the_file_ends_it(visitor, ines, change):
    begun(visitor, ines)
    Member.objects.filter(pk=ines.pk).update(**change)
    answer = visitor.post(PHONE_CODE, code=read_code())
    assert answer["Location"] == f"{START}?motif=changed"
    assert not User.objects.exists()


def test_an_account_opened_meanwhile_ends_it(visitor, ines):
    begun(visitor, ines)
    Member.objects.filter(pk=ines.pk).update(user=User.objects.create_user("ines", PASSWORD))
    assert visitor.post(PHONE_CODE, code=read_code())["Location"] == f"{START}?motif=changed"


def test_a_letter_cancelled_meanwhile_ends_it(visitor, ines):
    begun(visitor, ines)
    printed(ines)
    assert visitor.post(PHONE_CODE, code=read_code())["Location"] == f"{START}?motif=changed"
    assert not User.objects.exists()


def test_a_member_erased_meanwhile_ends_it(visitor, jules):
    visitor.shows_letter(jules, printed(jules))
    Member.objects.all().delete()
    assert visitor.get(CHOOSE)["Location"] == f"{START}?motif=changed"


def test_opening_cancels_every_other_letter(visitor, another, ines):
    code = printed(ines)
    visitor.asks("10000011", "text")
    visitor.post(CODE, code=read_code())
    visitor.chooses()
    assert LetterCode.objects.get().cancelled_at
    assert "ne vont pas ensemble" in another.shows_letter(ines, code).content.decode()


@pytest.mark.parametrize("after", [timedelta(minutes=61), timedelta(days=30)])
def test_the_link_dies_after_an_hour(visitor, ines, after):
    visitor.asks("10000011", "email")
    link = link_in_mail("/activation/")
    with time_machine.travel(timezone.now() + after):
        assert visitor.get(link).status_code == 410
        assert visitor.post(link).status_code == 410


def test_the_link_serves_once_and_only_for_the_file_as_it_was(visitor, another, ines):
    visitor.asks("10000011", "email")
    link = link_in_mail("/activation/")
    visitor.post(link)
    assert another.post(link).status_code == 410
    another.asks("10000011", "email")
    link = link_in_mail("/activation/")
    Member.objects.filter(pk=ines.pk).update(email="else@exemple.invalid")
    assert another.get(link).status_code == 410


def test_an_altered_link_opens_nothing(visitor, ines, jules):
    visitor.asks("10000011", "email")
    number, _dash, secret = link_in_mail("/activation/").strip("/").split("/")[-1].partition("-")
    for token in (f"{number}-{secret[::-1]}", secret, f"{int(number) + 1}-{secret}", "-", "9" * 40):
        assert visitor.post(f"/activation/lien/{token}/").status_code == 410
    for_jules = links.make(None, LinkPurpose.ACTIVATION, member=jules)
    assert for_jules.secret() != secret


def test_the_database_knows_whose_a_link_is(ines, claire):
    for holder in ({"user": claire.user, "member": ines}, {"user": None, "member": None}):
        with pytest.raises(Exception, match="link_has_one_holder"), transaction.atomic():
            OneTimeLink.objects.create(
                purpose=LinkPurpose.ACTIVATION,
                expires_at=timezone.now() + timedelta(hours=1),
                **holder,
            )


def test_closing_the_account_meanwhile_ends_the_link(visitor, db):
    paulin = make_member("paulin", phone="")
    visitor.asks(paulin.number, "email")
    User.objects.filter(pk=paulin.user_id).update(is_active=False)
    assert visitor.post(link_in_mail("/activation/")).status_code == 410


# What is typed


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"password": "court"}, "au moins 12 caractères"),
        ({"again": NEW + "x"}, "Les deux saisies sont différentes."),
        ({"password": "ines-le-gall-1946", "again": "ines-le-gall-1946"}, "ni nom"),
        ({"identifiant": "mon.bateau", "password": "mon.bateau mon.bateau"}, "ni nom"),
        ({"identifiant": ""}, "Choisissez un identifiant."),
        ({"identifiant": "é!"}, "Lettres minuscules"),
        ({"identifiant": "x" * 10_000}, "64 caractères"),
        ({"identifiant": "10000099"}, "Ajoutez une lettre"),
        ({"identifiant": "hugo"}, "déjà pris"),
        ({"identifiant": "HUGO"}, "déjà pris"),
        ({"password": ""}, "Choisissez un mot de passe."),
    ],
)
def test_what_cannot_be_kept_is_refused_in_french_and_costs_nothing(
    visitor, ines, hugo, typed, sentence
):
    visitor.shows_letter(ines, printed(ines))
    page = visitor.chooses(**typed).content.decode()
    assert sentence in page
    assert NEW not in page
    assert visitor.chooses()["Location"] == PHONE


def test_the_number_of_somebody_else_is_nobodys_identifiant(visitor, ines, jules):
    visitor.shows_letter(ines, printed(ines))
    assert "Ajoutez une lettre" in visitor.chooses(identifiant=jules.number).content.decode()


def test_nor_is_a_number_with_letters_in_either_case(visitor, ines, jules):
    Member.objects.filter(pk=jules.pk).update(number="AB1234")
    visitor.shows_letter(ines, printed(ines))
    assert "déjà pris" in visitor.chooses(identifiant="ab1234").content.decode()
    assert visitor.chooses(identifiant=ines.number)["Location"] == PHONE


def test_a_number_that_is_taken_as_identifiant_is_not_proposed(visitor, ines):
    User.objects.create_user("10000011", PASSWORD)
    visitor.shows_letter(ines, printed(ines))
    assert 'value="10000011"' not in visitor.get(CHOOSE).content.decode()
    assert "déjà pris" in visitor.chooses().content.decode()
    assert visitor.chooses(identifiant="ines")["Location"] == PHONE


def test_an_identifiant_taken_between_the_two_pages_is_asked_for_again(visitor, ines):
    begun(visitor, ines)
    User.objects.create_user("10000011", PASSWORD)
    assert visitor.post(PHONE_CODE, code=read_code())["Location"] == CHOOSE
    assert "être pris" in visitor.get(CHOOSE).content.decode()
    assert visitor.chooses(identifiant="ines")["Location"] == PHONE
    visitor.post(PHONE)
    visitor.post(PHONE_CODE, code=read_code())
    assert visitor.is_in


@pytest.mark.parametrize(
    "phone", ["", "12", "02 61 91 00 10", "+44 7700 900123", "\0", "6" * 10_000, "<b>"]
)
def test_what_is_no_mobile_of_ours_is_refused_and_nothing_is_sent(visitor, jules, phone):
    visitor.shows_letter(jules, printed(jules))
    visitor.chooses(identifiant="10000012")
    answer = visitor.post(PHONE, phone=phone)
    assert answer.status_code == 200
    assert "field__error" in answer.content.decode()
    assert not memory.outbox


@pytest.mark.parametrize(
    "typed", ["", "\0", "a" * 10_000, "'; --", "１００００", "1", "x" * 41, "<b>"]
)
@pytest.mark.parametrize("path", [LETTER, ASK])
def test_odd_numbers_end_in_a_polite_page_and_are_not_counted(client, db, path, typed):
    answer = client.post(path, {"number": typed, "code": "CCCCCCCCCC"})
    assert answer.status_code == 200
    assert "Saisissez votre numéro" in answer.content.decode()
    assert not Mail.objects.exists()
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize(
    "typed", ["", "\0", "C" * 10_000, "12345", "CCCCC-CCCC0", "ＣＣＣＣＣＣＣＣＣＣ"]
)
def test_odd_letter_codes_end_in_a_polite_page_and_cost_no_try(visitor, jules, typed):
    printed(jules)
    answer = visitor.shows_letter(jules, typed)
    assert answer.status_code == 200
    assert "10 lettres et chiffres" in answer.content.decode()
    assert LetterCode.objects.get().attempts == 0


@pytest.mark.parametrize("typed", ["", "\0", "1" * 10_000, "١٢٣٤٥٦", "12 34"])
def test_odd_codes_of_a_text_cost_no_try(visitor, ines, typed):
    visitor.asks("10000011", "text")
    assert "Saisissez les 6 chiffres" in visitor.post(CODE, code=typed).content.decode()
    assert Challenge.objects.get().attempts == 0


def test_a_number_may_be_typed_with_spaces_and_in_any_case(visitor, db):
    member = invited("AB1234")
    assert visitor.shows_letter("ab 12-34", printed(member))["Location"] == CHOOSE


def test_an_unknown_channel_is_the_first_one(visitor, ines):
    visitor.asks("10000011", "pigeon")
    assert mailbox
    assert not memory.outbox


def test_who_is_signed_in_is_led_to_his_space(client, claire):
    sign_in(client, claire.user)
    for path in (START, LETTER, ASK, CODE, CHOOSE, PHONE):
        assert client.get(path)["Location"] == "/espace/"


# Trail


def test_a_failed_letter_is_in_the_trail_with_whom_it_was_for_and_no_code(visitor, jules):
    code = other(printed(jules))
    visitor.shows_letter(jules, code)
    visitor.shows_letter("99999999", code)
    first, second = AuditEvent.objects.filter(action="activation.letter_failed").order_by("id")
    assert first.details == {"person": f"member/{jules.pk}"}
    assert second.details == {"person": ""}


def test_a_failed_code_is_in_the_trail(visitor, ines):
    visitor.asks("10000011", "text")
    visitor.post(CODE, code=wrong(read_code()))
    event = AuditEvent.objects.get(action="activation.code_failed")
    assert event.details == {"person": f"member/{ines.pk}", "reason": "WrongCode"}


# Races, on real threads


@pytest.fixture
def steps_of_ines():
    """How a browser of its own comes to the last page, and types the code there."""

    def arrive(identifiant):
        ines = Member.objects.filter(number="10000011").first() or invited("10000011", phone=MOBILE)
        browser = Client()
        code = printed_once.setdefault("code", None) or printed(ines)
        printed_once["code"] = code
        LetterCode.objects.update(attempts=0)
        assert browser.post(LETTER, {"number": ines.number, "code": code}).status_code == 302
        passwords = {"new_password": NEW, "new_password_again": NEW}
        browser.post(CHOOSE, {"identifiant": identifiant, **passwords})
        browser.post(PHONE)
        return browser, Challenge.objects.order_by("-pk").first().code()

    printed_once = {}
    return arrive


@pytest.mark.django_db(transaction=True)
def test_of_many_browsers_at_the_last_step_at_once_one_opens_the_account(steps_of_ines):
    ready = [steps_of_ines(f"ines{n}") for n in range(4)]
    turns = iter(ready)
    lock = threading.Lock()

    def finish():
        with lock:
            browser, code = next(turns)
        return browser.post(PHONE_CODE, {"code": code})["Location"]

    outcomes = at_once(4, finish)
    assert sorted(outcomes) == ["/activation/?motif=changed"] * 3 + ["/espace/"]
    assert User.objects.count() == SmsDevice.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_many_wrong_letters_at_once_five_are_compared_and_ten_looked_at():
    jules = invited("10000012")
    code = other(printed(jules))
    outcomes = at_once(
        30, lambda: Client().post(LETTER, {"number": "10000012", "code": code}).status_code
    )
    assert set(outcomes) <= {200, 429}
    assert outcomes.count(200) <= 10
    assert LetterCode.objects.get().attempts <= 5


@pytest.mark.django_db(transaction=True)
def test_of_many_posts_of_one_link_at_once_one_begins():
    ines = invited("10000011", phone=MOBILE)
    link = links.make(None, LinkPurpose.ACTIVATION, member=ines)
    address = f"/activation/lien/{links.token(link)}/"
    outcomes = at_once(8, lambda: Client().post(address).status_code)
    assert sorted(outcomes) == [302] + [410] * 7


@pytest.mark.django_db(transaction=True)
def test_of_many_wrong_codes_of_a_text_at_once_five_are_compared():
    invited("10000011", phone=MOBILE)
    browser = Client()
    browser.post(ASK, {"number": "10000011", "channel": "text"})
    challenge = Challenge.objects.get()
    key = browser.cookies["session"].value

    def guess():
        again = Client()
        again.cookies["session"] = key
        return again.post(CODE, {"code": wrong(challenge.code())}).status_code

    at_once(20, guess)
    challenge.refresh_from_db()
    assert challenge.attempts <= 5
