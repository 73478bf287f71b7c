"""The tiers payant card on paper, its structure kept for screen readers."""

from typing import Any

from django.utils.translation import gettext as _

from members import paper, qr
from members.cards import Shown
from members.days import day
from members.paper import Block

PEOPLE = (88, 44, 28)
DOMAINS = (20, 60, 30, 50)


def render(cards: list[Shown]) -> bytes:
    """One PDF. The same cards give the same bytes."""
    blocks = [block for card in cards for block in _blocks(card)]
    return paper.document(_("Carte de tiers payant"), blocks, foot=_("Mutuelle du Rivage"))


def rate(domain: dict[str, Any]) -> str:
    """What the card says of a care domain: « 100 % », « PEC » or both."""
    said = [_("%(rate)d\u00a0%%") % {"rate": domain["rate"]}] if domain["rate"] else []
    return " + ".join([*said, *([_("PEC")] if domain["agreement"] else [])])


def _blocks(card: Shown) -> list[Block]:
    said = card.content
    labels = [
        (_("Numéro AMC"), said["amc"]),
        (_("Type de convention"), said["convention"]),
        (_("CSR"), said["csr"]),
        (_("Numéro d'adhérent"), said["member_number"]),
        (
            _("Période de validité"),
            _("du %(first)s au %(last)s")
            % {"first": day(card.valid_from), "last": day(card.valid_until)},
        ),
    ]
    blocks = [
        Block("title", _("Carte de tiers payant")),
        Block("text", _("Mutuelle du Rivage, contrat %(number)s") % {"number": said["contract"]}),
        Block("head", cells=(_("Mention"), _("Valeur")), widths=(60, 100)),
        *(Block("row", cells=pair, widths=(60, 100)) for pair in labels),
        Block("heading", _("Bénéficiaires")),
        Block("head", cells=(_("Nom"), _("Date de naissance"), _("Rang")), widths=PEOPLE),
    ]
    for person in card.people:
        cells = (person["name"], f"{person['birth_date']:%d/%m/%Y}", str(person["rank"]))
        blocks.append(Block("row", cells=cells, widths=PEOPLE))
    blocks.append(Block("heading", _("Domaines de soins")))
    blocks.append(
        Block("head", cells=(_("Code"), _("Domaine"), _("Taux"), _("Opérateur")), widths=DOMAINS)
    )
    for domain in said["domains"]:
        operator = " ".join(filter(None, (domain["operator"], domain["operator_code"])))
        served = operator or _("sans tiers payant")
        cells = (domain["code"], domain["label"], rate(domain), served)
        blocks.append(Block("row", cells=cells, widths=DOMAINS))
    blocks.append(
        Block(
            "text", _("PEC : le professionnel demande d'abord une prise en charge à l'opérateur.")
        )
    )
    phone = _("Une question ? Appelez le %(phone)s.") % {"phone": said["phone"]}
    blocks.append(Block("text", phone))
    if card.card:
        blocks += [
            Block("subheading", _("Vérifier cette carte"), keeps=50),
            Block(
                "drawing",
                _("Code à photographier, il ouvre l'adresse ci-dessous"),
                qr.squares(card.check_url),
            ),
            Block("text", card.check_url),
        ]
    return blocks
