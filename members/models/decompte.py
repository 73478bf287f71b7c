"""Reimbursements as they were paid: a décompte, then one line per act. Amounts are integer cents."""

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _


class Payee(models.TextChoices):
    MEMBER = "adherent", _("l'adhérent")
    PROFESSIONAL = "professionnel", _("le professionnel de santé, en tiers payant")


class Decompte(models.Model):
    """What the mutual paid on one day, to the member or straight to a health professional."""

    member = models.ForeignKey(
        "members.Member",
        on_delete=models.CASCADE,
        related_name="decomptes",
        verbose_name=_("adhérent"),
    )
    number = models.CharField(
        _("numéro de décompte"),
        max_length=30,
        unique=True,
        validators=[RegexValidator(r"^[0-9A-Z-]{1,30}\Z", _("Chiffres, majuscules et tirets."))],
    )
    paid_on = models.DateField(_("payé le"))
    payee = models.CharField(_("payé à"), max_length=15, choices=Payee.choices)

    class Meta:
        verbose_name = _("décompte")
        verbose_name_plural = _("décomptes")
        ordering = ["-paid_on", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(payee__in=Payee.values),
                name="decompte_payee_known",
                violation_error_message=_("Choisissez à qui le décompte fut payé."),
            ),
        ]
        # a page of a member's décomptes, the latest first, from any of them on
        indexes = [
            models.Index(fields=["member", "-paid_on", "-id"], name="decompte_of_member_latest")
        ]

    def __str__(self):
        return self.number


class DecompteLine(models.Model):
    """One act of a décompte. `ayant_droit` is null when the member himself was cared for.

    `ro_amount` is what the compulsory scheme (RO) pays in the end: participation forfaitaire and franchise
    are taken off it, and so are part of what is left to pay (`left_amount`). The mutual's part is
    `rc_amount`. Thus expense = ro + rc + left, and no contract pays back a participation or a franchise
    (« contrat responsable », Code de la sécurité sociale, L. 871-1). A trigger keeps the ayant droit in the
    member's own family, for CHECK sees one table. (domain.md §3)
    """

    decompte = models.ForeignKey(
        Decompte, on_delete=models.CASCADE, related_name="lines", verbose_name=_("décompte")
    )
    position = models.PositiveSmallIntegerField(_("ligne"), default=1)
    care_on = models.DateField(_("date de soins"))
    # restricted: who was cared for goes with the member's décomptes, and not before
    ayant_droit = models.ForeignKey(
        "members.AyantDroit",
        on_delete=models.RESTRICT,
        null=True,
        blank=True,
        related_name="decompte_lines",
        verbose_name=_("ayant droit"),
        help_text=_("Vide : l'adhérent lui-même."),
    )
    act = models.CharField(_("acte"), max_length=150)
    domain = models.ForeignKey(
        "members.CareDomain",
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("domaine de soins"),
    )
    expense = models.PositiveIntegerField(_("dépense, en centimes"))
    base = models.PositiveIntegerField(_("base de remboursement, en centimes"))
    ro_rate = models.PositiveSmallIntegerField(_("taux de l'Assurance Maladie, en %"))
    ro_amount = models.PositiveIntegerField(_("part de l'Assurance Maladie, en centimes"))
    rc_amount = models.PositiveIntegerField(_("part de la mutuelle, en centimes"))
    flat_charge = models.PositiveIntegerField(
        _("participation forfaitaire, en centimes"), default=0
    )
    deductible = models.PositiveIntegerField(_("franchise, en centimes"), default=0)
    left_amount = models.PositiveIntegerField(_("reste à charge, en centimes"))

    class Meta:
        verbose_name = _("ligne de décompte")
        verbose_name_plural = _("lignes de décompte")
        ordering = ["position", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["decompte", "position"],
                name="decompteline_position_once",
                violation_error_message=_("Cette ligne du décompte est déjà connue."),
            ),
            models.CheckConstraint(
                condition=Q(
                    expense__gte=0,
                    base__gte=0,
                    ro_amount__gte=0,
                    rc_amount__gte=0,
                    flat_charge__gte=0,
                    deductible__gte=0,
                    left_amount__gte=0,
                ),
                name="decompteline_amounts_not_negative",
                violation_error_message=_("Aucun montant n'est négatif."),
            ),
            models.CheckConstraint(
                condition=Q(expense=F("ro_amount") + F("rc_amount") + F("left_amount")),
                name="decompteline_amounts_add_up",
                violation_error_message=_(
                    "La dépense est la somme des deux parts et du reste à charge."
                ),
            ),
            models.CheckConstraint(
                condition=Q(left_amount__gte=F("flat_charge") + F("deductible")),
                name="decompteline_charges_are_left_to_pay",
                violation_error_message=_(
                    "Participation et franchise font partie du reste à charge."
                ),
            ),
            models.CheckConstraint(
                condition=Q(ro_rate__range=(0, 100)),
                name="decompteline_ro_rate_0_to_100",
                violation_error_message=_("Le taux va de 0 à 100."),
            ),
        ]

    def __str__(self):
        return str(self.position)  # the act is health data, and lists say their rows

    def clean(self):
        super().clean()
        if not (self.ayant_droit_id and self.decompte_id):
            return
        if self.ayant_droit.member_id != self.decompte.member_id:
            raise ValidationError(
                {"ayant_droit": _("Cet ayant droit est celui d'un autre adhérent.")}
            )
