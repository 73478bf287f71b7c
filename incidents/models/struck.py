"""Rows that tell what happened at one moment: never corrected, but struck through with a reason."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from members.models.written_once import WrittenOnceModel, WrittenOnceQuerySet


class StruckQuerySet(WrittenOnceQuerySet):
    def standing(self):
        """What counts: clocks read nothing else."""
        return self.filter(struck_at__isnull=True)

    def strike(self, *, by, reason: str) -> bool:
        return self.standing()._move(struck_at=timezone.now(), struck_by=by, struck_reason=reason)


class StruckModel(WrittenOnceModel):
    """Who typed a wrong hour strikes the row through and writes another one: both stay to be read.

    `happened` names the column that says when: nothing to come is saved. (ValidationError)
    """

    happened = "recorded_at"
    recorded_at = models.DateTimeField(_("saisi le"), default=timezone.now, editable=False)
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        editable=False,
        verbose_name=_("saisi par"),
    )
    struck_at = models.DateTimeField(_("rayé le"), null=True, editable=False)
    struck_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        editable=False,
        verbose_name=_("rayé par"),
    )
    struck_reason = models.CharField(
        _("motif de la rature"), max_length=250, blank=True, editable=False
    )

    objects = StruckQuerySet.as_manager()

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                condition=Q(struck_at__isnull=True, struck_by__isnull=True, struck_reason="")
                | Q(struck_at__isnull=False, struck_by__isnull=False) & ~Q(struck_reason=""),
                name="%(class)s_struck_by_whom_and_why",
            )
        ]

    def save(self, *args, **kwargs):
        if self._state.adding:
            self._meta.get_field(self.happened).clean(getattr(self, self.happened), self)
        super().save(*args, **kwargs)

    @property
    def is_struck(self) -> bool:
        return self.struck_at is not None
