"""Ways back in when a factor is lost: saved codes, a letter, or two agents. (signin.md §2)"""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from members.limits import limit
from members.models.user import User


class RecoveryCodeQuerySet(models.QuerySet):
    def left(self):
        return self.filter(used_at__isnull=True)

    def use(self, user, digest: str) -> bool:
        """Uses one code of `user` up; True for one caller only."""
        return bool(self.left().filter(user=user, digest=digest).update(used_at=timezone.now()))


class RecoveryCode(models.Model):
    """One of the codes that a member printed. Only a keyed digest of it is here."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="recovery_codes"
    )
    digest = models.CharField(max_length=64)
    made_at = models.DateTimeField(_("créé le"), default=timezone.now)
    used_at = models.DateTimeField(_("utilisé le"), null=True)

    objects = RecoveryCodeQuerySet.as_manager()

    class Meta:
        verbose_name = _("code de secours")
        verbose_name_plural = _("codes de secours")
        constraints = [
            models.UniqueConstraint(fields=["user", "digest"], name="recoverycode_once_per_user")
        ]

    def __str__(self):
        return f"{self.user} · {self.made_at:%d/%m/%Y}"


class LetterPurpose(models.TextChoices):
    ACTIVATION = "activation", _("première connexion")
    RECOVERY = "recovery", _("téléphone perdu")


_LIVE = Q(used_at__isnull=True, cancelled_at__isnull=True)


class LetterCodeQuerySet(models.QuerySet):
    def alive(self):
        return self.filter(
            _LIVE, expires_at__gt=timezone.now(), attempts__lt=limit("LETTER_ATTEMPTS")
        )

    def live(self):
        return self.filter(_LIVE)

    def claim(self, letter) -> bool:
        """Takes one attempt of `letter` as it was read, in a committed statement of its own."""
        return bool(
            self.alive()
            .filter(pk=letter.pk, attempts=letter.attempts)
            .update(attempts=F("attempts") + 1)
        )

    def use(self, letter) -> bool:
        return bool(self.filter(_LIVE, pk=letter.pk).update(used_at=timezone.now()))

    def cancel(self) -> int:
        return self.filter(_LIVE).update(cancelled_at=timezone.now())


class LetterCode(models.Model):
    """A code sent to a postal address. Only a keyed digest of it is here: the letter alone holds it."""

    member = models.ForeignKey(
        "members.Member",
        on_delete=models.CASCADE,
        related_name="letter_codes",
        verbose_name=_("adhérent"),
    )
    purpose = models.CharField(_("usage"), max_length=12, choices=LetterPurpose.choices)
    digest = models.CharField(max_length=64)
    attempts = models.PositiveSmallIntegerField(_("essais"), default=0)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("imprimé par"),
    )
    made_at = models.DateTimeField(_("imprimé le"), default=timezone.now)
    expires_at = models.DateTimeField(_("expire le"))
    used_at = models.DateTimeField(_("utilisé le"), null=True)
    cancelled_at = models.DateTimeField(_("annulé le"), null=True)

    objects = LetterCodeQuerySet.as_manager()

    class Meta:
        verbose_name = _("code par courrier")
        verbose_name_plural = _("codes par courrier")
        ordering = ["-made_at"]
        permissions = [("print_letters", _("Peut imprimer des courriers avec un code"))]
        constraints = [
            models.UniqueConstraint(
                fields=["member", "purpose"],
                condition=_LIVE,
                name="lettercode_one_live_per_member_and_purpose",
            )
        ]

    def __str__(self):
        return f"{self.member} · {self.get_purpose_display()}"


_STANDING = Q(ended_at__isnull=True)


class RecoveryQuerySet(models.QuerySet):
    def open(self):
        return self.filter(_STANDING, expires_at__gt=timezone.now())

    def vouched(self):
        """Confirmed by two agents whose word still counts."""
        return self.filter(_STANDING, started_by__in=_at_work(), approved_by__in=_at_work())

    def approve(self, recovery, by) -> bool:
        """The second agent's word; False when somebody was faster, it ended, or the first agent's word
        counts no more."""
        return bool(
            self.open()
            .filter(pk=recovery.pk, approved_by__isnull=True, started_by__in=_at_work())
            .exclude(started_by=by)
            .update(approved_by=by, approved_at=timezone.now())
        )

    def serve(self, pk: int) -> bool:
        """Uses the word of two agents up; False when it ended, or counts no more."""
        return bool(self.vouched().filter(pk=pk).update(ended_at=timezone.now()))

    def end(self, recovery) -> bool:
        return bool(self.filter(_STANDING, pk=recovery.pk).update(ended_at=timezone.now()))


def _at_work() -> models.QuerySet:
    """Whose word counts: an agent who was suspended or left may have been somebody else already."""
    return User.objects.filter(is_active=True, suspended_at__isnull=True)


class Recovery(models.Model):
    """A lost phone vouched for by two different agents: then its member may name another one."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="recoveries",
        verbose_name=_("compte"),
    )
    reason = models.CharField(_("motif"), max_length=300)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("demandée par"),
    )
    started_at = models.DateTimeField(_("demandée le"), default=timezone.now)
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("approuvée par"),
    )
    approved_at = models.DateTimeField(_("approuvée le"), null=True)
    expires_at = models.DateTimeField(_("expire le"))
    ended_at = models.DateTimeField(_("terminée le"), null=True)

    objects = RecoveryQuerySet.as_manager()

    class Meta:
        verbose_name = _("récupération")
        verbose_name_plural = _("récupérations")
        ordering = ["-started_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(approved_by__isnull=True) | ~Q(approved_by=F("started_by")),
                name="recovery_two_different_agents",
                violation_error_message=_("Une seconde personne doit approuver."),
            ),
            models.CheckConstraint(
                condition=Q(approved_by__isnull=True, approved_at__isnull=True)
                | Q(approved_by__isnull=False, approved_at__isnull=False),
                name="recovery_approved_has_a_date",
            ),
            models.UniqueConstraint(
                fields=["user"], condition=_STANDING, name="recovery_one_standing_per_user"
            ),
        ]

    def __str__(self):
        return f"{self.user} · {self.started_at:%d/%m/%Y %H:%M}"
