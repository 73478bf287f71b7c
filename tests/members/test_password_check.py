"""One hash for each attempt, at a cost that does not tell who exists, also while the cost changes."""

import pytest
from argon2 import low_level
from django.contrib.auth.hashers import get_hasher
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from members import gate, password_check, signin
from members.hashers import Argon2
from members.models import User
from tests.members.conftest import PASSWORD
from tests.members.steps import signs_in, type_password
from tests.signing import sign_in

OLD, NEW = 128, get_hasher().memory_cost  # KiB
EVERYBODY = password_check.drawing(User.objects.all())


class Old(Argon2):
    memory_cost = OLD


def make_old(*users):
    for user in users:
        user.password = Old().encode(PASSWORD, "saltsaltsalt")
        user.save()


@pytest.fixture
def hashes(monkeypatch):
    """The memory that each hash took, in KiB."""
    costs = []
    real_hash, real_verify = low_level.hash_secret, low_level.verify_secret

    def hashed(secret, salt, time_cost, memory_cost, *args, **kwargs):
        costs.append(memory_cost)
        return real_hash(secret, salt, time_cost, memory_cost, *args, **kwargs)

    def verified(encoded, *args, **kwargs):
        costs.append(int(encoded.split(b"m=")[1].split(b",")[0]))
        return real_verify(encoded, *args, **kwargs)

    for module in ("argon2", "argon2.low_level", "argon2._password_hasher"):
        monkeypatch.setattr(f"{module}.hash_secret", hashed, raising=False)
        monkeypatch.setattr(f"{module}.verify_secret", verified, raising=False)
    return costs


def test_a_password_typed_inside_is_not_hashed_again_and_keeps_the_session(client, claire, hashes):
    make_old(claire.user)
    sign_in(client, claire.user)
    stored = claire.user.password
    hashes.clear()
    answer = client.post(
        "/espace/securite/email/",
        {"email": "ailleurs@exemple.invalid", "present_password": PASSWORD},
    )
    assert answer.status_code == 302
    assert hashes == [OLD]
    claire.user.refresh_from_db()
    assert claire.user.password == stored
    assert client.get("/espace/").status_code == 200


@pytest.fixture
def cost(client, hashes):
    """What one attempt costs: `cost(identifiant, password)`."""

    def of(identifiant, password="not the password"):
        hashes.clear()
        client.cookies.clear()
        type_password(client, identifiant, password)
        return list(hashes)

    return of


@pytest.fixture
def forty_accounts(db):
    return User.objects.bulk_create(
        User(
            pk=number,
            identifiant=f"member{number}",
            password=Argon2().encode(PASSWORD, "saltsaltsalt"),
        )
        for number in range(1, 41)
    )


def test_one_hash_whoever_is_named(cost, claire):
    assert cost("claire", PASSWORD) == cost("claire") == cost("nobody") == [NEW]


def test_so_it_is_without_any_account(cost, db):
    assert cost("nobody") == [NEW]


def test_after_a_change_of_cost_unknown_names_cost_what_accounts_cost(cost, claire):
    make_old(claire.user)
    assert cost("claire") == [OLD]
    assert all(cost(f"nobody{rank}") == [OLD] for rank in range(20))


def test_while_some_accounts_are_renewed_unknown_names_are_mixed_alike(
    cost, forty_accounts, settings
):
    settings.LIMITS = {**settings.LIMITS, "PASSWORD_FAILURES_ADDRESS": 1000}
    make_old(*forty_accounts[::2])
    costs = [cost(f"nobody{rank}") for rank in range(100)]
    assert 25 <= costs.count([OLD]) <= 75
    assert costs.count([OLD]) + costs.count([NEW]) == 100


def test_an_unknown_name_always_costs_the_same(cost, forty_accounts):
    make_old(*forty_accounts[::2])
    for rank in range(5):
        assert cost(f"nobody{rank}") == cost(f"nobody{rank}")


def test_the_password_of_the_account_that_was_drawn_opens_nothing(client, claire):
    assert type_password(client, "nobody", PASSWORD).status_code == 200
    assert "session" not in client.cookies


@pytest.mark.parametrize("closed", ["is_active", "suspended_at", "phone"])
def test_a_right_password_that_opens_nothing_costs_one_hash_too(cost, claire, closed):
    make_old(claire.user)
    if closed == "is_active":
        claire.user.is_active = False
    elif closed == "suspended_at":
        claire.user.suspended_at = timezone.now()
    else:
        claire.phone = ""
        claire.save()
    claire.user.save()
    assert cost("claire", PASSWORD) == [OLD]


def test_an_account_whose_password_was_never_set_costs_one_hash(cost, claire):
    claire.user.set_unusable_password()
    claire.user.save()
    assert cost("claire") == cost("nobody") == [NEW]


def test_a_right_password_is_hashed_again_at_todays_cost_and_opens(
    client, covered, cost, django_capture_on_commit_callbacks
):
    make_old(covered.member.user)
    assert cost("claire", PASSWORD) == [OLD, NEW]
    assert signs_in(client, django_capture_on_commit_callbacks).status_code == 302
    assert client.get("/espace/").status_code == 200
    assert cost("claire", PASSWORD) == [NEW]


def test_a_busy_gate_leaves_the_renewal_to_the_next_sign_in(
    client, claire, monkeypatch, django_capture_on_commit_callbacks
):
    make_old(claire.user)
    passages = []
    real = gate.password_gate.passage

    def once():
        passages.append(1)
        if len(passages) > 1:
            raise gate.Busy
        return real()

    monkeypatch.setattr(gate.password_gate, "passage", once)
    assert signs_in(client, django_capture_on_commit_callbacks).status_code == 302
    assert len(passages) == 2
    assert f"m={OLD}," in User.objects.get().password


def test_a_password_changed_meanwhile_is_not_overwritten(claire):
    make_old(claire.user)
    stale = User.objects.get()
    claire.user.set_password("another long password")
    claire.user.save()
    password_check.renew(stale, PASSWORD)
    assert User.objects.get().check_password("another long password")


def test_an_unknown_name_draws_every_account_about_as_often_and_in_one_statement(
    forty_accounts, django_assert_num_queries
):
    with django_assert_num_queries(1):
        password_check.named_or_drawn(EVERYBODY, "nobody")
    drawn = [password_check.named_or_drawn(EVERYBODY, f"nobody{rank}").pk for rank in range(800)]
    often = [drawn.count(user.pk) for user in forty_accounts]
    assert min(often) >= 5
    assert max(often) <= 60


def test_nobody_reads_the_whole_table_to_find_one_account(forty_accounts):
    """Read from the plan: with sequential scans out of the question, none is left."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    with CaptureQueriesContext(connection) as captured:
        password_check.named_or_drawn(EVERYBODY, "nobody")
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {captured[0]['sql']}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "Seq Scan on members_user" not in plan, plan


def test_the_statement_that_finds_an_account_has_few_enough_values_to_be_read_once():
    from psycopg import _queries

    _compiler, _sql, values = signin._accounts._written
    assert len(values) <= _queries.MAX_CACHED_STATEMENT_PARAMS
