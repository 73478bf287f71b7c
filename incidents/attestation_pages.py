"""An attestation on paper: its words as they were issued, then how anybody checks them."""

from collections.abc import Iterator

from django.utils.translation import gettext as _

from incidents.attestations import Document, Together, check_url, grouped, printed
from incidents.models import Attestation
from members import paper, qr
from members.days import day, hour
from members.paper import Block

CHECK_HEIGHT = 75  # millimetres: how to check stands on one page, below its heading


def pdf(attestation: Attestation, code: str) -> bytes:
    """The same bytes for one attestation, whenever it is asked for."""
    document = Document.of(attestation.content)
    return paper.document(
        _("Attestation d'information et d'exposition"),
        _blocks(document, attestation, code),
        foot=_("Mutuelle du Rivage · incident %(reference)s · code %(code)s")
        % {"reference": document.reference, "code": printed(code)},
    )


def _blocks(document: Document, attestation: Attestation, code: str) -> Iterator[Block]:
    yield Block("title", _("Attestation d'information et d'exposition"))
    yield Block(
        "text",
        _("Établie le %(day)s à %(hour)s par la Mutuelle du Rivage.")
        % {"day": day(attestation.issued_at), "hour": hour(attestation.issued_at)},
    )
    yield Block(
        "strong",
        _("La Mutuelle du Rivage atteste avoir informé %(name)s de cet incident :")
        % {"name": document.name},
    )
    yield Block("text", document.headline)
    yield Block("text", _("Référence : %(reference)s") % {"reference": document.reference})
    yield Block("heading", _("Ce qui a été montré, et quand"))
    for shown in document.shown:
        read = (
            _("Lecture confirmée le %(moment)s.") % {"moment": shown.read}
            if shown.read
            else _("Lecture pas encore confirmée.")
        )
        yield Block(
            "item",
            _("%(label)s. Montrée le %(moment)s. %(read)s Empreinte : %(digest)s")
            % {
                "label": shown.label,
                "moment": shown.shown,
                "read": read,
                "digest": unbroken(shown.digest),
            },
        )
    yield Block(
        "heading",
        _("Personne par personne, selon la version %(number)d") % {"number": document.number},
    )
    yield Block("text", _("Un ayant droit est un proche couvert par le contrat de l'adhérent."))
    yield from _people(document.groups)
    yield Block("heading", _("Ce que chaque opérateur a annoncé"))
    yield Block(
        "text",
        _("Un opérateur de tiers payant paie pour la mutuelle les professionnels de santé."),
    )
    for one in document.announced:
        yield Block("subheading", one.operator)
        yield Block("text", _("Attaque : %(window)s.") % {"window": one.window})
        for label, names in (
            (_("Données exposées"), one.exposed),
            (_("Données en cours de vérification"), one.checking),
            (_("Données non mentionnées, exposition ni confirmée ni écartée"), one.not_stated),
            (_("Données non exposées"), one.not_exposed),
        ):
            if names:
                yield Block("item", f"{label}\u00a0: {', '.join(names)}.")
    if document.since:
        yield Block("heading", _("Ce que nous savons le jour de cette attestation"))
        yield Block("text", document.since)
        yield from _people(document.groups_today)
    yield Block("heading", _("Qui contacter"))
    for contact in document.contacts:
        yield Block("item", contact)
    yield Block("heading", _("Vérifier ce document"), keeps=CHECK_HEIGHT)
    yield Block(
        "text",
        _("Chacun peut vérifier ce document. La page de vérification ne montre aucun nom."),
    )
    yield Block("item", _("Adresse : %(address)s") % {"address": check_url(code)})
    yield Block("item", _("Code de vérification : %(code)s") % {"code": printed(code)})
    yield Block(
        "item",
        _("Empreinte de ce document : %(groups)s")
        % {"groups": unbroken(grouped(attestation.fingerprint))},
    )
    yield Block("drawing", _("Code QR qui mène à cette adresse"), qr.squares(check_url(code)))


def _people(groups: list[Together]) -> Iterator[Block]:
    for group in groups:
        names = [f"{person.name} ({person.kind})" for person in group.people]
        if len(names) > 1:
            told = {"count": len(names)}
            yield Block("subheading", _("Les mêmes données pour %(count)d personnes") % told)
            yield Block("text", ", ".join(names))
        else:
            yield Block("subheading", names[0])
        for place in group.places:
            said = [f"{place.operator}\u00a0: {place.state}.", place.reason, place.period]
            if place.exposed:
                said.append(
                    _("Données exposées : %(names)s.") % {"names": ", ".join(place.exposed)}
                )
            yield Block("item", " ".join(filter(None, said)))


def unbroken(groups: str) -> str:
    """Groups that no line end separates."""
    return groups.replace(" ", "\u00a0")
