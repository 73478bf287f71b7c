from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from members.models.written_once import WrittenOnceModel, WrittenOnceQuerySet


class TrailQuerySet(WrittenOnceQuerySet):
    def end_of_retention(self) -> int:
        """Deletes what has served its time: `members.audit.purge` alone asks. How many rows."""
        return self._raw_delete(self.db)


class TrailModel(WrittenOnceModel):
    objects = TrailQuerySet.as_manager()

    class Meta:
        abstract = True


KEPT_DAYS = 365  # signin.md §5; the database's triggers refuse to delete anything younger


class AuditEvent(TrailModel):
    """Something that happened: who, about whom, when, from where. Written by `members.audit.record`."""

    at = models.DateTimeField(_("quand"), default=timezone.now)
    action = models.CharField(_("action"), max_length=60)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="audit_events",
        verbose_name=_("compte"),
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("auteur"),
    )
    address = models.CharField(_("adresse"), max_length=45, blank=True)
    browser = models.CharField(_("navigateur"), max_length=120, blank=True)
    details = models.JSONField(_("détails"), default=dict)
    digest = models.CharField(_("empreinte"), max_length=64)

    class Meta:
        verbose_name = _("événement")
        verbose_name_plural = _("journal")
        ordering = ["-id"]
        permissions = [("export_auditevent", _("Peut exporter le journal"))]
        indexes = [
            models.Index(fields=["user", "-at"], name="audit_by_user"),
            models.Index(fields=["action", "-at"], name="audit_by_action"),
        ]

    def __str__(self):
        return f"{self.at:%d/%m/%Y %H:%M:%S} · {self.action}"


class AuditLink(TrailModel):
    """One link of the chain: an event's place, and a digest over the event and the link before."""

    position = models.BigIntegerField(primary_key=True)
    event = models.OneToOneField(AuditEvent, on_delete=models.PROTECT, related_name="link")
    chain = models.CharField(max_length=64)

    class Meta:
        ordering = ["position"]

    def __str__(self):
        return str(self.position)


class AuditCheckpoint(TrailModel):
    """Up to `position` the trail was verified, then deleted after its year; `chain` is where it goes on.

    `seal`: what `members.audit.purge` alone can write, for who owns the tables can write all the rest.
    """

    position = models.BigIntegerField(primary_key=True)
    chain = models.CharField(max_length=64)
    events = models.BigIntegerField(_("événements supprimés"))
    at = models.DateTimeField(_("quand"), default=timezone.now)
    seal = models.CharField(max_length=64)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.CheckConstraint(condition=~models.Q(seal=""), name="auditcheckpoint_is_sealed")
        ]

    def __str__(self):
        return str(self.position)
