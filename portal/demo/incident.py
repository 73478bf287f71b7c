"""The incident of February 2024, told in our own words, as the demonstration loads it.

Facts and their sources: docs/demo.md. What the sources leave open stays open here: dates that were not
published are null, and categories that nobody spoke of are « non mentionnées ».
"""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.core.files.base import ContentFile
from django.db import transaction
from django.utils import timezone

from incidents import clocks, filings, intake, lifecycle, notices
from incidents.models import Incident, NoticeVersion, ServiceStatus, Step, Target
from incidents.models.call import Channel
from incidents.models.claim import ClaimState, Confidence
from incidents.models.incident import ServiceState, StepKind
from members.models import CareDomain, Operator, User
from members.models.category import DataCategory as Data
from portal.demo.people import ALMERYS, EXPOSED, VIAMEDIS

REFERENCE = "2024-02-tiers-payant"

CLAIMS = {
    ClaimState.EXPOSED: EXPOSED,
    ClaimState.NOT_EXPOSED: (
        Data.BANCAIRE,
        Data.MEDICAL,
        Data.REMBOURSEMENTS,
        Data.ADRESSE_POSTALE,
        Data.TELEPHONE,
        Data.EMAIL,
    ),
    ClaimState.NOT_STATED: (
        Data.NUMERO_CONTRAT,
        Data.NUMERO_ADHERENT,
        Data.IDENTIFIANTS_ESPACE,
    ),
}
CLAIMS_SOURCE = "Information de la mutuelle à ses adhérents, février 2024"
WINDOW_SOURCE = (
    "Seul « début février 2024 » est publié. Fenêtre retenue par prudence : du 1er au 7 février."
)

PARIS = ZoneInfo("Europe/Paris")
# The days are those on which each attack was known; nobody published an hour.
INVENTED = "Heure et interlocuteur inventés pour la démonstration."
CALLERS = {VIAMEDIS: "Dominique Le Bihan", ALMERYS: "Maël Prigent"}

TARGETS = {
    VIAMEDIS: (
        datetime(2024, 2, 1, 17, 40, tzinfo=PARIS),
        "Des identifiants volés à des professionnels de santé ont ouvert la plateforme de Viamedis. "
        "Les attaquants y ont consulté les droits d'assurés. "
        "Viamedis gérait notre tiers payant jusqu'au 31 décembre 2023.",
    ),
    ALMERYS: (
        datetime(2024, 2, 5, 9, 15, tzinfo=PARIS),
        "La plateforme d'Almerys a été attaquée de la même façon, les mêmes jours. "
        "Almerys gère notre tiers payant depuis le 1er janvier 2024.",
    ),
}

# regime and operator → when it was filed, why so late, and what the evidence says. That the mutual told the
# CNIL and its members is published; the hours are invented, and the texts say so.
FILINGS = {
    ("rgpd-33", VIAMEDIS): (datetime(2024, 2, 3, 11, 30, tzinfo=PARIS), ""),
    ("rgpd-33", ALMERYS): (datetime(2024, 2, 7, 16, 5, tzinfo=PARIS), ""),
    ("rgpd-34", None): (
        datetime(2024, 2, 9, 10, 0, tzinfo=PARIS),
        "Les données exposées n'ont été connues que le 9 février.",
    ),
}

STEPS = (
    (VIAMEDIS, StepKind.DISCONNECTION, "Viamedis", "Viamedis a coupé l'accès à sa plateforme."),
    (ALMERYS, StepKind.DISCONNECTION, "Almerys", "Almerys a coupé l'accès à sa plateforme."),
    (
        None,
        StepKind.COMPLAINT,
        "Viamedis et Almerys",
        "Chacun a saisi le Procureur de la République.",
    ),
    (None, StepKind.CNIL, "Viamedis et Almerys", "Chacun a déclaré la violation à la CNIL."),
    (None, StepKind.CNIL, "Mutuelle du Rivage", "Nous avons, nous aussi, notifié la CNIL."),
    (
        None,
        StepKind.EMPLOYER,
        "Mutuelle du Rivage",
        "Nous avons informé les employeurs des contrats collectifs.",
    ),
)

SERVICES = (
    ("Espace adhérent", None, ServiceState.WORKS, ""),
    ("Demandes de remboursement", None, ServiceState.WORKS, ""),
    ("Remboursements", None, ServiceState.WORKS, "Aux délais habituels."),
    ("Carte Vitale", None, ServiceState.WORKS, ""),
    ("Carte de tiers payant", None, ServiceState.WORKS, "Elle reste valable."),
    (
        "Carte de tiers payant",
        "OPTI",
        ServiceState.SLOWED,
        "L'opticien peut attendre un accord, ou vous demander d'avancer les frais.",
    ),
    (
        "Carte de tiers payant",
        "AUDI",
        ServiceState.SLOWED,
        "L'audioprothésiste peut attendre un accord, ou vous demander d'avancer les frais.",
    ),
)

NOTICE = {
    "headline": "Attaque chez nos opérateurs de tiers payant, février 2024",
    "public_summary": (
        "Début février 2024, Viamedis et Almerys ont été attaqués. "
        "Des données d'identité et de contrat ont pu être consultées. "
        "Connectez-vous pour savoir si vous êtes concerné."
    ),
    "what_happened": (
        "Début février 2024, deux opérateurs de tiers payant ont été attaqués : Viamedis et Almerys.\n\n"
        "Les attaquants se sont servis d'identifiants volés à des professionnels de santé. "
        "Ils ont consulté qui est couvert, et comment.\n\n"
        "D'après les éléments connus, notre propre système n'a pas été touché."
    ),
    "consequences": (
        "Quelqu'un peut se servir de ces données pour paraître sérieux. "
        "Vous pourriez recevoir de faux messages, au nom de la mutuelle ou de l'Assurance Maladie. "
        "Une usurpation d'identité est possible, mais plus rare."
    ),
    "what_to_do": (
        "Vous n'avez aucune démarche à faire pour l'instant.\n\n"
        "Restez sur vos gardes ces prochaines semaines, surtout avec les e‑mails. "
        "N'ouvrez ni lien ni pièce jointe d'un message douteux. "
        "Ne donnez jamais votre mot de passe, ni un code reçu par SMS.\n\n"
        "En cas de doute, appelez le numéro de votre contrat."
    ),
    "reassurance": (
        "Vos informations bancaires, vos soins et vos remboursements ne sont pas touchés. "
        "Vos adresses, téléphone et e‑mail non plus."
    ),
    "audiences": {
        "former": {
            "what_to_do": (
                "Vous n'avez aucune démarche à faire pour l'instant.\n\n"
                "Vous n'êtes plus adhérent, mais vos anciennes données méritent la même vigilance. "
                "N'ouvrez ni lien ni pièce jointe d'un message douteux. "
                "Ne donnez jamais votre mot de passe, ni un code reçu par SMS.\n\n"
                "En cas de doute, appelez notre service aux adhérents."
            ),
        },
        "employer": {
            "what_happened": (
                "Début février 2024, deux opérateurs de tiers payant ont été attaqués : "
                "Viamedis et Almerys.\n\n"
                "Des données de salariés couverts par votre contrat ont pu être consultées."
            ),
            "what_to_do": (
                "Dites à vos salariés de se connecter à leur espace adhérent. "
                "Chacun y lira lesquelles de ses données sont touchées.\n\n"
                "Ne transférez pas de liste de salariés par e‑mail."
            ),
        },
        "support": {
            "what_happened": (
                "Viamedis et Almerys, qui paient pour nous les professionnels de santé, ont été "
                "attaqués début février 2024.\n\n"
                "D'après les éléments connus, notre propre système n'a pas été touché."
            ),
            "what_to_do": (
                "Aucune démarche n'est à faire. Invitez la personne à lire sa page dans son espace.\n\n"
                "Sans espace, proposez un courrier. N'envoyez aucun lien."
            ),
        },
    },
}


def load(*, author: User, approver: User) -> Incident:
    """The incident, published; as it is if it is already there."""
    incident = Incident.objects.filter(reference=REFERENCE).first()
    return incident or _load(author, approver)


@transaction.atomic
def _load(author: User, approver: User) -> Incident:
    version = record(author)
    notices.publish(version, by=approver)
    _file(version.incident, author)
    version.incident.refresh_from_db()
    return version.incident


@transaction.atomic
def record(author: User) -> NoticeVersion:
    """The incident as its author leaves it: his first version waits for another person's approval."""
    incident = Incident.objects.create(
        reference=REFERENCE,
        title="Attaque de Viamedis et d'Almerys",
        detected_on=date(2024, 2, 1),
        created_by=author,
        dpo_name="Délégué à la protection des données",
        dpo_email="dpo@mutuelle-du-rivage.example",
        dpo_address="Mutuelle du Rivage\n1 quai de la Criée\n29200 Brest",
        public_phone="02 61 91 00 00",
    )
    targets = {}
    for code, (called_at, what_happened) in TARGETS.items():
        target = targets[code] = Target.objects.create(
            incident=incident,
            operator=Operator.objects.get(code=code),
            window_from=date(2024, 2, 1),
            window_until=date(2024, 2, 7),
            window_source=WINDOW_SOURCE,
            detected_on=called_at.date(),
            what_happened=what_happened,
        )
        intake.record(
            incident,
            intake.Told(
                operator=target.operator,
                called_at=called_at,
                channel=Channel.PHONE,
                caller_name=CALLERS[code],
                caller_role="Astreinte sécurité",
                said=INVENTED,
                source=CLAIMS_SOURCE,
                stated_on=called_at.date(),
            ),
            by=author,
        )
    for target in targets.values():
        for state, categories in CLAIMS.items():
            for category in categories:
                lifecycle.record_claim(
                    target,
                    category=category,
                    state=state,
                    source=CLAIMS_SOURCE,
                    stated_on=date(2024, 2, 9),
                    confidence=Confidence.WRITTEN,
                    by=author,
                )
    for code, kind, actor, text in STEPS:
        Step.objects.create(
            incident=incident, target=targets.get(code), kind=kind, actor=actor, text=text
        )
    for label, domain, state, note in SERVICES:
        ServiceStatus.objects.create(
            incident=incident,
            label=label,
            domain=CareDomain.objects.get(code=domain) if domain else None,
            state=state,
            note=note,
        )
    version = notices.start(incident, author=author, **NOTICE)
    notices.submit(version, by=author)
    return version


def _file(incident: Incident, author: User) -> None:
    for (code, operator), (submitted_at, late_reason) in FILINGS.items():
        clock = next(
            clock
            for clock in clocks.of(incident, timezone.now())
            if clock.regime.code == code
            and (clock.target.operator.code if clock.target else None) == operator
        )
        words = f"{clock.name}\n{submitted_at:%d/%m/%Y %H:%M}\n{INVENTED}\n"
        filings.record_with_file(
            incident,
            clock,
            ContentFile(words.encode(), name=f"accuse-{clock.key.replace(':', '-')}.txt"),
            submitted_at=submitted_at,
            late_reason=late_reason,
            by=author,
        )
