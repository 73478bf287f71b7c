"""The tiers payant card, as it was issued."""

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from members.models.written_once import WrittenOnceModel


class Card(WrittenOnceModel):
    """One card of a family under a contract, frozen: what a health professional was shown stays known.

    A change of cover issues the next number; nothing is edited, so whether a card is still the last one is
    asked and not stored. `code` is what its printed square carries: random, it tells nothing of anybody.
    """

    member = models.ForeignKey(
        "members.Member", on_delete=models.PROTECT, related_name="cards", verbose_name=_("adhérent")
    )
    contract = models.ForeignKey(
        "members.Contract",
        on_delete=models.PROTECT,
        related_name="cards",
        verbose_name=_("contrat"),
    )
    number = models.PositiveIntegerField(_("numéro d'ordre"))
    code = models.CharField(_("code de vérification"), max_length=20, unique=True)
    valid_from = models.DateField(_("valable du"))
    valid_until = models.DateField(_("valable jusqu'au (inclus)"))
    issued_at = models.DateTimeField(_("éditée le"), default=timezone.now)
    content = models.JSONField(_("contenu"))

    class Meta:
        verbose_name = _("carte de tiers payant")
        verbose_name_plural = _("cartes de tiers payant")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["member", "contract", "number"], name="card_number_once_per_contract"
            ),
            models.CheckConstraint(
                condition=Q(valid_until__gte=F("valid_from")),
                name="card_period_in_order",
                violation_error_message=_("La fin précède le début."),
            ),
        ]

    def __str__(self):
        return f"{self.contract} · {self.number}"
