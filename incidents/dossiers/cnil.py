"""The notification of a breach to the CNIL, in the order of its teleservice. (GDPR art. 33.3 and 33.4)

It is copied by a person: what the portal does not know is said missing, in front and in its place.
"""

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from incidents.dossiers import points
from incidents.dossiers.document import Dossier, Point, Section, filled, number
from incidents.dossiers.ground import CNIL, Ground, moment
from incidents.models import Claim
from incidents.models.claim import ClaimState
from incidents.models.incident import ServiceState

INITIAL, COMPLEMENT = "cnil-initiale", "cnil-complementaire"


def initial(ground: Ground) -> Dossier:
    return _dossier(ground, INITIAL, _("Notification à la CNIL : initiale"), [])


def complement(ground: Ground) -> Dossier:
    """The same points as they are known now, after what changed since the first filing."""
    title = _("Notification à la CNIL : complémentaire")
    return _dossier(ground, COMPLEMENT, title, [_changes(ground)])


def no_complement(ground: Ground) -> str:
    """Why a complementary notification is not offered; empty when it is."""
    if ground.filings_of(CNIL):
        return ""
    return _("Elle complète une notification initiale : aucune n'est enregistrée.")


def _dossier(ground: Ground, code: str, title: str, first: list[Section]) -> Dossier:
    sections = [
        _notification(ground, code),
        *first,
        _processors(ground),
        _moments(ground),
        _nature(ground),
        Section(
            _("Les données"),
            [points.exposed(ground), points.records(ground)],
            points.categories(ground),
        ),
        Section(
            _("Les personnes"),
            [points.subjects(ground), points.persons(ground)],
            points.kinds(ground),
        ),
        Section(_("Les conséquences"), [points.consequences(ground), _severity()]),
        Section(_("Les mesures"), [points.measures(ground), points.advice(ground), _before()]),
        Section(_("Information des personnes"), [_versions(ground), points.informed(ground)]),
        _elsewhere(ground),
    ]
    return Dossier(code, title, ground, sections)


def _notification(ground: Ground, code: str) -> Section:
    filings = [
        _("%(name)s, le %(moment)s, référence %(reference)s")
        % {
            "name": filing.target.operator.name if filing.target else filing.regime.name,
            "moment": moment(filing.submitted_at),
            "reference": filing.reference or _("non saisie"),
        }
        for filing in ground.filings_of(CNIL)
    ]
    phase = (
        _("Initiale. Ce qui manque suivra dans une notification complémentaire.")
        if code == INITIAL
        else _("Complémentaire, sans autre retard indu.")
    )
    return Section(
        _("La notification"),
        [
            Point("phase", _("Type"), [phase], law="RGPD, art. 33.4"),
            Point(
                "filings",
                _("Déjà déposé"),
                filings or [_("Rien n'est encore enregistré.")],
                law="RGPD, art. 33.4",
            ),
            Point(
                "controller",
                _("Responsable du traitement"),
                [_("Mutuelle du Rivage")],
            ),
            Point(
                "siren",
                _("Numéro SIREN"),
                missing=_("Le portail ne le connaît pas."),
            ),
            points.dpo(ground),
        ],
    )


def _processors(ground: Ground) -> Section:
    lines = []
    for target in ground.facts.targets:
        known = ground.awareness.get(target.operator_id)
        lines.append(
            _("%(operator)s, sous-traitant. Nous a informés : %(moment)s.")
            % {
                "operator": target.operator_name,
                "moment": moment(known) if known else _("appel non saisi"),
            }
        )
    return Section(
        _("Les sous-traitants"),
        [
            Point(
                "processors",
                _("Opérateurs de tiers payant touchés"),
                lines,
                _("Saisissez l'opérateur touché, sur la page de l'incident."),
                "RGPD, art. 33.2",
            )
        ],
    )


def _moments(ground: Ground) -> Section:
    windows = [points.window(target) for target in ground.facts.targets]
    clocks = ground.clocks_of(CNIL)
    late = [clock for clock in clocks if points.was_late(clock)]
    reasons = [
        f"{clock.target.operator.name}\u00a0: {clock.filing.late_reason}"
        for clock in late
        if clock.filing and clock.filing.late_reason
    ]
    lateness = Point(
        "lateness",
        _("Motif du retard"),
        (reasons if len(reasons) == len(late) else []) if late else [_("Aucun retard.")],
        _("Plus de 72 heures ont passé : dites pourquoi, pour chaque opérateur."),
        "RGPD, art. 33.1",
    )
    return Section(
        _("Les dates"),
        [
            Point(
                "window",
                _("Début et fin de la violation"),
                windows,
                _("Saisissez les jours de l'attaque."),
            ),
            Point(
                "aware_at",
                _("Prise de connaissance"),
                filled(ground.aware_at and moment(ground.aware_at)),
                _("Saisissez le premier appel de l'opérateur."),
                "RGPD, art. 33.1",
            ),
            Point(
                "deadlines",
                _("Échéances"),
                [points.clock_line(clock) for clock in clocks],
                _("Aucun opérateur n'est saisi."),
                "RGPD, art. 33.1",
            ),
            lateness,
        ],
    )


def _nature(ground: Ground) -> Section:
    is_confidential = any(target.categories(ClaimState.EXPOSED) for target in ground.facts.targets)
    troubled = [
        f"{service.label}{f' ({service.domain})' if service.domain else ''}\u00a0: "
        f"{ServiceState(service.state).label}. {service.note}".strip()
        for service in ground.facts.services
        if service.state != ServiceState.WORKS
    ]
    works = [_("Aucun service n'est dit ralenti ni interrompu.")] if ground.facts.services else []
    return Section(
        _("La nature de la violation"),
        [
            Point(
                "nature",
                _("Confidentialité"),
                [_("Perte de confidentialité : des données ont pu être consultées.")]
                if is_confidential
                else [],
                _("Aucune donnée n'est dite exposée à ce jour."),
                "RGPD, art. 33.3 a",
            ),
            Point(
                "integrity",
                _("Intégrité"),
                missing=_("Demandez à l'opérateur si des données ont été modifiées."),
            ),
            Point(
                "availability",
                _("Disponibilité"),
                troubled or works,
                _("Saisissez l'état des services."),
            ),
            points.what_happened(ground),
        ],
    )


def _severity() -> Point:
    """A judgement of the DPO, which nothing here holds."""
    return Point("severity", _("Gravité estimée"), missing=_("À apprécier par le délégué."))


def _before() -> Point:
    return Point(
        "before",
        _("Mesures de sécurité en place avant"),
        missing=_("À décrire avec l'opérateur. Le portail ne les connaît pas."),
    )


def _versions(ground: Ground) -> Point:
    versions = ground.incident.versions.visible().order_by("number")
    return Point(
        "notices",
        _("Information publiée"),
        [
            _("Version %(number)d, le %(moment)s : %(headline)s")
            % {
                "number": version.number,
                "moment": moment(version.published_at),
                "headline": version.headline,
            }
            for version in versions
        ],
        _("Aucune version n'est publiée."),
        "RGPD, art. 34",
    )


def _elsewhere(ground: Ground) -> Section:
    told = [
        points.clock_line(clock)
        for clock in ground.clocks
        if clock.regime.code != CNIL and clock.applies and clock.filing
    ]
    complaint = (
        [_("Oui, d'après les mesures saisies.")] if points.complaint_is_filed(ground) else []
    )
    return Section(
        _("Autres démarches"),
        [
            Point(
                "complaint",
                _("Plainte"),
                complaint,
                _("Aucune plainte n'est saisie."),
            ),
            Point(
                "other_filings", _("Autres dépôts"), told or [_("Aucun autre dépôt enregistré.")]
            ),
            Point(
                "cross_border",
                _("Personnes dans d'autres États"),
                missing=_("À apprécier. Le portail ne le sait pas."),
                law="RGPD, art. 56",
            ),
        ],
    )


def _changes(ground: Ground) -> Section:
    """What was published and claimed since the first filing."""
    since = ground.filings_of(CNIL)[0].submitted_at
    versions = [
        _("Version %(number)d, le %(moment)s. %(note)s")
        % {
            "number": version.number,
            "moment": moment(version.published_at),
            "note": version.change_note,
        }
        for version in ground.incident.versions.visible()
        .filter(published_at__gt=since)
        .order_by("number")
    ]
    claims = (
        Claim.objects.live().filter(target__incident=ground.incident, recorded_at__gt=since).count()
    )
    if claims:
        words = ngettext(
            "%(number)s affirmation d'un opérateur saisie depuis.",
            "%(number)s affirmations d'opérateurs saisies depuis.",
            claims,
        )
        versions.append(words % {"number": number(claims)})
    return Section(
        _("Ce qui a changé"),
        [
            Point(
                "changes",
                _("Depuis le premier dépôt, le %(moment)s") % {"moment": moment(since)},
                versions or [_("Rien de nouveau n'est publié ni saisi.")],
                law="RGPD, art. 33.4",
            )
        ],
    )
