from datetime import UTC, datetime

from django.db import models

from members.limits import limit


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
    last_at = models.BigIntegerField()
    ends_at = models.BigIntegerField(db_index=True)

    def __str__(self):
        return self.key[:8]

    @property
    def blocked_until(self) -> datetime:
        """When the next hit may be made, for a counter that has reached what is allowed."""
        if not self.doubling:
            return datetime.fromtimestamp(self.ends_at, UTC)
        beyond = min(self.count - self.allowed, 30)
        wait = min(limit("WAIT_FIRST") << beyond, limit("WAIT_LONGEST"))
        return datetime.fromtimestamp(self.last_at + wait, UTC)
