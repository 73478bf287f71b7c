from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class IncidentState(models.TextChoices):
    DRAFT = "draft", _("en préparation")
    LIVE = "live", _("en cours")
    CLOSED = "closed", _("clos")


class IncidentQuerySet(models.QuerySet):
    def open_to_members(self, incident) -> bool:
        """Makes an incident live, if it is not closed; a closing at the same moment waits, or wins."""
        not_closed = self.filter(pk=incident.pk).exclude(state=IncidentState.CLOSED)
        return bool(not_closed.update(state=IncidentState.LIVE))

    def rewrite(self, incident, **fields) -> bool:
        """Writes what staff typed and nothing else, unless the incident was closed meanwhile.

        Members who read about it know its reference: it changes only before any publication. Without
        fields the row is touched all the same: a closing at the same moment waits, or wins.
        """
        rows = self.filter(pk=incident.pk).exclude(state=IncidentState.CLOSED)
        if "reference" in fields:
            rows = rows.filter(state=IncidentState.DRAFT)
        return bool(rows.update(**fields or {"state": F("state")}))

    def hold(self, incident) -> None:
        """Keeps its row until the transaction ends, closed or not: who writes at once comes in turn."""
        self.filter(pk=incident.pk).update(state=F("state"))

    def close(self, incident) -> bool:
        live = self.filter(pk=incident.pk, state=IncidentState.LIVE)
        return bool(live.update(state=IncidentState.CLOSED, closed_at=timezone.now()))


class Incident(models.Model):
    """A breach at one or several operators, from the first call to the closed file.

    Its rows are what we know now. What members read is frozen in the notice versions.
    """

    reference = models.SlugField(
        _("référence"),
        unique=True,
        max_length=60,
        help_text=_("Visible dans les adresses des pages. Exemple : 2024-02-tiers-payant."),
    )
    title = models.CharField(_("titre"), max_length=150)
    state = models.CharField(
        _("état"),
        max_length=10,
        choices=IncidentState.choices,
        default=IncidentState.DRAFT,
        editable=False,
    )
    detected_on = models.DateField(_("connu de la mutuelle le"))
    created_at = models.DateTimeField(_("créé le"), default=timezone.now, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        editable=False,
        verbose_name=_("créé par"),
    )
    closed_at = models.DateTimeField(_("clos le"), null=True, editable=False)
    dpo_name = models.CharField(_("délégué à la protection des données"), max_length=150)
    dpo_email = models.EmailField(_("adresse e-mail du délégué"))
    dpo_address = models.TextField(_("adresse postale du délégué"), max_length=250, blank=True)
    public_phone = models.CharField(_("téléphone pour le public"), max_length=30, blank=True)

    objects = IncidentQuerySet.as_manager()

    class Meta:
        verbose_name = _("incident")
        verbose_name_plural = _("incidents")
        ordering = ["-detected_on", "-pk"]
        permissions = [
            ("close_incident", _("Peut clore un incident")),
            ("read_dossiers", _("Peut lire et exporter les dossiers d'un incident")),
            ("bundle_incident", _("Peut constituer le dossier de preuve d'un incident")),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state=IncidentState.CLOSED, closed_at__isnull=False)
                | Q(state__in=[IncidentState.DRAFT, IncidentState.LIVE], closed_at__isnull=True),
                name="incident_closed_has_a_date",
            )
        ]

    def __str__(self):
        return self.reference

    @property
    def is_closed(self) -> bool:
        return self.state == IncidentState.CLOSED


class Target(models.Model):
    """One operator that was attacked, and when. Unknown dates make an exposure « présumée »."""

    incident = models.ForeignKey(
        Incident, on_delete=models.CASCADE, related_name="targets", verbose_name=_("incident")
    )
    operator = models.ForeignKey(
        "members.Operator",
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("opérateur"),
    )
    window_from = models.DateField(_("premier jour de l'attaque"), null=True, blank=True)
    window_until = models.DateField(_("dernier jour de l'attaque"), null=True, blank=True)
    window_source = models.CharField(
        _("source des dates"), max_length=250, blank=True, help_text=_("Qui l'a dit, et quand.")
    )
    detected_on = models.DateField(
        _("connu le"),
        help_text=_(
            "Une date inconnue de l'attaque est cherchée jusqu'à un an avant, ou après, ce jour."
        ),
    )
    what_happened = models.TextField(_("ce qui s'est passé"))

    class Meta:
        verbose_name = _("opérateur touché")
        verbose_name_plural = _("opérateurs touchés")
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["incident", "operator"], name="target_operator_once_per_incident"
            ),
            models.CheckConstraint(
                condition=Q(window_until__isnull=True)
                | Q(window_from__isnull=False, window_until__gte=F("window_from")),
                name="target_window_in_order",
                violation_error_message=_("Le dernier jour suit un premier jour connu."),
            ),
        ]

    def __str__(self):
        return f"{self.incident} · {self.operator}"


class StepKind(models.TextChoices):
    DISCONNECTION = "deconnexion", _("Plateforme déconnectée")
    COMPLAINT = "plainte", _("Plainte déposée")
    CNIL = "cnil", _("CNIL informée")
    EMPLOYER = "employeur", _("Employeur informé")
    OTHER = "autre", _("Autre mesure")


class Step(models.Model):
    """What was done about the incident, by whom and when."""

    incident = models.ForeignKey(
        Incident, on_delete=models.CASCADE, related_name="steps", verbose_name=_("incident")
    )
    target = models.ForeignKey(
        Target,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="steps",
        verbose_name=_("opérateur touché"),
    )
    kind = models.CharField(_("mesure"), max_length=15, choices=StepKind.choices)
    actor = models.CharField(_("par qui"), max_length=100)
    done_on = models.DateField(
        _("le"), null=True, blank=True, help_text=_("Vide : date non communiquée.")
    )
    text = models.TextField(_("en une ou deux phrases"))

    class Meta:
        verbose_name = _("mesure prise")
        verbose_name_plural = _("mesures prises")
        ordering = [F("done_on").asc(nulls_last=True), "pk"]

    def __str__(self):
        return f"{self.actor} · {self.get_kind_display()}"


class ServiceState(models.TextChoices):
    """From what works to the worst."""

    WORKS = "works", _("Fonctionne")
    SLOWED = "slowed", _("Ralenti")
    STOPPED = "stopped", _("Interrompu")


class ServiceStatus(models.Model):
    """Whether a service works, and in which care domain: one word for all of them was untrue."""

    incident = models.ForeignKey(
        Incident, on_delete=models.CASCADE, related_name="services", verbose_name=_("incident")
    )
    label = models.CharField(_("service"), max_length=100)
    domain = models.ForeignKey(
        "members.CareDomain",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("domaine de soins"),
        help_text=_("Vide : tous les domaines."),
    )
    state = models.CharField(_("état"), max_length=10, choices=ServiceState.choices)
    note = models.CharField(_("précision"), max_length=250, blank=True)

    class Meta:
        verbose_name = _("état d'un service")
        verbose_name_plural = _("états des services")
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["incident", "label", "domain"], name="service_once_per_incident_and_domain"
            ),
            models.UniqueConstraint(
                fields=["incident", "label"],
                condition=Q(domain__isnull=True),
                name="service_once_per_incident_without_domain",
            ),
        ]

    def __str__(self):
        return f"{self.label} · {self.get_state_display()}"


class ScopeRule(models.TextChoices):
    INCLUDE = "include", _("compris")
    EXCLUDE = "exclude", _("exclu")


class ContractScope(models.Model):
    """Which contracts an incident concerns. Without any inclusion: all of them."""

    Rule = ScopeRule

    incident = models.ForeignKey(
        Incident, on_delete=models.CASCADE, related_name="scope", verbose_name=_("incident")
    )
    contract = models.ForeignKey(
        "members.Contract", on_delete=models.PROTECT, related_name="+", verbose_name=_("contrat")
    )
    rule = models.CharField(_("règle"), max_length=10, choices=ScopeRule.choices)

    class Meta:
        verbose_name = _("contrat du périmètre")
        verbose_name_plural = _("périmètre : contrats")
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["incident", "contract"], name="scope_contract_once_per_incident"
            )
        ]

    def __str__(self):
        return f"{self.contract} · {self.get_rule_display()}"


class DomainScope(models.Model):
    """Which care domains an incident concerns. Without any inclusion: all of them.

    It dismisses a delegation of one domain; one of every domain always serves some that is concerned.
    """

    Rule = ScopeRule

    incident = models.ForeignKey(
        Incident, on_delete=models.CASCADE, related_name="domain_scope", verbose_name=_("incident")
    )
    domain = models.ForeignKey(
        "members.CareDomain",
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("domaine de soins"),
    )
    rule = models.CharField(_("règle"), max_length=10, choices=ScopeRule.choices)

    class Meta:
        verbose_name = _("domaine du périmètre")
        verbose_name_plural = _("périmètre : domaines de soins")
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["incident", "domain"], name="scope_domain_once_per_incident"
            ),
            models.CheckConstraint(
                condition=Q(rule__in=[rule.value for rule in ScopeRule]),
                name="scope_domain_rule_is_known",
            ),
        ]

    def __str__(self):
        return f"{self.domain} · {self.get_rule_display()}"
