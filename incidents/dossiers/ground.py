"""What every dossier of an incident rests on, read once: nothing is counted here. (docs/dossiers.md)

Persons come from the kept count of the audience, who was informed from the ledger, deadlines from the
clocks: a dossier and the pages of these three say the same numbers.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Min
from django.utils import timezone
from django.utils.translation import gettext as _

from incidents import audience, clocks, counting, notices, reach
from incidents.clocks import Clock
from incidents.facts import Facts, TargetFacts
from incidents.models import AudienceCount, Call, Census, Filing, Incident, NoticeVersion
from incidents.reach_figures import Totals
from members.days import day, hour

CNIL = "rgpd-33"
PERSONS = "rgpd-34"
COMPLAINT = "plainte"


@dataclass(frozen=True)
class Ground:
    """One incident at one moment. `version`: the one in force, None while the facts are those typed."""

    incident: Incident
    at: datetime
    version: NoticeVersion | None
    facts: Facts
    counted: AudienceCount | None
    census: Census | None
    totals: Totals | None
    clocks: list[Clock]
    filings: list[Filing]  # that stand, in order of their submission
    awareness: dict[int, datetime]  # of an operator's id → its first call that stands

    @property
    def facts_digest(self) -> str:
        return notices.facts_digest(self.facts)

    @property
    def persons(self) -> int | None:
        """People whom the incident exposes. Who holds two capacities counts twice, as in the audience."""
        return None if self.counted is None else people(self.counted.figures["totals"])

    @property
    def records(self) -> int | None:
        """Files of persons that the operators held: somebody at two operators has two."""
        if self.counted is None:
            return None
        return sum(people(one["persons"]) for one in self.counted.figures["operators"])

    def counted_of(self, target: TargetFacts) -> dict[str, Any] | None:
        """The kept figures of one operator."""
        operators = self.counted.figures["operators"] if self.counted else []
        return next((one for one in operators if one["operator"] == target.operator), None)

    def clocks_of(self, code: str) -> list[Clock]:
        return [clock for clock in self.clocks if clock.regime.code == code]

    def filings_of(self, code: str) -> list[Filing]:
        return [filing for filing in self.filings if filing.regime.code == code]

    @property
    def aware_at(self) -> datetime | None:
        """The first call of any operator that stands: the moment of awareness. (docs/clocks.md)"""
        return min(self.awareness.values(), default=None)

    @property
    def count_is_stale(self) -> str:
        """Why the count of persons is not one of today's facts; empty when it is."""
        if self.counted is None:
            return _("Les personnes concernées ne sont pas comptées.")
        if counting.is_outdated(self.counted, self.facts):
            return _("Les faits ont changé depuis le compte des personnes concernées.")
        return ""

    @property
    def ledger_is_stale(self) -> str:
        """Why the ledger could not close the incident as it stands; empty when it could. (docs/reach.md)"""
        if self.census is None:
            return _("Le registre des personnes à informer n'est pas rempli.")
        if self.census.facts_digest != self.facts_digest:
            return _("Le registre des personnes à informer suit d'autres faits.")
        # once it is closed, nobody fills it any more
        if not self.incident.is_closed and self.census.finished_at < self.at - reach.FRESH:
            return _("Le registre des personnes à informer a plus d'un jour.")
        return ""

    @property
    def stale(self) -> list[str]:
        return [why for why in (self.count_is_stale, self.ledger_is_stale) if why]

    def rests_on(self) -> list[str]:
        """As of when, by which version and facts, and when each number was counted: in words."""
        said = [_("État au %(moment)s.") % {"moment": moment(self.at)}]
        if self.version:
            said.append(
                _("Version %(number)d, publiée le %(moment)s. Empreinte : %(digest)s")
                % {
                    "number": self.version.number,
                    "moment": moment(self.version.published_at),
                    "digest": self.version.digest,
                }
            )
        else:
            said.append(_("Faits saisis : aucune version n'est publiée."))
        said.append(_("Empreinte des faits : %(digest)s") % {"digest": self.facts_digest})
        if self.counted:
            said.append(
                _("Personnes comptées le %(moment)s. Âges et adhésions au %(day)s.")
                % {"moment": moment(self.counted.counted_at), "day": day(self.counted.as_of)}
            )
        if self.totals:
            said.append(
                _("Personnes informées : chiffres du registre au %(moment)s.")
                % {"moment": moment(datetime.fromisoformat(self.totals.counted_at))}
            )
        return said

    def as_json(self) -> dict[str, Any]:
        return {
            "incident": self.incident.reference,
            "as_of": self.at.isoformat(),
            "version": self.version and self.version.number,
            "version_digest": self.version.digest if self.version else "",
            "facts_digest": self.facts_digest,
            "persons_counted_at": self.counted and self.counted.counted_at.isoformat(),
            "ledger_counted_at": self.totals and self.totals.counted_at,
            "stale": self.stale,
        }


def of(incident: Incident) -> Ground:
    """All of it, in the same number of statements for any incident that has a version in force."""
    now = timezone.now()
    calls = Call.objects.standing().filter(target__incident=incident)
    version, facts = counting.told(incident)
    return Ground(
        incident=incident,
        at=now,
        version=version,
        facts=facts,
        counted=counting.kept(incident, version),
        census=reach.last_census(incident),
        totals=reach.totals(incident),
        clocks=clocks.of(incident, now),
        filings=list(
            Filing.objects.standing()
            .filter(incident=incident)
            .select_related("regime", "target__operator")
            .order_by("submitted_at", "pk")
        ),
        awareness=dict(calls.values_list("target__operator").annotate(Min("called_at")).order_by()),
    )


def people(by_kind: dict[str, int]) -> int:
    """Everybody in a kept figure: its capacities, without what recounts some of them."""
    return sum(by_kind[kind] for kind in audience.CAPACITIES)


def moment(at: datetime) -> str:
    return _("%(day)s à %(hour)s") % {"day": day(at), "hour": hour(at)}
