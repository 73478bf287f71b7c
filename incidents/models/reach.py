"""The reach ledger: whom an incident concerns, and what was sent to each. (domain.md §4.10)"""

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Case, Exists, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Coalesce, Least
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from incidents.models.acknowledgement import Acknowledgement
from members.models import Mail
from members.models.mail import MailState
from members.models.written_once import WrittenOnceModel, WrittenOnceQuerySet

BATCH = 10_000  # letters forgotten in one statement


class Capacity(models.TextChoices):
    """In which capacity a person is told. A minor is told through his member."""

    MEMBER = "adherent", _("adhérent")
    FORMER = "ancien_adherent", _("ancien adhérent")
    ADULT = "ayant_droit", _("ayant droit majeur")


class Unreachable(models.TextChoices):
    """Why a person cannot be told. (docs/decisions/0034-reach-ledger.md)"""

    NO_ADDRESS = "sans_adresse", _("aucune adresse connue")
    RETURNED = "revenu", _("courrier revenu, aucune autre adresse")
    RETURNED_TWICE = "revenu_deux_fois", _("courrier revenu deux fois")
    DECEASED = "decede", _("personne décédée")
    PROTECTED = "protege", _("adresse tenue secrète par décision de justice")
    REFUSED = "refus", _("refuse tout contact")
    OTHER = "autre", _("autre raison, dite en note")


class ReachState(models.TextChoices):
    """Where a person stands, for the versions whose reading is enough today; from the best known on."""

    ACKNOWLEDGED = "lue", _("information lue")
    SHOWN = "affichee", _("information affichée")
    POSTED = "courrier", _("courrier envoyé")
    UNREACHABLE = "injoignable", _("injoignable")
    RETURNED = "courrier_revenu", _("courrier revenu")
    MAILED = "email", _("e-mail envoyé, rien lu")
    NOTHING = "rien", _("rien encore")


INFORMED = (ReachState.ACKNOWLEDGED, ReachState.SHOWN, ReachState.POSTED)
TO_INFORM = (ReachState.RETURNED, ReachState.MAILED, ReachState.NOTHING)


class ReachQuerySet(models.QuerySet):
    """`versions`: the ids of the versions whose reading is enough, or those that one asks about."""

    def concerned(self):
        return self.filter(is_concerned=True)

    def with_state(self, versions):
        """Each person with `state`: the one rule that says who is informed. (decision 0034)

        What a member was shown is read where it was recorded, and never copied.
        """
        shown, sent = _shown(versions), _sent(versions)
        letters = sent.filter(channel=Channel.LETTER)
        mails = sent.filter(channel=Channel.MAIL).exclude(state=DispatchState.FAILED)
        rules = (
            (ReachState.ACKNOWLEDGED, _HIMSELF & Exists(shown.acknowledged())),
            (ReachState.SHOWN, _HIMSELF & Exists(shown)),
            (ReachState.POSTED, Q(Exists(letters.filter(state=DispatchState.PRINTED)))),
            (ReachState.UNREACHABLE, ~Q(unreachable="")),
            (ReachState.RETURNED, Q(Exists(letters))),
            (ReachState.MAILED, Q(Exists(mails))),
        )
        return self.annotate(
            state=Case(
                *(When(condition, then=Value(state.value)) for state, condition in rules),
                default=Value(ReachState.NOTHING.value),
                output_field=models.CharField(),
            )
        )

    def with_informed_at(self, versions):
        """Each person with when he was first informed, or null."""
        letters = _sent(versions).filter(
            channel=Channel.LETTER, state=DispatchState.PRINTED
        )  # a letter that came back informed nobody
        shown = Case(
            When(_HIMSELF, then=Subquery(_first(_shown(versions), "shown_at"))),
            default=None,
            output_field=models.DateTimeField(),
        )
        posted = Subquery(_first(letters, "made_at"))
        # PostgreSQL's least passes over a null, SQLite's does not
        return self.annotate(informed_at=Coalesce(Least(shown, posted), shown, posted))

    def to_inform(self, versions):
        """Concerned, and neither informed nor unreachable. (domain.md §4.10)"""
        return self.concerned().with_state(versions).filter(state__in=TO_INFORM)


_HIMSELF = Q(ayant_droit__isnull=True)


def _shown(versions):
    return Acknowledgement.objects.filter(member=OuterRef("member"), version__in=versions)


def _sent(versions):
    return Dispatch.objects.filter(person=OuterRef("pk"), version__in=versions)


def _first(rows, moment):
    return rows.order_by(moment).values(moment)[:1]


class Reach(models.Model):
    """One person whom an incident concerns: a member, or an adult ayant droit in his own name.

    The rows are filled by the exposure rule (`incidents.reach.fill`). Who is no longer concerned keeps
    his row, and what was sent to him.
    """

    incident = models.ForeignKey(
        "incidents.Incident",
        on_delete=models.PROTECT,
        related_name="reach",
        db_index=False,
        verbose_name=_("incident"),
    )
    member = models.ForeignKey(
        "members.Member",
        on_delete=models.PROTECT,
        related_name="reach",
        verbose_name=_("adhérent"),
    )
    ayant_droit = models.ForeignKey(
        "members.AyantDroit",
        on_delete=models.PROTECT,
        null=True,
        related_name="reach",
        verbose_name=_("ayant droit"),
    )
    capacity = models.CharField(_("qualité"), max_length=20, choices=Capacity.choices)
    is_concerned = models.BooleanField(_("concerné"), default=True)
    added_at = models.DateTimeField(_("inscrit le"), default=timezone.now)
    unreachable = models.CharField(
        _("injoignable"), max_length=20, choices=Unreachable.choices, blank=True, default=""
    )
    unreachable_note = models.CharField(_("preuve"), max_length=300, blank=True, default="")
    unreachable_at = models.DateTimeField(_("injoignable depuis"), null=True)
    unreachable_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("constaté par"),
    )

    objects = ReachQuerySet.as_manager()

    class Meta:
        verbose_name = _("personne à informer")
        verbose_name_plural = _("personnes à informer")
        permissions = [
            ("refresh_reach", _("Peut actualiser le registre des personnes à informer")),
            ("mail_reach", _("Peut envoyer les e-mails d'un incident")),
            (
                "print_reach",
                _("Peut imprimer les courriers d'un incident et classer leurs retours"),
            ),
            ("excuse_reach", _("Peut déclarer une personne injoignable")),
            ("tell_employers", _("Peut produire les avis aux employeurs")),
        ]
        indexes = [models.Index(fields=["incident", "id"], name="reach_by_incident")]
        constraints = [
            models.UniqueConstraint(
                fields=["incident", "member"],
                condition=Q(ayant_droit__isnull=True),
                name="reach_member_once_per_incident",
            ),
            models.UniqueConstraint(
                fields=["incident", "ayant_droit"],
                condition=Q(ayant_droit__isnull=False),
                name="reach_ayant_droit_once_per_incident",
            ),
            models.CheckConstraint(
                condition=Q(capacity=Capacity.ADULT, ayant_droit__isnull=False)
                | Q(capacity__in=[Capacity.MEMBER, Capacity.FORMER], ayant_droit__isnull=True),
                name="reach_capacity_is_that_of_the_person",
            ),
            models.CheckConstraint(
                condition=Q(unreachable="", unreachable_note="", unreachable_at__isnull=True)
                | Q(
                    unreachable__in=[reason.value for reason in Unreachable],
                    unreachable_at__isnull=False,
                )
                & ~Q(unreachable_note=""),
                name="reach_unreachable_has_a_reason_and_a_proof",
            ),
        ]

    def __str__(self):
        return f"{self.incident} · {self.member.number}"

    @property
    def person(self):
        return self.ayant_droit or self.member


class Channel(models.TextChoices):
    MAIL = "mail", _("e-mail")
    LETTER = "letter", _("courrier")


class DispatchState(models.TextChoices):
    QUEUED = "queued", _("en attente")
    SENT = "sent", _("envoyé")
    FAILED = "failed", _("échoué")
    PRINTED = "printed", _("imprimé")
    RETURNED = "returned", _("revenu")


class DispatchQuerySet(WrittenOnceQuerySet):
    def settle(self) -> None:
        """Writes what became of the e-mails that waited, before their rows are purged."""
        for known, state in (
            (MailState.SENT, DispatchState.SENT),
            (MailState.FAILED, DispatchState.FAILED),
        ):
            gone = Exists(Mail.objects.filter(pk=OuterRef("mail"), state=known))
            self.filter(gone, state=DispatchState.QUEUED)._move(
                state=state, state_at=timezone.now()
            )

    def forget(self, before: datetime) -> int:
        """What letters told of people leaves, of incidents closed before `before`; how many letters.

        Their rows stay, and with them the figures: who was written to, when, and what became of it.
        """
        of_old = self.filter(
            version__incident__closed_at__lt=before, channel=Channel.LETTER
        ).exclude(told=[])
        forgotten = 0
        while some := list(of_old.order_by("pk").values_list("pk", flat=True)[:BATCH]):
            self.filter(pk__in=some)._move(told=[])
            forgotten += len(some)
        return forgotten

    def come_back(self, reference: str) -> bool:
        """The letter came back to us; True for one caller only."""
        return self.filter(reference=reference, state=DispatchState.PRINTED)._move(
            state=DispatchState.RETURNED, state_at=timezone.now()
        )


class Dispatch(WrittenOnceModel):
    """An e-mail or a letter to one person about one version: that it went, and whether it came back.

    `round` tells a second letter, asked for on purpose, from the first. `told` is what a letter said of
    the person's data, until years after the closing. An e-mail's own row is purged after 90 days; `mail`
    remembers its id.
    """

    person = models.ForeignKey(
        Reach, on_delete=models.PROTECT, related_name="dispatches", verbose_name=_("personne")
    )
    version = models.ForeignKey(
        "incidents.NoticeVersion",
        on_delete=models.PROTECT,
        related_name="dispatches",
        verbose_name=_("version"),
    )
    channel = models.CharField(_("canal"), max_length=10, choices=Channel.choices)
    round = models.PositiveSmallIntegerField(_("tirage"), default=1)
    state = models.CharField(_("état"), max_length=10, choices=DispatchState.choices)
    made_at = models.DateTimeField(_("le"), default=timezone.now)
    state_at = models.DateTimeField(_("depuis"), default=timezone.now)
    mail = models.UUIDField(null=True, unique=True)
    reference = models.CharField(_("référence"), max_length=12, blank=True, default="")
    job = models.UUIDField(null=True)
    file = models.PositiveIntegerField(_("fichier"), null=True)
    told = models.JSONField(_("contenu"), default=list)

    objects = DispatchQuerySet.as_manager()

    class Meta:
        verbose_name = _("envoi")
        verbose_name_plural = _("envois")
        ordering = ["pk"]
        indexes = [
            models.Index(fields=["job", "file"], name="dispatch_by_file"),
            models.Index(
                fields=["id"],
                name="dispatch_queued",
                condition=Q(state=DispatchState.QUEUED),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["person", "version", "channel", "round"],
                name="dispatch_once_per_person_version_and_round",
            ),
            models.UniqueConstraint(
                fields=["reference"],
                condition=~Q(reference=""),
                name="dispatch_reference_of_one_letter",
            ),
            models.CheckConstraint(
                condition=Q(
                    channel=Channel.MAIL,
                    mail__isnull=False,
                    reference="",
                    state__in=[DispatchState.QUEUED, DispatchState.SENT, DispatchState.FAILED],
                )
                | Q(
                    channel=Channel.LETTER,
                    mail__isnull=True,
                    state__in=[DispatchState.PRINTED, DispatchState.RETURNED],
                )
                & ~Q(reference=""),
                name="dispatch_is_a_mail_or_a_letter",
            ),
        ]

    def __str__(self):
        return f"{self.person_id} · {self.channel} · {self.made_at:%d/%m/%Y}"


class CensusQuerySet(models.QuerySet):
    def finished(self):
        return self.filter(finished_at__isnull=False)


class Census(models.Model):
    """One filling of the ledger: by which facts, as of which day, and what was counted at its end."""

    incident = models.ForeignKey(
        "incidents.Incident",
        on_delete=models.PROTECT,
        related_name="censuses",
        verbose_name=_("incident"),
    )
    facts_digest = models.CharField(_("empreinte des faits"), max_length=64)
    as_of = models.DateField(_("âges au"))
    started_at = models.DateTimeField(_("commencé le"), default=timezone.now)
    finished_at = models.DateTimeField(_("fini le"), null=True)
    figures = models.JSONField(_("chiffres"), default=dict)

    objects = CensusQuerySet.as_manager()

    class Meta:
        verbose_name = _("actualisation du registre")
        verbose_name_plural = _("actualisations du registre")
        ordering = ["-pk"]

    def __str__(self):
        return f"{self.incident} · {self.started_at:%d/%m/%Y %H:%M}"
