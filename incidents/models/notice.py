from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from incidents.models.wording import APART, WRITTEN, Audience, Topic, own_texts
from members.models.written_once import WrittenOnce, WrittenOnceModel, WrittenOnceQuerySet


class VersionState(models.TextChoices):
    """Programmée: approved, and shown from `appears_at` on. Held back, it waits for approval again."""

    DRAFT = "draft", _("brouillon")
    SUBMITTED = "submitted", _("soumise")
    SCHEDULED = "scheduled", _("programmée")
    PUBLISHED = "published", _("publiée")
    WITHDRAWN = "withdrawn", _("retirée")


UNDER_WAY = [VersionState.DRAFT, VersionState.SUBMITTED, VersionState.SCHEDULED]


class NoticeVersionQuerySet(WrittenOnceQuerySet):
    """Moves are conditional updates: the row itself says whether someone else came first."""

    def visible(self):
        """What members may read: published, whether its incident is still live or closed."""
        return self.filter(state=VersionState.PUBLISHED)

    def enough(self):
        """Whose reading is enough for a member: published, and no later version is material.

        That is the last material version, and the corrections that came after it. (domain.md §4.8)
        """
        material = NoticeVersion.objects.visible().filter(
            incident=OuterRef("incident"), number__gt=OuterRef("number"), material=True
        )
        return self.visible().filter(~Exists(material))

    def under_way(self):
        return self.filter(state__in=UNDER_WAY)

    def waiting(self):
        """For whoever approves: submitted, or approved for later and still without effect."""
        return self.filter(state__in=[VersionState.SUBMITTED, VersionState.SCHEDULED])

    def due(self):
        """Approved for a time that has come."""
        return self.filter(state=VersionState.SCHEDULED, appears_at__lte=timezone.now())

    def ever_published(self):
        return self.filter(published_at__isnull=False)

    def rewrite(self, **texts) -> bool:
        """Writes the texts of a draft: a submission at the same moment waits, or wins."""
        return self.filter(state=VersionState.DRAFT)._move(**texts or {"state": VersionState.DRAFT})

    def submit(self) -> bool:
        return self.filter(state=VersionState.DRAFT)._move(
            state=VersionState.SUBMITTED, submitted_at=timezone.now()
        )

    def schedule(self, *, approver, facts_digest: str) -> bool:
        """Approves for later. `facts_digest`: of the facts that were approved with the text."""
        return (
            self.filter(state=VersionState.SUBMITTED, appears_at__isnull=False)
            .exclude(author=approver)
            ._move(
                state=VersionState.SCHEDULED,
                approver=approver,
                approved_at=timezone.now(),
                approved_facts=facts_digest,
            )
        )

    def publish(self, *, approver, facts: dict, digest: str, reason: str = "") -> bool:
        # only columns of this row: through a join, PostgreSQL would not look again at a row that
        # another approver has just changed, and both would publish
        now = timezone.now()
        return (
            self.waiting()
            .exclude(author=approver)
            ._move(
                state=VersionState.PUBLISHED,
                approver=approver,
                approved_at=now,
                approval_reason=reason,
                published_at=now,
                facts=facts,
                digest=digest,
            )
        )

    def publish_due(self, *, facts: dict, digest: str) -> bool:
        """The approval was given: it keeps its author and its hour."""
        return self.due()._move(
            state=VersionState.PUBLISHED, published_at=timezone.now(), facts=facts, digest=digest
        )

    def hold_back(self) -> bool:
        """Takes the approval back from what was due, for someone to approve what the facts became."""
        return self.due()._move(
            state=VersionState.SUBMITTED,
            approver=None,
            approved_at=None,
            approved_facts="",
            held_back_at=timezone.now(),
        )

    def call_emergency(self, *, by, reason: str, facts_digest: str) -> bool:
        """The first word of two, on this text and these facts; it replaces one on other facts."""
        return (
            self.filter(state=VersionState.SUBMITTED)
            .exclude(author=by)
            .exclude(emergency_facts=facts_digest)
            ._move(
                emergency_by=by,
                emergency_at=timezone.now(),
                emergency_reason=reason,
                emergency_facts=facts_digest,
            )
        )

    def called_by_another(self, person, *, facts_digest: str):
        """Whose first word was given by someone else than `person`, on these very facts."""
        return self.filter(
            state=VersionState.SUBMITTED, emergency_by__isnull=False, emergency_facts=facts_digest
        ).exclude(emergency_by=person)

    def withdraw(self, *, reason: str) -> bool:
        return self.exclude(state=VersionState.WITHDRAWN)._move(
            state=VersionState.WITHDRAWN, withdrawn_at=timezone.now(), withdrawn_reason=reason
        )


class NoticeVersion(WrittenOnceModel):
    """What members read about an incident: one version, immutable from its submission on.

    A correction is another version that says what changed. Publication freezes the facts of the
    incident in `facts`, and `digest` covers them and every text of every audience. (domain.md §4.7)

    The columns of TEXTS are the member's words; `audiences` holds those of the others, by audience and
    topic, where they are not the member's.
    """

    TEXTS = (
        "headline",
        "public_summary",
        "what_happened",
        "consequences",
        "what_to_do",
        "reassurance",
        "change_note",
    )
    # all that its author types, and that its submission freezes
    TYPED = (*TEXTS, "audiences", "material", "appears_at", "expires_at")

    incident = models.ForeignKey(
        "incidents.Incident",
        on_delete=models.PROTECT,
        related_name="versions",
        verbose_name=_("incident"),
    )
    number = models.PositiveSmallIntegerField(_("numéro"), editable=False)
    headline = models.CharField(_("titre"), max_length=150)
    public_summary = models.TextField(
        _("résumé public"), help_text=_("Deux phrases, visibles avant la connexion.")
    )
    what_happened = models.TextField(_("ce qui s'est passé"), blank=True)
    consequences = models.TextField(_("conséquences probables"), blank=True)
    what_to_do = models.TextField(_("que faire"), blank=True)
    reassurance = models.TextField(_("ce qui n'est pas touché"), blank=True)
    change_note = models.TextField(
        _("ce qui a changé"), blank=True, help_text=_("Depuis la version précédente.")
    )
    audiences = models.JSONField(_("textes des autres publics"), default=dict, blank=True)
    material = models.BooleanField(
        _("changement important"),
        default=True,
        help_text=_("Chaque adhérent doit alors en prendre connaissance à nouveau."),
    )
    appears_at = models.DateTimeField(
        _("paraît le"),
        null=True,
        blank=True,
        help_text=_("Vide : dès son approbation."),
    )
    expires_at = models.DateTimeField(
        _("n'interrompt plus à partir du"),
        null=True,
        blank=True,
        help_text=_("La page reste lisible. Vide : jusqu'à la clôture de l'incident."),
    )
    revision_reason = models.CharField(
        _("motif de la correction"), max_length=250, blank=True, editable=False
    )
    state = models.CharField(
        _("état"),
        max_length=10,
        choices=VersionState.choices,
        default=VersionState.DRAFT,
        editable=False,
    )
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        editable=False,
        verbose_name=_("rédigée par"),
    )
    approver = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        editable=False,
        verbose_name=_("approuvée par"),
    )
    approved_at = models.DateTimeField(_("approuvée le"), null=True, editable=False)
    approved_facts = models.CharField(max_length=64, blank=True, editable=False)
    approval_reason = models.CharField(
        _("motif du second collègue"), max_length=250, blank=True, editable=False
    )
    held_back_at = models.DateTimeField(_("retenue le"), null=True, editable=False)
    emergency_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        editable=False,
        verbose_name=_("urgence demandée par"),
    )
    emergency_at = models.DateTimeField(_("urgence demandée le"), null=True, editable=False)
    emergency_reason = models.CharField(
        _("motif de l'urgence"), max_length=250, blank=True, editable=False
    )
    emergency_facts = models.CharField(max_length=64, blank=True, editable=False)
    created_at = models.DateTimeField(_("créée le"), default=timezone.now, editable=False)
    submitted_at = models.DateTimeField(_("soumise le"), null=True, editable=False)
    published_at = models.DateTimeField(_("publiée le"), null=True, editable=False)
    withdrawn_at = models.DateTimeField(_("retirée le"), null=True, editable=False)
    withdrawn_reason = models.CharField(
        _("motif du retrait"), max_length=250, blank=True, editable=False
    )
    facts = models.JSONField(_("faits publiés"), null=True, editable=False)
    digest = models.CharField(_("empreinte"), max_length=64, blank=True, editable=False)

    objects = NoticeVersionQuerySet.as_manager()

    class Meta:
        verbose_name = _("version de l'information")
        verbose_name_plural = _("versions de l'information")
        ordering = ["-incident_id", "-number"]
        permissions = [
            ("publish_noticeversion", _("Peut publier une version rédigée par un autre")),
            ("preview_noticeversion", _("Peut voir une version comme un adhérent")),
            ("override_noticeversion", _("Peut publier en urgence, à deux")),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["incident", "number"], name="notice_number_once_per_incident"
            ),
            models.UniqueConstraint(
                fields=["incident"],
                condition=Q(state__in=UNDER_WAY),
                name="notice_one_version_under_way",
                violation_error_message=_("Une autre version est déjà en cours."),
            ),
            models.CheckConstraint(
                condition=Q(state__in=[state.value for state in VersionState]),
                name="notice_state_is_known",
            ),
            models.CheckConstraint(
                condition=Q(approver__isnull=True) | ~Q(approver=F("author")),
                name="notice_approver_is_not_author",
                violation_error_message=_("L'auteur d'une version ne peut pas l'approuver."),
            ),
            models.CheckConstraint(
                condition=Q(state=VersionState.DRAFT, submitted_at__isnull=True)
                | Q(state=VersionState.WITHDRAWN)
                | Q(
                    state__in=[
                        VersionState.SUBMITTED,
                        VersionState.SCHEDULED,
                        VersionState.PUBLISHED,
                    ],
                    submitted_at__isnull=False,
                ),
                name="notice_submitted_has_a_date",
            ),
            models.CheckConstraint(
                condition=~Q(state=VersionState.PUBLISHED) & Q(published_at__isnull=True)
                | Q(
                    state__in=[VersionState.PUBLISHED, VersionState.WITHDRAWN],
                    approver__isnull=False,
                    published_at__isnull=False,
                    facts__isnull=False,
                )
                & ~Q(digest=""),
                name="notice_published_has_approver_date_and_facts",
            ),
            models.CheckConstraint(
                condition=Q(state=VersionState.WITHDRAWN, withdrawn_at__isnull=False)
                & ~Q(withdrawn_reason="")
                | ~Q(state=VersionState.WITHDRAWN)
                & Q(withdrawn_at__isnull=True, withdrawn_reason=""),
                name="notice_withdrawn_has_a_date_and_a_reason",
            ),
            models.CheckConstraint(
                condition=~Q(state=VersionState.SCHEDULED)
                | Q(approver__isnull=False, approved_at__isnull=False, appears_at__isnull=False)
                & ~Q(approved_facts=""),
                name="notice_scheduled_has_approver_time_and_facts",
            ),
            models.CheckConstraint(
                condition=Q(expires_at__isnull=True)
                | Q(appears_at__isnull=True)
                | Q(expires_at__gt=F("appears_at")),
                name="notice_expires_after_it_appears",
                violation_error_message=_("La fin suit la parution."),
            ),
            models.CheckConstraint(
                condition=Q(emergency_by__isnull=True, emergency_at__isnull=True)
                & Q(emergency_reason="", emergency_facts="")
                | Q(emergency_by__isnull=False, emergency_at__isnull=False)
                & ~Q(emergency_by=F("author"))
                & ~Q(emergency_reason="")
                & ~Q(emergency_facts=""),
                name="notice_emergency_is_not_its_author",
            ),
            models.CheckConstraint(
                condition=Q(approval_reason="")
                | Q(emergency_by__isnull=False, published_at__isnull=False)
                & ~Q(emergency_by=F("approver")),
                name="notice_emergency_takes_two",
            ),
        ]

    def __str__(self):
        return f"{self.incident} · v{self.number}"

    def save(self, *args, update_fields=None, **kwargs):
        """Adds a draft, or writes what its author typed while it is one in the database too.

        Raises WrittenOnce, and ValueError for texts of an audience that does not exist.
        """
        if self.state != VersionState.DRAFT:
            raise WrittenOnce
        self.audiences = own_texts(self.audiences)
        if self._state.adding:
            return super().save(*args, update_fields=update_fields, **kwargs)
        names = self.TYPED if update_fields is None else update_fields
        typed = {name: getattr(self, name) for name in names}
        # the copy in memory may be older than a submission by someone else
        if not type(self).objects.filter(pk=self.pk).rewrite(**typed):
            raise WrittenOnce

    def text(self, audience: Audience, topic: Topic) -> str:
        """The words of `audience` on a WRITTEN topic, or the member's where it borrows them."""
        own = self.audiences.get(audience, {}).get(topic, "")
        return own if own or audience in APART else getattr(self, topic)

    def texts_for(self, audience: Audience) -> dict[str, str]:
        """Every column of TEXTS as `audience` reads it: what a page of its own keeps."""
        return {
            name: self.text(audience, Topic(name)) if name in WRITTEN else getattr(self, name)
            for name in self.TEXTS
        }

    def speaks_apart_to(self, audience: Audience) -> bool:
        """Whether `audience` reads at least one text that members do not."""
        return audience in self.audiences

    @property
    def is_draft(self) -> bool:
        return self.state == VersionState.DRAFT

    @property
    def is_submitted(self) -> bool:
        return self.state == VersionState.SUBMITTED

    @property
    def is_scheduled(self) -> bool:
        return self.state == VersionState.SCHEDULED

    @property
    def is_waiting(self) -> bool:
        """Whether an approver may still decide. (`NoticeVersionQuerySet.waiting`)"""
        return self.is_submitted or self.is_scheduled

    @property
    def is_published(self) -> bool:
        return self.state == VersionState.PUBLISHED

    @property
    def is_emergency(self) -> bool:
        """Whether two colleagues published it in an emergency, each with a reason."""
        return bool(self.approval_reason)

    def is_past(self, now) -> bool:
        """Whether it no longer interrupts anybody; it stays readable."""
        return self.expires_at is not None and self.expires_at <= now

    def appears_after(self, now) -> bool:
        return self.appears_at is not None and self.appears_at > now
