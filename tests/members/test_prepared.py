"""A prepared query answers what its queryset answers, in one statement, with the values of each call."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import DateTimeField, Exists, OuterRef
from django.utils import timezone

from members.models import Session, User
from members.prepared import Prepared, Slot

NAMED = Prepared(
    User.objects.select_related("member")
    .filter(identifiant=Slot("identifiant"))
    .annotate(is_in=Exists(Session.objects.filter(user=OuterRef("pk"))))
)
JOINED_BEFORE = Prepared(
    User.objects.filter(created_at__lt=Slot("day", DateTimeField())).order_by("identifiant")
)
NAMES = Prepared(User.objects.filter(pk=Slot("id")).values_list("identifiant", "member__phone"))


def test_it_answers_models_with_their_relations_and_annotations(claire, django_assert_num_queries):
    NAMED.first(identifiant="nobody")
    with django_assert_num_queries(1):
        found = NAMED.first(identifiant="claire")
        assert found == claire.user
        assert found.member.phone == claire.phone
        assert found.is_in is False


def test_each_call_has_its_own_values(claire, hugo):
    for user in (claire.user, hugo, claire.user):
        assert NAMED.first(identifiant=user.identifiant) == user
    assert NAMED.first(identifiant="nobody") is None


def test_it_reads_anew_each_time(claire):
    assert NAMED.first(identifiant="claire").is_active
    User.objects.filter(pk=claire.user.pk).update(is_active=False)
    assert not NAMED.first(identifiant="claire").is_active


def test_a_field_says_how_the_database_wants_a_date(claire):
    now = timezone.now()
    assert JOINED_BEFORE.all(day=now + timedelta(minutes=1)) == [claire.user]
    assert JOINED_BEFORE.all(day=now - timedelta(days=1)) == []


def test_rows_of_values_come_as_the_queryset_says(claire):
    assert NAMES.all(id=claire.user.pk) == [("claire", claire.phone)]


def test_a_slot_without_a_value_is_an_error(db):
    with pytest.raises(KeyError):
        NAMED.first()


@pytest.mark.django_db(transaction=True)
def test_threads_share_the_sql_and_never_the_values():
    names = [f"member{number}" for number in range(8)]
    for name in names:
        User.objects.create(identifiant=name)

    def ask(name):
        try:
            return [NAMED.first(identifiant=name).identifiant for _ in range(25)]
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(ask, names))
    assert told == [[name] * 25 for name in names]
