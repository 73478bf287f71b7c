from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from members.limits import limit


class StaffEnrolmentQuerySet(models.QuerySet):
    def alive(self):
        return self.filter(
            used_at__isnull=True,
            cancelled_at__isnull=True,
            expires_at__gt=timezone.now(),
            attempts__lt=limit("LETTER_ATTEMPTS"),
        )

    def claim(self, enrolment) -> bool:
        return bool(
            self.alive()
            .filter(pk=enrolment.pk, attempts=enrolment.attempts)
            .update(attempts=F("attempts") + 1)
        )

    def use(self, enrolment) -> bool:
        return bool(
            self.filter(pk=enrolment.pk, used_at__isnull=True, cancelled_at__isnull=True).update(
                used_at=timezone.now()
            )
        )

    def confirm(self, enrolment, by) -> bool:
        """The second person's word: the account opens. False when it cannot be given any more, or comes
        from its holder or from who made the ticket: he could have used it himself."""
        return bool(
            self.filter(
                pk=enrolment.pk,
                used_at__isnull=False,
                confirmed_by__isnull=True,
                cancelled_at__isnull=True,
            )
            .exclude(Q(user=by) | Q(made_by=by))
            .update(confirmed_by=by, confirmed_at=timezone.now())
        )


class StaffEnrolment(models.Model):
    """A new colleague's ticket: he sets his password and his app with it, then somebody confirms him."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="enrolments",
        verbose_name=_("compte"),
    )
    digest = models.CharField(max_length=64)
    attempts = models.PositiveSmallIntegerField(_("essais"), default=0)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("ouvert par"),
    )
    made_at = models.DateTimeField(_("ouvert le"), default=timezone.now)
    expires_at = models.DateTimeField(_("expire le"))
    used_at = models.DateTimeField(_("utilisé le"), null=True)
    confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("confirmé par"),
    )
    confirmed_at = models.DateTimeField(_("confirmé le"), null=True)
    cancelled_at = models.DateTimeField(_("annulé le"), null=True)
    # of older releases, which let who made a ticket confirm it
    confirmed_by_its_maker = models.BooleanField(default=False, editable=False)

    objects = StaffEnrolmentQuerySet.as_manager()

    class Meta:
        verbose_name = _("arrivée d'un agent")
        verbose_name_plural = _("arrivées d'agents")
        ordering = ["-made_at"]
        permissions = [("enrol_staff", _("Peut accueillir et confirmer un agent"))]
        constraints = [
            models.CheckConstraint(
                condition=~Q(made_by=F("user"))
                & (Q(confirmed_by__isnull=True) | ~Q(confirmed_by=F("user"))),
                name="staffenrolment_nobody_enrols_himself",
            ),
            models.CheckConstraint(
                condition=Q(confirmed_by__isnull=True)
                | ~Q(confirmed_by=F("made_by"))
                | Q(confirmed_by_its_maker=True),
                name="staffenrolment_confirmed_by_another_than_its_maker",
            ),
        ]

    def __str__(self):
        return f"{self.user} · {self.made_at:%d/%m/%Y %H:%M}"
