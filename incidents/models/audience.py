from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class AudienceCount(models.Model):
    """How many people an incident concerned, when they were last counted: pages read it and never count.

    One for each version, and one for the facts as they are typed (no version). Numbers only: no person.
    """

    incident = models.ForeignKey(
        "incidents.Incident",
        on_delete=models.CASCADE,
        related_name="audience_counts",
        verbose_name=_("incident"),
    )
    version = models.ForeignKey(
        "incidents.NoticeVersion",
        on_delete=models.PROTECT,
        null=True,
        related_name="audience_counts",
        verbose_name=_("version"),
    )
    as_of = models.DateField(_("âges et adhésions au"))
    counted_at = models.DateTimeField(_("compté le"), default=timezone.now)
    basis = models.CharField(max_length=64)  # digest of the facts that decided: incidents.audience
    figures = models.JSONField(_("nombres"))

    class Meta:
        verbose_name = _("compte des personnes concernées")
        verbose_name_plural = _("comptes des personnes concernées")
        ordering = ["-counted_at"]
        permissions = [
            ("count_audience", _("Peut compter les personnes concernées par un incident")),
            ("search_audience", _("Peut chercher si une personne est concernée")),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["incident", "version"], name="audience_counted_once_per_version"
            ),
            models.UniqueConstraint(
                fields=["incident"],
                condition=Q(version__isnull=True),
                name="audience_counted_once_without_version",
            ),
        ]

    def __str__(self):
        return f"{self.incident} · {self.counted_at:%d/%m/%Y}"
