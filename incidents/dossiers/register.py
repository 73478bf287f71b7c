"""The register of breaches: every incident, notified or not, for the authority. (GDPR art. 33.5)

A line says the facts, the effects, the remedial action, and whether the CNIL was notified or why not. It is
read in the same number of statements for one incident and for a hundred.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, OuterRef, Prefetch, Q, QuerySet, Subquery
from django.db.models.fields.json import KeyTransform
from django.utils import timezone
from django.utils.translation import gettext as _

from incidents import clocks, counting, facts, notices
from incidents.clocks import Clock, ClockState, Happened
from incidents.dossiers import points
from incidents.dossiers.document import number
from incidents.dossiers.ground import CNIL, moment, people
from incidents.facts import Facts
from incidents.models import (
    AudienceCount,
    Call,
    Claim,
    Classification,
    ContractScope,
    DomainScope,
    Filing,
    Incident,
    NoticeVersion,
    Regime,
    Ruling,
    Target,
)
from incidents.models.claim import ClaimState
from members import paper
from members.days import day
from members.paper import Block


@dataclass(frozen=True)
class Line:
    """One breach. `cnil`: notified when, or why not, for each operator."""

    incident: Incident
    known_on: str
    operators: str
    happened: str
    exposed: str
    persons: str
    effects: str
    remedies: str
    cnil: tuple[str, ...]
    told: str

    @property
    def cells(self) -> tuple[str, ...]:
        return (
            self.incident.reference,
            self.incident.title,
            self.known_on,
            self.operators,
            self.happened,
            self.exposed,
            self.persons,
            self.effects,
            self.remedies,
            " ".join(self.cnil),
            self.told,
            str(self.incident.get_state_display()),
        )


def head() -> list[str]:
    return [
        _("Référence"),
        _("Titre"),
        _("Connu le"),
        _("Opérateurs"),
        _("Faits"),
        _("Données exposées"),
        _("Personnes"),
        _("Effets"),
        _("Mesures"),
        _("Notification à la CNIL"),
        _("Information des personnes"),
        _("État"),
    ]


def lines() -> Iterator[Line]:
    """Every incident, the last known first, in thirteen statements."""
    now, regimes = timezone.now(), list(Regime.objects.all())
    for incident in _incidents():
        yield _line(incident, regimes, now)


def _incidents():
    targets = Target.objects.select_related("operator").prefetch_related(
        Prefetch("claims", Claim.objects.live(), "live_claims"),
        Prefetch("calls", Call.objects.standing().order_by("called_at"), "standing_calls"),
    )
    filings = Filing.objects.standing().select_related("regime").order_by("submitted_at", "pk")
    return Incident.objects.prefetch_related(
        Prefetch("targets", targets),
        "steps",
        Prefetch("filings", filings, "standing_filings"),
        Prefetch("rulings", Ruling.objects.standing().select_related("regime"), "standing_rulings"),
        Prefetch("classifications", Classification.objects.standing(), "standing_classification"),
        Prefetch("versions", NoticeVersion.objects.visible().order_by("number"), "published"),
        # the totals alone: with its contracts, a count may weigh megabytes
        Prefetch("audience_counts", _counts(), "counts"),
        # of incidents whose facts are those typed: a version has its own
        Prefetch("scope", _typed(ContractScope).select_related("contract")),
        Prefetch("domain_scope", _typed(DomainScope).select_related("domain")),
    )


def _typed(model) -> QuerySet:
    published = NoticeVersion.objects.visible().values("incident")
    return model.objects.exclude(incident__in=published)


def _counts() -> QuerySet:
    """The kept count of the version in force, or of the facts typed while there is none."""
    latest = (
        NoticeVersion.objects.visible()
        .filter(incident=OuterRef("incident"))
        .order_by("-number")
        .values("pk")[:1]
    )
    return (
        AudienceCount.objects.alias(in_force=Subquery(latest))
        .filter(Q(version=F("in_force")) | Q(version__isnull=True, in_force__isnull=True))
        .annotate(totals=KeyTransform("totals", "figures"))
        .defer("figures")
    )


def _line(incident: Incident, regimes: list[Regime], now: datetime) -> Line:
    targets = list(incident.targets.all())
    latest = incident.published[-1] if incident.published else None
    return Line(
        incident=incident,
        known_on=day(incident.detected_on),
        operators=", ".join(target.operator.name for target in targets),
        happened="\n".join(target.what_happened for target in targets),
        exposed="\n".join(filter(None, map(_exposed, targets))) or _("Aucune n'est dite exposée."),
        persons=_persons(incident, targets, latest),
        effects=latest.consequences if latest else _("Pas encore dits : aucune version publiée."),
        remedies="\n".join(
            points.step_line(facts.StepFacts(step.kind, step.actor, step.done_on, step.text))
            for step in incident.steps.all()
        )
        or _("Aucune mesure n'est saisie."),
        cnil=tuple(_cnil(clock) for clock in _clocks(incident, targets, regimes, now))
        or (_("Non notifié : aucun opérateur n'est saisi."),),
        told=_told(incident),
    )


def _exposed(target: Target) -> str:
    codes = {claim.category for claim in target.live_claims if claim.state == ClaimState.EXPOSED}
    return f"{target.operator.name}\u00a0: {points.names(codes)}" if codes else ""


def _persons(incident: Incident, targets: list[Target], latest: NoticeVersion | None) -> str:
    """The kept count of the version in force, or of the facts typed; never a count of its own."""
    kept = next(iter(incident.counts), None)
    if kept is None:
        return _("Non comptées")
    told = {"number": number(people(kept.totals)), "day": day(kept.counted_at)}
    if counting.is_outdated(
        kept, notices.facts_of(latest) if latest else _facts(incident, targets)
    ):
        return _("%(number)s, comptées le %(day)s. Les faits ont changé depuis.") % told
    return _("%(number)s, comptées le %(day)s") % told


def _facts(incident: Incident, targets: list[Target]) -> Facts:
    """The facts typed of an incident that is read with all others, as far as they decide a count."""
    return facts.of_rows(
        incident,
        targets=targets,
        claims=[claim for target in targets for claim in target.live_claims],
        steps=[],
        services=[],
        contracts=incident.scope.all(),
        domains=incident.domain_scope.all(),
    )


def _clocks(incident, targets, regimes, now) -> list[Clock]:
    happened = Happened(
        awareness={
            target.pk: target.standing_calls[0].called_at
            for target in targets
            if target.standing_calls
        },
        classification=next(iter(incident.standing_classification), None),
        filings=tuple(incident.standing_filings),
        rulings=tuple(incident.standing_rulings),
    )
    found = clocks.compute(regimes, targets, happened, now)
    return [clock for clock in found if clock.regime.code == CNIL]


def _cnil(clock: Clock) -> str:
    name = {"operator": clock.target.operator.name}
    if clock.filing:
        told = name | {
            "moment": moment(clock.filing.submitted_at),
            "reference": clock.filing.reference or _("non saisie"),
        }
        said = _("%(operator)s : notifié le %(moment)s, référence %(reference)s.") % told
        if clock.state == ClockState.MET_LATE:
            said += " " + _("En retard : %(reason)s") % {"reason": clock.filing.late_reason}
        return said
    if clock.due_at and clock.applies:
        told = name | {"moment": moment(clock.due_at)}
        if clock.state == ClockState.LATE:
            return _("%(operator)s : non notifié, échéance passée le %(moment)s.") % told
        return _("%(operator)s : pas encore notifié, échéance le %(moment)s.") % told
    return _("%(operator)s : non notifié, %(why)s.") % (name | {"why": clock.why.rstrip(".")})


def _told(incident: Incident) -> str:
    if not incident.published:
        return _("Aucune information n'est publiée.")
    return _("Version %(number)d, publiée le %(day)s.") % {
        "number": incident.published[-1].number,
        "day": day(incident.published[-1].published_at),
    }


def pdf(register: list[Line]) -> bytes:
    """One heading per breach, then its columns as points: twelve columns fit on no sheet."""
    title = _("Registre des violations de données")
    blocks = [
        Block("title", title),
        Block(
            "text",
            _("RGPD, article 33.5. Registre au %(day)s.") % {"day": day(timezone.localdate())},
        ),
    ]
    for line in register:
        blocks.append(Block("heading", f"{line.incident.reference} · {line.incident.title}"))
        for label, value in list(zip(head(), line.cells, strict=True))[2:]:
            paragraphs = [one.strip() for one in value.splitlines() if one.strip()]
            blocks += [Block("subheading", label), *(Block("text", one) for one in paragraphs)]
    if not register:
        blocks.append(Block("text", _("Aucun incident n'est enregistré.")))
    return paper.document(title, blocks, foot=_("Mutuelle du Rivage · registre des violations"))
