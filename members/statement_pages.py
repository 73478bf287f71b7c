"""A period of reimbursements on paper: what a member gives to somebody who asks for proof."""

from dataclasses import dataclass
from datetime import date

from django.utils.translation import gettext as _

from members import paper
from members.days import day
from members.models import Member
from members.money import euros
from members.paper import Block
from members.reimbursements import Payment, Sums

WIDTHS = (20, 20, 40, -19, -23, -19, -19)


@dataclass(frozen=True)
class Statement:
    """`year` None: every year. `person`: a first name, empty for the whole family. `domain`: the label of
    a domain of care, empty for all of them."""

    member: Member
    payments: list[Payment]
    year: int | None
    person: str
    domain: str
    made_on: date

    @property
    def is_whole(self) -> bool:
        return not (self.year or self.person or self.domain)


def render(statement: Statement) -> bytes:
    member = statement.member
    title = _("Relevé de remboursements")
    blocks = [Block("title", title), Block("text", _about(statement))]
    blocks.append(
        Block(
            "text",
            _("%(name)s, numéro d'adhérent %(number)s.")
            % {"name": member.full_name, "number": member.number},
        )
    )
    total = sum((payment.sums for payment in statement.payments), Sums())
    blocks += _sums(total)
    blocks.append(Block("heading", _("Détail des soins")))
    if statement.payments:
        blocks += _table(statement)
    else:
        blocks.append(Block("text", _("Aucun remboursement sur cette période.")))
    return paper.document(title, blocks, foot=_("Mutuelle du Rivage"))


def _about(statement: Statement) -> str:
    told = {"day": day(statement.made_on), "year": statement.year, "person": statement.person}
    if statement.year and statement.person:
        about = _("Paiements de %(year)s pour %(person)s. Relevé fait le %(day)s.") % told
    elif statement.year:
        about = _("Paiements de %(year)s. Relevé fait le %(day)s.") % told
    elif statement.person:
        about = _("Tous les paiements pour %(person)s. Relevé fait le %(day)s.") % told
    else:
        about = _("Tous les paiements. Relevé fait le %(day)s.") % told
    if statement.domain:
        about += " " + _("Seulement ces soins : %(domain)s.") % {"domain": statement.domain}
    return about


def _sums(total: Sums) -> list[Block]:
    return [
        Block("heading", _("En tout")),
        Block("item", _("Dépenses : %(euros)s") % {"euros": euros(total.expense)}),
        Block("item", _("Part de l'Assurance Maladie : %(euros)s") % {"euros": euros(total.ro)}),
        Block("item", _("Part de la mutuelle : %(euros)s") % {"euros": euros(total.rc)}),
        Block("item", _("Reste à votre charge : %(euros)s") % {"euros": euros(total.left)}),
    ]


def _table(statement: Statement) -> list[Block]:
    head = (
        _("Soins du"),
        _("Pour"),
        _("Acte"),
        _("Dépense"),
        _("Assurance Maladie"),
        _("Mutuelle"),
        _("Reste à charge"),
    )
    blocks = [Block("head", cells=head, widths=WIDTHS)]
    for payment in statement.payments:
        for line in payment.lines:
            sums = line.sums
            cells = (
                f"{line.care_on:%d/%m/%Y}",
                line.person or statement.member.first_name,
                line.act,
                *map(euros, (sums.expense, sums.ro, sums.rc, sums.left)),
            )
            blocks.append(Block("row", cells=cells, widths=WIDTHS))
    return blocks
