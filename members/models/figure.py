from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class DayFigures(models.Model):
    """What one day brought, in Paris, as `members.figures.count` found it. Nobody's data."""

    day = models.DateField(_("jour"), primary_key=True)
    signed_in = models.PositiveIntegerField(_("connexions"))
    passwords_refused = models.PositiveIntegerField(_("mots de passe refusés"))
    codes_refused = models.PositiveIntegerField(_("codes faux"))
    texts = models.PositiveIntegerField(_("SMS et appels demandés"))
    texts_delivered = models.PositiveIntegerField(_("SMS remis"))
    texts_lost = models.PositiveIntegerField(_("SMS perdus"))
    counted_at = models.DateTimeField(_("compté le"), default=timezone.now)

    class Meta:
        verbose_name = _("chiffres d'un jour")
        verbose_name_plural = _("chiffres des jours")
        default_permissions = ()
        ordering = ["day"]
        constraints = [
            models.CheckConstraint(
                condition=Q(texts__gte=F("texts_delivered") + F("texts_lost")),
                name="dayfigures_texts_add_up",
            )
        ]

    def __str__(self):
        return str(self.day)
