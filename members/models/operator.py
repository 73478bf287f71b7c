from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from members.models.category import CategorySetField
from members.models.period import NoOverlap, Period, PeriodQuerySet


class CareDomain(models.Model):
    """A domain of care of the tiers payant card: PHAR, LABO, OPTI… A table, not an enum: it varies."""

    code = models.CharField(_("code"), max_length=10, unique=True)
    label = models.CharField(_("libellé"), max_length=100)
    position = models.PositiveSmallIntegerField(_("ordre"), default=100)

    class Meta:
        verbose_name = _("domaine de soins")
        verbose_name_plural = _("domaines de soins")
        ordering = ["position", "code"]

    def __str__(self):
        return self.label


class Operator(models.Model):
    """A company that runs the tiers payant for the mutual."""

    code = models.CharField(_("code"), max_length=20, unique=True)
    name = models.CharField(_("nom"), max_length=100)

    class Meta:
        verbose_name = _("opérateur de tiers payant")
        verbose_name_plural = _("opérateurs de tiers payant")
        ordering = ["name"]

    def __str__(self):
        return self.name


class Delegation(Period):
    """Who runs the tiers payant of a contract over a period, and which data is sent to him for it.

    No domain means every domain. (domain.md §4.4)
    """

    operator = models.ForeignKey(
        Operator, on_delete=models.PROTECT, related_name="delegations", verbose_name=_("opérateur")
    )
    contract = models.ForeignKey(
        "members.Contract",
        on_delete=models.CASCADE,
        related_name="delegations",
        verbose_name=_("contrat"),
    )
    domain = models.ForeignKey(
        CareDomain,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("domaine de soins"),
        help_text=_("Vide : tous les domaines."),
    )
    convention_type = models.CharField(_("type de convention"), max_length=10, blank=True)
    csr = models.CharField(_("CSR"), max_length=10, blank=True)
    categories = CategorySetField(_("données transmises"))

    objects = PeriodQuerySet.as_manager()

    class Meta:
        verbose_name = _("délégation")
        verbose_name_plural = _("délégations")
        ordering = ["-start"]
        constraints = [
            *Period.Meta.constraints,
            NoOverlap(
                name="delegation_no_overlap_per_contract_and_domain",
                fields=["contract"],
                optional=["domain"],
                violation_error_message=_(
                    "Un opérateur gère déjà ce contrat et ce domaine sur une partie de ces jours."
                ),
            ),
            # with none, a person would be exposed and nothing of him would
            models.CheckConstraint(
                condition=Q(categories__gt=0),
                name="delegation_sends_something",
                violation_error_message=_("Indiquez les données transmises à l'opérateur."),
            ),
        ]

    def __str__(self):
        return f"{self.operator} · {self.contract} · {self.start:%d/%m/%Y}"


class Holding(models.Model):
    """What an operator still keeps of a contract after its delegations, until purge is attested.

    Only `purged_on` ends a holding: `until` is what the operator announced. A purge erases what came from
    the delegations that ended on or before it, and nothing that was sent later: an operator that serves a
    contract again opens another holding. A holding is known by the purge that ends it, and one is open at
    most. (domain.md §2, §4.4)
    """

    operator = models.ForeignKey(
        Operator, on_delete=models.PROTECT, related_name="holdings", verbose_name=_("opérateur")
    )
    contract = models.ForeignKey(
        "members.Contract",
        on_delete=models.CASCADE,
        related_name="holdings",
        verbose_name=_("contrat"),
    )
    until = models.DateField(_("conservation annoncée jusqu'au"), null=True, blank=True)
    purged_on = models.DateField(_("effacement attesté le"), null=True, blank=True)
    evidence = models.CharField(_("preuve de l'effacement"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("détention")
        verbose_name_plural = _("détentions")
        constraints = [
            models.UniqueConstraint(
                fields=["operator", "contract"],
                condition=Q(purged_on__isnull=True),
                name="holding_one_open_per_operator_and_contract",
                violation_error_message=_("Une détention sans effacement est déjà connue."),
            ),
            models.UniqueConstraint(
                fields=["operator", "contract", "purged_on"],
                name="holding_once_per_purge",
                violation_error_message=_("Cet effacement est déjà connu."),
            ),
            models.CheckConstraint(
                condition=Q(purged_on__isnull=True) | ~Q(evidence=""),
                name="holding_purge_needs_evidence",
                violation_error_message=_("Un effacement attesté demande sa preuve."),
            ),
        ]

    def __str__(self):
        return f"{self.operator} · {self.contract}"

    def clean(self):
        if not (self.contract_id and self.operator_id):
            return
        served = Delegation.objects.filter(operator=self.operator, contract=self.contract)
        if not served.exists():
            raise ValidationError(_("Cet opérateur n'a jamais géré ce contrat."))
        # No CHECK sees another table, and an end may be corrected later: whoever reads a purge compares
        # it with the ends again, so that a wrong row says nothing about anybody.
        if self.purged_on and not served.filter(end__lte=self.purged_on).exists():
            raise ValidationError(
                {
                    "purged_on": _(
                        "Un effacement suit la fin de la gestion, encore en cours ce jour-là."
                    )
                }
            )
