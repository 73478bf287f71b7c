from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from portal import errors, health, home

urlpatterns = [
    path("", home.root, name="root"),
    path("", include("members.urls")),
    path("", include("incidents.urls")),
    path("admin/", admin.site.urls),
    path("sante/vivant/", health.live, name="live"),
    path("sante/pret/", health.ready, name="ready"),
]
if settings.DEMO:
    urlpatterns.append(path("demo/", include("portal.demo.urls")))

handler400 = errors.bad_request
handler403 = errors.permission_denied
handler404 = errors.not_found
handler500 = errors.server_error
