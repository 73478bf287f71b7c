"""The report of a major incident under DORA, by the names of the public JSON schema, version 1.2.

Implementing Regulation (EU) 2025/302, annex: the numbers of fields are those of its templates. What the
portal does not know is left out of the JSON and said missing: it invents nothing.
(docs/decisions/0039-dossiers.md)
"""

from dataclasses import dataclass
from datetime import datetime, time
from enum import IntEnum
from typing import Any

import phonenumbers
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents.clocks import Clock
from incidents.dossiers import points
from incidents.dossiers.document import Dossier, Point, Section, number
from incidents.dossiers.ground import CNIL, Ground
from incidents.models import Classification
from incidents.models.claim import ClaimState
from incidents.models.incident import ServiceState, StepKind

LAW = "DORA, art. 19"


class Phase(IntEnum):
    INITIAL = 1
    INTERMEDIATE = 2
    FINAL = 3


@dataclass(frozen=True)
class _Report:
    code: str
    regime: str
    submission: str  # of the schema
    title: Any


REPORTS = {
    Phase.INITIAL: _Report(
        "dora-initial",
        "dora-initial",
        "initial_notification",
        gettext_lazy("Incident DORA : notification initiale"),
    ),
    Phase.INTERMEDIATE: _Report(
        "dora-intermediaire",
        "dora-intermediaire",
        "intermediate_report",
        gettext_lazy("Incident DORA : rapport intermédiaire"),
    ),
    Phase.FINAL: _Report(
        "dora-final", "dora-final", "final_report", gettext_lazy("Incident DORA : rapport final")
    ),
}


@dataclass(frozen=True)
class Field:
    """One field of the templates. `path`: its place in the JSON; `since`: the report that first asks it."""

    number: str
    path: str
    label: Any
    since: Phase


_1, _2, _3 = Phase
FIELDS = (
    Field("1.1", "incidentSubmission", gettext_lazy("Type de rapport"), _1),
    Field("1.2", "submittingEntity.name", gettext_lazy("Entité déclarante"), _1),
    Field("1.3", "submittingEntity.LEI", gettext_lazy("Identifiant LEI de l'entité"), _1),
    Field("1.4", "affectedEntity", gettext_lazy("Entité touchée et son type"), _1),
    Field("1.7", "primaryContact.name", gettext_lazy("Contact principal"), _1),
    Field("1.8", "primaryContact.email", gettext_lazy("Adresse e-mail du contact"), _1),
    Field("1.9", "primaryContact.phone", gettext_lazy("Téléphone du contact"), _1),
    Field("1.15", "reportCurrency", gettext_lazy("Devise"), _1),
    Field("2.1", "incident.financialEntityCode", gettext_lazy("Notre référence"), _1),
    Field("2.2", "incident.detectionDateTime", gettext_lazy("Détection"), _1),
    Field("2.3", "incident.classificationDateTime", gettext_lazy("Classement"), _1),
    Field("2.4", "incident.incidentDescription", gettext_lazy("Description"), _1),
    Field("2.5", "incident.classificationTypes", gettext_lazy("Critères de classement"), _1),
    Field("2.7", "incident.incidentDiscovery", gettext_lazy("Découvert par"), _1),
    Field(
        "2.8",
        "incident.originatesFromThirdPartyProvider",
        gettext_lazy("Prestataire à l'origine"),
        _1,
    ),
    Field(
        "2.9",
        "incident.isBusinessContinuityActivated",
        gettext_lazy("Plan de continuité activé"),
        _1,
    ),
    Field("3.2", "incident.incidentOccurrenceDateTime", gettext_lazy("Survenue"), _2),
    Field(
        "3.4",
        "impactAssessment.affectedAssets",
        gettext_lazy("Clients touchés, une fois par qualité"),
        _2,
    ),
    Field(
        "3.8",
        "impactAssessment.hasImpactOnRelevantClients",
        gettext_lazy("Des clients sont touchés"),
        _2,
    ),
    Field(
        "3.15", "incident.incidentDuration", gettext_lazy("Durée, en jours, heures et minutes"), _2
    ),
    Field(
        "3.22",
        "impactAssessment.criticalServicesAffected",
        gettext_lazy("Services critiques touchés"),
        _2,
    ),
    Field(
        "3.23", "incident.incidentType.incidentClassification", gettext_lazy("Type d'incident"), _2
    ),
    Field(
        "3.25", "incident.incidentType.threatTechniques", gettext_lazy("Techniques employées"), _2
    ),
    Field(
        "3.27", "impactAssessment.affectedFunctionalAreas", gettext_lazy("Fonctions touchées"), _2
    ),
    Field(
        "3.28",
        "impactAssessment.isAffectedInfrastructureComponents",
        gettext_lazy("Infrastructures touchées"),
        _2,
    ),
    Field(
        "3.30",
        "impactAssessment.isImpactOnFinancialInterest",
        gettext_lazy("Intérêts financiers des clients"),
        _2,
    ),
    Field("3.31", "reportingToOtherAuthorities", gettext_lazy("Autres autorités informées"), _2),
    Field("3.33", "impactAssessment.serviceImpact", gettext_lazy("Mesures temporaires"), _2),
    Field(
        "3.35",
        "incident.incidentType.indicatorsOfCompromise",
        gettext_lazy("Indicateurs de compromission"),
        _2,
    ),
    Field("4.1", "incident.rootCauseHLClassification", gettext_lazy("Cause première"), _3),
    Field(
        "4.2",
        "incident.rootCausesDetailedClassification",
        gettext_lazy("Cause première, en détail"),
        _3,
    ),
    Field(
        "4.3",
        "incident.rootCausesAdditionalClassification",
        gettext_lazy("Cause première, complément"),
        _3,
    ),
    Field("4.5", "incident.rootCausesInformation", gettext_lazy("Description des causes"), _3),
    Field("4.6", "incident.incidentResolutionSummary", gettext_lazy("Résolution"), _3),
    Field("4.7", "incident.rootCauseAddressingDateTime", gettext_lazy("Cause traitée le"), _3),
    Field("4.8", "incident.incidentResolutionDateTime", gettext_lazy("Incident résolu le"), _3),
    Field(
        "4.9",
        "incident.incidentResolutionVsPlannedImplementation",
        gettext_lazy("Écart avec la date prévue"),
        _3,
    ),
    Field(
        "4.13",
        "incident.grossAmountIndirectDirectCosts",
        gettext_lazy("Coûts, en milliers d'euros"),
        _3,
    ),
    Field("4.14", "incident.financialRecoveriesAmount", gettext_lazy("Sommes récupérées"), _3),
)
TOPICS = {
    "1": gettext_lazy("Informations générales"),
    "2": gettext_lazy("Notification initiale"),
    "3": gettext_lazy("Rapport intermédiaire"),
    "4": gettext_lazy("Rapport final"),
}


def not_offered(ground: Ground, phase: Phase) -> str:
    """Why this report is not owed, as the regime's own row says; empty when it is. (docs/clocks.md)"""
    clock = _clock(ground, phase)
    if clock is None:
        return _("Aucune obligation de ce nom n'est enregistrée.")
    if not clock.is_owed:
        why = clock.ruling.reason if clock.ruling else clock.why
        return _("Sans objet : %(why)s.") % {"why": why.rstrip(".")}
    known = ground.aware_at is None and ground.facts.detected_on < clock.regime.applies_from
    if known:
        return _("Sans objet : l'incident est connu avant l'entrée en application.")
    return ""


def report(ground: Ground, phase: Phase) -> Dossier:
    kind, values = REPORTS[phase], _values(ground, phase)
    asked = [field for field in FIELDS if field.since <= phase]
    sections = [
        Section(
            str(topic),
            [
                _point(field, values.get(field.path))
                for field in asked
                if field.number.startswith(f"{start}.")
            ],
        )
        for start, topic in TOPICS.items()
    ]
    data: dict[str, Any] = {}
    for field in asked:
        if values.get(field.path) is not None:
            _put(data, field.path, values[field.path])
    data["submittingEntity"]["entityType"] = "SUBMITTING_ENTITY"
    filled = [section for section in sections if section.points]
    return Dossier(kind.code, str(kind.title), ground, filled, data)


def _clock(ground: Ground, phase: Phase) -> Clock | None:
    return next(iter(ground.clocks_of(REPORTS[phase].regime)), None)


def _point(field: Field, value: Any) -> Point:
    label = f"{field.number} {field.label}"
    missing = MISSING.get(field.path, gettext_lazy("Le portail ne le sait pas."))
    lines = [] if value is None else _lines(value)
    return Point(field.path, label, lines, str(missing), LAW)


MISSING = {
    "incident.detectionDateTime": gettext_lazy("Saisissez le premier appel de l'opérateur."),
    "incident.classificationDateTime": gettext_lazy("Classez l'incident."),
    "incident.classificationTypes": gettext_lazy(
        "Aucune donnée n'est dite exposée. Reprenez les critères du classement."
    ),
    "incident.incidentOccurrenceDateTime": gettext_lazy("Saisissez les jours de l'attaque."),
    "incident.incidentDuration": gettext_lazy("Saisissez les jours de l'attaque."),
    "impactAssessment.affectedAssets": gettext_lazy("Comptez les personnes concernées."),
    "impactAssessment.hasImpactOnRelevantClients": gettext_lazy("À apprécier."),
    "impactAssessment.criticalServicesAffected": gettext_lazy("Saisissez l'état des services."),
    "impactAssessment.serviceImpact": gettext_lazy("Saisissez les mesures prises."),
    "incident.incidentResolutionDateTime": gettext_lazy("L'incident n'est pas clos."),
    "primaryContact.phone": gettext_lazy("Saisissez un téléphone sur la page de l'incident."),
}


def _lines(value: Any) -> list[str]:
    """A value of the JSON as lines that a person reads, in the schema's own words."""
    match value:
        case bool():
            return [_("oui") if value else _("non")]
        case dict():
            return [f"{name}\u00a0: {', '.join(_lines(one))}" for name, one in value.items()]
        case list():
            return [line for one in value for line in _lines(one)]
        case int():
            return [number(value)]
    return [str(value)]


def _put(data: dict[str, Any], path: str, value: Any) -> None:
    *way, last = path.split(".")
    for name in way:
        data = data.setdefault(name, {})
    data[last] = value


# Values


def _values(ground: Ground, phase: Phase) -> dict[str, Any]:
    """What the portal knows, by path; None where it does not."""
    facts = ground.facts
    classified = Classification.objects.standing().filter(incident=ground.incident).first()
    name = _("Mutuelle du Rivage")
    description = "\n".join(points.what_happened(ground).lines)
    return {
        "incidentSubmission": REPORTS[phase].submission,
        "reportCurrency": "EUR",
        "submittingEntity.name": name,
        "affectedEntity": [
            {
                "entityType": "AFFECTED_ENTITY",
                "name": name,
                "affectedEntityType": ["insurance_and_reinsurance_undertaking"],
            }
        ],
        "primaryContact.name": facts.contacts.dpo_name or None,
        "primaryContact.email": facts.contacts.dpo_email or None,
        "primaryContact.phone": _phone(facts.contacts.public_phone),
        "incident.financialEntityCode": facts.reference,
        "incident.detectionDateTime": _iso(ground.aware_at),
        "incident.classificationDateTime": _iso(classified and classified.classified_at),
        "incident.incidentDescription": description or None,
        "incident.classificationTypes": _criteria(ground),
        "incident.incidentDiscovery": "third-party_provider" if ground.aware_at else None,
        "incident.originatesFromThirdPartyProvider": ", ".join(
            target.operator_name for target in facts.targets
        )
        or None,
        "incident.incidentOccurrenceDateTime": _occurrence(ground),
        "incident.incidentDuration": _duration(ground),
        "impactAssessment.affectedAssets": _assets(ground),
        "impactAssessment.criticalServicesAffected": _services(ground),
        # an operator of an incident is an attacked one: that much is known
        "incident.incidentType.incidentClassification": ["cybersecurity-related"],
        "impactAssessment.affectedFunctionalAreas": _("Tiers payant"),
        "impactAssessment.isAffectedInfrastructureComponents": "information_not_available",
        "impactAssessment.isImpactOnFinancialInterest": "information_not_available",
        "reportingToOtherAuthorities": _authorities(ground),
        "impactAssessment.serviceImpact": _measures(ground),
        "incident.rootCauseHLClassification": ["malicious_actions"],
        "incident.incidentResolutionDateTime": _iso(ground.incident.closed_at),
    }


def _iso(at: datetime | None) -> str | None:
    return timezone.localtime(at).isoformat(timespec="seconds") if at else None


def _phone(typed: str) -> str | None:
    """In E.164, as the schema asks; None for what is no number."""
    try:
        found = phonenumbers.parse(typed, "FR")
    except phonenumbers.NumberParseException:
        return None
    return phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164)


def _criteria(ground: Ground) -> list[dict] | None:
    """Only the loss of data, which the claims establish: the other criteria are the classifier's."""
    exposed = points.exposed(ground)
    if not any(target.categories(ClaimState.EXPOSED) for target in ground.facts.targets):
        return None
    return [
        {
            "classificationCriterion": "data_losses",
            "dataLosseMaterialityThresholds": ["confidentiality"],
            "dataLossesDescription": "\n".join(exposed.lines),
        }
    ]


def _occurrence(ground: Ground) -> str | None:
    """The first minute of the first known day of attack: an hour is not recorded."""
    first = min((one.window_from for one in ground.facts.targets if one.window_from), default=None)
    return _iso(timezone.make_aware(datetime.combine(first, time.min))) if first else None


def _duration(ground: Ground) -> str | None:
    """Whole days from the first to the last one, both included, as `D:HH:MM`."""
    targets = ground.facts.targets
    if not targets or not all(target.window_is_known for target in targets):
        return None
    first = min(target.window_from for target in targets)
    days = (max(target.window_until for target in targets) - first).days + 1
    return f"{days}:00:00" if days < 1000 else None


def _assets(ground: Ground) -> dict | None:
    """Clients are persons covered, present or former: the audience's count, when it is of today's facts.

    It is an estimate: who holds two capacities counts twice. No percentage is known.
    """
    if ground.count_is_stale:
        return None
    kept = "estimates_for_clients_affected"
    return {
        "affectedClients": {"number": ground.persons},
        "affectedFinancialCounterparts": {},
        "affectedTransactions": {},
        "numbersActualEstimate": [kept] if ground.persons else ["no_impact_on_clients"],
    }


def _services(ground: Ground) -> str | None:
    if not ground.facts.services:
        return None
    troubled = [
        f"{service.label} {service.domain}".strip()
        for service in ground.facts.services
        if service.state != ServiceState.WORKS
    ]
    return ", ".join(troubled) or _("Aucun")


def _authorities(ground: Ground) -> list[str]:
    kinds = {step.kind for step in ground.facts.steps}
    told = []
    if points.complaint_is_filed(ground):
        told.append("police_law_enforcement")
    if ground.filings_of(CNIL) or StepKind.CNIL in kinds:
        told.append("data_protection_authority")
    return told or ["none"]


def _measures(ground: Ground) -> dict | None:
    """What limited the incident itself; a complaint or a notification does not."""
    if not ground.facts.steps:
        return None
    lines = [
        points.step_line(step)
        for step in ground.facts.steps
        if step.kind in (StepKind.DISCONNECTION, StepKind.OTHER)
    ]
    told = {"isTemporaryActionsMeasuresForRecovery": bool(lines)}
    if lines:
        told["descriptionOfTemporaryActionsMeasuresForRecovery"] = "\n".join(lines)
    return told
