from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from members.models.period import NoOverlap, Period, PeriodQuerySet, gap_in

# What members call, as it is printed: short numbers and landlines too.
DIALLED = r"[0-9+(). ]{2,30}"


class Employer(models.Model):
    siren = models.CharField(
        _("SIREN"),
        max_length=9,
        unique=True,
        validators=[RegexValidator(r"^[0-9]{9}\Z", _("Neuf chiffres."))],
    )
    name = models.CharField(_("nom"), max_length=150)

    class Meta:
        verbose_name = _("employeur")
        verbose_name_plural = _("employeurs")
        ordering = ["name"]

    def __str__(self):
        return self.name


class ContractKind(models.TextChoices):
    INDIVIDUAL = "individuel", _("individuel")
    COLLECTIVE = "collectif", _("collectif")


class Contract(Period):
    """Individual, or collective: subscribed by an employer for a population of his."""

    number = models.CharField(_("numéro de contrat"), max_length=30, unique=True)
    kind = models.CharField(_("type"), max_length=10, choices=ContractKind.choices)
    employer = models.ForeignKey(
        Employer,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="contracts",
        verbose_name=_("employeur"),
    )
    population = models.CharField(_("population couverte"), max_length=100, blank=True)
    plan = models.ForeignKey(
        "members.Plan",
        on_delete=models.PROTECT,
        related_name="contracts",
        verbose_name=_("formule de garanties"),
    )
    phone = models.CharField(
        _("téléphone du contrat"),
        max_length=30,
        validators=[
            RegexValidator(rf"^{DIALLED}\Z", _("Des chiffres, des espaces, des points, + et ()."))
        ],
    )
    contact = models.CharField(_("contact et horaires"), max_length=200, blank=True)

    objects = PeriodQuerySet.as_manager()

    class Meta:
        verbose_name = _("contrat")
        verbose_name_plural = _("contrats")
        ordering = ["number"]
        constraints = [
            *Period.Meta.constraints,
            models.CheckConstraint(
                condition=Q(kind=ContractKind.COLLECTIVE, employer__isnull=False)
                | Q(kind=ContractKind.INDIVIDUAL, employer__isnull=True),
                name="contract_collective_has_an_employer",
                violation_error_message=_(
                    "Un contrat collectif a un employeur, un contrat individuel n'en a pas."
                ),
            ),
        ]

    def __str__(self):
        return self.number


class Adhesion(Period):
    """A member under a contract over a period."""

    member = models.ForeignKey(
        "members.Member",
        on_delete=models.CASCADE,
        related_name="adhesions",
        verbose_name=_("adhérent"),
    )
    contract = models.ForeignKey(
        Contract, on_delete=models.PROTECT, related_name="adhesions", verbose_name=_("contrat")
    )
    end_reason = models.CharField(_("motif de fin"), max_length=100, blank=True)

    objects = PeriodQuerySet.as_manager()

    class Meta:
        verbose_name = _("adhésion")
        verbose_name_plural = _("adhésions")
        ordering = ["-start"]
        constraints = [
            *Period.Meta.constraints,
            NoOverlap(
                name="adhesion_no_overlap_per_contract",
                fields=["member", "contract"],
                violation_error_message=_(
                    "L'adhérent a déjà ce contrat sur une partie de ces jours."
                ),
            ),
        ]

    def __str__(self):
        return f"{self.contract} · {self.start:%d/%m/%Y}"

    def clean(self):
        """Refuses to leave an ayant droit without adhésion. (domain.md §4.3)"""
        super().clean()
        if not self.member_id or not self.start:
            return
        others = [*self.member.adhesions.exclude(pk=self.pk), self]
        for person in self.member.ayants_droit.all():
            gap = gap_in(person.start, person.end, others)
            if gap:
                raise ValidationError(
                    _("%(person)s n'aurait plus d'adhésion le %(day)s.")
                    % {"person": person, "day": f"{gap:%d/%m/%Y}"}
                )
