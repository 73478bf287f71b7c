"""What incidents keeps about a member, for a copy of his data. (members/mydata.py)"""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents.models import Acknowledgement, Attestation, Dispatch, Reach
from incidents.reach import grouped
from incidents.reasons import ExposureState
from members.models import Member, Operator
from members.models.category import DataCategory
from members.mydata import Record, section


@section("incidents", gettext_lazy("Les incidents dont vous avez été informé"))
def shown(member: Member, in_full: bool) -> list[Record]:
    rows = Acknowledgement.objects.filter(member=member).select_related("version__incident")
    names = dict(Operator.objects.values_list("code", "name"))
    return [
        {
            _("Incident"): row.reference,
            _("Version"): row.version.number,
            _("Titre"): row.version.headline,
            _("Affichée le"): row.shown_at,
            _("Lue le"): row.acknowledged_at,
            _("Ce qui fut affiché"): [_person(person, names) for person in row.shown["persons"]],
        }
        for row in rows
    ]


def _person(person: dict[str, Any], names: dict[str, str]) -> Record:
    return {
        _("Personne"): person["name"],
        _("Opérateurs"): [
            {
                _("Opérateur"): names.get(one["operator"], one["operator"]),
                _("Réponse"): str(ExposureState(one["state"]).label),
                _("Données"): [str(DataCategory(code).label) for code in one["categories"]],
            }
            for one in person["operators"]
        ],
    }


@section("envois", gettext_lazy("Ce que nous vous avons envoyé pour un incident"))
def sent(member: Member, in_full: bool) -> list[Record]:
    """To him, and whether it came back; what went to an adult of his family is the adult's own."""
    names = dict(Operator.objects.values_list("code", "name"))
    rows = Reach.objects.filter(member=member, ayant_droit__isnull=True).order_by("pk")
    return [
        {
            _("Incident"): row.incident.reference,
            _("En qualité de"): row.get_capacity_display(),
            _("Concerné aujourd'hui"): row.is_concerned,
            _("Inscrit le"): row.added_at,
            _("Injoignable"): row.get_unreachable_display(),
            _("Preuve"): row.unreachable_note,
            _("Injoignable depuis"): row.unreachable_at,
            _("Envois"): [_dispatch(one, names) for one in row.dispatches.all()],
        }
        for row in rows.select_related("incident").prefetch_related("dispatches__version")
    ]


def _dispatch(one: Dispatch, names: dict[str, str]) -> Record:
    return {
        _("Par"): one.get_channel_display(),
        _("Version"): one.version.number,
        _("Fait le"): one.made_at,
        _("État"): one.get_state_display(),
        _("Depuis"): one.state_at,
        _("Référence"): grouped(one.reference),
        _("Ce qui fut écrit"): [_person(person, names) for person in one.told],
    }


@section("attestations", gettext_lazy("Vos attestations"))
def attestations(member: Member, in_full: bool) -> list[Record]:
    rows = Attestation.objects.filter(member=member).select_related("version__incident")
    return [
        {
            _("Incident"): row.version.incident.reference,
            _("Établie le"): row.issued_at,
            _("Nombre de personnes"): row.people,
            _("Contenu"): row.content,
        }
        for row in rows
    ]
