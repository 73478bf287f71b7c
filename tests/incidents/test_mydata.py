"""What a copy of a member's data tells of incidents."""

import json

from django.core.serializers.json import DjangoJSONEncoder

from incidents.models import Acknowledgement, Attestation
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


def test_a_copy_of_who_was_shown_nothing_says_so(cast, february_2024):
    assert mydata.gathered(cast.bianca, in_full=False)["incidents"] == []
