"""What support does for a member: against a reason, in the trail, and never more than its right allows."""

from datetime import date, timedelta

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice

from members import links, support, throttle
from members.mail.memory import outbox
from members.models import (
    AuditEvent,
    BankAccount,
    Card,
    CareDomain,
    EmailChange,
    KnownBrowser,
    LetterCode,
    Member,
    Passkey,
    PhoneChange,
    Recovery,
    Session,
    SmsDevice,
    Throttle,
    User,
)
from members.models.link import LinkPurpose
from members.models.recovery import LetterPurpose
from tests.members.conftest import PASSWORD
from tests.members.steps import read_code, signs_in, type_code, type_password
from tests.members.test_bank import an_account
from tests.members.test_reimbursements import paid
from tests.signing import sign_in

REASON = {"reason": "Appel du 25 novembre, rappelé au numéro du dossier."}
RIGHTS = {
    "view_member",
    "unlock_account",
    "block_account",
    "end_sessions",
    "start_recovery",
    "view_as_member",
}


def agent(identifiant, rights=RIGHTS):
    user = User.objects.create(identifiant=identifiant, name=identifiant.title(), is_staff=True)
    device = TOTPDevice.objects.create(user=user, name="totp", confirmed=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    return sign_in(Client(), user, device)


@pytest.fixture
def hugo(db):
    return agent("hugo")


@pytest.fixture
def ines(db):
    return agent("ines")


@pytest.fixture
def act(claire, django_capture_on_commit_callbacks):
    def acts(client, slug, **data):
        with django_capture_on_commit_callbacks(execute=True):
            return client.post(f"/admin/members/member/{claire.pk}/{slug}/", data or REASON)

    return acts


def last_event():
    return AuditEvent.objects.latest("id")


def test_the_page_of_a_member_offers_the_acts_and_says_what_proves_nothing(hugo, claire):
    page = hugo.get(f"/admin/members/member/{claire.pk}/change/").content.decode()
    for words in ("Débloquer", "Suspendre", "Téléphone perdu", "Voir son espace"):
        assert words in page
    assert "Rouvrir" not in page
    assert "Ce qui ne prouve pas l'identité" in page


def test_what_a_lost_device_held_opens_nothing_more_and_its_holder_is_told(act, hugo, claire):
    key = Passkey.objects.create(user=claire.user, name="k", credential_id="x", public_key=b"")
    app = TOTPDevice.objects.create(user=claire.user, name="application", confirmed=True)
    browser = sign_in(Client(), claire.user, app)
    page = f"/admin/members/member/{claire.pk}/change/"
    assert "Appareil perdu" in hugo.get(page).content.decode()
    act(hugo, "appareil-perdu")
    key.refresh_from_db()
    assert key.disabled_at
    assert not TOTPDevice.objects.filter(user=claire.user).exists()
    assert browser.get("/espace/").status_code == 302
    assert outbox[-1].to == claire.email
    assert "127.0.0.1" not in outbox[-1].body  # where the agent works is nobody's business
    event = AuditEvent.objects.filter(action="support.factors_switched_off").get()
    assert (event.user, event.details["passkeys"], event.details["apps"]) == (claire.user, 1, 1)
    assert "Appareil perdu" not in hugo.get(page).content.decode()
    act(hugo, "appareil-perdu")
    assert AuditEvent.objects.filter(action="support.factors_switched_off").count() == 1


def test_it_ends_every_session_and_no_browser_is_known_however_they_came_in(
    act, hugo, claire, client, django_capture_on_commit_callbacks
):
    signs_in(client, django_capture_on_commit_callbacks)
    Passkey.objects.create(user=claire.user, name="k", credential_id="x", public_key=b"")
    act(hugo, "appareil-perdu")
    assert client.get("/espace/").status_code == 302
    assert not KnownBrowser.objects.live().exists()


def test_an_app_that_was_never_confirmed_is_no_factor_to_lose(act, hugo, claire):
    begun = TOTPDevice.objects.create(user=claire.user, name="application", confirmed=False)
    page = f"/admin/members/member/{claire.pk}/change/"
    assert "Appareil perdu" not in hugo.get(page).content.decode()
    act(hugo, "appareil-perdu")
    with pytest.raises(support.NotPossible):
        support.switch_off_factors(claire.user, reason="x", request=None)
    assert not outbox
    assert TOTPDevice.objects.filter(pk=begun.pk).exists()
    TOTPDevice.objects.create(user=claire.user, name="application", confirmed=True)
    act(hugo, "appareil-perdu")
    assert not TOTPDevice.objects.filter(user=claire.user).exists()
    assert last_event().details["apps"] == 1


def test_without_phone_on_file_it_would_leave_a_mailbox_alone_and_is_not_offered(act, hugo, claire):
    TOTPDevice.objects.create(user=claire.user, name="application", confirmed=True)
    Member.objects.filter(pk=claire.pk).update(phone="")
    page = f"/admin/members/member/{claire.pk}/change/"
    assert "Appareil perdu" not in hugo.get(page).content.decode()
    act(hugo, "appareil-perdu")
    with pytest.raises(support.NotPossible):
        support.switch_off_factors(User.objects.get(pk=claire.user.pk), reason="x", request=None)
    assert TOTPDevice.objects.filter(user=claire.user).exists()
    assert not Member.objects.get(pk=claire.pk).may_activate


@pytest.mark.parametrize("slug", ["debloquer", "suspendre", "telephone-perdu", "voir-son-espace"])
def test_an_act_wants_a_reason_and_the_right_to_it(act, hugo, claire, slug):
    assert "errorlist" in act(hugo, slug, reason="bof").content.decode()
    assert act(agent("paul", {"view_member"}), slug).status_code == 403
    assert not AuditEvent.objects.exclude(action__startswith="signin").exists()


def test_a_get_changes_nothing(hugo, claire):
    assert hugo.get(f"/admin/members/member/{claire.pk}/suspendre/").status_code == 200
    assert User.objects.get(pk=claire.user.pk).may_sign_in


def test_unlocking_forgets_what_makes_a_member_wait(act, hugo, claire, settings):
    settings.LIMITS = {**settings.LIMITS, "PASSWORD_FAILURES_ACCOUNT": 2}
    SmsDevice.objects.update(failures=12, failures_in_a_row=100, last_failure_at=timezone.now())
    for address in ("203.0.113.1", "203.0.113.2"):
        type_password(Client(REMOTE_ADDR=address), password="wrong")
    assert type_password(Client(REMOTE_ADDR="203.0.113.3")).status_code == 429
    act(hugo, "debloquer")
    assert type_password(Client(REMOTE_ADDR="203.0.113.3")).status_code == 302
    assert SmsDevice.objects.get().failures_in_a_row == 0


@pytest.mark.parametrize("is_known", [True, False])
def test_unlocking_opens_to_the_very_browser_that_had_to_wait(
    act, hugo, claire, is_known, django_capture_on_commit_callbacks
):
    browser = Client(REMOTE_ADDR="203.0.113.1")
    if is_known:
        signs_in(browser, django_capture_on_commit_callbacks)
        browser.post("/deconnexion/")
    while type_password(browser, password="wrong").status_code != 429:
        pass
    act(hugo, "debloquer")
    assert type_password(browser).status_code == 302


def test_unlocking_spares_the_address_that_others_share(act, hugo, claire, settings):
    settings.LIMITS = {**settings.LIMITS, "PASSWORD_FAILURES_ADDRESS": 2}
    for _ in range(2):
        type_password(Client(REMOTE_ADDR="203.0.113.1"), password="wrong")
    act(hugo, "debloquer")
    assert type_password(Client(REMOTE_ADDR="203.0.113.1")).status_code == 429


def test_unlocking_forgets_codes_of_every_kind_and_what_was_asked_for(act, hugo, claire):
    app = TOTPDevice.objects.create(
        user=claire.user,
        throttling_failure_count=100,
        throttling_failure_timestamp=timezone.now(),
    )
    pk = claire.user.pk
    hits = [
        throttle.Hit(throttle.TOTP, str(pk)),
        throttle.Hit(throttle.RECOVERY, str(pk)),
        throttle.Hit(throttle.SENDS_PHONE_DAY, claire.phone),
        throttle.Hit(throttle.SENDS_PHONE_DAY, f"account\0{pk}"),
        throttle.Hit(throttle.LINKS_ACCOUNT, "claire"),
        throttle.Hit(throttle.LINKS_ACCOUNT, f"email\0{pk}"),
    ]
    throttle.reserve(*hits)
    act(hugo, "debloquer")
    assert not Throttle.objects.filter(pk__in=[hit.key for hit in hits]).exists()
    app.refresh_from_db()
    assert (app.throttling_failure_count, app.throttling_failure_timestamp) == (0, None)


def test_suspending_ends_the_sessions_and_reopening_does_not_bring_them_back(act, hugo, claire):
    browser = sign_in(Client(), claire.user)
    act(hugo, "suspendre")
    assert browser.get("/espace/").status_code == 302
    event = last_event()
    assert (event.action, event.details) == ("account.suspended", REASON)
    assert (event.user, event.actor.identifiant) == (claire.user, "hugo")
    act(hugo, "rouvrir")
    assert User.objects.get(pk=claire.user.pk).may_sign_in
    assert browser.get("/espace/").status_code == 302


def test_what_was_under_way_before_a_suspension_does_not_come_back_with_the_account(
    act, hugo, client, claire, django_capture_on_commit_callbacks
):
    token = links.token(links.make(claire.user, LinkPurpose.RESET))
    with django_capture_on_commit_callbacks(execute=True):
        type_password(client)
    code = read_code()
    act(hugo, "suspendre")
    act(hugo, "rouvrir")
    assert User.objects.get(pk=claire.user_id).may_sign_in
    type_code(client, code)
    assert client.get("/espace/").status_code == 302
    with pytest.raises(links.DeadLink):
        links.find(token, LinkPurpose.RESET)


def test_nor_does_what_waited_to_change_it(act, hugo, ines, claire):
    now = timezone.now()
    waits = {"confirmed_at": now, "serves_from": now + timedelta(days=3)}
    PhoneChange.objects.create(
        user=claire.user, old_phone=claire.phone, new_phone="+33612345670", proof="letter", **waits
    )
    EmailChange.objects.create(user=claire.user, old_email=claire.email, new_email="x@x.invalid")
    an_account(claire)
    act(hugo, "telephone-perdu")
    act(ines, "telephone-perdu-confirmer")
    for purpose in LetterPurpose:
        LetterCode.objects.create(
            member=claire, purpose=purpose, digest=purpose, expires_at=now + timedelta(days=21)
        )
    page = hugo.get(f"/admin/members/member/{claire.pk}/suspendre/").content.decode()
    assert "changements en attente" in page
    act(hugo, "suspendre")
    act(hugo, "rouvrir")
    open_rows = [PhoneChange.objects.open(), EmailChange.objects.open(), Recovery.objects.open()]
    assert not any(rows.exists() for rows in [*open_rows, BankAccount.objects.open()])
    assert LetterCode.objects.alive().get().purpose == LetterPurpose.ACTIVATION


def test_nor_does_an_opening(act, hugo, claire):
    Member.objects.filter(pk=claire.pk).update(phone="")
    before = Member.objects.get().opening_fingerprint()
    act(hugo, "suspendre")
    act(hugo, "rouvrir")
    assert Member.objects.get().opening_fingerprint() != before


def test_ending_sessions_leaves_the_account_open(act, hugo, claire):
    browser = sign_in(Client(), claire.user)
    act(hugo, "fermer-les-connexions")
    assert browser.get("/espace/").status_code == 302
    assert last_event().details["count"] == 1
    assert Session.objects.filter(user__identifiant="hugo").exists()


def test_a_lost_phone_wants_two_different_agents_and_its_member_is_told_at_once(
    act, hugo, ines, claire
):
    act(hugo, "telephone-perdu")
    assert outbox[-1].subject == "Une récupération de votre espace est en cours"
    recovery = Recovery.objects.get()
    act(hugo, "telephone-perdu-confirmer")
    recovery.refresh_from_db()
    assert recovery.approved_by is None, "not the one who started it"
    act(ines, "telephone-perdu-confirmer")
    recovery.refresh_from_db()
    assert recovery.approved_by.identifiant == "ines"
    assert [
        *AuditEvent.objects.filter(action__startswith="support.recovery").values_list(
            "actor__identifiant", flat=True
        )
    ] == [
        "ines",
        "hugo",
    ]


@pytest.mark.parametrize("change", [{"suspended_at": timezone.now()}, {"is_active": False}])
def test_the_word_of_an_agent_who_was_shut_out_since_does_not_count(
    act, hugo, ines, claire, change
):
    act(hugo, "telephone-perdu")
    User.objects.filter(identifiant="hugo").update(**change)
    page = f"/admin/members/member/{claire.pk}/change/"
    assert "Confirmer le téléphone perdu" not in ines.get(page).content.decode()
    act(ines, "telephone-perdu-confirmer")
    recovery = Recovery.objects.get()
    assert not Recovery.objects.approve(recovery, User.objects.get(identifiant="ines"))
    assert recovery.approved_by is None
    act(ines, "telephone-perdu-annuler")
    act(ines, "telephone-perdu")
    assert Recovery.objects.open().get().started_by.identifiant == "ines"


def test_one_recovery_stands_at_a_time_and_may_be_given_up(act, hugo, ines, claire):
    act(hugo, "telephone-perdu")
    act(ines, "telephone-perdu")
    assert Recovery.objects.count() == 1
    act(ines, "telephone-perdu-annuler")
    assert not Recovery.objects.open().exists()
    act(ines, "telephone-perdu")
    assert Recovery.objects.count() == 2


# Looking at a member's space


@pytest.fixture
def looking(act, hugo):
    assert act(hugo, "voir-son-espace")["Location"] == "/espace/"
    return hugo


def test_an_agent_reads_the_space_of_a_member_and_every_page_is_recorded(looking, claire):
    page = looking.get("/espace/").content.decode()
    assert "Vous lisez l'espace de Claire Vasseur" in page
    assert "Bonjour Claire Vasseur" in page
    event = last_event()
    assert (event.action, event.details) == ("support.page_viewed", {"page": "/espace/"})
    assert (event.user, event.actor.identifiant) == (claire.user, "hugo")


@pytest.mark.parametrize(
    "path", ["/espace/securite/", "/espace/securite/sessions/", "/espace/securite/telephone/"]
)
def test_contacts_and_security_stay_shut_to_him(looking, path):
    assert looking.get(path).status_code in (403, 404)


def test_he_changes_nothing(looking):
    assert looking.post("/espace/").status_code in (403, 405)
    assert looking.post("/incidents/2024-02-tiers-payant/lu/", {"version": "1"}).status_code == 403


def test_once_its_time_is_over_it_is_shut(looking, time_machine):
    until = looking.session["viewing"]["until"]
    assert 890 < until - timezone.now().timestamp() <= 900
    time_machine.move_to(timezone.now() + timedelta(seconds=880))
    assert looking.get("/espace/").status_code == 200
    time_machine.move_to(timezone.now() + timedelta(seconds=30))
    assert looking.get("/espace/").status_code == 403


def test_he_leaves_when_he_wants(looking, claire):
    assert looking.post("/equipe/quitter-l-espace/")["Location"].endswith(f"/{claire.pk}/change/")
    assert looking.get("/espace/").status_code == 403


def test_the_end_says_whose_space_was_read(looking, claire):
    looking.post("/equipe/quitter-l-espace/")
    assert (last_event().action, last_event().user) == ("support.viewing_ended", claire.user)


def test_a_right_taken_away_meanwhile_shuts_the_space(looking):
    User.objects.get(identifiant="hugo").user_permissions.clear()
    assert looking.get("/espace/").status_code == 403
    assert looking.post("/equipe/quitter-l-espace/")["Location"] == "/admin/"


def test_a_member_cannot_view_anybody(client, claire):
    browser = sign_in(client, claire.user)
    assert browser.post("/equipe/quitter-l-espace/").status_code == 403


def test_nothing_here_shows_or_sets_a_password(hugo, claire):
    page = hugo.get(f"/admin/members/member/{claire.pk}/change/").content.decode()
    assert claire.user.password not in page
    assert PASSWORD not in page


def test_he_reads_what_was_paid_and_not_what_for_and_takes_nothing_away(looking, claire, covered):
    domain = CareDomain.objects.create(code="EXTE", label="Soins externes")
    decompte = paid(claire, date(2024, 5, 2), domain, "Consultation d'un psychiatre")
    for path in ("/espace/", "/espace/remboursements/", f"/espace/remboursements/{decompte.pk}/"):
        page = looking.get(path).content.decode()
        assert "Soins externes" in page
        assert "psychiatre" not in page
    for path in ("/espace/remboursements/releve.csv", "/espace/carte.pdf"):
        assert looking.get(path).status_code == 403
    assert looking.get("/espace/carte/").status_code == 200
    assert not Card.objects.exists()
