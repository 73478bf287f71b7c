"""What a contract promises: a plan, its guarantees in readable words, and what the card says of them."""

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from members.models.period import Period, PeriodQuerySet


class Heading(models.TextChoices):
    """The headings that all the complementary insurers of France share, so that plans compare."""

    HOSPITALISATION = "hospitalisation", _("Hospitalisation")
    DENTAIRE = "dentaire", _("Dentaire")
    OPTIQUE = "optique", _("Optique")
    AIDES_AUDITIVES = "aides_auditives", _("Aides auditives")
    SOINS_COURANTS = "soins_courants", _("Soins courants")


class Plan(models.Model):
    """A « formule de garanties »: several contracts may carry the same one."""

    code = models.CharField(
        _("code"),
        max_length=30,
        unique=True,
        validators=[RegexValidator(r"^[0-9A-Z-]{1,30}\Z", _("Chiffres, majuscules et tirets."))],
    )
    name = models.CharField(_("nom"), max_length=100)

    class Meta:
        verbose_name = _("formule de garanties")
        verbose_name_plural = _("formules de garanties")
        ordering = ["name", "code"]

    def __str__(self):
        return self.name


class Guarantee(Period):
    """One line of a plan's table, and what it gives in euros for an act, where an example was worked out.

    Amounts are integer cents. A level that changes on 1 January is another row.
    """

    plan = models.ForeignKey(
        Plan, on_delete=models.CASCADE, related_name="guarantees", verbose_name=_("formule")
    )
    heading = models.CharField(_("rubrique"), max_length=20, choices=Heading.choices)
    label = models.CharField(_("garantie"), max_length=150)
    level = models.CharField(
        _("niveau"), max_length=100, help_text=_("Par exemple « 150 % BR » ou « 300 € par an ».")
    )
    position = models.PositiveSmallIntegerField(_("ordre"), default=100)
    example_act = models.CharField(_("exemple : acte"), max_length=150, blank=True)
    example_price = models.PositiveIntegerField(
        _("exemple : prix, en centimes"), null=True, blank=True
    )
    example_ro = models.PositiveIntegerField(
        _("exemple : part de l'Assurance Maladie, en centimes"), null=True, blank=True
    )
    example_rc = models.PositiveIntegerField(
        _("exemple : part de la mutuelle, en centimes"), null=True, blank=True
    )
    example_left = models.PositiveIntegerField(
        _("exemple : reste à charge, en centimes"), null=True, blank=True
    )

    objects = PeriodQuerySet.as_manager()

    class Meta:
        verbose_name = _("garantie")
        verbose_name_plural = _("garanties")
        ordering = ["position", "pk"]
        constraints = [
            *Period.Meta.constraints,
            models.CheckConstraint(
                condition=Q(heading__in=Heading.values),
                name="guarantee_heading_known",
                violation_error_message=_("Choisissez une rubrique de la liste."),
            ),
            models.CheckConstraint(
                condition=Q(
                    example_act="",
                    example_price__isnull=True,
                    example_ro__isnull=True,
                    example_rc__isnull=True,
                    example_left__isnull=True,
                )
                | ~Q(example_act="")
                & Q(
                    example_price__isnull=False,
                    example_ro__isnull=False,
                    example_rc__isnull=False,
                    example_left__isnull=False,
                ),
                name="guarantee_example_whole_or_none",
                violation_error_message=_(
                    "Un exemple dit l'acte, son prix et les trois parts. Sinon, laissez tout vide."
                ),
            ),
            models.CheckConstraint(
                condition=Q(example_price__isnull=True)
                | Q(example_price=F("example_ro") + F("example_rc") + F("example_left")),
                name="guarantee_example_adds_up",
                violation_error_message=_("Les trois parts de l'exemple ne font pas son prix."),
            ),
        ]

    def __str__(self):
        return self.label


class CardDomain(models.Model):
    """What the tiers payant card of a plan says of one care domain.

    A rate in percent of the base, or an agreement to ask for first (« PEC », prise en charge), or both.
    A domain without a row is not served by direct payment.
    """

    plan = models.ForeignKey(
        Plan, on_delete=models.CASCADE, related_name="card_domains", verbose_name=_("formule")
    )
    domain = models.ForeignKey(
        "members.CareDomain",
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("domaine de soins"),
    )
    rate = models.PositiveSmallIntegerField(_("taux, en %"), null=True, blank=True)
    needs_agreement = models.BooleanField(_("prise en charge à demander (PEC)"), default=False)

    class Meta:
        verbose_name = _("domaine de la carte")
        verbose_name_plural = _("domaines de la carte")
        ordering = ["domain__position", "domain__code"]
        constraints = [
            models.UniqueConstraint(
                fields=["plan", "domain"],
                name="carddomain_once_per_plan",
                violation_error_message=_("Ce domaine figure déjà sur la carte de cette formule."),
            ),
            models.CheckConstraint(
                condition=Q(rate__isnull=False, rate__range=(1, 500))
                | Q(rate__isnull=True, needs_agreement=True),
                name="carddomain_rate_or_agreement",
                violation_error_message=_("Indiquez un taux de 1 à 500, ou une prise en charge."),
            ),
        ]

    def __str__(self):
        return str(self.domain)
