from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from members.models.written_once import WrittenOnceModel


class Attestation(WrittenOnceModel):
    """A document that one member had made: what he was told of an incident, word for word.

    `code_digest` is the keyed digest of the code printed on it, `fingerprint` the keyed digest of `content`.
    `people` is how many persons it speaks of: all that the public check tells of them.
    """

    member = models.ForeignKey(
        "members.Member",
        on_delete=models.PROTECT,
        related_name="attestations",
        verbose_name=_("adhérent"),
    )
    version = models.ForeignKey(
        "incidents.NoticeVersion",
        on_delete=models.PROTECT,
        related_name="attestations",
        verbose_name=_("version"),
    )
    code_digest = models.CharField(_("empreinte du code"), max_length=64, unique=True)
    fingerprint = models.CharField(_("empreinte du contenu"), max_length=64)
    people = models.PositiveSmallIntegerField(_("nombre de personnes"))
    content = models.JSONField(_("contenu"))
    issued_at = models.DateTimeField(_("établie le"), default=timezone.now)

    class Meta:
        verbose_name = _("attestation")
        verbose_name_plural = _("attestations")
        ordering = ["-issued_at"]
        constraints = [
            models.CheckConstraint(condition=Q(people__gte=1), name="attestation_names_somebody"),
            models.CheckConstraint(
                condition=~Q(code_digest="") & ~Q(fingerprint=""),
                name="attestation_has_its_digests",
            ),
        ]

    def __str__(self):
        return f"{self.version} · {timezone.localtime(self.issued_at):%d/%m/%Y %H:%M}"
