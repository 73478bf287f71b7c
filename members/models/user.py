from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.core.exceptions import ObjectDoesNotExist
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext_lazy as _


class UserManager(BaseUserManager):
    def create_user(self, identifiant, password=None, **fields):
        user = self.model(identifiant=self.normalize_identifiant(identifiant), **fields)
        user.set_password(password)
        user.full_clean(exclude=["password"])
        user.save(using=self._db)
        return user

    def create_superuser(self, identifiant, password=None, **fields):
        return self.create_user(
            identifiant, password, **{"is_staff": True, "is_superuser": True, **fields}
        )

    @staticmethod
    def normalize_identifiant(identifiant: str) -> str:
        return identifiant.strip().lower()

    def get_by_natural_key(self, identifiant):
        return self.get(identifiant=self.normalize_identifiant(identifiant))

    def lock_unchanged(self, user) -> bool:
        """Locks the row of `user` until the transaction ends, so that nothing closes the account meanwhile.
        False when its password, phone or status is no longer as `user` was read."""
        present = self.select_for_update().get(pk=user.pk)
        return constant_time_compare(present.state_fingerprint(), user.state_fingerprint())


class User(AbstractBaseUser, PermissionsMixin):
    """Who signs in: a member, or a person of the staff. Never both. (architecture.md §4.2)"""

    identifiant = models.CharField(
        _("identifiant"),
        max_length=64,
        unique=True,
        validators=[
            RegexValidator(
                r"^[a-z0-9][a-z0-9._@-]{2,63}\Z",
                _("Lettres minuscules sans accent, chiffres, point, tiret ou arobase."),
            )
        ],
    )
    name = models.CharField(_("nom affiché"), max_length=150, blank=True)
    email = models.EmailField(_("adresse e-mail"), blank=True)
    is_staff = models.BooleanField(_("équipe de la mutuelle"), default=False)
    is_active = models.BooleanField(_("compte ouvert"), default=True)
    suspended_at = models.DateTimeField(_("suspendu le"), null=True, blank=True)
    created_at = models.DateTimeField(_("créé le"), default=timezone.now, editable=False)
    generation = models.PositiveIntegerField(default=0, editable=False)
    last_login = None  # the trail knows better, and one statement less per sign-in

    objects = UserManager()

    USERNAME_FIELD = "identifiant"
    EMAIL_FIELD = "email"

    class Meta:
        verbose_name = _("compte")
        verbose_name_plural = _("comptes")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(identifiant=Lower("identifiant")),
                name="user_identifiant_is_lower_case",
            ),
            models.CheckConstraint(
                condition=models.Q(is_superuser=False) | models.Q(is_staff=True),
                name="user_superuser_is_staff",
            ),
        ]

    def __str__(self):
        return self.identifiant

    @property
    def may_sign_in(self) -> bool:
        return self.is_active and self.suspended_at is None

    @property
    def status(self) -> str:
        """« ouvert », « suspendu » or « fermé », as staff read it."""
        if not self.is_active:
            return _("fermé")
        return _("suspendu") if self.suspended_at else _("ouvert")

    @property
    def phone(self) -> str:
        """The phone of the member's profile in E.164, or an empty string."""
        try:
            return self.member.phone
        except ObjectDoesNotExist:
            return ""

    @property
    def mail_address(self) -> str:
        """Where e-mails go: the member's address, or that of the staff account. Maybe empty."""
        try:
            return self.member.email
        except ObjectDoesNotExist:
            return self.email

    def move_on(self) -> None:
        """Called by who suspends, closes, reopens or protects it: nothing begun before comes back."""
        type(self).objects.filter(pk=self.pk).update(generation=F("generation") + 1)
        self.refresh_from_db(fields=["generation"])

    def state_fingerprint(self, secret: str | None = None) -> str:
        """Changes with the password, the phone and the status: whatever is bound to it ends then, and for
        good where the account has moved on, also when it is afterwards as it was."""
        account = f"{self.password}\0{self.generation}\0{self.may_sign_in}\0{self.is_staff}"
        state = f"{account}\0{self.phone}"
        return salted_hmac(
            "members.user.state", state, secret=secret, algorithm="sha256"
        ).hexdigest()

    def get_session_auth_hash(self):
        return self.state_fingerprint()
