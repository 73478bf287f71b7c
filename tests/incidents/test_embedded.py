from members.models import Operator
from tests.incidents.embedded import embedded_database


def test_each_embedded_database_begins_empty(django_db_setup, django_db_blocker):
    """What one test left in it made another one fail, when both ran in one process."""
    for _again in range(2):
        with django_db_blocker.unblock(), embedded_database():
            assert not Operator.objects.exists()
            Operator.objects.create(code="ONE", name="ONE")
