"""Changes of phone and of e-mail address: asked, confirmed, and able to be taken back."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from members import emails, phones


class Proof(models.TextChoices):
    """What showed that a change of phone was asked by its member."""

    PRESENT_PHONE = "present_phone", _("code reçu sur l'ancien téléphone")
    SAVED_CODE = "saved_code", _("code de secours")
    LETTER = "letter", _("code reçu par courrier")
    TWO_AGENTS = "two_agents", _("deux agents de l'assistance")


_OPEN = Q(applied_at__isnull=True, cancelled_at__isnull=True)


class PhoneChangeQuerySet(models.QuerySet):
    def open(self):
        return self.filter(_OPEN)

    def waiting(self):
        """Confirmed on the new phone, and not serving yet: what a cancel link stops."""
        return self.open().filter(confirmed_at__isnull=False)

    def due(self):
        return self.waiting().filter(serves_from__lte=timezone.now())

    def unconfirmed(self):
        return self.open().filter(confirmed_at__isnull=True)

    def confirm(self, change, delay) -> bool:
        """Confirmed now, to serve after `delay`, a timedelta; True for one caller only."""
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


class PhoneChange(models.Model):
    """From one phone to another. The old one serves until `serves_from`. (signin.md §2)"""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="phone_changes"
    )
    old_phone = models.CharField(_("ancien téléphone"), max_length=16, blank=True)
    new_phone = models.CharField(_("nouveau téléphone"), max_length=16)
    proof = models.CharField(_("preuve"), max_length=15, choices=Proof.choices)
    asked_at = models.DateTimeField(_("demandé le"), default=timezone.now)
    confirmed_at = models.DateTimeField(_("confirmé le"), null=True)
    serves_from = models.DateTimeField(_("sert à partir du"), null=True)
    applied_at = models.DateTimeField(_("appliqué le"), null=True)
    cancelled_at = models.DateTimeField(_("annulé le"), null=True)

    objects = PhoneChangeQuerySet.as_manager()

    class Meta:
        verbose_name = _("changement de téléphone")
        verbose_name_plural = _("changements de téléphone")
        ordering = ["-asked_at"]
        indexes = [
            models.Index(
                fields=["serves_from"],
                name="phonechange_due",
                condition=_OPEN & Q(confirmed_at__isnull=False),
            )
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["user"], condition=_OPEN, name="phonechange_one_open_per_user"
            ),
            models.CheckConstraint(
                condition=Q(confirmed_at__isnull=True, serves_from__isnull=True)
                | Q(confirmed_at__isnull=False, serves_from__gte=F("confirmed_at")),
                name="phonechange_confirmed_says_from_when",
            ),
            models.CheckConstraint(
                condition=Q(applied_at__isnull=True)
                | Q(applied_at__gte=F("serves_from"), cancelled_at__isnull=True),
                name="phonechange_applied_when_due_and_not_cancelled",
            ),
            models.CheckConstraint(
                condition=Q(new_phone__regex=r"^\+[1-9][0-9]{6,14}$"),
                name="phonechange_new_phone_is_e164",
            ),
        ]

    def __str__(self):
        return f"{self.user} · {self.asked_at:%d/%m/%Y %H:%M}"

    @property
    def new_phone_masked(self) -> str:
        return phones.masked(self.new_phone)


class EmailChangeQuerySet(models.QuerySet):
    def open(self):
        return self.filter(confirmed_at__isnull=True, cancelled_at__isnull=True)

    def confirm(self, change) -> bool:
        return bool(self.open().filter(pk=change.pk).update(confirmed_at=timezone.now()))

    def cancel(self, change) -> bool:
        """Gives it up, or takes it back once it was done."""
        return bool(
            self.filter(pk=change.pk, cancelled_at__isnull=True).update(cancelled_at=timezone.now())
        )


class EmailChange(models.Model):
    """From one e-mail address to another: done when a link sent to the new one is followed."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="email_changes"
    )
    old_email = models.EmailField(_("ancienne adresse"), blank=True)
    new_email = models.EmailField(_("nouvelle adresse"))
    asked_at = models.DateTimeField(_("demandé le"), default=timezone.now)
    confirmed_at = models.DateTimeField(_("confirmé le"), null=True)
    cancelled_at = models.DateTimeField(_("annulé le"), null=True)

    objects = EmailChangeQuerySet.as_manager()

    class Meta:
        verbose_name = _("changement d'adresse e-mail")
        verbose_name_plural = _("changements d'adresse e-mail")
        ordering = ["-asked_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["user"],
                condition=Q(confirmed_at__isnull=True, cancelled_at__isnull=True),
                name="emailchange_one_open_per_user",
            )
        ]

    def __str__(self):
        return f"{self.user} · {self.asked_at:%d/%m/%Y %H:%M}"

    @property
    def new_email_masked(self) -> str:
        return emails.masked(self.new_email)
