from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _
from django_otp.models import Device


class SmsDevice(Device):
    """The factor « a text to the phone of the profile ». It holds no number: the profile does.

    django-otp knows it as the device that verified a session. Its codes are checked by
    `members.codes` and nowhere else: `verify_token` refuses, so no other door can open.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="sms_device",
        verbose_name=_("compte"),
    )
    flagged_at = models.DateTimeField(_("signalé le"), null=True, blank=True, editable=False)
    flag = models.CharField(_("motif"), max_length=40, blank=True, editable=False)

    class Meta:
        verbose_name = _("téléphone de connexion")
        verbose_name_plural = _("téléphones de connexion")

    def __str__(self):
        return _("SMS") + f" · {self.user}"

    def verify_token(self, token):
        return False
