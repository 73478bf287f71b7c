import uuid
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from members.files import NamedAtRandom

LOST_AFTER = timedelta(minutes=10)  # without a sign of life: longer than any one step


class JobState(models.TextChoices):
    WAITING = "waiting", _("en attente")
    RUNNING = "running", _("en cours")
    STOPPING = "stopping", _("s'arrête")  # until its turn has seen it
    DONE = "done", _("terminé")
    FAILED = "failed", _("arrêté par une erreur")
    STOPPED = "stopped", _("arrêté")


ACTIVE = (JobState.WAITING, JobState.RUNNING, JobState.STOPPING)
_IN_A_TURN = (JobState.RUNNING, JobState.STOPPING)


class JobQuerySet(models.QuerySet):
    """Moves are conditional updates. `turn` is a fencing number: who lost a job moves it no more."""

    def to_take(self):
        """What waits, and what a worker began and died over."""
        lost = Q(state=JobState.RUNNING, seen_at__lt=timezone.now() - LOST_AFTER)
        return self.filter(Q(state=JobState.WAITING) | lost)

    def take(self, job) -> bool:
        return bool(
            self.to_take()
            .filter(pk=job.pk, turn=job.turn)
            .update(state=JobState.RUNNING, seen_at=timezone.now(), turn=F("turn") + 1)
        )

    def advance(self, job, **columns) -> bool:
        """Writes what the turn of `job` did, if that turn is still the one that counts."""
        return bool(
            self.filter(pk=job.pk, turn=job.turn, state=JobState.RUNNING).update(
                seen_at=timezone.now(), **columns
            )
        )

    def end(self, job, state: str, **columns) -> bool:
        """Ends the turn of `job` and the job with it, also when somebody has just asked it to stop."""
        return bool(
            self.filter(pk=job.pk, turn=job.turn, state__in=_IN_A_TURN).update(
                state=state, seen_at=timezone.now(), finished_at=timezone.now(), **columns
            )
        )

    def stop(self, job) -> bool:
        """Stops what waits. What runs stops once its turn has seen it: until then its key is taken, and it
        cannot be taken up again, so that no two turns run at once."""
        now = timezone.now()
        waiting = self.filter(pk=job.pk, state=JobState.WAITING)
        if waiting.update(state=JobState.STOPPED, finished_at=now):
            return True
        return bool(self.filter(pk=job.pk, state=JobState.RUNNING).update(state=JobState.STOPPING))

    def end_stops_of_the_lost(self) -> int:
        """Ends what was to stop and whose worker died; how many."""
        now = timezone.now()
        return self.filter(state=JobState.STOPPING, seen_at__lt=now - LOST_AFTER).update(
            state=JobState.STOPPED, finished_at=now
        )

    def resume(self, job) -> bool:
        ended = (JobState.FAILED, JobState.STOPPED)
        return bool(
            self.filter(pk=job.pk, state__in=ended).update(
                state=JobState.WAITING, finished_at=None, problem=""
            )
        )


class Job(models.Model):
    """Long work of a worker that somebody asked for: how far it is, and what came of it.

    `cursor` is where the next turn begins, in the words of its kind; `done` and `total` count whatever
    the kind counts, `total` 0 while nobody knows.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(_("travail"), max_length=40)
    key = models.CharField(max_length=80, blank=True)  # two of one key never run at once
    parameters = models.JSONField(_("paramètres"), default=dict)
    state = models.CharField(
        _("état"), max_length=10, choices=JobState.choices, default=JobState.WAITING
    )
    done = models.PositiveBigIntegerField(_("fait"), default=0)
    total = models.PositiveBigIntegerField(_("en tout"), default=0)
    cursor = models.JSONField(default=dict)
    result = models.JSONField(_("résultat"), default=dict)
    problem = models.CharField(_("problème"), max_length=250, blank=True)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("demandé par"),
    )
    asked_at = models.DateTimeField(_("demandé le"), default=timezone.now)
    seen_at = models.DateTimeField(_("dernier signe"), null=True)
    finished_at = models.DateTimeField(_("fini le"), null=True)
    turn = models.PositiveIntegerField(default=0)

    objects = JobQuerySet.as_manager()

    class Meta:
        verbose_name = _("travail")
        verbose_name_plural = _("travaux")
        ordering = ["-asked_at"]
        indexes = [
            models.Index(
                fields=["asked_at"], name="job_active", condition=Q(state__in=list(ACTIVE))
            )
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=[state.value for state in JobState]),
                name="job_state_is_known",
            ),
            models.UniqueConstraint(
                fields=["kind", "key"],
                condition=Q(state__in=list(ACTIVE)) & ~Q(key=""),
                name="job_one_active_per_key",
            ),
            models.CheckConstraint(
                condition=Q(state__in=list(ACTIVE), finished_at__isnull=True)
                | Q(
                    state__in=[JobState.DONE, JobState.FAILED, JobState.STOPPED],
                    finished_at__isnull=False,
                ),
                name="job_ended_has_a_date",
            ),
        ]

    def __str__(self):
        return f"{self.kind} · {self.pk}"

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE

    @property
    def may_stop(self) -> bool:
        return self.state in (JobState.WAITING, JobState.RUNNING)

    @property
    def may_resume(self) -> bool:
        return self.state in (JobState.FAILED, JobState.STOPPED)

    @property
    def percent(self) -> int | None:
        """How much is done, 0 to 100; None while nobody knows of how much."""
        return min(100, self.done * 100 // self.total) if self.total else None


class JobFile(models.Model):
    """A file that a job made, for who may see the job."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="files")
    name = models.CharField(_("nom"), max_length=150)
    content_type = models.CharField(max_length=80)
    file = models.FileField(upload_to=NamedAtRandom("jobs"), max_length=200)
    size = models.PositiveBigIntegerField(_("taille"))  # bytes
    sha256 = models.CharField(_("empreinte"), max_length=64)
    made_at = models.DateTimeField(_("créé le"), default=timezone.now)

    class Meta:
        verbose_name = _("fichier d'un travail")
        verbose_name_plural = _("fichiers des travaux")
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["job", "name"], name="job_file_once_per_name")
        ]

    def __str__(self):
        return self.name
