"""Points and tables that several dossiers share: the same facts in the same words."""

from django.utils.translation import gettext as _

from incidents import audience, counting
from incidents.clocks import Clock, ClockState
from incidents.dossiers.document import Point, Table, filled, number
from incidents.dossiers.ground import COMPLAINT, Ground, moment, people
from incidents.facts import StepFacts, TargetFacts
from incidents.models.claim import ClaimState
from incidents.models.incident import StepKind
from members.days import day
from members.models.category import DataCategory


def names(codes) -> str:
    """Labels of categories in their order, separated by commas."""
    return ", ".join(str(category.label) for category in DataCategory if category in codes)


def what_happened(ground: Ground) -> Point:
    lines = [
        f"{target.operator_name}\u00a0: {target.what_happened}" for target in ground.facts.targets
    ]
    return Point(
        "what_happened",
        _("Ce qui s'est passé"),
        filled(*lines),
        _("Saisissez l'opérateur touché et ce qui s'est passé."),
        "RGPD, art. 33.3 a",
    )


def persons(ground: Ground) -> Point:
    lines = []
    if ground.persons is not None:
        lines = filled(
            _("Environ %(number)s personnes.") % {"number": number(ground.persons)},
            _("Une personne compte une fois dans chacune de ses qualités."),
            _("Elle ne compte pas deux fois pour deux opérateurs."),
            ground.count_is_stale,
        )
    return Point(
        "persons",
        _("Nombre approximatif de personnes"),
        lines,
        _("Comptez les personnes concernées, puis revenez ici."),
        "RGPD, art. 33.3 a",
    )


def subjects(ground: Ground) -> Point:
    lines = []
    if ground.counted:
        totals = ground.counted.figures["totals"]
        lines = [str(kind.label) for kind in audience.CAPACITIES if totals[kind]]
    return Point(
        "subjects",
        _("Catégories de personnes"),
        lines,
        _("Comptez les personnes concernées, puis revenez ici."),
        "RGPD, art. 33.3 a",
    )


def records(ground: Ground) -> Point:
    lines = []
    if ground.records is not None:
        lines = filled(
            _("Environ %(number)s enregistrements.") % {"number": number(ground.records)},
            _("Un enregistrement est la fiche d'une personne chez un opérateur."),
        )
    return Point(
        "records",
        _("Nombre approximatif d'enregistrements"),
        lines,
        _("Comptez les personnes concernées, puis revenez ici."),
        "RGPD, art. 33.3 a",
    )


def kinds(ground: Ground) -> list[Table]:
    """Persons by capacity: in all, then at each operator."""
    if ground.counted is None:
        return []
    figures = ground.counted.figures
    operators = figures["operators"]
    head = [_("Catégorie de personnes"), _("En tout"), *(one["name"] for one in operators)]
    columns = [figures["totals"], *(one["persons"] for one in operators)]
    rows = [
        [str(kind.label), *(number(column[kind]) for column in columns)] for kind in audience.Kind
    ]
    rows.insert(
        len(audience.CAPACITIES), [_("Ensemble"), *(number(people(column)) for column in columns)]
    )
    width = 100 // len(columns)
    widths = (60, *(-width for _column in columns))
    return [Table(_("Personnes concernées, une fois par qualité"), head, rows, widths)]


def categories(ground: Ground) -> list[Table]:
    """What each operator said of each category, and how many people it exposes."""
    tables = []
    for target in ground.facts.targets:
        counted = ground.counted_of(target)
        found = dict(counting.categories(counted)) if counted else {}
        rows = []
        for category in DataCategory:
            state = next(state for state in ClaimState if category in target.categories(state))
            exposed = number(people(found[category])) if category in found else ""
            rows.append([str(category.label), str(state.label), exposed])
        tables.append(
            Table(
                _("Données chez %(operator)s") % {"operator": target.operator_name},
                [_("Donnée"), _("Ce que dit l'opérateur"), _("Personnes")],
                rows,
                (80, 50, -30),
            )
        )
    return tables


def exposed(ground: Ground) -> Point:
    lines = []
    for target in ground.facts.targets:
        if codes := target.categories(ClaimState.EXPOSED):
            lines.append(f"{target.operator_name}\u00a0: {names(codes)}")
        elif codes := target.categories(ClaimState.CHECKING):
            lines.append(
                _("%(operator)s vérifie encore : %(names)s")
                % {"operator": target.operator_name, "names": names(codes)}
            )
    return Point(
        "categories",
        _("Catégories de données"),
        lines,
        _("Aucune donnée n'est dite exposée. Saisissez ce que dit chaque opérateur."),
        "RGPD, art. 33.3 a",
    )


def consequences(ground: Ground) -> Point:
    text = ground.version.consequences if ground.version else ""
    return Point(
        "consequences",
        _("Conséquences probables"),
        filled(text),
        _("Publiez une version qui les dit, ou écrivez-les dans le formulaire."),
        "RGPD, art. 33.3 c",
    )


def measures(ground: Ground) -> Point:
    return Point(
        "measures",
        _("Mesures prises ou proposées"),
        [step_line(step) for step in ground.facts.steps],
        _("Saisissez les mesures prises, sur la page de l'incident."),
        "RGPD, art. 33.3 d",
    )


def step_line(step: StepFacts) -> str:
    when = (
        _("le %(day)s") % {"day": day(step.done_on)} if step.done_on else _("date non communiquée")
    )
    return f"{StepKind(step.kind).label}, {step.actor}, {when}\u00a0: {step.text}"


def advice(ground: Ground) -> Point:
    """What persons were advised to do: a measure against the effects too."""
    text = ground.version.what_to_do if ground.version else ""
    return Point(
        "advice",
        _("Ce qui est conseillé aux personnes"),
        filled(text),
        _("Publiez une version, ou écrivez-le dans le formulaire."),
        "RGPD, art. 33.3 d",
    )


def dpo(ground: Ground) -> Point:
    contacts = ground.facts.contacts
    return Point(
        "dpo",
        _("Délégué à la protection des données"),
        filled(contacts.dpo_name, contacts.dpo_email, contacts.dpo_address, contacts.public_phone),
        _("Saisissez le délégué, sur la page de l'incident."),
        "RGPD, art. 33.3 b",
    )


def informed(ground: Ground) -> Point:
    """How many persons were told, by the ledger's own figures."""
    lines = []
    if totals := ground.totals:
        lines = filled(
            _("Personnes à informer : %(number)s.") % {"number": number(totals.concerned)},
            _("Personnes informées : %(number)s.") % {"number": number(totals.informed)},
            _("Personnes injoignables, avec une raison : %(number)s.")
            % {"number": number(totals.unreachable)},
            _("Personnes qui restent à informer : %(number)s.")
            % {"number": number(totals.to_inform)},
            _("Un mineur est informé par son adhérent."),
            ground.ledger_is_stale,
        )
    return Point(
        "informed",
        _("Personnes informées"),
        lines,
        _("Actualisez le registre des personnes à informer, puis revenez ici."),
        "RGPD, art. 34",
    )


def window(target: TargetFacts) -> str:
    source = f" ({target.window_source})" if target.window_source else ""
    return f"{target.operator_name}\u00a0: {target.window_text}{source}"


def clock_line(clock: Clock) -> str:
    """« Notifier la CNIL · Viamedis : tenue en retard, échéance…, dépôt…, motif… »."""
    said = [f"{clock.name}\u00a0: {clock.state.label}"]
    if clock.why:
        said.append(clock.why)
    if clock.due_at and clock.applies:
        said.append(_("échéance le %(moment)s") % {"moment": moment(clock.due_at)})
    if clock.filing:
        said.append(_("dépôt le %(moment)s") % {"moment": moment(clock.filing.submitted_at)})
        if clock.filing.reference:
            said.append(_("référence %(reference)s") % {"reference": clock.filing.reference})
        if clock.filing.late_reason:
            said.append(_("motif du retard : %(reason)s") % {"reason": clock.filing.late_reason})
    return ", ".join(map(str, said))


def complaint_is_filed(ground: Ground) -> bool:
    """Whether justice was seized, by a filing that stands or a measure that was told."""
    return bool(ground.filings_of(COMPLAINT)) or any(
        step.kind == StepKind.COMPLAINT for step in ground.facts.steps
    )


def was_late(clock: Clock) -> bool:
    return clock.state in (ClockState.LATE, ClockState.MET_LATE)
