import hashlib
import secrets

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from members.limits import limit
from members.sealing import peppered

REFERENCE_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"  # no vowel: two letters never make a word


class Purpose(models.TextChoices):
    SIGN_IN = "signin", _("connexion")
    ACTIVATION = "activation", _("première connexion")
    PRESENT_PHONE = "oldphone", _("téléphone actuel")
    NEW_PHONE = "newphone", _("nouveau téléphone")

    @property
    def proves_holder(self) -> bool:
        """Whether its code shows who somebody is. One sent to a number just typed only shows that it
        can be reached: wrong ones say nothing about the account."""
        return self != Purpose.NEW_PHONE


def new_nonce() -> bytes:
    return secrets.token_bytes(16)


def phone_digest(phone: str) -> str:
    """Tells whether a phone is still the one a challenge was made for, without keeping it."""
    return salted_hmac("members.challenge.phone", phone, algorithm="sha256").hexdigest()


def binding_digest(binding: str) -> str:
    """What a challenge keeps of the browser's secret: enough to know it again."""
    return hashlib.sha256(binding.encode()).hexdigest()


class ChallengeQuerySet(models.QuerySet):
    def claim(self, challenge) -> bool:
        """Takes one attempt of `challenge` as it was read; False when it is dead or another came first.

        A committed statement of its own, so that a burst of guesses spends attempts one by one.
        """
        return bool(
            self.filter(
                pk=challenge.pk,
                binding=challenge.binding,
                attempts=challenge.attempts,
                attempts__lt=limit("CODE_ATTEMPTS"),
                used_at__isnull=True,
                expires_at__gt=timezone.now(),
            ).update(attempts=F("attempts") + 1)
        )

    def consume(self, challenge) -> bool:
        """Uses `challenge` up; True for one caller only."""
        return bool(
            self.filter(pk=challenge.pk, used_at__isnull=True).update(used_at=timezone.now())
        )


class Challenge(models.Model):
    """One request to prove that a phone is at hand. The code is derived: no row holds it.

    Without account while a member opens his (`phone` says where it goes), and then maybe without phone:
    nothing is sent, and its code opens nothing. Who asks learns nothing from it.
    """

    nonce = models.BinaryField(max_length=16, default=new_nonce, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="challenges"
    )
    purpose = models.CharField(_("usage"), max_length=10, choices=Purpose.choices)
    binding = models.CharField(max_length=64)
    phone_digest = models.CharField(max_length=64)
    phone = models.CharField(
        _("téléphone à confirmer"),
        max_length=16,
        blank=True,
        help_text=_("Vide : celui du profil."),
    )
    created_at = models.DateTimeField(_("créé le"), default=timezone.now)
    expires_at = models.DateTimeField(_("expire le"))
    attempts = models.PositiveSmallIntegerField(_("essais"), default=0)
    sends = models.PositiveSmallIntegerField(_("envois"), default=1)
    last_send_at = models.DateTimeField(_("dernier envoi"), default=timezone.now)
    used_at = models.DateTimeField(_("utilisé le"), null=True)

    objects = ChallengeQuerySet.as_manager()

    class Meta:
        verbose_name = _("demande de code")
        verbose_name_plural = _("demandes de code")
        indexes = [models.Index(fields=["user", "-created_at"], name="challenge_by_user")]
        constraints = [
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("created_at")), name="challenge_expires_after_creation"
            )
        ]

    def __str__(self):
        return f"{self.get_purpose_display()} {self.reference}"

    def code(self) -> str:
        """The one-time code: HMAC-SHA256(pepper, nonce ‖ purpose ‖ user), reduced to decimal digits."""
        message = bytes(self.nonce) + f"\0{self.purpose}\0{self.user_id}".encode()
        mac = peppered(message)
        digits = limit("CODE_DIGITS")
        return f"{int.from_bytes(mac[:16]) % 10**digits:0{digits}}"

    @property
    def reference(self) -> str:
        """Two letters shown on the page and in the text, so that a member knows which text to read."""
        picked = hashlib.sha256(b"reference" + bytes(self.nonce)).digest()
        return "".join(REFERENCE_LETTERS[byte % len(REFERENCE_LETTERS)] for byte in picked[:2])

    @property
    def destination(self) -> str:
        """Where its text goes, in E.164: the number to confirm, or the phone of the profile, or nowhere."""
        return self.phone or (self.user.phone if self.user else "")

    @property
    def is_alive(self) -> bool:
        return self.used_at is None and self.expires_at > timezone.now()
