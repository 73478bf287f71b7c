from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.crypto import salted_hmac
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from django_otp.plugins.otp_totp.models import TOTPDevice

from members import emails, nir, phones, sealing
from members.models.passkey import Passkey
from members.models.period import Period, PeriodQuerySet, gap_in

NIR_PURPOSE = "nir"
NEED_DIFFERENT_RANKS = _("Deux personnes nées le même jour ont besoin de rangs différents.")


HIMSELF = 0  # among persons told by their id: the member, beside his ayants droit


def first_name_of(first_names: str) -> str:
    return first_names.split(" ")[0]


class PrefixIndex(models.Index):
    """Serves « begins with, in any case » on PostgreSQL; a plain index elsewhere."""

    def create_sql(self, model, schema_editor, using="", **kwargs):
        if schema_editor.connection.vendor != "postgresql":
            return super().create_sql(model, schema_editor, using, **kwargs)
        quote = schema_editor.quote_name
        column = quote(model._meta.get_field(self.fields[0]).column)
        table = quote(model._meta.db_table)
        return f"CREATE INDEX {quote(self.name)} ON {table} (UPPER({column}) text_pattern_ops)"


class Civility(models.TextChoices):
    MADAME = "MME", _("Madame")
    MONSIEUR = "M", _("Monsieur")
    NONE = "", _("Sans civilité")


class NirAbsence(models.TextChoices):
    """Why a person has no NIR here. (domain.md §4.1)"""

    PENDING = "en_attente", _("Immatriculation en cours")
    FOREIGN = "etranger", _("Assuré d'un régime étranger")
    REFUSED = "non_communique", _("Non communiqué")
    ERASED = "efface", _("Effacé en fin de conservation")
    NOT_NEEDED = "", _("Sans objet : le NIR est connu")


class Noemie(models.TextChoices):
    """Whether the compulsory scheme sends a person's reimbursements on to the mutual by itself."""

    LINKED = "relie", _("reliée")
    NOT_LINKED = "non_relie", _("non reliée")
    UNKNOWN = "inconnu", _("non connue")


class Person(models.Model):
    """Identity shared by the member and his ayants droit.

    The NIR is never a plain column: `set_nir` seals it, `nir` opens it, `nir_masked` shows it.
    """

    civility = models.CharField(
        _("civilité"), max_length=3, choices=Civility.choices, blank=True, default=""
    )
    birth_name = models.CharField(_("nom de naissance"), max_length=100)
    usage_name = models.CharField(_("nom d'usage"), max_length=100, blank=True)
    first_names = models.CharField(_("prénoms"), max_length=150)
    birth_date = models.DateField(_("date de naissance"))
    birth_rank = models.PositiveSmallIntegerField(
        _("rang de naissance"),
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(9)],
        help_text=_("De 1 à 9. Distingue des jumeaux."),
    )
    nir_sealed = models.TextField(_("NIR chiffré"), blank=True, editable=False)
    nir_digest = models.UUIDField(_("empreinte du NIR"), null=True, editable=False, db_index=True)
    nir_absence = models.CharField(
        _("motif d'absence du NIR"),
        max_length=20,
        choices=NirAbsence.choices,
        blank=True,
        default=NirAbsence.NOT_NEEDED,
    )
    noemie = models.CharField(
        _("liaison Noémie"), max_length=10, choices=Noemie.choices, default=Noemie.UNKNOWN
    )
    email = models.EmailField(_("adresse e-mail"), blank=True)
    address = models.CharField(_("adresse"), max_length=200, blank=True)
    postal_code = models.CharField(_("code postal"), max_length=10, blank=True)
    city = models.CharField(_("ville"), max_length=100, blank=True)

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                condition=Q(nir_sealed="", nir_digest__isnull=True) & ~Q(nir_absence="")
                | ~Q(nir_sealed="") & Q(nir_digest__isnull=False, nir_absence=""),
                name="%(class)s_nir_or_reason",
                violation_error_message=_("Indiquez le NIR, ou pourquoi il est absent."),
            ),
            models.CheckConstraint(
                condition=Q(birth_rank__range=(1, 9)), name="%(class)s_birth_rank_1_to_9"
            ),
            models.CheckConstraint(
                condition=Q(noemie__in=Noemie.values),
                name="%(class)s_noemie_known",
                violation_error_message=_("Choisissez un état de la liste."),
            ),
        ]

    def __str__(self):
        return self.full_name

    @property
    def last_name(self) -> str:
        return self.usage_name or self.birth_name

    @property
    def first_name(self) -> str:
        return first_name_of(self.first_names)

    @property
    def full_name(self) -> str:
        return f"{self.first_name} {self.last_name}"

    @property
    def has_whole_address(self) -> bool:
        return bool(self.address and self.postal_code and self.city)

    @property
    def is_feminine(self) -> bool:
        """Whether words about this person take the feminine: only where her civility says so."""
        return self.civility == Civility.MADAME

    def set_nir(self, number: str) -> None:
        """Seals a valid NIR and clears the reason of absence. Raises nir.InvalidNir."""
        number = nir.compact(number)
        self.nir_sealed = sealing.seal(number)
        self.nir_digest = sealing.digest(number, NIR_PURPOSE)
        self.nir_absence = NirAbsence.NOT_NEEDED

    @property
    def nir(self) -> str:
        """The NIR in clear, or an empty string. Whoever shows it records why: « nir.revealed »."""
        return sealing.unseal(self.nir_sealed) if self.nir_sealed else ""

    @property
    def nir_masked(self) -> str:
        return nir.masked(self.nir) if self.nir_sealed else self.get_nir_absence_display()


def own_factor(user: OuterRef):
    """Whether a passkey or an app opens the account `user`."""
    app = TOTPDevice.objects.filter(user=user, confirmed=True)
    return Exists(Passkey.objects.live().filter(user=user)) | Exists(app)


class MemberQuerySet(models.QuerySet):
    def with_factors(self):
        """With `has_own_factor`, at the same cost whoever is found."""
        return self.annotate(has_own_factor=own_factor(OuterRef("user")))


class Member(Person):
    """The adhérent: he subscribes, and holds the account while he has one."""

    number = models.CharField(
        _("numéro d'adhérent"),
        max_length=20,
        unique=True,
        validators=[RegexValidator(r"^[0-9A-Z]{4,20}\Z", _("Chiffres et majuscules."))],
    )
    user = models.OneToOneField(
        "members.User",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="member",
        verbose_name=_("compte"),
    )
    phone = models.CharField(
        _("téléphone mobile"),
        max_length=16,
        blank=True,
        help_text=_("Les codes de connexion y sont envoyés."),
    )

    objects = MemberQuerySet.as_manager()

    class Meta(Person.Meta):
        verbose_name = _("adhérent")
        verbose_name_plural = _("adhérents")
        permissions = [
            ("reveal_nir", _("Peut afficher un NIR en entier")),
            ("unlock_account", _("Peut débloquer un compte")),
            ("block_account", _("Peut suspendre et rouvrir un compte")),
            ("end_sessions", _("Peut fermer les connexions d'un adhérent")),
            ("start_recovery", _("Peut confirmer l'identité d'un adhérent sans téléphone")),
            ("view_as_member", _("Peut voir l'espace d'un adhérent, en lecture seule")),
        ]
        constraints = [
            *Person.Meta.constraints,
            models.CheckConstraint(
                condition=Q(phone="") | Q(phone__regex=r"^\+[1-9][0-9]{6,14}$"),
                name="member_phone_is_e164",
            ),
        ]
        indexes = [
            # what staff type: the beginning of a name, in any case
            PrefixIndex(fields=["birth_name"], name="member_by_birth_name"),
            PrefixIndex(fields=["usage_name"], name="member_by_usage_name"),
        ]

    def clean(self):
        super().clean()
        if self.phone:
            try:
                self.phone = phones.mobile_e164(self.phone)
            except ValidationError as error:
                raise ValidationError({"phone": error}) from None
        if self.user_id and self.user.is_staff:
            raise ValidationError({"user": _("Un compte de l'équipe n'est jamais un adhérent.")})
        if self.pk and self.birth_date:
            born_so = {"birth_date": self.birth_date, "birth_rank": self.birth_rank}
            if self.ayants_droit.filter(**born_so).exists():
                raise ValidationError(NEED_DIFFERENT_RANKS)

    @property
    def kind_label(self) -> str:
        return str(_("adhérente") if self.is_feminine else _("adhérent"))

    @property
    def phone_masked(self) -> str:
        return phones.masked(self.phone) if self.phone else ""

    @property
    def email_masked(self) -> str:
        return emails.masked(self.email) if self.email else ""

    @property
    def may_activate(self) -> bool:
        """Whether he may open his account: he has none, or one that nothing opens. (signin.md §2)"""
        if self.user is None:
            return True
        return self.user.may_sign_in and not self.phone and not self.has_own_factor

    @cached_property
    def has_own_factor(self) -> bool:
        """Whether a passkey or an app opens his account. No statement where `with_factors` asked before."""
        own = Passkey.objects.live().filter(user=self.user_id)
        app = TOTPDevice.objects.filter(user=self.user_id, confirmed=True)
        return own.exists() or app.exists()

    @property
    def has_open_account(self) -> bool:
        return self.user is not None and self.user.may_sign_in and bool(self.phone)

    def opening_fingerprint(self) -> str:
        """Changes with the account, the phone and the e-mail address: an opening under way ends then."""
        user = self.user
        account = f"{user.pk}\0{user.password}\0{user.generation}" if user else ""
        state = f"{self.number}\0{account}\0{self.phone}\0{self.email}\0{self.may_activate}"
        return salted_hmac("members.member.opening", state, algorithm="sha256").hexdigest()


class Link(models.TextChoices):
    CONJOINT = "conjoint", _("conjoint")
    PACS = "pacs", _("partenaire de PACS")
    CONCUBIN = "concubin", _("concubin")
    ENFANT = "enfant", _("enfant")
    ASCENDANT = "ascendant", _("ascendant")

    def label_of(self, person: Person) -> str:
        """The label as it agrees with the person: « conjointe »."""
        return str(_FEMININE.get(self, self.label) if person.is_feminine else self.label)


_FEMININE = {
    Link.CONJOINT: _("conjointe"),
    Link.CONCUBIN: _("concubine"),
    Link.ASCENDANT: _("ascendante"),
}


# The reference of who joined by an accepted demande, « P-<demande> », until a feed lists him.
MADE_HERE = "P-"


class AyantDroit(Period, Person):
    """A person covered through a member. An adult one is a data subject in his own right."""

    member = models.ForeignKey(
        Member, on_delete=models.CASCADE, related_name="ayants_droit", verbose_name=_("adhérent")
    )
    reference = models.CharField(
        _("référence"), max_length=20, help_text=_("Propre à l'adhérent, par exemple 01.")
    )
    link = models.CharField(_("lien"), max_length=10, choices=Link.choices)

    objects = PeriodQuerySet.as_manager()

    class Meta(Person.Meta):
        verbose_name = _("ayant droit")
        verbose_name_plural = _("ayants droit")
        ordering = ["birth_date", "birth_rank"]
        constraints = [
            *Person.Meta.constraints,
            *Period.Meta.constraints,
            models.UniqueConstraint(
                fields=["member", "reference"], name="ayantdroit_reference_once_per_member"
            ),
            models.UniqueConstraint(
                fields=["member", "birth_date", "birth_rank"],
                name="ayantdroit_told_apart_by_birth_date_and_rank",
                violation_error_message=NEED_DIFFERENT_RANKS,
            ),
        ]
        indexes = [
            PrefixIndex(fields=["birth_name"], name="ayantdroit_by_birth_name"),
            PrefixIndex(fields=["usage_name"], name="ayantdroit_by_usage_name"),
        ]

    @property
    def kind_label(self) -> str:
        return Link(self.link).label_of(self)

    def clean(self):
        """Tells him apart from the member too, and keeps his period within the adhésions.

        The constraint sees ayants droit only. (domain.md §4.2, §4.3)
        """
        super().clean()
        if not self.member_id:
            return
        born = (self.member.birth_date, self.member.birth_rank)
        if (self.birth_date, self.birth_rank) == born:
            raise ValidationError(NEED_DIFFERENT_RANKS)
        if self.start:
            gap = gap_in(self.start, self.end, self.member.adhesions.all())
            if gap:
                raise ValidationError(
                    {
                        "start": _("L'adhérent n'a pas d'adhésion le %(day)s.")
                        % {"day": f"{gap:%d/%m/%Y}"}
                    }
                )
