from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class OptionalMail(models.TextChoices):
    """E-mails that a member may do without. Those about his security and about incidents are none of them."""

    REQUESTS = "requests", _("Une de vos demandes avance")


class MailRefusal(models.Model):
    """A member does not want this e-mail. No row: he does."""

    member = models.ForeignKey(
        "members.Member", on_delete=models.CASCADE, related_name="mail_refusals"
    )
    mail = models.CharField(_("e-mail"), max_length=20, choices=OptionalMail.choices)
    refused_at = models.DateTimeField(_("refusé le"), default=timezone.now)

    class Meta:
        verbose_name = _("e-mail refusé")
        verbose_name_plural = _("e-mails refusés")
        constraints = [
            models.UniqueConstraint(fields=["member", "mail"], name="mailrefusal_once"),
            models.CheckConstraint(
                condition=Q(mail__in=OptionalMail.values), name="mailrefusal_mail_known"
            ),
        ]

    def __str__(self):
        return f"{self.member_id} · {self.mail}"
