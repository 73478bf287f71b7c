"""Passkeys: what one opens, and everything that none does."""

import json
import threading
from datetime import timedelta

import pytest
import time_machine
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from members import links, passkeys, protection
from members.mail.memory import outbox
from members.models import AuditEvent, Passkey, Session, SmsMessage, User
from members.models.link import LinkPurpose
from members.sms import memory
from tests.members.conftest import PASSWORD, make_member
from tests.members.soft_key import SoftKey
from tests.members.steps import said, signs_in, type_code, type_password
from tests.members.test_signin import totp_of

OPTIONS, ENTER, KEYS = "/connexion/cle/options/", "/connexion/cle/", "/espace/securite/cles/"
STAFF_KEYS = "/equipe/cles/"
REFUSED = "Cette clé n'ouvre aucun espace ici. Connectez-vous avec votre mot de passe."


@pytest.fixture
def commits(django_capture_on_commit_callbacks):
    return django_capture_on_commit_callbacks


def asked_to_make(page) -> dict:
    """The options in the page that adds a key."""
    return json.loads(page.context["options"])


def adds(client, key, name="Mon téléphone", at=KEYS, **answering):
    """Both steps, for who has just signed in."""
    client.post(f"{at}ajouter/", {"name": name})
    options = asked_to_make(client.get(f"{at}ajouter/creer/"))
    return client.post(
        f"{at}ajouter/creer/", {"credential": json.dumps(key.makes(options, **answering))}
    )


def asks(client) -> dict:
    return client.post(OPTIONS).json()


def sends(client, answer, **more):
    content = {"credential": answer, **more}
    return client.post(ENTER, json.dumps(content), content_type="application/json")


def enters(client, key, **answering):
    return sends(client, key.opens(asks(client), **answering))


def events(*names):
    return [
        *AuditEvent.objects.filter(action__in=names).order_by("id").values_list("action", flat=True)
    ]


def reasons():
    refused = AuditEvent.objects.filter(action="passkey.refused").order_by("id")
    return [event.details["reason"] for event in refused]


@pytest.fixture
def at_home(client, claire, commits):
    """Claire's browser, signed in by text."""
    signs_in(client, commits)
    return client


@pytest.fixture
def key(at_home, commits):
    """Claire's key. Her browser is signed out, her mailbox and phone are read."""
    key = SoftKey()
    with commits(execute=True):
        adds(at_home, key)
    at_home.post("/deconnexion/")
    outbox.clear()
    memory.outbox.clear()
    return key


# Adding one


def test_a_key_is_named_made_and_listed_and_its_holder_is_told(at_home, commits):
    with commits(execute=True):
        assert adds(at_home, SoftKey())["Location"] == KEYS
    page = said(at_home.get(KEYS))
    assert "Mon téléphone" in page
    assert "Sur un seul appareil" in page
    assert "Jamais utilisée" in page
    assert outbox[-1].subject == "Un moyen de connexion a été ajouté"
    assert events("passkey.added") == ["passkey.added"]


def test_what_the_browser_is_asked_for(at_home, claire):
    adds(at_home, SoftKey())
    first = Passkey.objects.get()
    at_home.post(f"{KEYS}ajouter/", {"name": "Autre"})
    options = asked_to_make(at_home.get(f"{KEYS}ajouter/creer/"))
    assert options["rp"] == {"name": "Mutuelle du Rivage", "id": "testserver"}
    assert options["attestation"] == "none"
    assert options["authenticatorSelection"]["residentKey"] == "required"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert [kept["id"] for kept in options["excludeCredentials"]] == [first.credential_id]
    assert options["user"]["id"] == first.user_handle, "one handle for the keys of one account"
    assert len(first.user_handle) == 43, "32 random bytes: neither number nor name"
    assert first.transports == ["internal"]


def test_adding_asks_for_the_password_unless_it_was_given_a_moment_ago(at_home, claire):
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        page = at_home.post(f"{KEYS}ajouter/", {"name": "Mon téléphone"})
        assert "Saisissez votre mot de passe actuel." in said(page)
        assert at_home.get(f"{KEYS}ajouter/creer/")["Location"] == f"{KEYS}ajouter/"
        named = {"name": "Mon téléphone", "present_password": PASSWORD}
        assert at_home.post(f"{KEYS}ajouter/", named)["Location"] == f"{KEYS}ajouter/creer/"
    assert not Passkey.objects.exists()


@pytest.mark.parametrize("answering", [{"verified": False}, {"origin": "https://evil.example"}])
def test_a_key_made_without_its_holder_or_elsewhere_is_not_kept(at_home, answering):
    page = adds(at_home, SoftKey(), **answering)
    assert "n'a pas pu être enregistrée" in said(page)
    assert not Passkey.objects.exists()
    assert reasons() == ["answer"]


def closes_the_account(user):
    protection.protect(links.make(User.objects.get(pk=user.pk), LinkPurpose.NOT_ME), request=None)


def test_a_key_answered_while_the_account_is_closed_is_not_kept(at_home, claire, monkeypatch):
    made = passkeys._made

    def meanwhile(*arguments):
        key = made(*arguments)
        closes_the_account(claire.user)
        return key

    monkeypatch.setattr(passkeys, "_made", meanwhile)
    adds(at_home, SoftKey())
    assert not Passkey.objects.exists()
    assert reasons() == ["changed"]


def test_a_key_is_made_for_one_challenge_once(at_home):
    key = SoftKey()
    at_home.post(f"{KEYS}ajouter/", {"name": "Mon téléphone"})
    first = asked_to_make(at_home.get(f"{KEYS}ajouter/creer/"))
    at_home.get(f"{KEYS}ajouter/creer/")  # another challenge took its place
    answer = {"credential": json.dumps(key.makes(first))}
    page = at_home.post(f"{KEYS}ajouter/creer/", answer)
    assert "n'a pas pu être enregistrée" in said(page)
    assert not Passkey.objects.exists()


def test_the_challenge_of_a_sign_in_adds_no_key(at_home):
    at_home.post(f"{KEYS}ajouter/", {"name": "Mon téléphone"})
    options = asked_to_make(at_home.get(f"{KEYS}ajouter/creer/"))
    asks(at_home)
    answer = {"credential": json.dumps(SoftKey().makes(options))}
    assert "a expiré" in said(at_home.post(f"{KEYS}ajouter/creer/", answer))


def test_a_key_that_somebody_else_keeps_is_refused(key, claire, commits):
    make_member("denis", nir="178067512345644", phone="+33612345679")
    other = Client()
    signs_in(other, commits, "denis")
    assert "déjà enregistrée" in said(adds(other, key))
    assert reasons() == ["known"]
    assert Passkey.objects.get().user == claire.user


def test_an_account_keeps_ten_keys_at_most(at_home, claire, settings):
    settings.LIMITS = {**settings.LIMITS, "PASSKEYS_PER_ACCOUNT": 1}
    adds(at_home, SoftKey())
    assert "nombre maximal" in said(at_home.get(KEYS))
    at_home.post(f"{KEYS}ajouter/", {"name": "Une de trop"})
    assert at_home.get(f"{KEYS}ajouter/creer/")["Location"] == KEYS


@pytest.mark.parametrize("sent", ["", "{", "[]", "null", '{"id": 1}', "[" * 90_000, "é\0"])
def test_an_answer_that_is_none_ends_in_a_polite_page(at_home, sent):
    at_home.post(f"{KEYS}ajouter/", {"name": "Mon téléphone"})
    at_home.get(f"{KEYS}ajouter/creer/")
    page = at_home.post(f"{KEYS}ajouter/creer/", {"credential": sent})
    assert page.status_code == 200
    assert "n'a pas pu être enregistrée" in said(page)


# Signing in


def test_a_key_alone_opens_the_espace_and_no_text_leaves(client, key, claire):
    assert enters(client, key).json() == {"url": "/espace/"}
    assert client.get("/espace/").status_code == 200
    assert not SmsMessage.objects.filter(created_at__gt=Passkey.objects.get().created_at).exists()
    assert not memory.outbox
    assert events("passkey.used", "signin.completed")[-2:] == ["passkey.used", "signin.completed"]
    assert (
        AuditEvent.objects.filter(action="signin.completed").latest("id").details["factor"]
        == "passkey"
    )
    assert Passkey.objects.get().last_used_at is not None


def test_the_browser_is_not_asked_for_an_account_but_for_its_holder(client, key):
    options = asks(client)
    assert options["allowCredentials"] == []
    assert options["userVerification"] == "required"
    assert options["rpId"] == "testserver"


def test_the_session_has_a_new_key_and_a_new_csrf_token(client, key):
    client.get("/connexion/")
    asks(client)
    session, token = client.cookies["session"].value, client.cookies["csrftoken"].value
    enters(client, key)
    assert client.cookies["session"].value != session
    assert client.cookies["csrftoken"].value != token
    client.cookies["session"] = session
    assert client.get("/espace/").status_code == 302


def test_the_page_asked_for_follows_unless_it_is_elsewhere(client, key):
    for asked, reached in [
        ("/espace/donnees/", "/espace/donnees/"),
        ("https://evil.example/", "/espace/"),
        (["/espace/"], "/espace/"),
    ]:
        answer = sends(client, key.opens(asks(client)), next=asked)
        assert answer.json() == {"url": reached}
        client.post("/deconnexion/")


def test_the_session_is_a_fresh_step_up(client, key):
    enters(client, key)
    assert "present_password" not in client.get(f"{KEYS}ajouter/").context["form"].fields


def test_both_addresses_want_the_csrf_token(key):
    strict = Client(enforce_csrf_checks=True)
    for address in (OPTIONS, ENTER):
        assert strict.post(address, "{}", content_type="application/json").status_code == 403
    assert not AuditEvent.objects.filter(action="passkey.refused").exists()


def test_an_answer_sent_as_a_form_with_a_right_token_is_refused_as_any_other(key):
    strict = Client(enforce_csrf_checks=True)
    strict.get("/connexion/")
    token = strict.cookies["csrftoken"].value
    sent = strict.post(ENTER, {"csrfmiddlewaretoken": token, "credential": "{}"})  # multipart
    assert sent.status_code == 403
    assert sent.json()["message"]


def test_a_synchronised_key_does_not_count_and_opens_each_time(client, claire, commits):
    signs_in(client, commits)
    synced = SoftKey(counts=False)
    adds(client, synced)
    assert "Synchronisée" in said(client.get(KEYS))
    for _ in range(2):
        client.post("/deconnexion/")
        assert enters(client, synced).status_code == 200


# What opens nothing


def refused(client, answer, reason):
    response = sends(client, answer)
    assert response.status_code == 403
    assert response.json() == {"message": REFUSED}
    assert reasons()[-1] == reason
    assert client.get("/espace/").status_code == 302
    return True


@pytest.mark.parametrize("odd", ["\0", "\ud800"])
def test_an_answer_with_characters_that_no_database_keeps_is_refused_and_recorded(client, key, odd):
    refused(client, key.opens(asks(client), origin=f"https://evil.example/{odd}"), "answer")
    event = AuditEvent.objects.get(action="passkey.refused")
    assert event.details["detail"] == "InvalidAuthenticationResponse"


def test_an_answer_opens_once(client, key):
    answer = key.opens(asks(client))
    assert sends(client, answer).status_code == 200
    client.post("/deconnexion/")
    again = sends(client, answer)
    assert again.status_code == 403
    assert "a expiré" in again.json()["message"]
    asks(client)
    assert refused(client, answer, "answer"), "nor against another challenge"


def test_a_refused_answer_uses_the_challenge_up(client, key):
    options = asks(client)
    refused(client, key.opens(options, verified=False), "answer")
    assert "a expiré" in sends(client, key.opens(options)).json()["message"]


def test_the_challenge_of_another_browser_opens_nothing(client, key):
    answer = key.opens(asks(Client()))
    assert "a expiré" in sends(client, answer).json()["message"]
    asks(client)
    assert refused(client, answer, "answer")


def test_a_challenge_dies_after_five_minutes(client, key):
    answer = key.opens(asks(client))
    with time_machine.travel(timezone.now() + timedelta(seconds=301)):
        assert "a expiré" in sends(client, answer).json()["message"]


@pytest.mark.parametrize(
    "answering",
    [
        {"verified": False},
        {"origin": "https://testserver"},
        {"origin": "http://testserver:8000"},
        {"origin": "http://evil.testserver"},
        {"host": "evil.example"},
    ],
)
def test_without_its_holder_or_from_elsewhere_a_key_opens_nothing(client, key, answering):
    assert refused(client, key.opens(asks(client), **answering), "answer")


def test_a_counter_that_goes_back_or_stands_still_is_a_copy(client, key):
    assert enters(client, key).status_code == 200  # its counter is at 1
    client.post("/deconnexion/")
    for count in (1, 0):
        assert refused(client, key.opens(asks(client), count=count), "sign_count")
    assert enters(client, key, count=7).status_code == 200


def test_a_removed_key_opens_nothing(client, key):
    Passkey.objects.all().switch_off()
    assert refused(client, key.opens(asks(client)), "removed")


def test_an_unknown_key_opens_nothing(client, key):
    stranger = SoftKey()
    stranger.handle = key.handle
    assert refused(client, stranger.opens(asks(client)), "unknown")


def test_the_key_of_one_does_not_open_the_espace_of_another(client, key, claire):
    """Another's handle, or another's signature under her key's name."""
    make_member("denis", nir="178067512345644", phone="+33612345679")
    stranger = SoftKey()
    stranger.identity, stranger.handle = key.identity, key.handle
    assert refused(client, stranger.opens(asks(client)), "answer")
    key.handle = "c29tZWJvZHkgZWxzZQ"
    assert refused(client, key.opens(asks(client)), "holder")


@pytest.mark.parametrize(
    "closed", [{"suspended_at": timezone.now()}, {"is_active": False}], ids=["suspended", "closed"]
)
def test_suspended_and_closed_accounts_read_the_same_sentence(client, key, claire, closed):
    User.objects.filter(pk=claire.user.pk).update(**closed)
    assert refused(client, key.opens(asks(client)), "closed")


@pytest.mark.parametrize(
    "sent",
    [b"", b"{", b"[]", b"null", b"\xff", b"[" * 90_000, b'{"credential": {"id": "\\u0000"}}'],
)
def test_what_is_no_answer_gets_the_same_sentence(client, db, sent):
    asks(client)
    response = client.post(ENTER, sent, content_type="application/json")
    assert response.status_code == 403
    assert response.json() == {"message": REFUSED}


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


PARTS = [
    *[(name,) for name in ("id", "rawId", "type", "response")],
    *[
        ("response", name)
        for name in ("clientDataJSON", "authenticatorData", "signature", "userHandle")
    ],
]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(part=st.sampled_from(PARTS), junk=JUNK)
def test_no_junk_in_an_answer_opens_or_breaks_anything(client, key, part, junk):
    answer = key.opens(asks(client))
    holder = answer if len(part) == 1 else answer["response"]
    holder[part[-1]] = junk
    assert sends(client, answer).status_code == 403


def test_one_address_cannot_ask_without_end_and_is_told_until_when(client, key, settings):
    settings.LIMITS = {**settings.LIMITS, "PASSKEYS_PER_ADDRESS": 3}
    options = asks(client)
    assert client.post(OPTIONS).status_code == 200
    assert client.post(OPTIONS).status_code == 200
    for response in (client.post(OPTIONS), sends(client, key.opens(options))):
        assert response.status_code == 429
        assert int(response["Retry-After"]) > 0
        assert "Réessayez à partir de" in response.json()["message"]
    assert type_password(client).status_code == 302, "the password is another way"


@pytest.mark.django_db(transaction=True)
def test_of_ten_copies_of_one_answer_at_once_one_opens_a_session():
    member = make_member()
    synced = SoftKey(counts=False)
    browser = Client()
    synced.handle = "aGFuZGxl"
    Passkey.objects.create(
        user=member.user,
        name="Synchronisée",
        credential_id=synced.id,
        user_handle=synced.handle,
        public_key=synced.public_key,
    )
    answer = synced.opens(asks(browser))

    def copy():
        thief = Client(raise_request_exception=False)
        thief.cookies["session"] = browser.cookies["session"].value
        sends(thief, answer)
        connection.close()

    threads = [threading.Thread(target=copy) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Session.objects.filter(user=member.user).count() == 1


# Renaming and removing


def test_a_key_is_renamed(client, key):
    enters(client, key)
    address = f"{KEYS}{Passkey.objects.get().pk}/renommer/"
    assert client.post(address, {"name": "  Ma   tablette "})["Location"] == KEYS
    assert "Ma tablette" in said(client.get(KEYS))
    assert "Donnez un nom" in said(client.post(address, {"name": " "}))


def test_a_removed_key_tells_its_holder_and_leaves_the_text_as_a_way_in(at_home, commits):
    key = SoftKey()
    adds(at_home, key)
    with commits(execute=True):
        response = at_home.post(f"{KEYS}{Passkey.objects.get().pk}/retirer/")
    assert response["Location"] == KEYS
    assert "pas encore de clé" in said(at_home.get(KEYS))
    assert outbox[-1].subject == "Un moyen de connexion a été retiré"
    assert events("passkey.removed") == ["passkey.removed"]
    at_home.post("/deconnexion/")
    assert signs_in(at_home, commits)["Location"] == "/espace/"


def test_removing_asks_for_the_password_unless_it_was_given_a_moment_ago(client, key):
    enters(client, key)
    address = f"{KEYS}{Passkey.objects.get().pk}/retirer/"
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        assert "mot de passe actuel" in said(client.post(address))
    assert Passkey.objects.live().exists()


def test_the_sessions_that_a_key_opened_end_with_it(client, key, claire, commits):
    enters(client, key)
    elsewhere = Client()
    enters(elsewhere, key)
    by_text = Client()
    signs_in(by_text, commits)
    response = client.post(f"{KEYS}{Passkey.objects.get().pk}/retirer/")
    assert response["Location"] == "/connexion/?motif=factor"
    assert "est retiré" in said(client.get(response["Location"]))
    assert elsewhere.get("/espace/")["Location"] == "/connexion/?next=/espace/"
    assert elsewhere.get("/connexion/").status_code == 200, "nobody is half signed in"
    assert by_text.get("/espace/").status_code == 200


def test_the_key_of_somebody_else_is_not_there(client, key, commits):
    make_member("denis", nir="178067512345644", phone="+33612345679")
    signs_in(client, commits, "denis")
    for act in ("renommer", "retirer"):
        assert client.post(f"{KEYS}{Passkey.objects.get().pk}/{act}/").status_code == 404
    assert Passkey.objects.live().exists()


def test_the_database_keeps_no_removed_key_that_still_verifies(key):
    with pytest.raises(IntegrityError), transaction.atomic():
        Passkey.objects.update(disabled_at=timezone.now())


# Staff


@pytest.fixture
def hugo_at_work(client, hugo):
    type_password(client, "hugo")
    type_code(client, totp_of(hugo))
    return client


def test_staff_keep_keys_of_their_own_and_enter_the_admin_with_one(hugo_at_work, hugo):
    key = SoftKey()
    assert adds(hugo_at_work, key, at=STAFF_KEYS)["Location"] == STAFF_KEYS
    assert STAFF_KEYS in said(hugo_at_work.get("/admin/"))
    page = said(hugo_at_work.get(STAFF_KEYS))
    assert f'href="{STAFF_KEYS}{Passkey.objects.get().pk}/retirer/"' in page
    assert KEYS not in page
    hugo_at_work.post("/deconnexion/")
    assert enters(hugo_at_work, key).json() == {"url": "/admin/"}
    assert hugo_at_work.get("/admin/").status_code == 200


def test_staff_and_members_have_each_their_pages(hugo_at_work, claire, commits):
    assert hugo_at_work.get(KEYS).status_code == 403
    member = Client()
    signs_in(member, commits)
    assert member.get(STAFF_KEYS).status_code == 403


# The offer


def test_a_key_is_offered_after_a_sign_in_by_text(at_home):
    for page in ("/espace/", "/espace/securite/"):
        assert "Plus sûr et plus simple" in said(at_home.get(page))


def test_the_offer_rests_for_thirty_days_in_this_browser(at_home, commits):
    response = at_home.post("/espace/securite/plus-tard/", {"next": "/espace/securite/"})
    assert response["Location"] == "/espace/securite/"
    cookie = response.cookies["cle-plus-tard"]
    assert (cookie["max-age"], cookie["httponly"]) == (30 * 86_400, True)
    at_home.post("/deconnexion/")
    signs_in(at_home, commits)
    assert "Plus sûr et plus simple" not in said(at_home.get("/espace/"))


def test_no_key_is_offered_to_who_has_one(at_home, commits):
    adds(at_home, SoftKey())
    assert "Plus sûr et plus simple" not in said(at_home.get("/espace/"))
    at_home.post("/deconnexion/")
    signs_in(at_home, commits)
    assert "Plus sûr et plus simple" not in said(at_home.get("/espace/"))


def test_the_hub_tells_how_many_keys_there_are_and_why_texts_are_weaker(at_home):
    page = said(at_home.get("/espace/securite/"))
    assert "Aucune. C'est pourtant le moyen le plus sûr." in page
    assert "carte SIM" in page
    adds(at_home, SoftKey())
    assert "1 clé ouvre votre espace" in said(at_home.get("/espace/securite/"))
