"""A version as each audience reads it: one list of blocks, for pages, previews, letters and calls.

Texts are those of the audience; data, measures, services and contacts come from the facts of the version
and from nowhere else, so that no two renderings disagree. (docs/decisions/0032-one-notice-six-audiences.md)
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents import exposure, information, notices, pages
from incidents.exposure import MEMBERS
from incidents.models import NoticeVersion
from incidents.models.wording import WRITTEN, Audience, Topic
from incidents.pages import Category, Claims, Contacts, GroupView, OperatorView, Page
from incidents.reasons import ExposureState
from members import cover
from members.days import day
from members.models import AyantDroit, Member

# For whom a page of one's own exists: (audience → the kind of person that it asks for).
OF_A_PERSON = {
    Audience.MEMBER: Member,
    Audience.FORMER: Member,
    Audience.ADULT: AyantDroit,
}

TITLES = {
    Topic.WHAT_HAPPENED: gettext_lazy("Ce qui s'est passé"),
    Topic.DATA: gettext_lazy("Vos données"),
    Topic.REASSURANCE: gettext_lazy("Ce qui n'est pas touché"),
    Topic.CONSEQUENCES: gettext_lazy("Ce qui pourrait arriver"),
    Topic.WHAT_TO_DO: gettext_lazy("Ce que vous devez faire"),
    Topic.DONE: gettext_lazy("Ce qui a été fait"),
    Topic.WORKS: gettext_lazy("Ce qui fonctionne"),
    Topic.WHOM_TO_CALL: gettext_lazy("Qui appeler, à qui écrire"),
}
TITLES_APART = {
    (Audience.EMPLOYER, Topic.DATA): gettext_lazy("Données des personnes couvertes"),
    (Audience.PUBLIC, Topic.DATA): gettext_lazy("Données annoncées par chaque opérateur"),
    (Audience.SUPPORT, Topic.WHAT_HAPPENED): gettext_lazy("La réponse en bref"),
    (Audience.SUPPORT, Topic.DATA): gettext_lazy("Les données touchées"),
    (Audience.SUPPORT, Topic.WHAT_TO_DO): gettext_lazy("Ce que vous dites à l'appelant"),
    (Audience.SUPPORT, Topic.WHOM_TO_CALL): gettext_lazy("Vers qui l'orienter"),
}


@dataclass(frozen=True, slots=True)
class Block:
    """One part of a notice: a title, then a text of its audience, or `lines` written from the facts.

    `is_borrowed`: the text is the member's, for this audience has none of its own.
    """

    topic: Topic
    title: str
    text: str = ""
    lines: tuple[str, ...] = ()
    is_borrowed: bool = False

    @property
    def paragraphs(self) -> list[str]:
        return [part for part in self.text.split("\n\n") if part.strip()]


def render(
    version: NoticeVersion, audience: Audience, person: Member | AyantDroit | None = None
) -> list[Block]:
    """The blocks of `version` that say something, in the order of a letter.

    `person`: whose data are told; a Member for a member, a former member or support, an AyantDroit for an
    adult one. Without him, the data are those that each operator announced. Nothing is recorded.
    """
    return blocks(page(version, audience, person))


def page(
    version: NoticeVersion, audience: Audience, person: Member | AyantDroit | None = None
) -> Page:
    """What the page of `audience` shows; `render` says the same in lines."""
    facts = notices.facts_of(version)
    if person is None:
        return pages.public(
            version, facts, information.updates_of(version.incident), audience=audience
        )
    if isinstance(person, AyantDroit):
        answer = exposure.of_ayant_droit(person, facts)
        # he reads it himself: « vos données », as a member does, and not « ses données »
        people = [replace(answer, kind=MEMBERS.kind, kind_label=_("vous"))]
        membership = cover.membership(person.member)
    else:
        people = exposure.of_member(person, facts)
        membership = cover.membership(person)
    return pages.personal(version, facts, membership, people, audience=audience)


def blocks(shown: Page) -> list[Block]:
    """The blocks of a page, without a statement."""
    found = (_block(shown, topic) for topic in Topic)
    return [block for block in found if block.text or block.lines]


def _block(shown: Page, topic: Topic) -> Block:
    title = str(TITLES_APART.get((shown.audience, topic), TITLES[topic]))
    if topic in WRITTEN:
        own = shown.version.audiences.get(shown.audience, {})
        borrowed = shown.audience != Audience.MEMBER and topic not in own
        text = shown.texts[topic].strip()
        return Block(topic, title, text=text, is_borrowed=borrowed and bool(text))
    return Block(topic, title, lines=tuple(_LINES[topic](shown)))


def _data(shown: Page) -> Iterator[str]:
    for group in shown.groups:
        yield from _of_group(group)
    if not shown.groups:
        for target in shown.targets:
            yield _("%(operator)s (%(window)s) :") % {
                "operator": target.operator,
                "window": target.window_text,
            }
            yield from _of_claims(target.claims)


def _of_group(group: GroupView) -> Iterator[str]:
    yield f"{group.names} : {group.headline}"
    yield from group.reasons
    for operator in group.operators:
        if operator.state != ExposureState.DISMISSED:
            yield f"{operator.operator} : {operator.reason_text}"
            yield from _of_claims(operator)


def _of_claims(claims: Claims | OperatorView) -> Iterator[str]:
    """Each state in its words; what nobody spoke of is never told as safe."""
    for words, categories in (
        (_("Exposées : %(data)s."), claims.exposed),
        (_("En vérification : %(data)s."), claims.checking),
        (_("Non mentionnées par l'opérateur : %(data)s."), claims.not_stated),
        (_("Non exposées : %(data)s."), claims.not_exposed),
        (_("Jamais transmises à cet opérateur : %(data)s."), getattr(claims, "not_sent", [])),
    ):
        if categories:
            yield f"- {words % {'data': _listed(categories)}}"


def _listed(categories: list[Category]) -> str:
    return ", ".join(str(category.label) for category in categories)


def _done(shown: Page) -> Iterator[str]:
    for step in shown.steps:
        when = day(step.done_on) if step.done_on else _("date non communiquée")
        yield f"- {step.actor} ({when}) : {step.text}"


def _works(shown: Page) -> Iterator[str]:
    for service in shown.services:
        where = f" ({service.domain})" if service.domain else ""
        note = f" {service.note}" if service.note else ""
        yield f"- {service.label}{where} : {service.state_label}.{note}"


def _whom_to_call(shown: Page) -> Iterator[str]:
    contacts: Contacts = shown.contacts
    if contacts.contract_phone:
        yield _("Une question : %(phone)s.") % {"phone": contacts.contract_phone}
    elif contacts.public_phone:
        yield _("Une question : %(phone)s.") % {"phone": contacts.public_phone}
    else:
        yield _("Une question : le numéro inscrit sur votre carte de tiers payant.")
    if contacts.dpo_name:
        address = " ".join(contacts.dpo_address.split())
        told = ", ".join(part for part in (contacts.dpo_name, contacts.dpo_email, address) if part)
        yield _("Vos droits sur vos données : %(contact)s.") % {"contact": told}


_LINES = {
    Topic.DATA: _data,
    Topic.DONE: _done,
    Topic.WORKS: _works,
    Topic.WHOM_TO_CALL: _whom_to_call,
}
