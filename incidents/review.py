"""What a version says, line by line, beside what another one says: the version in force, or any.

It is what its author submits and what its approver approves: every text, and every fact under the seal,
in words. (incidents.notices.facts_digest)
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents import notices
from incidents.facts import ClaimFacts, Facts, StepFacts, TargetFacts
from incidents.models import NoticeVersion
from incidents.models.claim import ClaimState
from incidents.models.incident import ServiceState, StepKind
from incidents.models.wording import OTHERS, WRITTEN
from members.days import day, hour
from members.models.category import DataCategory


class Change(models.TextChoices):
    SAME = "same", gettext_lazy("Inchangé")
    NEW = "new", gettext_lazy("Nouveau")
    CHANGED = "changed", gettext_lazy("Modifié")
    REMOVED = "removed", gettext_lazy("Retiré")


@dataclass(frozen=True, slots=True)
class Part:
    """Some words of a line, and whether the other version lacks them."""

    text: str
    differs: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    label: str
    change: Change
    now: tuple[Part, ...] = ()
    before: tuple[Part, ...] = ()

    @property
    def differs(self) -> bool:
        return self.change != Change.SAME


@dataclass(frozen=True, slots=True)
class Section:
    """`key` is stable: it names the section in the page's address."""

    key: str
    title: str
    lines: tuple[Line, ...]

    @property
    def differences(self) -> int:
        return sum(line.differs for line in self.lines)


@dataclass(frozen=True, slots=True)
class Review:
    """`other`: what it is compared to. None before a first publication: all of it is new."""

    other: NoticeVersion | None
    sections: tuple[Section, ...]
    is_in_force: bool = False

    @property
    def differences(self) -> int:
        return sum(section.differences for section in self.sections)


def of(version: NoticeVersion, facts: Facts) -> Review:
    """`version` with `facts`, compared to the version in force of the same incident."""
    in_force = notices.latest(version.incident)
    if in_force is None:
        told = _told(version, facts).items()
        return Review(None, tuple(_alone(key, title, lines) for key, (title, lines) in told))
    return Review(in_force, _sections(version, facts, in_force), is_in_force=True)


def compare(version: NoticeVersion, other: NoticeVersion) -> Review:
    """Any two versions of one incident, each with the facts that it froze, or those of today."""
    latest = notices.latest(version.incident)
    sections = _sections(version, notices.facts_of(version), other)
    return Review(other, sections, is_in_force=other == latest)


def _sections(version: NoticeVersion, facts: Facts, other: NoticeVersion) -> tuple[Section, ...]:
    told, before = _told(version, facts), _told(other, notices.facts_of(other))
    sections = []
    for key in [*told, *(key for key in before if key not in told)]:
        title, now_lines = told.get(key, (None, []))
        before_title, before_lines = before.get(key, (None, []))
        sections.append(Section(key, title or before_title, _compared(now_lines, before_lines)))
    return tuple(sections)


Said = list[tuple[str, str]]  # (label, what is said), in the order of the page


def _told(version: NoticeVersion, facts: Facts) -> dict[str, tuple[str, Said]]:
    names = {target.operator: target.operator_name for target in facts.targets}
    told = {"textes": (_("Textes"), list(_texts(version)))}
    for audience in OTHERS:
        title = _("Textes : %(audience)s") % {"audience": audience.label}
        told[f"textes-{audience}"] = (title, list(_texts_of(version, audience)))
    for target in facts.targets:
        key, name = f"operateur-{target.operator.lower()}", target.operator_name
        told[key] = (name, list(_attack(target)))
        told[f"{key}-donnees"] = (
            _("%(operator)s : données") % {"operator": name},
            [(category.label, _claim(target, category)) for category in DataCategory],
        )
    told["mesures"] = (_("Mesures prises"), [_step(step, names) for step in facts.steps])
    told["services"] = (_("État des services"), list(_services(facts)))
    told["perimetre"] = (_("Contrats et soins concernés"), list(_scope(facts)))
    told["incident"] = (_("Incident et contacts"), list(_incident(facts)))
    return told


def _texts(version):
    for name in NoticeVersion.TEXTS:
        yield _label(name), getattr(version, name)
    yield _label("material"), _("oui") if version.material else _("non")
    yield _label("appears_at"), _moment(version.appears_at) or _("dès son approbation")
    yield _label("expires_at"), _moment(version.expires_at) or _("jusqu'à la clôture")
    if version.emergency_by:
        yield _("Urgence demandée par"), _word_of(version.emergency_by, version.emergency_reason)
    if version.is_emergency:
        yield _("Publiée en urgence par"), _word_of(version.approver, version.approval_reason)


def _word_of(person, reason: str) -> str:
    return f"{person.name or person.identifiant} : {reason}"


def _moment(at) -> str:
    return f"{day(at)}, {hour(at)}" if at else ""


def _texts_of(version, audience):
    """Its own texts; « comme pour l'adhérent » where it borrows his."""
    own = version.audiences.get(audience, {})
    instead = _("comme pour l'adhérent") if audience.borrows else ""
    for topic in WRITTEN:
        label = str(topic.label)
        yield label[0].upper() + label[1:], own.get(topic, instead)


def _label(name: str) -> str:
    label = str(NoticeVersion._meta.get_field(name).verbose_name)
    return label[0].upper() + label[1:]


def _attack(target: TargetFacts):
    yield _("Opérateur"), f"{target.operator_name} ({target.operator})"
    yield _("Dates de l'attaque"), target.window_text
    yield _("Source des dates"), target.window_source
    yield _("Connu le"), day(target.detected_on)
    yield _("Ce qui s'est passé"), target.what_happened


def _claim(target: TargetFacts, category: DataCategory) -> str:
    claims = [claim for claim in target.claims if claim.category == category]
    if not claims:
        return _("non mentionnée : rien n'a été saisi")
    return "\n".join(_stated(claim) for claim in claims)


def _stated(claim: ClaimFacts) -> str:
    return _("%(state)s · %(source)s, le %(day)s") % {
        "state": _word(ClaimState, claim.state),
        "source": claim.source,
        "day": day(claim.stated_on),
    }


def _step(step: StepFacts, names: dict[str, str]) -> tuple[str, str]:
    label = [_word(StepKind, step.kind), step.actor]
    if step.operator:
        label.append(names.get(step.operator, step.operator))
    when = day(step.done_on) if step.done_on else _("date non communiquée")
    return " · ".join(dict.fromkeys(label)), f"{step.text}\n{when}"


def _services(facts: Facts):
    for service in facts.services:
        label = f"{service.label} · {service.domain}" if service.domain else service.label
        state = _word(ServiceState, service.state)
        yield label, f"{state}\n{service.note}" if service.note else state


def _scope(facts: Facts):
    if not facts.included:
        yield _("Compris"), _("tous les contrats")
    for contract in facts.included:
        yield _("Compris"), contract.number
    for contract in facts.excluded:
        yield _("Exclu"), contract.number
    if not facts.included_domains:
        yield _("Domaine de soins compris"), _("tous les domaines")
    for domain in facts.included_domains:
        yield _("Domaine de soins compris"), domain.label
    for domain in facts.excluded_domains:
        yield _("Domaine de soins exclu"), domain.label


def _incident(facts: Facts):
    contacts = facts.contacts
    yield _("Référence"), facts.reference
    yield _("Titre"), facts.title
    yield _("Connu de la mutuelle le"), day(facts.detected_on)
    yield _("Délégué à la protection des données"), contacts.dpo_name
    yield _("Adresse e-mail du délégué"), contacts.dpo_email
    yield _("Adresse postale du délégué"), contacts.dpo_address
    yield _("Téléphone pour le public"), contacts.public_phone


def _word(choices: type[models.TextChoices], value: str) -> str:
    return str(dict(choices.choices).get(value, value))


def _alone(key: str, title: str, lines: Said) -> Section:
    shown = (Line(label, Change.SAME, now=_whole(text)) for label, text in lines)
    return Section(key, title, tuple(shown))


def _compared(now: Said, before: Said) -> tuple[Line, ...]:
    """Lines of one label are compared in their order."""
    left = dict(_numbered(before))
    lines = []
    for (label, number), text in _numbered(now):
        was = left.pop((label, number), None)
        if was is None:
            lines.append(Line(label, Change.NEW, now=_whole(text)))
        elif was == text:
            lines.append(Line(label, Change.SAME, now=_whole(text)))
        else:
            parts_now, parts_before = _parts(text, was)
            lines.append(Line(label, Change.CHANGED, now=parts_now, before=parts_before))
    for (label, _number), text in left.items():
        lines.append(Line(label, Change.REMOVED, before=_whole(text)))
    return tuple(lines)


def _numbered(lines: Said) -> Iterator[tuple[tuple[str, int], str]]:
    seen = Counter()
    for label, text in lines:
        seen[label] += 1
        yield (label, seen[label]), text


def _whole(text: str) -> tuple[Part, ...]:
    return (Part(text),) if text else ()


def _parts(now: str, before: str) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
    """Both texts, cut where their words differ."""
    words_now, words_before = re.findall(r"\s+|\S+", now), re.findall(r"\s+|\S+", before)
    cut_now, cut_before = [], []
    matcher = SequenceMatcher(None, words_before, words_now, autojunk=False)
    for kind, i, j, k, m in matcher.get_opcodes():
        differs = kind != "equal"
        cut_before.append(Part("".join(words_before[i:j]), differs))
        cut_now.append(Part("".join(words_now[k:m]), differs))
    return _filled(cut_now), _filled(cut_before)


def _filled(parts: list[Part]) -> tuple[Part, ...]:
    return tuple(part for part in parts if part.text)
