import os

import pytest
import redis
from django.conf import settings
from django.db import connection


def test_the_database_is_postgresql_under_a_role_without_privileges(db):
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper, rolcreaterole FROM pg_roles WHERE rolname = current_user")
        assert cursor.fetchone() == (False, False)


def test_redis_is_this_workers_own_and_wants_a_password():
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        assert client.ping()
        address = client.connection_pool.connection_kwargs
    with (
        redis.Redis(host=address["host"], port=address["port"], retry=None) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()


def test_this_process_knows_no_real_gateway():
    assert settings.SMS_GATEWAY == "members.sms.memory.MemoryGateway"
    assert not os.environ.get("TWILIO_AUTH_TOKEN")
