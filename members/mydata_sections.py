"""What members keeps about a member, subject by subject, for a copy of his data. (members/mydata.py)

Minors are told whole. Of an adult ayant droit, who has rights of his own, a copy says what the space shows
his adhérent already. No code, no password, no link, no key: what opens an account is nobody's to copy.
"""

from datetime import date
from decimal import Decimal

from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from members import (
    authenticator,
    cover,
    ibans,
    money,
    nir,
    passkeys,
    phones,
    preferences,
    reimbursements,
    saved_codes,
    sessions,
    trail,
)
from members.demandes import asked
from members.devices import described
from members.mail.words import SUBJECTS
from members.models import AyantDroit, Demande, Joining, Member
from members.models.decompte import Payee
from members.models.demande_detail import Detail
from members.models.member import Person
from members.models.preference import OptionalMail
from members.mydata import Record, section
from members.sms import words as sms_words

OF_AGE = 18  # years
STATES = {
    "active": gettext_lazy("utilise ces données"),
    "held": gettext_lazy("conserve ces données"),
    "purged": gettext_lazy("a effacé ces données"),
    "ended": gettext_lazy("ne les utilise plus"),
}


SEALED = {"nir_sealed", "nir_digest"}  # of a draft: told apart, as they may be
RELATED = {"ayant_droit": gettext_lazy("Ayant droit"), "domain": gettext_lazy("Type de soins")}


def _nir(person: Person, in_full: bool) -> str:
    number = person.nir
    if not number:
        return person.get_nir_absence_display()
    return number if in_full else nir.masked(number)


def _identity(person: Person, in_full: bool) -> Record:
    return {
        _("Civilité"): person.get_civility_display(),
        _("Nom de naissance"): person.birth_name,
        _("Nom d'usage"): person.usage_name,
        _("Prénoms"): person.first_names,
        _("Date de naissance"): person.birth_date,
        _("Rang de naissance"): person.birth_rank,
        _("Numéro de sécurité sociale"): _nir(person, in_full),
        _("Échanges avec l'Assurance Maladie"): person.get_noemie_display(),
    }


def _contact(person: Person) -> Record:
    return {
        _("E-mail"): person.email,
        _("Adresse"): person.address,
        _("Code postal"): person.postal_code,
        _("Ville"): person.city,
    }


@section("identite", gettext_lazy("Qui vous êtes"))
def identity(member: Member, in_full: bool) -> list[Record]:
    return [{_("Numéro d'adhérent"): member.number, **_identity(member, in_full)}]


@section("coordonnees", gettext_lazy("Où vous joindre"))
def contacts(member: Member, in_full: bool) -> list[Record]:
    return [{_("Téléphone"): member.phone, **_contact(member)}]


@section("compte_bancaire", gettext_lazy("Vos comptes bancaires"))
def bank_accounts(member: Member, in_full: bool) -> list[Record]:
    return [
        {
            _("IBAN"): ibans.masked(one.iban_start, one.iban_end),
            _("Titulaire"): one.holder,
            _("Demandé le"): one.asked_at,
            _("Sert depuis le"): one.applied_at,
            _("Remplacé le"): one.ended_at,
            _("Annulé le"): one.cancelled_at,
            _("Signalé comme inconnu le"): one.disowned_at,
        }
        for one in member.bank_accounts.all()
    ]


@section("couverture", gettext_lazy("Vos contrats"))
def contracts(member: Member, in_full: bool) -> list[Record]:
    return [
        {
            _("Contrat"): one.contract_number,
            _("Genre"): one.kind_label,
            _("Formule"): one.plan,
            _("Employeur"): one.employer,
            _("Du"): one.since,
            _("Au (inclus)"): one.until,
            _("Opérateurs"): [service.name for service in one.operators],
        }
        for one in cover.covers(member)
    ]


@section("ayants_droit", gettext_lazy("Vos ayants droit"))
def family(member: Member, in_full: bool) -> list[Record]:
    return [_ayant_droit(one, in_full) for one in AyantDroit.objects.filter(member=member)]


def _ayant_droit(one: AyantDroit, in_full: bool) -> Record:
    stay = {_("Lien"): one.kind_label, _("Du"): one.start, _("Au (inclus)"): one.end}
    if _is_minor(one.birth_date):
        return {**stay, **_identity(one, in_full), **_contact(one)}
    return {
        **stay,
        _("Nom"): one.full_name,
        _("Date de naissance"): one.birth_date,
        _("Rang de naissance"): one.birth_rank,
        _("Échanges avec l'Assurance Maladie"): one.get_noemie_display(),
    }


def _is_minor(born: date) -> bool:
    today = timezone.localdate()
    had_birthday = (today.month, today.day) >= (born.month, born.day)
    return today.year - born.year - (not had_birthday) < OF_AGE


@section("remboursements", gettext_lazy("Vos remboursements"))
def payments(member: Member, in_full: bool) -> list[Record]:
    found = []
    for year in reimbursements.history(member).years:
        chosen = reimbursements.Chosen(year=year)
        for payment in reimbursements.whole(member, chosen, acts=True):
            found += [_line(member, payment, line) for line in payment.lines]
    return found


def _line(member: Member, payment, line) -> Record:
    return {
        _("Décompte"): payment.number,
        _("Payé le"): payment.paid_on,
        _("Payé à"): str(Payee(payment.payee).label),
        _("Date de soins"): line.care_on,
        _("Bénéficiaire"): line.person or member.first_name,
        _("Acte"): line.act,
        _("Domaine de soins"): line.domain,
        _("Dépense"): _amount(line.sums.expense),
        _("Part de l'Assurance Maladie"): _amount(line.sums.ro),
        _("Part de la mutuelle"): _amount(line.sums.rc),
        _("Reste à charge"): _amount(line.sums.left),
    }


def _amount(cents: int) -> Decimal:
    """In euros, a number for machines: members/mydata.py writes it for people."""
    return Decimal(cents) / 100


@section("cartes", gettext_lazy("Vos cartes de tiers payant"))
def cards(member: Member, in_full: bool) -> list[Record]:
    return [
        {
            _("Contrat"): one.contract.number,
            _("Numéro"): one.number,
            _("Éditée le"): one.issued_at,
            _("Valable du"): one.valid_from,
            _("Jusqu'au (inclus)"): one.valid_until,
            _("Personnes"): [person["name"] for person in one.content["people"]],
        }
        for one in member.cards.select_related("contract")
    ]


@section("operateurs", gettext_lazy("Qui a reçu vos données"))
def operators(member: Member, in_full: bool) -> list[Record]:
    return [
        {
            _("Personne"): person.name,
            _("Opérateur"): place.operator,
            _("Contrat"): place.contract_number,
            _("Du"): place.since,
            _("Au (inclus)"): place.until,
            _("Aujourd'hui"): str(STATES[place.state]),
            _("Effacées le"): place.purged_on,
            _("Données"): [str(label) for label in place.categories],
        }
        for person in cover.places(member)
        for place in person.places
    ]


@section("acces", gettext_lazy("Ce qui ouvre votre espace"))
def ways_in(member: Member, in_full: bool) -> list[Record]:
    user = member.user
    return [
        {
            _("Identifiant"): user.identifiant,
            _("Compte créé le"): user.created_at,
            _("Clés d'accès"): [key.name for key in passkeys.of(user)],
            _("Application de codes"): authenticator.of(user) is not None,
            _("Codes de secours restants"): saved_codes.left(user),
        }
    ]


@section("changements", gettext_lazy("Vos changements de téléphone et d'adresse e-mail"))
def changes(member: Member, in_full: bool) -> list[Record]:
    moved = [
        (_("Téléphone"), phones.masked(one.new_phone), one, one.applied_at)
        for one in member.user.phone_changes.all()
    ]
    moved += [
        (_("E-mail"), one.new_email, one, one.confirmed_at)
        for one in member.user.email_changes.all()
    ]
    return [
        {
            _("Quoi"): what,
            _("Nouveau"): new,
            _("Demandé le"): one.asked_at,
            _("Fait le"): done_at,
            _("Annulé le"): one.cancelled_at,
        }
        for what, new, one, done_at in moved
    ]


@section("connexions", gettext_lazy("Vos connexions ouvertes et vos navigateurs connus"))
def connections(member: Member, in_full: bool) -> list[Record]:
    opened = [
        (_("connexion ouverte"), one, one.started_at, one.seen_at)
        for one in sessions.of(member.user)
    ]
    opened += [
        (_("navigateur connu"), one, one.first_seen_at, one.last_seen_at)
        for one in member.user.known_browsers.live()
    ]
    return [
        {
            _("Quoi"): what,
            _("Appareil"): described(one.browser),
            _("Réseau"): one.address_prefix,
            _("Depuis le"): since,
            _("Vu le"): seen,
        }
        for what, one, since, seen in opened
    ]


@section("activite", gettext_lazy("Ce qui s'est passé dans votre espace"))
def activity(member: Member, in_full: bool) -> list[Record]:
    return [
        {
            _("Quand"): act.at,
            _("Quoi"): act.label,
            _("Appareil"): act.device,
            _("Réseau"): act.place,
            _("Par"): str(act.by or _("vous")),
        }
        for act in trail.year_of(member.user)
    ]


@section("messages", gettext_lazy("Les e-mails et les SMS envoyés"))
def messages(member: Member, in_full: bool) -> list[Record]:
    """Those of before he had an account too, but none that went to nobody."""
    sent = (member.user.mails.all() | member.mails.all()).exclude(to="")
    mails = [
        {
            _("Quand"): one.created_at,
            _("Par"): _("e-mail"),
            _("À"): one.to,
            _("Sujet"): str(SUBJECTS.get(one.kind, one.kind)),
            _("État"): one.get_state_display(),
        }
        for one in sent
    ]
    texts = [
        {
            _("Quand"): one.created_at,
            _("Par"): one.get_channel_display(),
            _("À"): _("votre téléphone"),
            _("Sujet"): sms_words.notice(one.notice) if one.notice else _("un code"),
            _("État"): one.get_state_display(),
        }
        for one in member.user.texts.all()
    ]
    return sorted(mails + texts, key=lambda record: record[_("Quand")], reverse=True)


@section("demandes", gettext_lazy("Vos demandes"))
def demandes(member: Member, in_full: bool) -> list[Record]:
    """Drafts, and what was handed in with the names of its documents: the space holds these themselves."""
    rows = Demande.objects.filter(member=member).select_related(
        "care__domain", "care__ayant_droit", "joining", "leaving__ayant_droit", "correction"
    )
    found = list(rows.prefetch_related("documents", "messages"))
    for one in found:
        one.member = member
    return [_demande(one, in_full) for one in found]


def _demande(one: Demande, in_full: bool) -> Record:
    return {
        _("Nature"): one.kind_told,
        _("Référence"): one.reference,
        _("Commencée le"): one.created_at,
        _("Déposée le"): one.asked_at,
        _("État"): str(one.state_shown.told),
        _("Ce qui est demandé"): _asked(one, in_full),
        _("Réponse"): "" if one.is_undecided else one.answer,
        _("Montant accordé"): money.euros(one.granted_cents)
        if one.granted_cents and not one.is_undecided
        else "",
        _("Décidée le"): one.decided_at,
        _("Payée le"): one.paid_on,
        _("Documents"): [document.name for document in one.documents.all()],
        _("Messages"): [
            {
                _("Quand"): message.at,
                _("Par"): _("la mutuelle") if message.from_staff else _("vous"),
                _("Texte"): message.body,
            }
            for message in one.messages.all()
        ],
    }


def _asked(one: Demande, in_full: bool) -> Record:
    told = _typed(one.detail) if one.is_draft else dict(asked.facts(one))
    if isinstance(one.detail, Joining) and one.detail.nir_sealed:
        told[_("Numéro de sécurité sociale")] = _joining_nir(one.detail, in_full)
    return told


def _typed(detail: Detail) -> Record:
    """What a draft keeps so far: it may lack anything."""
    told = {}
    for column in detail._meta.concrete_fields:
        value = getattr(detail, column.name)
        if column.primary_key or column.name in SEALED or value in (None, "", False):
            continue
        if column.choices:
            value = getattr(detail, f"get_{column.name}_display")()
        elif column.name == "paid_cents":
            value = _amount(value)
        elif column.is_relation:
            value = value.full_name if isinstance(value, AyantDroit) else value.label
        told[str(RELATED.get(column.name) or capfirst(column.verbose_name))] = value
    return told


def _joining_nir(joining: Joining, in_full: bool) -> str:
    born = joining.birth_date
    return joining.nir if in_full and born and _is_minor(born) else joining.nir_masked


@section("preferences", gettext_lazy("Les e-mails que vous avez choisis"))
def optional_mails(member: Member, in_full: bool) -> list[Record]:
    wanted = preferences.wanted(member)
    return [{str(mail.label): mail in wanted for mail in OptionalMail}]
