"""What each kind of demande asks. A draft may lack anything; what is deposited was checked as a whole."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from members import nir, sealing
from members.models.demande import Demande
from members.models.member import NIR_PURPOSE, AyantDroit, Civility, Link

DEAREST = 10_000_000  # cents


class Detail(models.Model):
    demande = models.OneToOneField(
        Demande, on_delete=models.CASCADE, primary_key=True, related_name="%(class)s"
    )

    class Meta:
        abstract = True
        default_permissions = ()

    def __str__(self):
        return self.demande.reference


class Care(Detail):
    """A care that the member paid himself. `paid_cents`: what he gave the professional."""

    for_member = models.BooleanField(_("pour l'adhérent"), default=False)
    ayant_droit = models.ForeignKey(
        AyantDroit, on_delete=models.PROTECT, null=True, related_name="+"
    )
    care_on = models.DateField(_("date des soins"), null=True)
    domain = models.ForeignKey(
        "members.CareDomain", on_delete=models.PROTECT, null=True, related_name="+"
    )
    paid_cents = models.PositiveIntegerField(_("montant payé"), null=True)

    class Meta(Detail.Meta):
        verbose_name = _("soins à rembourser")
        constraints = [
            models.CheckConstraint(
                condition=Q(for_member=False) | Q(ayant_droit__isnull=True),
                name="care_of_one_person",
            ),
            models.CheckConstraint(
                condition=Q(paid_cents__isnull=True) | Q(paid_cents__range=(1, DEAREST)),
                name="care_paid_is_plausible",
            ),
        ]


class Joining(Detail):
    """A person to cover from `since` on. The NIR is sealed, and goes once the demande is decided."""

    link = models.CharField(_("lien"), max_length=10, choices=Link.choices, blank=True)
    civility = models.CharField(_("civilité"), max_length=3, choices=Civility.choices, blank=True)
    birth_name = models.CharField(_("nom de naissance"), max_length=100, blank=True)
    usage_name = models.CharField(_("nom d'usage"), max_length=100, blank=True)
    first_names = models.CharField(_("prénoms"), max_length=150, blank=True)
    birth_date = models.DateField(_("date de naissance"), null=True)
    birth_rank = models.PositiveSmallIntegerField(_("rang de naissance"), default=1)
    since = models.DateField(_("à couvrir à partir du"), null=True)
    nir_sealed = models.TextField(blank=True)
    nir_digest = models.UUIDField(null=True)

    class Meta(Detail.Meta):
        verbose_name = _("ayant droit à déclarer")
        constraints = [
            models.CheckConstraint(
                condition=Q(birth_rank__range=(1, 9)), name="joining_birth_rank_1_to_9"
            ),
            models.CheckConstraint(
                condition=Q(link__in=["", *Link.values]), name="joining_link_is_known"
            ),
            models.CheckConstraint(
                condition=Q(civility__in=Civility.values), name="joining_civility_is_known"
            ),
            models.CheckConstraint(
                condition=Q(nir_sealed="", nir_digest__isnull=True)
                | ~Q(nir_sealed="") & Q(nir_digest__isnull=False),
                name="joining_nir_and_its_digest",
            ),
        ]

    def set_nir(self, number: str) -> None:
        """Seals a valid NIR; an empty one takes it away. Raises nir.InvalidNir."""
        if not number:
            self.nir_sealed, self.nir_digest = "", None
            return
        number = nir.compact(number)
        self.nir_sealed = sealing.seal(number)
        self.nir_digest = sealing.digest(number, NIR_PURPOSE)

    @property
    def nir(self) -> str:
        return sealing.unseal(self.nir_sealed) if self.nir_sealed else ""

    @property
    def nir_masked(self) -> str:
        return nir.masked(self.nir) if self.nir_sealed else ""


class LeavingReason(models.TextChoices):
    PARTING = "separation", _("séparation ou divorce")
    DEATH = "deces", _("décès")
    OWN_COVER = "autre_couverture", _("a sa propre mutuelle")
    OTHER = "autre", _("autre raison")


class Leaving(Detail):
    """An ayant droit whose cover is to end; `last_day` is the last one with it."""

    ayant_droit = models.ForeignKey(
        AyantDroit, on_delete=models.PROTECT, null=True, related_name="+"
    )
    reason = models.CharField(_("motif"), max_length=20, choices=LeavingReason.choices, blank=True)
    last_day = models.DateField(_("dernier jour couvert"), null=True)

    class Meta(Detail.Meta):
        verbose_name = _("ayant droit à retirer")
        constraints = [
            models.CheckConstraint(
                condition=Q(reason__in=["", *LeavingReason.values]),
                name="leaving_reason_is_known",
            )
        ]


class WrongData(models.TextChoices):
    NAME = "nom", _("un nom ou un prénom")
    BIRTH = "naissance", _("une date ou un rang de naissance")
    NIR = "nir", _("le numéro de sécurité sociale")
    ADDRESS = "adresse", _("l'adresse postale")
    CONTRACT = "contrat", _("le contrat ou la période de couverture")
    REIMBURSEMENT = "remboursement", _("un remboursement")
    OTHER = "autre", _("autre chose")


class Correction(Detail):
    """What is wrong in the file, and what is right. (GDPR art. 16)"""

    about = models.CharField(
        _("donnée inexacte"), max_length=15, choices=WrongData.choices, blank=True
    )
    wrong = models.TextField(_("ce qui est inexact"), max_length=500, blank=True)
    right = models.TextField(_("ce qui est exact"), max_length=500, blank=True)

    class Meta(Detail.Meta):
        verbose_name = _("donnée à rectifier")
        constraints = [
            models.CheckConstraint(
                condition=Q(about__in=["", *WrongData.values]), name="correction_about_is_known"
            )
        ]
