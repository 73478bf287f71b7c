"""Attestations: what a member was told of an incident, in a document that anybody can check.

A document says what was shown, as the ledger froze it, and what is known today where that differs. Its
words are kept as issued. The code is derived from them: who asks again while nothing changed gets the same
document, and the database holds a keyed digest of the code alone. (docs/decisions/0035-attestations.md)
"""

from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import date, datetime

from django.conf import settings
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils.translation import gettext as _

from incidents import exposure, notices
from incidents.acknowledgements import ledger
from incidents.exposure import MEMBERS, PersonExposure
from incidents.facts import Facts
from incidents.fingerprint import fingerprint
from incidents.models import Acknowledgement, Attestation, NoticeVersion
from incidents.models.claim import ClaimState
from incidents.models.notice import VersionState
from incidents.reasons import ExposureState
from members import audit, cover, sealing, throttle
from members.addresses import client_address, counted_address
from members.days import day, hour
from members.letters import ALPHABET, SEPARATORS
from members.models import Member
from members.models.category import DataCategory

LENGTH, GROUP = 16, 4  # 21 ** 16: 70 bits
SHOWN_OF_DIGEST = 20  # signs of a SHA-256 that people compare: 80 bits

NO_CODE = "0" * 64


class NotShown(Exception):
    """Nothing of this incident was shown to this member: there is nothing to attest."""


# ------------------------------------------------------------------------------------ the document


@dataclass(frozen=True, slots=True)
class Shown:
    """One version that the member was shown, in words."""

    label: str
    shown: str
    read: str
    digest: str


@dataclass(frozen=True, slots=True)
class Place:
    operator: str
    state: str
    reason: str
    period: str
    exposed: list[str]


@dataclass(frozen=True, slots=True)
class Person:
    name: str
    kind: str
    places: list[Place]


@dataclass(frozen=True, slots=True)
class Together:
    """Persons whose answers are the same in every word: said once, for all of them."""

    people: list[Person]
    places: list[Place]


@dataclass(frozen=True, slots=True)
class Announced:
    """What one operator said of the data of everybody."""

    operator: str
    window: str
    exposed: list[str]
    checking: list[str]
    not_stated: list[str]
    not_exposed: list[str]


@dataclass(frozen=True, slots=True)
class Document:
    """Every word of an attestation, but for its date and its code. Fit for JSON."""

    reference: str
    headline: str
    name: str
    number: int
    shown: list[Shown]
    people: list[Person]
    announced: list[Announced]
    since: str  # what has come since, or nothing
    today: list[Person] = field(default_factory=list)  # empty: the same as what was shown
    contacts: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, content: dict) -> "Document":
        parts = {
            "shown": [Shown(**one) for one in content["shown"]],
            "people": [_person_of(one) for one in content["people"]],
            "announced": [Announced(**one) for one in content["announced"]],
            "today": [_person_of(one) for one in content["today"]],
        }
        return cls(**content | parts)

    @property
    def groups(self) -> list[Together]:
        return _together(self.people)

    @property
    def groups_today(self) -> list[Together]:
        return _together(self.today)

    @property
    def count(self) -> int:
        """How many persons it speaks of: the member, first in each list, and whoever is in either."""
        shown, today = (Counter(one.name for one in told[1:]) for told in (self.people, self.today))
        return 1 + (shown | today).total()


def _person_of(content: dict) -> Person:
    return Person(**content | {"places": [Place(**one) for one in content["places"]]})


def _together(people: list[Person]) -> list[Together]:
    groups: list[Together] = []
    for person in people:
        alike = next((one for one in groups if one.places == person.places), None)
        if alike:
            alike.people.append(person)
        else:
            groups.append(Together([person], person.places))
    return groups


@dataclass(frozen=True, slots=True)
class Draft:
    """What an attestation of this moment would say, and its code."""

    member: Member
    version: NoticeVersion
    document: Document
    fingerprint: str
    code: str

    @property
    def issued(self) -> Attestation | None:
        """The document of these very words that was issued before, if any. One statement."""
        return Attestation.objects.filter(code_digest=_digest(self.code)).first()


def draft(member: Member, reference: str) -> Draft:
    """What can be attested to `member` of an incident. Raises NotShown.

    It speaks of the last version shown to him that was not withdrawn; of the last one, if all were.
    """
    rows = list(ledger(member).filter(version__incident__reference=reference))
    if not rows:
        raise NotShown
    row = max(
        rows, key=lambda one: (one.version.state == VersionState.PUBLISHED, one.version.number)
    )
    told = Acknowledgement.objects.select_related("version__incident").get(pk=row.pk)
    document = _document(member, told, rows)
    seal = sealing.peppered(f"attestation.content\0{fingerprint(asdict(document))}".encode()).hex()
    return Draft(member, told.version, document, seal, _code(member, told.version, seal))


def issue(draft: Draft, *, request=None) -> Attestation:
    """The attestation of these words: a new one, or the one issued before. Its event in the trail."""
    row = Attestation(
        member=draft.member,
        version=draft.version,
        code_digest=_digest(draft.code),
        fingerprint=draft.fingerprint,
        people=draft.document.count,
        content=asdict(draft.document),
    )
    try:
        with transaction.atomic():
            row.save(force_insert=True)
            audit.record(
                "attestation.issued",
                user=draft.member.user,
                request=request,
                incident=draft.document.reference,
                version=draft.document.number,
                attestation=row.pk,
                fingerprint=draft.fingerprint,
            )
    except IntegrityError:  # asked for before, or in another tab at this moment
        return Attestation.objects.get(code_digest=row.code_digest)
    return row


def _document(member: Member, told: Acknowledgement, rows: list[Acknowledgement]) -> Document:
    version = told.version
    facts = notices.facts_of(version)
    shown = exposure.from_json(told.shown["persons"], facts)
    in_force = notices.latest(version.incident)
    unmoved = exposure.of_member(member, facts) if in_force else []
    known = unmoved
    if in_force and in_force != version:
        known = exposure.of_member(member, notices.facts_of(in_force))
    differs = bool(in_force) and _as_json(known) != told.shown["persons"]
    return Document(
        reference=facts.reference,
        headline=version.headline,
        name=next(one.name for one in shown if one.kind == MEMBERS.kind),
        number=version.number,
        shown=[_shown(row) for row in sorted(rows, key=lambda row: row.version.number)],
        people=[_person(one, member) for one in shown],
        announced=[_announced(target) for target in facts.targets],
        since=_since(
            version,
            in_force,
            by_registers=differs and _as_json(unmoved) != told.shown["persons"],
            by_version=differs and _as_json(known) != _as_json(unmoved),
        ),
        today=[_person(one, member) for one in known] if differs else [],
        contacts=_contacts(member, facts),
    )


def _shown(row: Acknowledgement) -> Shown:
    version = row.version
    dates = {
        "number": version.number,
        "published": day(version.published_at),
        "withdrawn": day(version.withdrawn_at) if version.withdrawn_at else "",
    }
    return Shown(
        label=(
            _("Version %(number)d, publiée le %(published)s, retirée le %(withdrawn)s") % dates
            if version.withdrawn_at
            else _("Version %(number)d, publiée le %(published)s") % dates
        ),
        shown=_at(row.shown_at),
        read=_at(row.acknowledged_at) if row.acknowledged_at else "",
        digest=grouped(version.digest),
    )


def _at(moment: datetime) -> str:
    return _("%(day)s à %(hour)s") % {"day": day(moment), "hour": hour(moment)}


def _person(person: PersonExposure, member: Member) -> Person:
    kind = member.kind_label if person.kind == MEMBERS.kind else _("ayant droit")
    return Person(person.name, kind, [_place(one) for one in person.operators])


def _place(one: exposure.OperatorExposure) -> Place:
    states = {
        ExposureState.CONFIRMED: _("exposition confirmée"),
        ExposureState.PRESUMED: _("exposition présumée"),
        ExposureState.DISMISSED: _("exposition écartée"),
    }
    return Place(
        operator=one.target.operator_name,
        state=states[one.state],
        reason=one.sentence,
        period=_period(one.since, one.until),
        exposed=_labels(one.categories),
    )


def _period(since: date | None, until: date | None) -> str:
    if since and until:
        return _("Couverture du %(since)s au %(until)s.") % {
            "since": day(since),
            "until": day(until),
        }
    return _("Couverture depuis le %(since)s.") % {"since": day(since)} if since else ""


def _announced(target) -> Announced:
    return Announced(
        operator=target.operator_name,
        window=target.window_text,
        exposed=_labels(target.categories(ClaimState.EXPOSED)),
        checking=_labels(target.categories(ClaimState.CHECKING)),
        not_stated=_labels(target.categories(ClaimState.NOT_STATED)),
        not_exposed=_labels(target.categories(ClaimState.NOT_EXPOSED)),
    )


def _labels(codes) -> list[str]:
    return [str(category.label) for category in DataCategory if category in codes]


def _since(
    version: NoticeVersion, in_force: NoticeVersion | None, *, by_registers: bool, by_version: bool
) -> str:
    """What has come since: a later version, our registers, or both, each for what it changed."""
    if in_force is None:
        return _("Cette information a été retirée depuis.")
    told = []
    if in_force != version:
        words = (
            _("La version %(number)d, publiée le %(published)s, change ces réponses.")
            if by_version
            else _("La version %(number)d, publiée le %(published)s, ne change pas ces réponses.")
        )
        told.append(words % {"number": in_force.number, "published": day(in_force.published_at)})
    if by_registers:
        told.append(_("Nos registres ont changé depuis. Voici ce qu'ils disent."))
    return " ".join(told)


def _as_json(people: list[PersonExposure]) -> list[dict]:
    return [one.as_json() for one in people]


def _contacts(member: Member, facts: Facts) -> list[str]:
    told, contract = facts.contacts, cover.membership(member).contract
    phone = (contract and contract.phone) or told.public_phone
    return [
        *([_("Une question sur cet incident : %(phone)s") % {"phone": phone}] if phone else []),
        _("Vos droits sur vos données : %(name)s, %(email)s")
        % {"name": told.dpo_name, "email": told.dpo_email},
        *([", ".join(told.dpo_address.splitlines())] if told.dpo_address else []),
    ]


# ---------------------------------------------------------------------------------------- the code


def _code(member: Member, version: NoticeVersion, seal: str) -> str:
    mac = sealing.peppered(f"attestation.code\0{member.pk}\0{version.pk}\0{seal}".encode())
    number, signs = int.from_bytes(mac), []
    for _sign in range(LENGTH):
        number, rest = divmod(number, len(ALPHABET))
        signs.append(ALPHABET[rest])
    return "".join(signs)


def _digest(code: str) -> str:
    return sealing.peppered(f"attestation.check\0{code}".encode()).hex() if code else NO_CODE


def plain(typed: str) -> str:
    """What was typed, in capitals and without separators; empty when it cannot be a code."""
    code = typed.upper().translate(dict.fromkeys(map(ord, SEPARATORS)))
    return code if len(code) == LENGTH and set(code) <= set(ALPHABET) else ""


def printed(code: str) -> str:
    return "-".join(code[start : start + GROUP] for start in range(0, len(code), GROUP))


def grouped(digest: str) -> str:
    """The beginning of a digest, in groups that two people can compare aloud."""
    shown = digest[:SHOWN_OF_DIGEST].upper()
    return " ".join(shown[start : start + GROUP] for start in range(0, len(shown), GROUP))


def check_url(code: str) -> str:
    return settings.PUBLIC_URL + reverse("attestation_checked", args=[printed(code)])


# --------------------------------------------------------------------------------------- the check


@dataclass(frozen=True, slots=True)
class Checked:
    """All that anybody learns from a right code."""

    reference: str
    number: int
    issued_at: datetime
    people: int
    fingerprint: str

    @property
    def groups(self) -> str:
        return grouped(self.fingerprint)


def check(typed: str, *, request) -> Checked | None:
    """What the document with this code is, or None: the same statements for a wrong code and for no code.

    Each try is counted for its address before anything is read, and given back when the code was right.
    Raises Throttled.
    """
    hit = throttle.Hit(throttle.ATTESTATIONS, counted_address(client_address(request)))
    throttle.reserve(hit)
    row = (
        Attestation.objects.filter(code_digest=_digest(plain(typed)))
        .values_list(
            "version__incident__reference", "version__number", "issued_at", "people", "fingerprint"
        )
        .first()
    )
    if row is None:
        return None
    throttle.reserve(hit.refunded())
    return Checked(*row)
