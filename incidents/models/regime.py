from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class Trigger(models.TextChoices):
    """What starts a clock."""

    AWARENESS = "connaissance", _("la mutuelle l'apprend")
    CLASSIFICATION = "classement", _("l'incident est classé majeur")
    FIRST_FILING = "premier_depot", _("le premier dépôt d'une autre obligation")
    LAST_FILING = "dernier_depot", _("le dernier dépôt d'une autre obligation")


class Regime(models.Model):
    """A duty with a deadline, as data: a later law is another row with the same code and its first day.

    The day of awareness decides which row of a code applies; before the first one, none does.
    """

    code = models.SlugField(_("code"), max_length=30)
    name = models.CharField(_("obligation"), max_length=100)
    article = models.CharField(_("texte"), max_length=100)
    position = models.PositiveSmallIntegerField(_("rang d'affichage"))
    per_operator = models.BooleanField(_("une fois par opérateur"))
    trigger = models.CharField(_("démarre quand"), max_length=15, choices=Trigger.choices)
    follows = models.SlugField(_("après l'obligation"), max_length=30, blank=True)
    hours = models.PositiveSmallIntegerField(_("heures"), null=True, blank=True)
    months = models.PositiveSmallIntegerField(_("mois"), null=True, blank=True)
    cap_hours = models.PositiveSmallIntegerField(
        _("au plus, en heures depuis la connaissance"), null=True, blank=True
    )
    applies_from = models.DateField(_("s'applique depuis le"))
    house_rule = models.BooleanField(
        _("repère interne"), help_text=_("Le texte ne donne aucun délai chiffré.")
    )

    class Meta:
        verbose_name = _("obligation")
        verbose_name_plural = _("obligations et délais")
        ordering = ["position", "applies_from"]
        constraints = [
            models.UniqueConstraint(
                fields=["code", "applies_from"], name="regime_once_per_code_and_day"
            ),
            models.CheckConstraint(
                condition=Q(trigger__in=[trigger.value for trigger in Trigger]),
                name="regime_trigger_is_known",
            ),
            models.CheckConstraint(
                condition=Q(hours__gt=0, months__isnull=True) | Q(hours__isnull=True, months__gt=0),
                name="regime_counts_hours_or_months",
            ),
            models.CheckConstraint(
                condition=Q(trigger__in=[Trigger.FIRST_FILING, Trigger.LAST_FILING])
                & ~Q(follows="")
                | Q(trigger__in=[Trigger.AWARENESS, Trigger.CLASSIFICATION], follows=""),
                name="regime_follows_a_filing_or_none",
            ),
            models.CheckConstraint(
                condition=Q(trigger=Trigger.CLASSIFICATION, cap_hours__gt=0)
                | ~Q(trigger=Trigger.CLASSIFICATION) & Q(cap_hours__isnull=True),
                name="regime_classification_has_a_cap",
            ),
        ]

    def __str__(self):
        return self.name
