import secrets

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from members.sealing import peppered


class LinkPurpose(models.TextChoices):
    RESET = "reset", _("mot de passe oublié")
    ACTIVATION = "activation", _("première connexion")
    CONFIRM_EMAIL = "confirm_email", _("confirmer une adresse e-mail")
    CANCEL_EMAIL = "cancel_email", _("annuler un changement d'adresse e-mail")
    CANCEL_PHONE = "cancel_phone", _("annuler un changement de téléphone")
    CANCEL_BANK = "cancel_bank", _("annuler un changement de compte bancaire")
    NOT_ME = "not_me", _("signaler un acte inconnu")


def new_nonce() -> bytes:
    return secrets.token_bytes(16)


class OneTimeLinkQuerySet(models.QuerySet):
    def alive(self):
        return self.filter(used_at__isnull=True, expires_at__gt=timezone.now())

    def use(self, link) -> bool:
        """Uses `link` up; True for one caller only."""
        return bool(self.alive().filter(pk=link.pk).update(used_at=timezone.now()))


class OneTimeLink(models.Model):
    """A link sent by e-mail. Its token is derived, as codes are: no row and no queue holds it.

    `member` holds it while he has no account: only a first sign-in. `fingerprint` is the account's state
    for which it is good; empty when it must outlive a change, as a link that takes one back.
    """

    nonce = models.BinaryField(max_length=16, default=new_nonce, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="links"
    )
    member = models.ForeignKey(
        "members.Member", null=True, on_delete=models.CASCADE, related_name="links"
    )
    purpose = models.CharField(_("usage"), max_length=15, choices=LinkPurpose.choices)
    fingerprint = models.CharField(max_length=64, blank=True)
    phone_change = models.ForeignKey(
        "members.PhoneChange", null=True, on_delete=models.CASCADE, related_name="links"
    )
    email_change = models.ForeignKey(
        "members.EmailChange", null=True, on_delete=models.CASCADE, related_name="links"
    )
    bank_account = models.ForeignKey(
        "members.BankAccount", null=True, on_delete=models.CASCADE, related_name="links"
    )
    created_at = models.DateTimeField(_("créé le"), default=timezone.now)
    expires_at = models.DateTimeField(_("expire le"))
    used_at = models.DateTimeField(_("utilisé le"), null=True)

    objects = OneTimeLinkQuerySet.as_manager()

    class Meta:
        verbose_name = _("lien à usage unique")
        verbose_name_plural = _("liens à usage unique")
        constraints = [
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("created_at")), name="link_expires_after_creation"
            ),
            models.CheckConstraint(
                condition=Q(user__isnull=False, member__isnull=True)
                | Q(user__isnull=True, member__isnull=False, purpose=LinkPurpose.ACTIVATION),
                name="link_has_one_holder",
            ),
        ]

    def __str__(self):
        return f"{self.get_purpose_display()} · {self.created_at:%d/%m/%Y %H:%M}"

    def secret(self) -> str:
        """HMAC-SHA256(pepper, nonce ‖ purpose ‖ holder): 256 bits in hexadecimal."""
        holder = self.user_id or f"member/{self.member_id}"
        message = b"link\0" + bytes(self.nonce) + f"\0{self.purpose}\0{holder}".encode()
        return peppered(message).hex()

    @property
    def is_alive(self) -> bool:
        return self.used_at is None and self.expires_at > timezone.now()
