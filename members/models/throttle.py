from django.db import models


class Throttle(models.Model):
    """A counter of `members.throttle`, the only writer.

    Times are seconds since 1970, so that SQL compares them alike on SQLite and PostgreSQL. The key is a
    keyed digest: no address and no identifiant can be read here.
    """

    key = models.CharField(primary_key=True, max_length=64)
    count = models.IntegerField()
    change = models.SmallIntegerField()
    allowed = models.IntegerField()
    doubling = models.SmallIntegerField()
    ends_at = models.BigIntegerField(db_index=True)
    blocked_until = models.BigIntegerField()

    def __str__(self):
        return self.key[:8]
