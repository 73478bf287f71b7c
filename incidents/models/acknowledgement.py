from django.db import models
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from incidents.models.notice import NoticeVersion
from members.models.written_once import WrittenOnceModel, WrittenOnceQuerySet


class AcknowledgementQuerySet(WrittenOnceQuerySet):
    def acknowledged(self):
        return self.filter(acknowledged_at__isnull=False)

    def with_counts(self):
        """Each row with `counts`: whether reading its version is enough today."""
        enough = NoticeVersion.objects.enough().filter(pk=OuterRef("version"))
        return self.annotate(counts=Exists(enough))

    def show_again(self, *, shown: dict, fingerprint: str) -> bool:
        """What a member has not acknowledged yet may be shown to him anew, with other content."""
        return self.filter(acknowledged_at__isnull=True)._move(
            shown=shown, fingerprint=fingerprint, shown_at=timezone.now()
        )

    def acknowledge(self) -> bool:
        return self.filter(acknowledged_at__isnull=True)._move(acknowledged_at=timezone.now())


class Acknowledgement(WrittenOnceModel):
    """What one member was shown of one version, and when he said that he had read it.

    `fingerprint` is the SHA-256 of the version's digest and of `shown`, in canonical JSON.
    """

    member = models.ForeignKey(
        "members.Member",
        on_delete=models.PROTECT,
        related_name="acknowledgements",
        verbose_name=_("adhérent"),
    )
    version = models.ForeignKey(
        "incidents.NoticeVersion",
        on_delete=models.PROTECT,
        related_name="acknowledgements",
        verbose_name=_("version"),
    )
    shown_at = models.DateTimeField(_("montrée le"), default=timezone.now)
    shown = models.JSONField(_("contenu montré"))
    fingerprint = models.CharField(_("empreinte"), max_length=64)
    acknowledged_at = models.DateTimeField(_("prise de connaissance le"), null=True)

    objects = AcknowledgementQuerySet.as_manager()

    class Meta:
        verbose_name = _("prise de connaissance")
        verbose_name_plural = _("prises de connaissance")
        ordering = ["-shown_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["member", "version"], name="acknowledgement_once_per_member_and_version"
            ),
        ]

    def __str__(self):
        return f"{self.member} · {self.version}"

    @property
    def reference(self) -> str:
        return self.version.incident.reference
