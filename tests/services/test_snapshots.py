from datetime import timedelta

import pytest
import time_machine
from django.core import serializers
from django.db import transaction
from django.utils import timezone

from members.models import Operator
from portal.demo import people
from tests.services import snapshots


@pytest.fixture(autouse=True)
def none_kept(db, monkeypatch):
    monkeypatch.setattr(snapshots, "_kept", {})


def loading(loads):
    def load():
        loads.append(1)
        people.load(known_secrets=True)

    return load


def everything() -> list[str]:
    return [
        serializers.serialize("json", model._base_manager.order_by("pk"))
        for model in snapshots._tables()
    ]


def whole(loads) -> list[str]:
    """What the database holds after the loading, which is then undone."""
    with transaction.atomic():
        snapshots.loaded("people", loading(loads))
        held = everything()
        transaction.set_rollback(True)
    return held


def test_a_copy_holds_what_the_loading_held_to_the_last_column():
    loads = []
    assert whole(loads) == whole(loads)
    assert len(loads) == 1


def test_where_anything_else_stands_it_is_loaded_again():
    loads = []
    whole(loads)
    Operator.objects.create(code="OTHER", name="Autre")
    whole(loads)
    assert len(loads) == 2


@pytest.mark.parametrize("hours", [-1, 1])
def test_at_another_hour_it_is_loaded_again(hours):
    loads = []
    whole(loads)
    with time_machine.travel(timezone.now() + timedelta(hours=hours)):
        whole(loads)
    assert len(loads) == 2
