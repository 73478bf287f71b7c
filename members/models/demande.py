from datetime import date

from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from members.files import NamedAtRandom
from members.models.written_once import WrittenOnceModel


class DemandeKind(models.TextChoices):
    """The values stand in addresses."""

    CARE = "soins", _("demande de remboursement")
    JOINING = "ajout", _("ayant droit à déclarer")
    LEAVING = "retrait", _("ayant droit à retirer")
    CORRECTION = "rectification", _("donnée à rectifier")

    @property
    def told(self) -> str:
        """As its member reads it, without the words of the trade."""
        return IN_PLAIN_WORDS.get(self, self.label)

    @property
    def detail(self) -> str:
        """The name of the row that holds what this kind asks: `demande.care`…"""
        return self.name.lower()


class DemandeState(models.TextChoices):
    DRAFT = "brouillon", _("brouillon")
    SUBMITTED = "deposee", _("déposée")
    TAKEN = "en_cours", _("en cours")
    AWAITING = "piece_demandee", _("pièce demandée")
    CHECKING = "a_confirmer", _("à confirmer par un second agent")
    ACCEPTED = "acceptee", _("acceptée")
    REFUSED = "refusee", _("refusée")
    PAID = "payee", _("payée")
    WITHDRAWN = "abandonnee", _("abandonnée")

    @property
    def told(self) -> str:
        """As its member reads it, without the words of the trade."""
        return IN_PLAIN_WORDS.get(self, self.label)


State = DemandeState

IN_PLAIN_WORDS = {
    DemandeKind.JOINING: _("bénéficiaire à ajouter"),
    DemandeKind.LEAVING: _("bénéficiaire à retirer"),
    DemandeKind.CORRECTION: _("erreur à corriger"),
    State.AWAITING: _("document demandé"),
}

# to → from: every move there is
MOVES = {
    State.SUBMITTED: {State.DRAFT, State.TAKEN},
    State.TAKEN: {State.SUBMITTED, State.AWAITING, State.CHECKING},
    State.AWAITING: {State.TAKEN},
    State.CHECKING: {State.TAKEN},
    State.ACCEPTED: {State.TAKEN, State.CHECKING},
    State.REFUSED: {State.TAKEN},
    State.PAID: {State.ACCEPTED},
    State.WITHDRAWN: {State.SUBMITTED, State.TAKEN, State.AWAITING, State.CHECKING},
}
HELD = (State.TAKEN, State.AWAITING, State.CHECKING)  # by one agent
UNDECIDED = (State.SUBMITTED, *HELD)
GRANTED = (State.ACCEPTED, State.PAID)
DECIDED = (*GRANTED, State.REFUSED)


class DemandeQuerySet(models.QuerySet):
    def move(self, to: State, **changes) -> bool:
        """Moves along MOVES, in one conditional update; whether a row was where it had to be."""
        return bool(self.filter(state__in=MOVES[to]).update(state=to, **changes))

    def hold(self) -> bool:
        """Locks these rows until the transaction ends; whether there was one."""
        return bool(self.update(touched_at=timezone.now()))

    def with_unread(self, *, from_staff: bool):
        """With `is_unread`: a message of the other side waits to be read."""
        waiting = DemandeMessage.objects.filter(
            demande=OuterRef("pk"), from_staff=from_staff, read_at__isnull=True
        )
        return self.annotate(is_unread=Exists(waiting))

    def await_their_member(self):
        """Those that wait for a document of his, or where he has a message to read."""
        return self.with_unread(from_staff=True).filter(Q(state=State.AWAITING) | Q(is_unread=True))


class Demande(models.Model):
    """What a member asks and staff decide. What each kind asks stands in a row of its own.

    Not « request »: that is what Django calls something else. Above `two_people_above` cents, who
    decides is not who proposed: the database says so.
    """

    member = models.ForeignKey(
        "members.Member",
        on_delete=models.PROTECT,
        related_name="demandes",
        db_index=False,
        verbose_name=_("adhérent"),
    )
    key = models.UUIDField(null=True, editable=False)  # of the page that began it, drawn at random
    kind = models.CharField(_("nature"), max_length=15, choices=DemandeKind.choices)
    state = models.CharField(_("état"), max_length=15, choices=State.choices, default=State.DRAFT)
    created_at = models.DateTimeField(_("commencée le"), default=timezone.now)
    touched_at = models.DateTimeField(_("dernier geste"), default=timezone.now)
    state_at = models.DateTimeField(_("depuis"), default=timezone.now)
    asked_at = models.DateTimeField(_("déposée le"), null=True)
    due_on = models.DateField(_("réponse due le"), null=True)
    assigned_to = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("suivie par"),
    )
    proposed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("proposée par"),
    )
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("décidée par"),
    )
    decided_at = models.DateTimeField(_("décidée le"), null=True)
    answer = models.TextField(_("réponse à l'adhérent"), blank=True)
    granted_cents = models.PositiveIntegerField(_("montant accordé"), null=True)
    two_people_above = models.PositiveIntegerField(_("deux agents au-delà de"), null=True)
    paid_on = models.DateField(_("payée le"), null=True)
    decompte = models.ForeignKey(
        "members.Decompte",
        on_delete=models.SET_NULL,
        null=True,
        related_name="demandes",
        verbose_name=_("décompte"),
    )

    objects = DemandeQuerySet.as_manager()

    class Meta:
        verbose_name = _("demande")
        verbose_name_plural = _("demandes")
        ordering = ["-pk"]
        default_permissions = ("view",)
        permissions = [
            ("handle_demande", _("Peut traiter les demandes des adhérents")),
            ("pay_demande", _("Peut marquer une demande payée")),
            ("assign_demande", _("Peut confier une demande à quelqu'un d'autre")),
        ]
        indexes = [
            models.Index(fields=["member", "-id"], name="demande_of_member"),
            models.Index(
                fields=["asked_at", "id"],
                name="demande_queue",
                condition=Q(state__in=[one.value for one in UNDECIDED]),
            ),
            models.Index(fields=["state", "asked_at", "id"], name="demande_by_state"),
            models.Index(
                fields=["touched_at"], name="demande_drafts", condition=Q(state=State.DRAFT.value)
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["member", "key"], name="demande_begun_once_by_a_page"),
            models.CheckConstraint(
                condition=Q(kind__in=DemandeKind.values), name="demande_kind_is_known"
            ),
            models.CheckConstraint(
                condition=Q(state__in=State.values), name="demande_state_is_known"
            ),
            models.CheckConstraint(
                condition=Q(state=State.DRAFT, asked_at__isnull=True)
                | ~Q(state=State.DRAFT) & Q(asked_at__isnull=False),
                name="demande_deposited_has_a_date",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=[one.value for one in HELD]) | Q(assigned_to__isnull=False),
                name="demande_held_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(
                    state__in=[one.value for one in DECIDED],
                    decided_by__isnull=False,
                    decided_at__isnull=False,
                )
                | ~Q(state__in=[one.value for one in DECIDED])
                & Q(decided_by__isnull=True, decided_at__isnull=True),
                name="demande_decided_by_somebody_one_day",
            ),
            models.CheckConstraint(
                condition=~Q(state=State.REFUSED) | ~Q(answer=""),
                name="demande_refused_for_a_reason",
            ),
            models.CheckConstraint(
                condition=~Q(kind=DemandeKind.CARE)
                & Q(granted_cents__isnull=True, two_people_above__isnull=True)
                | Q(kind=DemandeKind.CARE)
                & (
                    ~Q(state__in=[State.CHECKING.value, *(one.value for one in GRANTED)])
                    | Q(granted_cents__gt=0, two_people_above__isnull=False)
                ),
                name="demande_granted_an_amount",
            ),
            models.CheckConstraint(
                condition=~Q(state=State.CHECKING) | Q(proposed_by__isnull=False),
                name="demande_proposed_by_somebody",
            ),
            models.CheckConstraint(
                condition=~Q(kind=DemandeKind.CARE)
                | ~Q(state__in=[one.value for one in GRANTED])
                | Q(granted_cents__lte=F("two_people_above"))
                | Q(proposed_by__isnull=False) & ~Q(proposed_by=F("decided_by")),
                name="demande_two_people_above_an_amount",
            ),
            models.CheckConstraint(
                condition=Q(state=State.PAID, kind=DemandeKind.CARE, paid_on__isnull=False)
                | ~Q(state=State.PAID) & Q(paid_on__isnull=True, decompte__isnull=True),
                name="demande_paid_one_day",
            ),
        ]

    def __str__(self):
        return self.reference

    @property
    def reference(self) -> str:
        """« D-000123 », as both sides say it on the phone."""
        return f"D-{self.pk:06}"

    @property
    def detail(self):
        """The row of what this kind asks."""
        return getattr(self, DemandeKind(self.kind).detail)

    @property
    def is_draft(self) -> bool:
        return self.state == State.DRAFT

    @property
    def is_undecided(self) -> bool:
        return self.state in UNDECIDED

    @property
    def takes_documents(self) -> bool:
        return self.state in (State.DRAFT, State.AWAITING)

    @property
    def state_shown(self) -> State:
        """The state as its member reads it: that two agents decide is no affair of his."""
        return State.TAKEN if self.state == State.CHECKING else State(self.state)

    @property
    def kind_told(self) -> str:
        return DemandeKind(self.kind).told

    @property
    def age(self) -> int | None:
        """Days since it was deposited."""
        return self.asked_at and (timezone.localdate() - timezone.localdate(self.asked_at)).days

    @property
    def is_late(self) -> bool:
        return bool(self.due_on) and self.is_undecided and self.due_on < timezone.localdate()


class DemandeEvent(WrittenOnceModel):
    """One state that a demande reached, and when. A trigger keeps it as it was written."""

    demande = models.ForeignKey(Demande, on_delete=models.PROTECT, related_name="events")
    state = models.CharField(_("état"), max_length=15, choices=State.choices)
    at = models.DateTimeField(_("le"), default=timezone.now)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )

    class Meta:
        verbose_name = _("étape d'une demande")
        verbose_name_plural = _("étapes des demandes")
        ordering = ["pk"]
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=State.values), name="demandeevent_state_is_known"
            )
        ]

    def __str__(self):
        return f"{self.get_state_display()} · {self.at:%d/%m/%Y %H:%M}"

    @property
    def state_shown(self) -> State:
        return State.TAKEN if self.state == State.CHECKING else State(self.state)


class DemandeDocument(models.Model):
    """A document that its member joined, written again before it was kept. (members/documents.py)"""

    demande = models.ForeignKey(Demande, on_delete=models.PROTECT, related_name="documents")
    name = models.CharField(_("nom"), max_length=100)
    content_type = models.CharField(max_length=20)
    file = models.FileField(upload_to=NamedAtRandom("demandes"), max_length=200)
    size = models.PositiveIntegerField(_("taille"))  # bytes
    pages = models.PositiveSmallIntegerField(_("pages"), default=1)
    sha256 = models.CharField(max_length=64)
    added_at = models.DateTimeField(_("jointe le"), default=timezone.now)

    class Meta:
        verbose_name = _("pièce d'une demande")
        verbose_name_plural = _("pièces des demandes")
        ordering = ["pk"]
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["demande", "sha256"], name="demandedocument_once_per_demande"
            ),
            models.CheckConstraint(
                condition=Q(content_type__in=["image/jpeg", "image/png", "application/pdf"]),
                name="demandedocument_type_is_known",
            ),
            models.CheckConstraint(condition=Q(size__gt=0), name="demandedocument_is_not_empty"),
        ]

    def __str__(self):
        return self.name

    @property
    def is_image(self) -> bool:
        return self.content_type.startswith("image/")


class DemandeMessage(models.Model):
    """One message between the member and the mutual, about one demande."""

    demande = models.ForeignKey(Demande, on_delete=models.PROTECT, related_name="messages")
    from_staff = models.BooleanField(_("de la mutuelle"))
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    body = models.TextField(_("message"), max_length=2000)
    at = models.DateTimeField(_("le"), default=timezone.now)
    read_at = models.DateTimeField(_("lu le"), null=True)

    class Meta:
        verbose_name = _("message d'une demande")
        verbose_name_plural = _("messages des demandes")
        ordering = ["pk"]
        default_permissions = ()
        constraints = [
            models.CheckConstraint(condition=~Q(body=""), name="demandemessage_says_something")
        ]

    def __str__(self):
        return f"{self.at:%d/%m/%Y %H:%M}"


class CannedAnswer(models.Model):
    """Words that agents use often, written by who leads them."""

    title = models.CharField(_("titre"), max_length=80, unique=True)
    text = models.TextField(_("texte"), max_length=2000)

    class Meta:
        verbose_name = _("réponse type")
        verbose_name_plural = _("réponses types")
        ordering = ["title"]

    def __str__(self):
        return self.title


def one_month_after(day: date) -> date:
    """The same day of the next month, or its last one: « dans un délai d'un mois ». (GDPR art. 12(3))"""
    year, month = divmod(day.year * 12 + day.month, 12)
    for number in (day.day, 30, 29, 28):
        try:
            return date(year, month + 1, number)
        except ValueError:
            continue
    raise AssertionError  # every month has a 28th
