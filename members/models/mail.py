import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class MailState(models.TextChoices):
    QUEUED = "queued", _("en attente")
    SENDING = "sending", _("envoi en cours")
    SENT = "sent", _("envoyé")
    FAILED = "failed", _("échoué")


class Mail(models.Model):
    """One e-mail. The row is the message; a task only carries its id.

    `facts` are what its words need: dates, a browser, a masked number. No secret: a link's token is
    derived when the mail is written.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.CASCADE,
        related_name="mails",
        verbose_name=_("compte"),
    )
    member = models.ForeignKey(  # whom it is for while he has no account
        "members.Member", null=True, on_delete=models.CASCADE, related_name="mails"
    )
    to = models.EmailField(_("adresse"), blank=True)
    kind = models.CharField(_("sujet"), max_length=30)
    facts = models.JSONField(default=dict)
    link = models.ForeignKey(
        "members.OneTimeLink", null=True, on_delete=models.SET_NULL, related_name="mails"
    )
    not_me = models.ForeignKey(
        "members.OneTimeLink", null=True, on_delete=models.SET_NULL, related_name="+"
    )
    state = models.CharField(
        _("état"), max_length=10, choices=MailState.choices, default=MailState.QUEUED
    )
    tries = models.PositiveSmallIntegerField(_("tentatives"), default=0)
    problem = models.CharField(_("problème"), max_length=60, blank=True)
    created_at = models.DateTimeField(_("créé le"), default=timezone.now)
    state_at = models.DateTimeField(_("depuis"), default=timezone.now)
    not_before = models.DateTimeField(_("pas avant"), default=timezone.now)

    class Meta:
        verbose_name = _("e-mail")
        verbose_name_plural = _("e-mails")
        ordering = ["-created_at"]
        indexes = [
            models.Index(
                fields=["not_before"],
                name="mail_waiting",
                condition=Q(state__in=["queued", "sending"]),
            ),
            models.Index(fields=["user", "-created_at"], name="mail_by_user"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=[state.value for state in MailState]),
                name="mail_state_is_known",
            )
        ]

    def __str__(self):
        return f"{self.kind} · {self.created_at:%d/%m/%Y %H:%M}"
