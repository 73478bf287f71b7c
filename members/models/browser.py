from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class KnownBrowserQuerySet(models.QuerySet):
    def live(self, now=None):
        """Those still known, now or at the moment that a query names."""
        return self.filter(revoked_at__isnull=True, expires_at__gt=now or timezone.now())


class KnownBrowser(models.Model):
    """A browser that both factors opened lately, known by a digest of its cookie.

    It has an own budget of wrong passwords, and rings no alarm. It never replaces the code.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="known_browsers"
    )
    digest = models.CharField(max_length=64)
    browser = models.CharField(_("navigateur"), max_length=120, blank=True)
    address_prefix = models.CharField(_("adresse (préfixe)"), max_length=45, blank=True)
    first_seen_at = models.DateTimeField(_("vu la première fois"), default=timezone.now)
    last_seen_at = models.DateTimeField(_("vu la dernière fois"), default=timezone.now)
    expires_at = models.DateTimeField(_("expire le"), db_index=True)
    revoked_at = models.DateTimeField(_("oublié le"), null=True)

    objects = KnownBrowserQuerySet.as_manager()

    class Meta:
        verbose_name = _("navigateur connu")
        verbose_name_plural = _("navigateurs connus")
        ordering = ["-last_seen_at"]
        constraints = [
            models.UniqueConstraint(fields=["user", "digest"], name="knownbrowser_once_per_user")
        ]

    def __str__(self):
        return f"{self.browser} · {self.first_seen_at:%d/%m/%Y}"
