from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from members.models.written_once import WrittenOnce, WrittenOnceModel, WrittenOnceQuerySet


class VersionState(models.TextChoices):
    DRAFT = "draft", _("brouillon")
    SUBMITTED = "submitted", _("soumise")
    PUBLISHED = "published", _("publiée")
    WITHDRAWN = "withdrawn", _("retirée")


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
        return self.filter(state__in=[VersionState.DRAFT, VersionState.SUBMITTED])

    def ever_published(self):
        return self.filter(published_at__isnull=False)

    def rewrite(self, **texts) -> bool:
        """Writes the texts of a draft: a submission at the same moment waits, or wins."""
        return self.filter(state=VersionState.DRAFT)._move(**texts or {"state": VersionState.DRAFT})

    def submit(self) -> bool:
        return self.filter(state=VersionState.DRAFT)._move(
            state=VersionState.SUBMITTED, submitted_at=timezone.now()
        )

    def publish(self, *, approver, facts: dict, digest: str) -> bool:
        # only columns of this row: through a join, PostgreSQL would not look again at a row that
        # another approver has just changed, and both would publish
        return (
            self.filter(state=VersionState.SUBMITTED)
            .exclude(author=approver)
            ._move(
                state=VersionState.PUBLISHED,
                approver=approver,
                published_at=timezone.now(),
                facts=facts,
                digest=digest,
            )
        )

    def withdraw(self, *, reason: str) -> bool:
        return self.exclude(state=VersionState.WITHDRAWN)._move(
            state=VersionState.WITHDRAWN, withdrawn_at=timezone.now(), withdrawn_reason=reason
        )


class NoticeVersion(WrittenOnceModel):
    """What members read about an incident: one version, immutable from its submission on.

    A correction is another version that says what changed. Publication freezes the facts of the
    incident in `facts`, and `digest` covers them and every text. (domain.md §4.7)
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
    material = models.BooleanField(
        _("changement important"),
        default=True,
        help_text=_("Chaque adhérent doit alors en prendre connaissance à nouveau."),
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
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["incident", "number"], name="notice_number_once_per_incident"
            ),
            models.UniqueConstraint(
                fields=["incident"],
                condition=Q(state__in=[VersionState.DRAFT, VersionState.SUBMITTED]),
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
                    state__in=[VersionState.SUBMITTED, VersionState.PUBLISHED],
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
        ]

    def __str__(self):
        return f"{self.incident} · v{self.number}"

    def save(self, *args, update_fields=None, **kwargs):
        """Adds a draft, or writes its texts while it is one in the database too. Raises WrittenOnce."""
        if self.state != VersionState.DRAFT:
            raise WrittenOnce
        if self._state.adding:
            return super().save(*args, update_fields=update_fields, **kwargs)
        names = (*self.TEXTS, "material") if update_fields is None else update_fields
        texts = {name: getattr(self, name) for name in names}
        # the copy in memory may be older than a submission by someone else
        if not type(self).objects.filter(pk=self.pk).rewrite(**texts):
            raise WrittenOnce

    @property
    def is_draft(self) -> bool:
        return self.state == VersionState.DRAFT

    @property
    def is_published(self) -> bool:
        return self.state == VersionState.PUBLISHED
