from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from incidents.models.struck import StruckModel


class Channel(models.TextChoices):
    PHONE = "telephone", _("téléphone")
    EMAIL = "courriel", _("e-mail")
    LETTER = "courrier", _("courrier")
    MEETING = "reunion", _("réunion")
    OTHER = "autre", _("autre, dont la presse")


def not_yet(moment: datetime) -> None:
    """Raises ValidationError on what is still to come."""
    if moment > timezone.now():
        raise ValidationError(_("Ce moment est dans le futur."), code="future")


class Call(StruckModel):
    """An operator told the mutual something. Its first call is the moment of awareness: clocks start there.

    Of who called, a name and a function; nothing else about that person is kept.
    """

    happened = "called_at"

    target = models.ForeignKey(
        "incidents.Target",
        on_delete=models.PROTECT,
        related_name="calls",
        verbose_name=_("opérateur touché"),
    )
    called_at = models.DateTimeField(_("appel reçu le"), validators=[not_yet])
    channel = models.CharField(_("par"), max_length=10, choices=Channel.choices)
    caller_name = models.CharField(_("nom de l'interlocuteur"), max_length=100)
    caller_role = models.CharField(_("sa fonction"), max_length=100)
    said = models.TextField(_("ce qui est dit"), max_length=4000)

    class Meta(StruckModel.Meta):
        verbose_name = _("appel d'un opérateur")
        verbose_name_plural = _("appels des opérateurs")
        ordering = ["called_at", "pk"]
        constraints = [
            *StruckModel.Meta.constraints,
            models.UniqueConstraint(
                fields=["target", "called_at"],
                condition=Q(struck_at__isnull=True),
                name="call_once_per_target_and_moment",
            ),
            models.CheckConstraint(
                condition=Q(channel__in=[channel.value for channel in Channel]),
                name="call_channel_is_known",
            ),
            models.CheckConstraint(
                condition=~Q(caller_name="") & ~Q(caller_role=""), name="call_has_a_caller"
            ),
        ]

    def __str__(self):
        return f"{self.target} · {timezone.localtime(self.called_at):%d/%m/%Y %H:%M}"
