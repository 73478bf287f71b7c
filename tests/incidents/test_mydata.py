"""What a copy of a member's data tells of incidents."""

import json

from django.core.serializers.json import DjangoJSONEncoder

from incidents import exposure, notices, reach
from incidents.models import Acknowledgement, Attestation, Dispatch
from incidents.models.reach import Channel, DispatchState, Unreachable
from members import mydata

INCIDENT = "/incidents/2024-02-tiers-payant/"


def test_a_copy_tells_what_was_shown_read_and_attested(as_member, cast, february_2024):
    browser = as_member(cast.antoine)
    browser.get(INCIDENT)
    browser.post(f"{INCIDENT}lu/", {"version": 1})
    browser.post(f"{INCIDENT}attestation/")
    told = mydata.gathered(cast.antoine, in_full=False)
    row = Acknowledgement.objects.get()
    (incident,) = told["incidents"]
    assert incident["Incident"] == "2024-02-tiers-payant"
    assert (incident["Affichée le"], incident["Lue le"]) == (row.shown_at, row.acknowledged_at)
    shown = mydata.words(incident["Ce qui fut affiché"])
    assert "Antoine" in shown
    assert "Viamedis" in shown
    assert "Numéro de sécurité sociale" in shown
    (attestation,) = told["attestations"]
    assert attestation["Contenu"] == Attestation.objects.get().content
    assert json.dumps(told, cls=DjangoJSONEncoder)


def sent_to(row, version, channel, state, **columns):
    return Dispatch.objects.create(
        person=row, version=version, channel=channel, state=state, **columns
    )


def test_a_copy_tells_what_was_sent_for_an_incident_and_what_came_back(
    cast, ledger, version, django_assert_num_queries
):
    row = ledger.reach.get(member=cast.antoine, ayant_droit=None)
    _version, facts = notices.told(ledger)
    told = [one.as_sent() for one in exposure.of_member(cast.antoine, facts)[:1]]
    mail = "3f1b2c4d-0000-4000-8000-000000000000"
    sent_to(row, version, Channel.MAIL, DispatchState.FAILED, mail=mail)
    letter = {"reference": "CDFGHJKMNPQR", "told": told}
    sent_to(row, version, Channel.LETTER, DispatchState.RETURNED, **letter)
    reach.excuse(row, Unreachable.RETURNED_TWICE, "Deux plis revenus", by=cast.courriers)
    with django_assert_num_queries(4):  # operators · incidents · what was sent · its versions
        (record,) = mydata.sections["envois"].records(cast.antoine, False)
    assert record["Incident"] == "2024-02-tiers-payant"
    assert record["Injoignable"] == "courrier revenu deux fois"
    assert record["Preuve"] == "Deux plis revenus"
    assert [(one["Par"], one["État"], one["Référence"]) for one in record["Envois"]] == [
        ("e-mail", "échoué", ""),
        ("courrier", "revenu", "CDFG-HJKM-NPQR"),
    ]
    written = mydata.words(record["Envois"][1]["Ce qui fut écrit"])
    assert "Antoine" in written
    assert "Viamedis" in written
    assert json.dumps(record, cls=DjangoJSONEncoder)


def test_what_was_sent_to_an_adult_of_the_family_is_the_adult_s_own(cast, ledger, version):
    row = ledger.reach.get(ayant_droit__first_names="Aurélie")
    letter = {"reference": "CDFGHJKMNPQR"}
    sent_to(row, version, Channel.LETTER, DispatchState.PRINTED, **letter)
    told = mydata.sections["envois"].records(row.member, False)
    assert [one["Envois"] for one in told] == [[]]


def test_a_copy_of_who_was_shown_nothing_says_so(cast, february_2024):
    assert mydata.gathered(cast.bianca, in_full=False)["incidents"] == []
