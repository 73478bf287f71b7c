import uuid
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class SmsState(models.TextChoices):
    """The life of a text. `can_become` is the one table of allowed moves. (sms.md §1)"""

    QUEUED = "queued", _("en attente")
    SENDING = "sending", _("envoi en cours")
    ACCEPTED = "accepted", _("accepté par le prestataire")
    SENT = "sent", _("envoyé")
    DELIVERED = "delivered", _("remis")
    UNKNOWN = "unknown", _("envoi incertain")
    UNDELIVERED = "undelivered", _("non remis")
    FAILED = "failed", _("échoué")
    EXPIRED = "expired", _("expiré")
    CANCELLED = "cancelled", _("annulé")

    def can_become(self, other: "SmsState") -> bool:
        return other in _MOVES[self]

    @classmethod
    def before(cls, other: "SmsState") -> list["SmsState"]:
        """The states from which a text may move to `other`."""
        return [state for state in cls if state.can_become(other)]


_RECEIVED = {
    SmsState.ACCEPTED,
    SmsState.SENT,
    SmsState.DELIVERED,
    SmsState.UNDELIVERED,
    SmsState.FAILED,
}
_MOVES = {
    SmsState.QUEUED: {SmsState.SENDING, SmsState.EXPIRED, SmsState.CANCELLED},
    # back to queued: the provider surely did not take it, and another try is safe
    SmsState.SENDING: {SmsState.QUEUED, SmsState.UNKNOWN, SmsState.EXPIRED, *_RECEIVED},
    SmsState.UNKNOWN: {SmsState.SENDING, SmsState.EXPIRED, *_RECEIVED},
    SmsState.ACCEPTED: {
        SmsState.SENT,
        SmsState.DELIVERED,
        SmsState.UNDELIVERED,
        SmsState.FAILED,
    },
    SmsState.SENT: {SmsState.DELIVERED, SmsState.UNDELIVERED, SmsState.FAILED},
    SmsState.DELIVERED: set(),
    SmsState.UNDELIVERED: set(),
    SmsState.FAILED: set(),
    # given up: the code is dead, and a late receipt changes nothing any more
    SmsState.EXPIRED: set(),
    SmsState.CANCELLED: set(),
}


class Channel(models.TextChoices):
    TEXT = "text", _("SMS")
    CALL = "call", _("appel vocal")


class SmsMessage(models.Model):
    """One text, or one call that speaks a code. The row is the message; a task only carries its id.

    It carries the code of its challenge, or a notice of `members.sms.words`, and holds neither code nor
    number. Without account while a member opens his.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="texts"
    )
    challenge = models.ForeignKey(
        "members.Challenge", null=True, on_delete=models.CASCADE, related_name="texts"
    )
    notice = models.CharField(_("avis"), max_length=20, blank=True)
    channel = models.CharField(
        _("canal"), max_length=5, choices=Channel.choices, default=Channel.TEXT
    )
    state = models.CharField(
        _("état"), max_length=12, choices=SmsState.choices, default=SmsState.QUEUED
    )
    tries = models.PositiveSmallIntegerField(_("tentatives"), default=0)
    route = models.CharField(_("route"), max_length=60, blank=True)
    provider_id = models.CharField(_("référence du prestataire"), max_length=64, blank=True)
    problem = models.CharField(_("problème"), max_length=40, blank=True)
    created_at = models.DateTimeField(_("créé le"), default=timezone.now)
    state_at = models.DateTimeField(_("depuis"), default=timezone.now)
    not_before = models.DateTimeField(_("pas avant"), default=timezone.now)

    class Meta:
        verbose_name = _("SMS")
        verbose_name_plural = _("SMS")
        ordering = ["-created_at"]
        indexes = [
            models.Index(
                fields=["state", "not_before"],
                name="sms_waiting",
                condition=Q(state__in=["queued", "sending", "unknown"]),
            ),
            models.Index(fields=["user", "-created_at"], name="sms_by_user"),
            models.Index(fields=["-created_at"], name="sms_by_day"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(challenge__isnull=False, notice="")
                | Q(challenge__isnull=True, channel=Channel.TEXT) & ~Q(notice=""),
                name="sms_carries_a_code_or_a_notice",
            ),
            models.CheckConstraint(
                condition=Q(state__in=[state.value for state in SmsState]),
                name="sms_state_is_known",
            ),
            # one call for the first send, one more after an uncertain one, and retries that the
            # provider surely did not take: the delivery counts only the calls that may have sent
            models.CheckConstraint(condition=Q(tries__lte=2), name="sms_at_most_two_sends"),
        ]

    def __str__(self):
        return f"{self.created_at:%d/%m/%Y %H:%M} · {self.get_state_display()}"

    @property
    def age(self) -> timedelta:
        return timezone.now() - self.created_at
