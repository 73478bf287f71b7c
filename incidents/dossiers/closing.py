"""The closing report of an incident: what happened, who was told, how fast, which deadlines were kept."""

from django.db.models import Count
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from incidents import reach, timeline
from incidents.dossiers import points
from incidents.dossiers.document import Dossier, Point, Section, Table, number
from incidents.dossiers.ground import Ground, moment
from incidents.models.reach import ReachState, Unreachable
from members.days import day, hour

CODE = "cloture"


def report(ground: Ground) -> Dossier:
    """The report; a preview while the incident is not closed, and its title says so."""
    incident = ground.incident
    title = _("Rapport de clôture") if incident.is_closed else _("Rapport de clôture : aperçu")
    sections = [
        _summary(ground),
        _story(ground),
        Section(
            _("Données, opérateur par opérateur"),
            [points.exposed(ground)],
            points.categories(ground),
        ),
        Section(
            _("Nombres"), [points.persons(ground), points.records(ground)], points.kinds(ground)
        ),
        _reached(ground),
        _deadlines(ground),
        _corrections(ground),
        _left(ground),
    ]
    return Dossier(CODE, title, ground, sections)


def _summary(ground: Ground) -> Section:
    incident = ground.incident
    closed = (
        [_("Le %(moment)s") % {"moment": moment(incident.closed_at)}] if incident.closed_at else []
    )
    return Section(
        _("En bref"),
        [
            Point("known", _("Connu le"), [day(ground.facts.detected_on)]),
            Point("closed", _("Clos"), closed, _("L'incident n'est pas clos.")),
            points.what_happened(ground),
            points.measures(ground),
        ],
    )


def _story(ground: Ground) -> Section:
    story = timeline.of(ground.incident, ground.clocks)
    rows = [
        [_when(entry), str(entry.kind.label), _told(entry)]
        for _day, entries in story.days
        for entry in entries
    ]
    rows += [[_("Inconnue"), str(one.kind.label), _told(one)] for one in story.undated]
    head = [_("Date"), _("Quoi"), _("En mots")]
    return Section(
        _("Chronologie"), tables=[Table(_("Ce qui s'est passé"), head, rows, (30, 26, 104))]
    )


def _when(entry) -> str:
    said = f"{timezone.localtime(entry.at):%d/%m/%Y}" if entry.at else f"{entry.day:%d/%m/%Y}"
    return f"{said} {hour(entry.at)}" if entry.at else said


def _told(entry) -> str:
    lines = [entry.title, *filter(None, map(str.strip, entry.text.splitlines()))]
    said = " · ".join(lines)
    return f"{said} ({_('rayé')}\u00a0: {entry.struck})" if entry.struck else said


def _reached(ground: Ground) -> Section:
    totals = ground.totals
    rows = (
        [[str(state.label), number(totals.states[state])] for state in ReachState] if totals else []
    )
    speeds = [
        ("p50", _("La moitié informée"), totals and totals.p50, totals and totals.p50_call),
        ("p95", _("95 % informés"), totals and totals.p95, totals and totals.p95_call),
    ]
    later = _("Pas encore atteint, ou registre vide.")
    found = [points.informed(ground)]
    for code, label, published, called in speeds:
        lines = []
        if published is not None:
            words = ngettext(
                "%(hours)d heure après la publication",
                "%(hours)d heures après la publication",
                published,
            )
            lines.append(words % {"hours": published})
        if called is not None:
            words = ngettext(
                "%(hours)d heure après le premier appel",
                "%(hours)d heures après le premier appel",
                called,
            )
            lines.append(words % {"hours": called})
        found.append(Point(code, label, lines, later))
    tables = (
        [Table(_("Où en sont les personnes"), [_("État"), _("Personnes")], rows, (110, -50))]
        if rows
        else []
    )
    return Section(_("Information des personnes"), found, tables)


def _deadlines(ground: Ground) -> Section:
    rows, reasonless = [], []
    for clock in ground.clocks:
        filing = clock.filing
        reason = (filing.late_reason if filing else "") or clock.why
        if points.was_late(clock) and not reason:
            reasonless.append(clock.name)
        rows.append(
            [
                clock.name,
                str(clock.state.label),
                _short(clock.due_at) if clock.applies else "",
                _short(filing.submitted_at) if filing else "",
                reason,
            ]
        )
    head = [_("Obligation"), _("État"), _("Échéance"), _("Dépôt"), _("Motif ou raison")]
    late = Point(
        "late",
        _("Retards"),
        []
        if reasonless
        else [
            _("Chaque retard a son motif.")
            if any(map(points.was_late, ground.clocks))
            else _("Aucun retard.")
        ],
        _("Sans dépôt ni motif : %(names)s") % {"names": ", ".join(reasonless)},
    )
    return Section(_("Échéances"), [late], [Table(_("Délais"), head, rows, (46, 24, 26, 26, 38))])


def _short(at) -> str:
    return f"{timezone.localtime(at):%d/%m/%Y} {hour(at)}" if at else ""


def _corrections(ground: Ground) -> Section:
    rows = [
        [
            str(version.number),
            _short(version.published_at),
            _("oui") if version.material else _("non"),
            " ".join(
                filter(
                    None,
                    [
                        version.change_note,
                        version.revision_reason,
                        version.withdrawn_at
                        and _("Retirée : %(reason)s") % {"reason": version.withdrawn_reason},
                    ],
                )
            ),
        ]
        for version in ground.incident.versions.ever_published().order_by("number")
    ]
    head = [_("Version"), _("Publiée"), _("À relire par tous"), _("Ce qui a changé, et pourquoi")]
    return Section(
        _("Versions et corrections"),
        tables=[Table(_("Versions publiées"), head, rows, (18, 32, 30, 80))] if rows else [],
    )


def _left(ground: Ground) -> Section:
    totals = ground.totals
    if totals is None:
        missing = _("Actualisez le registre des personnes à informer.")
        return Section(_("Ce qui reste"), [Point("left", _("Personnes"), missing=missing)])
    tables = []
    if totals.unreachable and totals.concerned <= reach.COUNTED_AT_ONCE:
        head = [_("Raison"), _("Personnes")]
        tables = [Table(_("Personnes injoignables"), head, _unreachable(ground), (110, -50))]
    return Section(
        _("Ce qui reste"),
        [
            Point("unreachable", _("Injoignables"), [number(totals.unreachable)]),
            Point("to_inform", _("À informer encore"), [number(totals.to_inform)]),
        ],
        tables,
    )


def _unreachable(ground: Ground) -> list[list[str]]:
    """By reason, those whom the ledger counts as unreachable: its own rule says who they are."""
    people = ground.incident.reach.concerned().with_state(reach.enough(ground.incident))
    found = dict(
        people.filter(state=ReachState.UNREACHABLE)
        .values_list("unreachable")
        .annotate(Count("pk"))
        .order_by()
    )
    return [[str(why.label), number(found[why])] for why in Unreachable if why in found]
