"""Where a member is reimbursed: a new account is told at once, waits, and can be taken back."""

from datetime import timedelta

import pytest
import time_machine
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice
from hypothesis import given
from hypothesis import strategies as st

from members import bank, ibans, links, protection
from members.contacts import ChangeOver
from members.mail.memory import outbox as mailbox
from members.models import AuditEvent, BankAccount, SmsMessage, User
from members.models.link import LinkPurpose
from members.sms import memory
from tests.members.conftest import PASSWORD, make_member
from tests.members.steps import link_in_mail, said, signs_in
from tests.members.test_codes import at_once
from tests.signing import sign_in

IBAN, OTHER = "FR7630006000011234567890189", "DE89370400440532013000"
PAGE, GIVE_UP = "/espace/informations/compte/", "/espace/informations/compte/annuler/"
DAYS = timedelta(days=3)


@pytest.fixture
def inside(client, claire, django_capture_on_commit_callbacks):
    """Claire's browser, signed in a moment ago: `inside(path, **fields)` posts, and messages leave."""
    signs_in(client, django_capture_on_commit_callbacks)
    memory.outbox.clear()
    mailbox.clear()

    def post(path, **fields):
        with django_capture_on_commit_callbacks(execute=True):
            return client.post(path, fields)

    return post


@pytest.fixture
def apply(django_capture_on_commit_callbacks):
    def applied():
        with django_capture_on_commit_callbacks(execute=True):
            return bank.apply_due()

    return applied


def an_account(member, number=IBAN, *, served=None, asked=None) -> BankAccount:
    """One that waits; `served`: it serves since then."""
    asked = asked or served or timezone.now()
    account = BankAccount(
        member=member,
        holder="Claire Vasseur",
        asked_at=asked,
        confirmed_at=asked,
        serves_from=served or asked + DAYS,
        applied_at=served,
    )
    account.set_iban(number)
    account.save()
    return account


def later(after=DAYS):
    return time_machine.travel(timezone.now() + after + timedelta(seconds=1))


def events(prefix="bank."):
    found = AuditEvent.objects.filter(action__startswith=prefix).order_by("id")
    return list(found.values_list("action", flat=True))


# IBAN


@pytest.mark.parametrize(
    "typed", ["FR76 3000 6000 0112 3456 7890 189", "de89 3704 0044 0532 0130 00", IBAN]
)
def test_an_iban_is_taken_with_spaces_and_in_any_case(typed):
    assert ibans.compact(typed) in (IBAN, OTHER)


@pytest.mark.parametrize("typed", ["", "FR7630006000011234567890188", "FR76", "x" * 400, "ＦＲ76"])
def test_a_mistyped_iban_is_refused(typed):
    with pytest.raises(ibans.InvalidIban):
        ibans.compact(typed)


def test_a_country_out_of_reach_is_said_apart():
    with pytest.raises(ibans.OutOfReach):
        ibans.compact("BR1800360305000010009795493C1")


@given(st.text(max_size=60))
def test_whatever_is_typed_is_an_iban_or_is_refused(typed):
    try:
        number = ibans.compact(typed)
    except ibans.InvalidIban:
        return
    assert number.isascii()
    assert number.isalnum()


# From one account to the other


def test_a_new_account_is_told_at_once_and_serves_three_days_later(client, claire, inside, apply):
    old = an_account(claire, OTHER, served=timezone.now() - timedelta(days=400))
    page = inside(PAGE, iban="fr76 3000 6000 0112 3456 7890 189", holder="  Claire   Vasseur ")
    assert page["Location"] == PAGE
    new = BankAccount.objects.open().get()
    assert (new.iban, new.holder) == (IBAN, "Claire Vasseur")
    assert new.serves_from - new.confirmed_at == DAYS
    assert "FR76 •••• •••• 0189" in mailbox[-1].body
    assert "dans 3 jours" in memory.outbox[-1].body
    assert apply() == 0
    assert bank.serving(claire) == old
    with later():
        assert apply() == 1
        assert apply() == 0
        assert bank.serving(claire) == new
    old.refresh_from_db()
    assert old.ended_at
    assert "Vos remboursements arrivent maintenant" in mailbox[-1].body
    assert memory.outbox[-1].body.startswith("Mutuelle du Rivage : vos remboursements")
    assert events() == ["bank.change_requested", "bank.changed"]


def test_an_iban_is_nowhere_in_clear(client, claire, inside):
    inside(PAGE, iban=IBAN, holder="Claire Vasseur")
    account = BankAccount.objects.get()
    told = [str(one.details) for one in AuditEvent.objects.all()]
    told += [one.body for one in [*mailbox, *memory.outbox]]
    told += [said(client.get(path)) for path in (PAGE, "/espace/informations/")]
    told += [account.iban_sealed, account.iban_start, account.iban_end, str(account)]
    assert not [words for words in told if IBAN in words.replace(" ", "")]
    assert not [words for words in told[:-4] if IBAN[4:-4] in words]


def test_staff_see_it_masked_too(client, claire):
    account = an_account(claire, served=timezone.now())
    an_account(claire, OTHER)
    boss = User.objects.create(identifiant="chef", is_staff=True, is_superuser=True)
    sign_in(client, boss, TOTPDevice.objects.create(user=boss, name="app", confirmed=True))
    page = said(client.get(f"/admin/members/member/{claire.pk}/change/"))
    assert f"{account.masked}, puis DE89 •••• •••• 3000 à partir du" in page
    assert IBAN not in page
    assert account.iban_sealed not in page


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"iban": IBAN[:-1] + "8", "holder": "Claire"}, "Cet IBAN n'est pas le bon"),
        ({"iban": "", "holder": "Claire"}, "Saisissez l'IBAN"),
        (
            {"iban": "BR1800360305000010009795493C1", "holder": "Claire"},
            "Donnez un compte d'Europe",
        ),
        ({"iban": IBAN, "holder": ""}, "Saisissez le nom"),
        ({"iban": IBAN, "holder": "\u202e"}, "n'est pas lisible"),
        ({"iban": "\x00", "holder": "a\x00b"}, "Cet IBAN n'est pas le bon"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field_and_what_was_typed_stays(inside, fields, words):
    page = inside(PAGE, **fields)
    assert page.status_code == 200
    assert words in said(page)
    if fields["holder"] == "Claire":
        assert 'value="Claire"' in said(page)
    assert not BankAccount.objects.exists()


def test_the_same_account_is_no_change(claire, inside):
    an_account(claire, served=timezone.now() - DAYS)
    assert "C'est déjà votre compte" in said(inside(PAGE, iban=IBAN, holder="Claire"))


def test_some_minutes_later_the_password_is_asked_again(claire, inside):
    with later(timedelta(minutes=11)):
        page = inside(PAGE, iban=IBAN, holder="Claire Vasseur")
        assert "Saisissez votre mot de passe actuel" in said(page)
        assert not BankAccount.objects.exists()
        inside(PAGE, iban=IBAN, holder="Claire Vasseur", present_password=PASSWORD)
    assert BankAccount.objects.open().exists()


def test_while_a_change_waits_no_other_is_taken(claire, inside):
    waits = an_account(claire)
    page = inside(PAGE, iban=OTHER, holder="Un autre")
    assert "Un changement est en cours" in said(page)
    assert BankAccount.objects.get() == waits


# Taken back


def test_its_member_takes_a_change_back(client, claire, inside, apply):
    inside(PAGE, iban=IBAN, holder="Claire Vasseur")
    inside(GIVE_UP)
    assert "Le changement demandé" in mailbox[-1].body
    with later():
        assert apply() == 0
    assert bank.serving(claire) is None
    assert events() == ["bank.change_requested", "bank.change_cancelled"]


def test_the_link_of_the_e_mail_takes_it_back_once(inside, django_capture_on_commit_callbacks):
    inside(PAGE, iban=IBAN, holder="Claire Vasseur")
    link = link_in_mail("contact/compte")
    page = said(Client().get(link))
    assert "Annuler le changement de compte bancaire ?" in page.replace("\u00a0", " ")
    assert BankAccount.objects.open().exists()
    assert "Le changement est annulé" in said(Client().post(link))
    assert not BankAccount.objects.open().exists()
    assert Client().post(link).status_code == 410


def test_a_link_is_too_late_once_the_account_serves(claire):
    account = an_account(claire, served=timezone.now())
    link = links.make(claire.user, LinkPurpose.CANCEL_BANK, bank_account=account)
    for send in (Client().get, Client().post):
        page = send(f"/contact/compte/annuler/{links.token(link)}/")
        assert page.status_code == 410
        assert "Le nouveau compte reçoit vos remboursements" in said(page)
    assert bank.serving(claire) == account


def test_a_link_to_cancel_a_phone_opens_nothing_here(claire):
    link = links.make(claire.user, LinkPurpose.CANCEL_PHONE)
    assert Client().get(f"/contact/compte/annuler/{links.token(link)}/").status_code == 410


def test_not_me_gives_back_the_account_that_served_before_and_says_so(claire, says_not_me):
    long_ago = timezone.now() - timedelta(days=400)
    before = an_account(claire, OTHER, served=long_ago)
    BankAccount.objects.filter(pk=before.pk).update(ended_at=timezone.now() - timedelta(days=1))
    thief = an_account(claire, served=timezone.now() - timedelta(days=1))
    waits = an_account(claire, "GB33BUKB20201555555555")
    says_not_me()
    again = bank.serving(claire)
    assert again.iban == OTHER
    assert again.pk not in (before.pk, thief.pk)
    waits.refresh_from_db()
    thief.refresh_from_db()
    assert waits.cancelled_at
    assert thief.ended_at
    assert "Vérifiez celui de votre espace" in mailbox[-1].body


def test_said_again_days_later_it_does_not_bring_the_thief_back(claire, says_not_me):
    now = timezone.now()
    good = an_account(claire, OTHER, served=now - timedelta(days=400))
    BankAccount.objects.filter(pk=good.pk).update(ended_at=now - timedelta(days=6))
    first = an_account(claire, "GB33BUKB20201555555555", served=now - timedelta(days=6))
    BankAccount.objects.filter(pk=first.pk).update(ended_at=now - timedelta(days=5))
    an_account(claire, served=now - timedelta(days=5))
    says_not_me()
    again = bank.serving(claire)
    assert (again.iban, again.restores) == (OTHER, good)
    for days in (3, 12):
        with time_machine.travel(now + timedelta(days=days)):
            says_not_me()
            assert bank.serving(claire) == again
            assert "compte bancaire" not in mailbox[-1].body
    assert BankAccount.objects.filter(disowned_at__isnull=False).count() == 2


def test_a_second_thief_leaves_the_account_that_was_given_back(claire, says_not_me):
    now = timezone.now()
    good = an_account(claire, OTHER, served=now - timedelta(days=400))
    BankAccount.objects.filter(pk=good.pk).update(ended_at=now - timedelta(days=5))
    an_account(claire, served=now - timedelta(days=5))
    says_not_me()
    given_back = bank.serving(claire)
    with time_machine.travel(now + timedelta(days=3)):
        BankAccount.objects.filter(pk=given_back.pk).update(ended_at=timezone.now())
        an_account(claire, "GB33BUKB20201555555555", served=timezone.now())
        says_not_me()
        assert bank.serving(claire).iban == OTHER


def test_not_me_ends_a_first_account_of_these_days(claire, says_not_me):
    an_account(claire, served=timezone.now() - timedelta(days=1))
    says_not_me()
    assert bank.serving(claire) is None


def test_not_me_leaves_an_account_that_served_for_long(claire, says_not_me):
    account = an_account(claire, served=timezone.now() - timedelta(days=30))
    says_not_me()
    assert bank.serving(claire) == account
    assert "compte bancaire" not in mailbox[-1].body


@pytest.fixture
def says_not_me(claire, django_capture_on_commit_callbacks):
    def pressed():
        link = links.make(User.objects.get(pk=claire.user.pk), LinkPurpose.NOT_ME)
        with django_capture_on_commit_callbacks(execute=True):
            protection.protect(link, request=None)

    return pressed


def test_an_account_closed_meanwhile_is_given_nothing(claire, apply):
    an_account(claire)
    User.objects.filter(pk=claire.user.pk).update(is_active=False)
    with later():
        assert apply() == 0
    assert not BankAccount.objects.open().exists()
    assert not BankAccount.objects.serving().exists()


def test_nobody_takes_back_the_change_of_another(client, claire, inside):
    denis = make_member("denis", phone="+33698765439", nir="178067512345644")
    an_account(denis)
    inside(GIVE_UP)
    assert BankAccount.objects.open().filter(member=denis).exists()
    assert client.get(GIVE_UP).status_code == 405


# In the database


@pytest.mark.parametrize("served", [None, timezone.now() - timedelta(days=9)])
def test_one_account_waits_and_one_serves_for_a_member(claire, served):
    an_account(claire, served=served)
    with pytest.raises(IntegrityError), transaction.atomic():
        an_account(claire, OTHER, served=served)


@pytest.mark.django_db(transaction=True)
def test_of_ten_requests_at_once_one_account_waits(rf):
    claire = make_member()

    def ask():
        request = rf.post("/")
        request.user = User.objects.select_related("member").get(pk=claire.user.pk)
        request.member = request.user.member
        bank.ask(request, IBAN, "Claire Vasseur")

    at_once(6, ask)
    assert BankAccount.objects.count() == 1
    assert SmsMessage.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_cancel_and_an_apply_at_once_never_both_win():
    claire = make_member()
    old = an_account(claire, OTHER, served=timezone.now() - timedelta(days=90))
    for _ in range(4):
        account = an_account(claire, asked=timezone.now() - timedelta(days=4))
        acts = [bank.apply_due, bank.apply_due, lambda one=account: bank.cancel(one, request=None)]
        outcomes = at_once(3, lambda acts=acts: acts.pop()())
        account.refresh_from_db()
        old.refresh_from_db()
        assert bool(account.applied_at) != bool(account.cancelled_at)
        assert (ChangeOver in outcomes) == bool(account.applied_at)
        assert bool(old.ended_at) == bool(account.applied_at)
        assert BankAccount.objects.serving().count() == 1
        BankAccount.objects.exclude(pk=old.pk).delete()
        BankAccount.objects.filter(pk=old.pk).update(ended_at=None)


def test_a_rotation_of_keys_seals_ibans_again(claire, settings):
    account = an_account(claire)
    first = settings.FIELD_ENCRYPTION_KEYS
    settings.FIELD_ENCRYPTION_KEYS = ["YW5vdGhlci1rZXktZm9yLWFub3RoZXItZGF5LTAwMDA=", *first]
    call_command("rotate_field_keys", verbosity=0)
    settings.FIELD_ENCRYPTION_KEYS = settings.FIELD_ENCRYPTION_KEYS[:1]
    account.refresh_from_db()
    assert account.iban == IBAN


def test_what_is_on_file_costs_four_statements(client, inside, django_assert_num_queries):
    with django_assert_num_queries(4):  # session with its account · e-mails · serving · waiting
        client.get("/espace/informations/")


# Choosing one's e-mails


def test_optional_e_mails_are_chosen_on_a_page_and_the_others_are_said_to_stay(client, inside):
    page = "/espace/informations/e-mails/"
    assert said(client.get(page)).count(" checked") == 1
    assert "la loi nous demande de vous prévenir" in said(client.get(page))
    assert inside(page, mails=[])["Location"] == "/espace/informations/"
    assert said(client.get(page)).count(" checked") == 0
    assert "Choisissez dans la liste" in said(inside(page, mails=["incident"]))
