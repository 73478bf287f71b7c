"""A change that waits before it serves: who did not ask for it sees it and stops it meanwhile."""

from datetime import timedelta

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

OPEN = Q(applied_at__isnull=True, cancelled_at__isnull=True)


class DelayedChangeQuerySet(models.QuerySet):
    """Moves are conditional updates: a cancel and an apply at once never both win."""

    def open(self):
        return self.filter(OPEN)

    def waiting(self):
        """Confirmed, and not serving yet: what a cancel link stops."""
        return self.open().filter(confirmed_at__isnull=False)

    def due(self):
        return self.waiting().filter(serves_from__lte=timezone.now())

    def unconfirmed(self):
        return self.open().filter(confirmed_at__isnull=True)

    def confirm(self, change, delay: timedelta) -> bool:
        """Confirmed now, to serve after `delay`; True for one caller only."""
        now = timezone.now()
        return bool(
            self.unconfirmed()
            .filter(pk=change.pk)
            .update(confirmed_at=now, serves_from=now + delay)
        )

    def cancel(self, change) -> bool:
        return bool(self.open().filter(pk=change.pk).update(cancelled_at=timezone.now()))

    def apply(self, change) -> bool:
        return bool(self.due().filter(pk=change.pk).update(applied_at=timezone.now()))

    def give_up(self, change) -> None:
        """Turns what `apply` did back into a cancel, in the same transaction."""
        self.filter(pk=change.pk).update(applied_at=None, cancelled_at=timezone.now())


class DelayedChange(models.Model):
    """Asked, confirmed, then applied once `serves_from` has come, or cancelled before."""

    asked_at = models.DateTimeField(_("demandé le"), default=timezone.now)
    confirmed_at = models.DateTimeField(_("confirmé le"), null=True)
    serves_from = models.DateTimeField(_("sert à partir du"), null=True)
    applied_at = models.DateTimeField(_("appliqué le"), null=True)
    cancelled_at = models.DateTimeField(_("annulé le"), null=True)

    objects = DelayedChangeQuerySet.as_manager()

    class Meta:
        abstract = True
        indexes = [
            models.Index(
                fields=["serves_from"],
                name="%(class)s_due",
                condition=OPEN & Q(confirmed_at__isnull=False),
            )
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(confirmed_at__isnull=True, serves_from__isnull=True)
                | Q(confirmed_at__isnull=False, serves_from__gte=F("confirmed_at")),
                name="%(class)s_confirmed_says_from_when",
            ),
            models.CheckConstraint(
                condition=Q(applied_at__isnull=True)
                | Q(applied_at__gte=F("serves_from"), cancelled_at__isnull=True),
                name="%(class)s_applied_when_due_and_not_cancelled",
            ),
        ]
