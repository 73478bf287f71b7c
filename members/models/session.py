from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Session(models.Model):
    """A browser's session on the server. The key itself stays in the cookie: only its digest is here."""

    key_digest = models.CharField(primary_key=True, max_length=64)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="sessions"
    )
    data = models.TextField()
    started_at = models.DateTimeField(_("ouverte le"), default=timezone.now)
    seen_at = models.DateTimeField(_("vue le"), default=timezone.now)
    expires_at = models.DateTimeField(_("expire le"), db_index=True)
    address_prefix = models.CharField(_("adresse (préfixe)"), max_length=45, blank=True)
    browser = models.CharField(_("navigateur"), max_length=120, blank=True)

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")

    def __str__(self):
        return f"{self.browser} · {self.started_at:%d/%m/%Y %H:%M}"
