from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import Case, F, Value, When
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_otp.models import Device

FAILURES_WINDOW = timedelta(hours=1)


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

    # Wrong codes: each within an hour of the one before, and since the last right one. Counted here,
    # beside the account, so that no new code resets them.
    failures = models.PositiveIntegerField(_("codes faux"), default=0, editable=False)
    failures_in_a_row = models.PositiveIntegerField(
        _("codes faux de suite"), default=0, editable=False
    )
    last_failure_at = models.DateTimeField(_("dernier code faux"), null=True, editable=False)

    class Meta:
        verbose_name = _("téléphone de connexion")
        verbose_name_plural = _("téléphones de connexion")

    def __str__(self):
        return _("SMS") + f" · {self.user}"

    def verify_token(self, token):
        return False

    def count_failure(self) -> None:
        now = timezone.now()
        recent = When(last_failure_at__gt=now - FAILURES_WINDOW, then=F("failures") + 1)
        type(self).objects.filter(pk=self.pk).update(
            failures=Case(recent, default=Value(1)),
            failures_in_a_row=F("failures_in_a_row") + 1,
            last_failure_at=now,
        )

    def forget_failures(self) -> None:
        type(self).objects.filter(pk=self.pk).update(failures=0, failures_in_a_row=0)
