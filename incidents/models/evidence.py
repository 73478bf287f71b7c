from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from incidents.models.call import not_yet
from incidents.models.filing import Filing, Ruling
from members.files import NamedAtRandom
from members.models.written_once import WrittenOnceModel, WrittenOnceQuerySet

HEAVIEST = 25 << 20  # bytes


class EvidenceKind(models.TextChoices):
    EMAIL = "courriel", _("e-mail")
    LETTER = "courrier", _("courrier")
    RECEIPT = "accuse", _("accusé de réception")
    REPORT = "rapport", _("rapport ou document")
    SCREEN = "capture", _("capture d'écran")
    OTHER = "autre", _("autre pièce")


class EvidenceQuerySet(WrittenOnceQuerySet):
    def kept(self):
        """Those whose file is still there."""
        return self.filter(removed_at__isnull=True)

    def hold(self) -> bool:
        return self.kept().filter(legal_hold=False)._move(legal_hold=True)

    def release(self) -> bool:
        return self.filter(legal_hold=True)._move(legal_hold=False)

    def remove(self, *, by, reason: str) -> bool:
        """Only what nobody holds, and what neither a filing nor a ruling rests on."""
        proves, backs = (
            model.objects.filter(evidence=OuterRef("pk")) for model in (Filing, Ruling)
        )
        return (
            self.kept()
            .filter(~Exists(proves), ~Exists(backs), legal_hold=False)
            ._move(removed_at=timezone.now(), removed_by=by, removed_reason=reason)
        )


class Evidence(WrittenOnceModel):
    """A file that somebody handed over, as it was that day: `sha256` says so.

    Its row is never edited and never goes. The file may be taken away, with a reason, unless it is held
    for a court or an authority, or a filing or a ruling rests on it.
    """

    incident = models.ForeignKey(
        "incidents.Incident",
        on_delete=models.PROTECT,
        related_name="evidence",
        verbose_name=_("incident"),
    )
    target = models.ForeignKey(
        "incidents.Target",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="evidence",
        verbose_name=_("opérateur touché"),
    )
    kind = models.CharField(_("nature"), max_length=10, choices=EvidenceKind.choices)
    name = models.CharField(_("nom du fichier"), max_length=150)
    content_type = models.CharField(_("type, d'après le contenu"), max_length=80)
    file = models.FileField(_("fichier"), upload_to=NamedAtRandom("evidence"), max_length=200)
    size = models.PositiveBigIntegerField(_("taille"))  # bytes
    sha256 = models.CharField(_("empreinte SHA-256"), max_length=64)
    received_from = models.CharField(_("reçue de"), max_length=150)
    received_at = models.DateTimeField(_("reçue le"), validators=[not_yet])
    note = models.CharField(_("note"), max_length=250, blank=True)
    recorded_at = models.DateTimeField(_("versée le"), default=timezone.now, editable=False)
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        editable=False,
        verbose_name=_("versée par"),
    )
    legal_hold = models.BooleanField(_("conservation imposée"), default=False, editable=False)
    removed_at = models.DateTimeField(_("fichier retiré le"), null=True, editable=False)
    removed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        editable=False,
        verbose_name=_("fichier retiré par"),
    )
    removed_reason = models.CharField(
        _("motif du retrait"), max_length=250, blank=True, editable=False
    )

    objects = EvidenceQuerySet.as_manager()

    class Meta:
        verbose_name = _("pièce")
        verbose_name_plural = _("pièces")
        ordering = ["received_at", "pk"]
        permissions = [
            ("hold_evidence", _("Peut imposer la conservation d'une pièce, et la lever")),
            ("remove_evidence", _("Peut retirer le fichier d'une pièce")),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["incident", "sha256"],
                condition=Q(removed_at__isnull=True),
                name="evidence_once_per_incident",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=[kind.value for kind in EvidenceKind]),
                name="evidence_kind_is_known",
            ),
            models.CheckConstraint(
                condition=Q(size__gt=0, size__lte=HEAVIEST), name="evidence_size_is_allowed"
            ),
            models.CheckConstraint(
                condition=Q(removed_at__isnull=True, removed_by__isnull=True, removed_reason="")
                | Q(removed_at__isnull=False, removed_by__isnull=False) & ~Q(removed_reason=""),
                name="evidence_removed_by_whom_and_why",
            ),
            models.CheckConstraint(
                condition=Q(legal_hold=False) | Q(removed_at__isnull=True),
                name="evidence_held_is_not_removed",
            ),
        ]

    def __str__(self):
        return f"{self.name} · {self.get_kind_display()}"

    def save(self, *args, **kwargs):
        if self._state.adding:
            self._meta.get_field("received_at").clean(self.received_at, self)
        super().save(*args, **kwargs)

    @property
    def is_removed(self) -> bool:
        return self.removed_at is not None
