from django.urls import path

from incidents.views import attestation, exposure, public

urlpatterns = [
    path("incidents/", exposure.incident_list, name="incident_list"),
    path("incidents/<slug:reference>/", exposure.incident, name="incident"),
    path(
        "incidents/<slug:reference>/lu/", exposure.incident_acknowledge, name="incident_acknowledge"
    ),
    path("incidents/<slug:reference>/attestation/", attestation.attestation, name="attestation"),
    path(
        "incidents/<slug:reference>/attestation.pdf",
        attestation.attestation_pdf,
        name="attestation_pdf",
    ),
    path("attestations/", attestation.attestation_check, name="attestation_check"),
    path("attestations/<str:code>/", attestation.attestation_checked, name="attestation_checked"),
    path("information/", public.public_list, name="public_list"),
    path("information/flux.atom", public.public_atom, name="public_atom"),
    path("information/index.json", public.public_json, name="public_json"),
    path("information/<slug:reference>/", public.public_notice, name="public_notice"),
]
