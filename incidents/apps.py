from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class IncidentsConfig(AppConfig):
    name = "incidents"
    verbose_name = _("Incidents")

    def ready(self):
        # they register their kinds of work
        from incidents import counting, employers, reach, reach_letters, reach_mails  # noqa: F401
