from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_otp.models import Device, DeviceManager


class PasskeyQuerySet(models.QuerySet):
    def live(self):
        return self.filter(disabled_at__isnull=True)

    def switch_off(self) -> int:
        """Removes what is live of these keys; how many. django-otp ends the sessions they verified."""
        return self.live().update(disabled_at=timezone.now(), confirmed=False)

    def count_use(self, passkey, sign_count: int, backed_up: bool) -> bool:
        """Notes a use of `passkey`; False when its counter did not move on, or it was just removed.

        Synchronised keys do not count: theirs is 0, always. (WebAuthn level 3, §6.1.1)
        """
        moved_on = {"sign_count__lt": sign_count} if sign_count else {"sign_count": 0}
        return bool(
            self.live()
            .filter(pk=passkey.pk, **moved_on)
            .update(sign_count=sign_count, backed_up=backed_up, last_used_at=timezone.now())
        )


class Passkey(Device):
    """A key kept by a phone, a computer or a token (WebAuthn). It holds no secret: a public key.

    django-otp knows it as the device that verified a session; `members.passkeys` alone checks it.
    Switched off rather than deleted: the trail may ask which one it was.
    """

    credential_id = models.CharField(max_length=1400, unique=True, editable=False)
    user_handle = models.CharField(max_length=64, default="", editable=False)  # one per account
    public_key = models.BinaryField(editable=False)
    sign_count = models.PositiveBigIntegerField(default=0, editable=False)
    transports = models.JSONField(default=list, editable=False)
    backed_up = models.BooleanField(_("synchronisée"), default=False, editable=False)
    created_at = models.DateTimeField(_("ajoutée le"), default=timezone.now)
    last_used_at = models.DateTimeField(_("utilisée le"), null=True)
    disabled_at = models.DateTimeField(_("retirée le"), null=True)

    objects = DeviceManager.from_queryset(PasskeyQuerySet)()

    class Meta:
        verbose_name = _("clé d'accès")
        verbose_name_plural = _("clés d'accès")
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(disabled_at__isnull=True) | models.Q(confirmed=False),
                name="passkey_removed_is_not_confirmed",
            )
        ]

    def __str__(self):
        return self.name

    def verify_token(self, token):
        return False
