from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from incidents.models.call import not_yet
from incidents.models.struck import StruckModel
from members.models.written_once import WrittenOnceModel


class Classification(StruckModel):
    """Whether an incident is major in the sense of DORA, and when that was decided. One stands at a time."""

    happened = "classified_at"

    incident = models.ForeignKey(
        "incidents.Incident",
        on_delete=models.PROTECT,
        related_name="classifications",
        verbose_name=_("incident"),
    )
    classified_at = models.DateTimeField(_("classé le"), validators=[not_yet])
    is_major = models.BooleanField(_("incident majeur"))
    grounds = models.TextField(_("pourquoi"), max_length=2000)

    class Meta(StruckModel.Meta):
        verbose_name = _("classement DORA")
        verbose_name_plural = _("classements DORA")
        ordering = ["classified_at", "pk"]
        constraints = [
            *StruckModel.Meta.constraints,
            models.UniqueConstraint(
                fields=["incident"],
                condition=Q(struck_at__isnull=True),
                name="classification_one_stands",
            ),
        ]

    def __str__(self):
        return f"{self.incident} · {_('majeur') if self.is_major else _('non majeur')}"


class Filing(StruckModel):
    """Something was filed with an authority, or told to persons: when, and the evidence of it.

    `due_at` is what the clock said when it was recorded; a late filing says why. (domain.md §4.9)
    """

    happened = "submitted_at"

    incident = models.ForeignKey(
        "incidents.Incident",
        on_delete=models.PROTECT,
        related_name="filings",
        verbose_name=_("incident"),
    )
    target = models.ForeignKey(
        "incidents.Target",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="filings",
        verbose_name=_("opérateur touché"),
    )
    regime = models.ForeignKey(
        "incidents.Regime",
        on_delete=models.PROTECT,
        related_name="filings",
        verbose_name=_("obligation"),
    )
    submitted_at = models.DateTimeField(_("déposé le"), validators=[not_yet])
    reference = models.CharField(_("référence donnée par l'autorité"), max_length=100, blank=True)
    evidence = models.ForeignKey(
        "incidents.Evidence",
        on_delete=models.PROTECT,
        related_name="filings",
        verbose_name=_("pièce justificative"),
    )
    due_at = models.DateTimeField(_("échéance alors"), null=True, editable=False)
    late_reason = models.CharField(_("motif du retard"), max_length=250, blank=True)

    class Meta(StruckModel.Meta):
        verbose_name = _("dépôt")
        verbose_name_plural = _("dépôts")
        ordering = ["submitted_at", "pk"]
        constraints = [
            *StruckModel.Meta.constraints,
            models.UniqueConstraint(
                fields=["incident", "regime", "submitted_at"],
                condition=Q(target__isnull=True, struck_at__isnull=True),
                name="filing_once_per_incident_and_moment",
            ),
            models.UniqueConstraint(
                fields=["target", "regime", "submitted_at"],
                condition=Q(struck_at__isnull=True),
                name="filing_once_per_target_and_moment",
            ),
            models.CheckConstraint(
                condition=Q(due_at__isnull=True)
                | Q(submitted_at__lte=F("due_at"))
                | ~Q(late_reason=""),
                name="filing_late_says_why",
                violation_error_message=_("Ce dépôt est en retard : dites pourquoi."),
            ),
        ]

    def __str__(self):
        return f"{self.regime} · {timezone.localtime(self.submitted_at):%d/%m/%Y %H:%M}"


class Ruling(StruckModel):
    """Somebody decided that a duty does not apply to an incident, or that it applies again.

    One stands at a time for each duty; without any, the law alone decides.
    """

    incident = models.ForeignKey(
        "incidents.Incident",
        on_delete=models.PROTECT,
        related_name="rulings",
        verbose_name=_("incident"),
    )
    target = models.ForeignKey(
        "incidents.Target",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="rulings",
        verbose_name=_("opérateur touché"),
    )
    regime = models.ForeignKey(
        "incidents.Regime",
        on_delete=models.PROTECT,
        related_name="rulings",
        verbose_name=_("obligation"),
    )
    applies = models.BooleanField(_("s'applique"))
    reason = models.CharField(_("motif"), max_length=250)
    evidence = models.ForeignKey(
        "incidents.Evidence",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="rulings",
        verbose_name=_("pièce justificative"),
    )

    class Meta(StruckModel.Meta):
        verbose_name = _("décision sur une obligation")
        verbose_name_plural = _("décisions sur les obligations")
        ordering = ["recorded_at", "pk"]
        constraints = [
            *StruckModel.Meta.constraints,
            models.UniqueConstraint(
                fields=["incident", "regime"],
                condition=Q(target__isnull=True, struck_at__isnull=True),
                name="ruling_one_stands_per_incident_and_duty",
            ),
            models.UniqueConstraint(
                fields=["target", "regime"],
                condition=Q(struck_at__isnull=True),
                name="ruling_one_stands_per_target_and_duty",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="ruling_says_why"),
        ]

    def __str__(self):
        return f"{self.regime} · {self.verdict}"

    @property
    def verdict(self) -> str:
        return _("s'applique de nouveau") if self.applies else _("sans objet")


class Reminder(WrittenOnceModel):
    """The on-call colleagues were told that so much of a deadline has passed: once for each deadline.

    A deadline that moved, because a trigger was corrected or a report followed, is another one.
    """

    incident = models.ForeignKey(
        "incidents.Incident", on_delete=models.PROTECT, related_name="reminders"
    )
    target = models.ForeignKey(
        "incidents.Target", on_delete=models.PROTECT, null=True, related_name="reminders"
    )
    code = models.SlugField(max_length=30)  # of the regime
    due_at = models.DateTimeField()
    percent = models.PositiveSmallIntegerField()
    sent_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["sent_at", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["incident", "code", "due_at", "percent"],
                condition=Q(target__isnull=True),
                name="reminder_once_per_incident_and_step",
            ),
            models.UniqueConstraint(
                fields=["target", "code", "due_at", "percent"],
                name="reminder_once_per_target_and_step",
            ),
        ]

    def __str__(self):
        return f"{self.code} · {self.percent} %"
