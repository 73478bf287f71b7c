"""Everything about an incident in the order in which it happened, then the deadlines to come."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby

from django.db.models import TextChoices
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents.clocks import Clock
from incidents.models import (
    Call,
    Claim,
    Classification,
    Evidence,
    Filing,
    Incident,
    NoticeVersion,
    Ruling,
    Step,
)


class Kind(TextChoices):
    CALL = "call", gettext_lazy("Appel")
    CLAIM = "claim", gettext_lazy("Affirmations")
    EVIDENCE = "evidence", gettext_lazy("Pièce")
    STEP = "step", gettext_lazy("Mesure")
    VERSION = "version", gettext_lazy("Information")
    FILING = "filing", gettext_lazy("Dépôt")
    CLASSIFICATION = "classification", gettext_lazy("Classement")
    RULING = "ruling", gettext_lazy("Décision")
    INCIDENT = "incident", gettext_lazy("Incident")


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened: on a day, at an hour if one is known, or on a day that nobody told."""

    kind: Kind
    title: str
    day: date | None
    at: datetime | None = None
    operator: str = ""
    text: str = ""
    row: Call | Evidence | Filing | Classification | Ruling | NoticeVersion | None = None
    struck: str = ""  # why it was struck through, or its file taken away

    @property
    def right(self) -> str:
        """Who may open the page of its row."""
        return f"incidents.view_{self.row._meta.model_name}"

    @property
    def page(self) -> str:
        return f"admin:incidents_{self.row._meta.model_name}_change"


@dataclass(frozen=True)
class Timeline:
    days: list[tuple[date, list[Entry]]]
    undated: list[Entry]
    ahead: list[Clock]


def of(incident: Incident, clocks: list[Clock]) -> Timeline:
    """The whole story of `incident`, in eight statements; `clocks` are those of `clocks.of`."""
    entries = [
        *_calls(incident),
        *_claims(incident),
        *_evidence(incident),
        *_steps(incident),
        *_versions(incident),
        *_filings(incident),
        *_classifications(incident),
        *_rulings(incident),
    ]
    if incident.closed_at:
        entries.append(_at(Kind.INCIDENT, incident.closed_at, _("L'incident est clos")))
    dated = sorted((one for one in entries if one.day), key=_order)
    ahead = [clock for clock in clocks if clock.is_open]
    return Timeline(
        days=[(day, list(of_day)) for day, of_day in groupby(dated, key=lambda one: one.day)],
        undated=[one for one in entries if one.day is None],
        ahead=sorted(ahead, key=lambda clock: clock.due_at),
    )


def _order(entry: Entry):
    """What is known by its day alone comes before that day's hours."""
    return entry.day, entry.at is not None, entry.at.timestamp() if entry.at else 0


def _at(kind: Kind, at: datetime, title: str, **told) -> Entry:
    return Entry(kind, title, timezone.localdate(at), at, **told)


def _calls(incident: Incident) -> Iterator[Entry]:
    for call in Call.objects.filter(target__incident=incident).select_related("target__operator"):
        yield _at(
            Kind.CALL,
            call.called_at,
            _("%(operator)s appelle (%(channel)s)")
            % {"operator": call.target.operator.name, "channel": call.get_channel_display()},
            operator=call.target.operator.name,
            text=f"{call.caller_name}, {call.caller_role}\n{call.said}",
            row=call,
            struck=call.struck_reason,
        )


def _claims(incident: Incident) -> Iterator[Entry]:
    """What one source said on one day is one entry; each claim of it stands on the page of claims."""
    claims = (
        Claim.objects.filter(target__incident=incident)
        .select_related("target__operator")
        .order_by("target", "stated_on", "source", "pk")
    )

    def same(claim):
        return claim.target, claim.stated_on, claim.source

    for (target, stated_on, source), group in groupby(claims, key=same):
        said = list(group)
        by_state: dict[str, list[str]] = {}
        for claim in said:
            by_state.setdefault(claim.get_state_display(), []).append(claim.get_category_display())
        yield Entry(
            Kind.CLAIM,
            _("%(operator)s se prononce sur %(number)s données")
            % {"operator": target.operator.name, "number": len(said)}
            if len(said) > 1
            else _("%(operator)s se prononce sur une donnée") % {"operator": target.operator.name},
            stated_on,
            operator=target.operator.name,
            text="\n".join(
                [
                    f"{state.capitalize()}\u00a0: {', '.join(names)}"
                    for state, names in by_state.items()
                ]
                + [_("Source : %(source)s") % {"source": source}]
            ),
        )


def _evidence(incident: Incident) -> Iterator[Entry]:
    for row in Evidence.objects.filter(incident=incident).select_related("target__operator"):
        yield _at(
            Kind.EVIDENCE,
            row.received_at,
            row.name,
            operator=row.target.operator.name if row.target else "",
            text=_("%(kind)s, de %(source)s")
            % {"kind": row.get_kind_display().capitalize(), "source": row.received_from},
            row=row,
            struck=row.removed_reason,
        )


def _steps(incident: Incident) -> Iterator[Entry]:
    for step in Step.objects.filter(incident=incident).select_related("target__operator"):
        yield Entry(
            Kind.STEP,
            _("%(step)s, par %(actor)s") % {"step": step.get_kind_display(), "actor": step.actor},
            step.done_on,
            operator=step.target.operator.name if step.target else "",
            text=step.text,
        )


def _versions(incident: Incident) -> Iterator[Entry]:
    for version in NoticeVersion.objects.filter(incident=incident).select_related(
        "author", "approver"
    ):
        number = {"number": version.number}
        approver = version.approver.name if version.approver else ""
        moves = [
            (version.submitted_at, _("Version %(number)s soumise"), version.author.name),
            (version.emergency_at, _("Version %(number)s en urgence"), version.emergency_reason),
            (version.approved_at, _("Version %(number)s approuvée"), approver),
            (version.held_back_at, _("Version %(number)s retenue"), ""),
            (version.published_at, _("Version %(number)s publiée"), ""),
            (version.withdrawn_at, _("Version %(number)s retirée"), version.withdrawn_reason),
        ]
        for at, title, text in moves:
            if at:
                yield _at(Kind.VERSION, at, title % number, text=text, row=version)


def _filings(incident: Incident) -> Iterator[Entry]:
    rows = Filing.objects.filter(incident=incident)
    for filing in rows.select_related("regime", "target__operator", "evidence"):
        told = [
            _("Pièce : %(name)s") % {"name": filing.evidence.name},
            _("Référence : %(reference)s") % {"reference": filing.reference}
            if filing.reference
            else "",
            _("En retard : %(reason)s") % {"reason": filing.late_reason}
            if filing.late_reason
            else "",
        ]
        yield _at(
            Kind.FILING,
            filing.submitted_at,
            filing.regime.name,
            operator=filing.target.operator.name if filing.target else "",
            text="\n".join(filter(None, told)),
            row=filing,
            struck=filing.struck_reason,
        )


def _classifications(incident: Incident) -> Iterator[Entry]:
    for row in Classification.objects.filter(incident=incident):
        yield _at(
            Kind.CLASSIFICATION,
            row.classified_at,
            _("Incident classé majeur") if row.is_major else _("Incident classé non majeur"),
            text=row.grounds,
            row=row,
            struck=row.struck_reason,
        )


def _rulings(incident: Incident) -> Iterator[Entry]:
    rows = Ruling.objects.filter(incident=incident)
    for row in rows.select_related("regime", "target__operator", "evidence"):
        piece = _("Pièce : %(name)s") % {"name": row.evidence.name} if row.evidence else ""
        yield _at(
            Kind.RULING,
            row.recorded_at,
            str(row),
            operator=row.target.operator.name if row.target else "",
            text="\n".join(filter(None, [row.reason, piece])),
            row=row,
            struck=row.struck_reason,
        )
