"""Changes of phone and of e-mail address: asked, confirmed, and able to be taken back."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from members import emails, phones
from members.models.delayed import OPEN, DelayedChange


class Proof(models.TextChoices):
    """What showed that a change of phone was asked by its member."""

    PRESENT_PHONE = "present_phone", _("code reçu sur l'ancien téléphone")
    SAVED_CODE = "saved_code", _("code de secours")
    LETTER = "letter", _("code reçu par courrier")
    TWO_AGENTS = "two_agents", _("deux agents de l'assistance")


class PhoneChange(DelayedChange):
    """From one phone to another. The old one serves until `serves_from`. (signin.md §2)"""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="phone_changes"
    )
    old_phone = models.CharField(_("ancien téléphone"), max_length=16, blank=True)
    new_phone = models.CharField(_("nouveau téléphone"), max_length=16)
    proof = models.CharField(_("preuve"), max_length=15, choices=Proof.choices)

    class Meta(DelayedChange.Meta):
        verbose_name = _("changement de téléphone")
        verbose_name_plural = _("changements de téléphone")
        ordering = ["-asked_at"]
        constraints = [
            *DelayedChange.Meta.constraints,
            models.UniqueConstraint(
                fields=["user"], condition=OPEN, name="phonechange_one_open_per_user"
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
