from django.urls import path

from incidents.views import exposure, public

urlpatterns = [
    path("incidents/", exposure.incident_list, name="incident_list"),
    path("incidents/<slug:reference>/", exposure.incident, name="incident"),
    path(
        "incidents/<slug:reference>/lu/", exposure.incident_acknowledge, name="incident_acknowledge"
    ),
    path("information/<slug:reference>/", public.public_notice, name="public_notice"),
]
