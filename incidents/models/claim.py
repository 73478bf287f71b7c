from datetime import date

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from members.models.category import DataCategory
from members.models.written_once import WrittenOnceModel, WrittenOnceQuerySet


class ClaimState(models.TextChoices):
    """What an operator says about one category. Silence is never read as « non exposée »."""

    EXPOSED = "exposee", _("exposée")
    NOT_EXPOSED = "non_exposee", _("non exposée")
    CHECKING = "en_verification", _("en vérification")
    NOT_STATED = "non_mentionnee", _("non mentionnée")


class Confidence(models.TextChoices):
    """How sure a claim is. Unless somebody says better, it was told and nobody wrote it."""

    WRITTEN = "ecrite", _("confirmée par écrit")
    TOLD = "dite", _("dite au téléphone")
    ASSUMED = "supposee", _("supposée")


def not_in_the_future(day: date) -> None:
    if day > timezone.localdate():
        raise ValidationError(_("Cette date est dans le futur."), code="future")


class ClaimQuerySet(WrittenOnceQuerySet):
    def live(self):
        return self.filter(superseded_at__isnull=True)

    def supersede(self) -> bool:
        return self.live()._move(superseded_at=timezone.now())

    def name_successor(self, claim) -> bool:
        return self.filter(superseded_by__isnull=True)._move(superseded_by=claim)


class Claim(WrittenOnceModel):
    """One statement about one category at one operator, with its source and its date.

    Written by `incidents.lifecycle.record_claim`, which supersedes the one that was live.
    """

    target = models.ForeignKey(
        "incidents.Target",
        on_delete=models.PROTECT,
        related_name="claims",
        verbose_name=_("opérateur touché"),
    )
    category = models.CharField(_("donnée"), max_length=20, choices=DataCategory.choices)
    state = models.CharField(_("état"), max_length=15, choices=ClaimState.choices)
    source = models.CharField(
        _("source"), max_length=250, help_text=_("Document, courriel ou appel, et son auteur.")
    )
    stated_on = models.DateField(_("affirmé le"), validators=[not_in_the_future])
    confidence = models.CharField(
        _("certitude"), max_length=10, choices=Confidence.choices, default=Confidence.TOLD
    )
    recorded_at = models.DateTimeField(_("saisi le"), default=timezone.now, editable=False)
    recorded_by = models.ForeignKey(  # unknown for what was recorded before this column
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("saisi par"),
    )
    superseded_at = models.DateTimeField(_("remplacé le"), null=True, editable=False)
    superseded_by = models.OneToOneField(
        "self",
        on_delete=models.PROTECT,
        null=True,
        editable=False,
        related_name="supersedes",
        verbose_name=_("remplacé par"),
    )

    objects = ClaimQuerySet.as_manager()

    class Meta:
        verbose_name = _("affirmation")
        verbose_name_plural = _("affirmations")
        ordering = ["target", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["target", "category"],
                condition=Q(superseded_at__isnull=True),
                name="claim_one_live_per_target_and_category",
            ),
            models.CheckConstraint(
                condition=Q(superseded_by__isnull=True) | Q(superseded_at__isnull=False),
                name="claim_successor_has_a_date",
            ),
            models.CheckConstraint(
                condition=Q(state__in=[state.value for state in ClaimState])
                & Q(category__in=[category.value for category in DataCategory]),
                name="claim_state_and_category_are_known",
            ),
            models.CheckConstraint(condition=~Q(source=""), name="claim_has_a_source"),
            models.CheckConstraint(
                condition=Q(confidence__in=[confidence.value for confidence in Confidence]),
                name="claim_confidence_is_known",
            ),
        ]

    def __str__(self):
        return f"{self.get_category_display()} · {self.get_state_display()}"

    def save(self, *args, **kwargs):
        if self._state.adding:
            self.stated_on = self._meta.get_field("stated_on").clean(self.stated_on, self)
        super().save(*args, **kwargs)
