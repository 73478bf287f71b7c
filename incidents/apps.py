from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class IncidentsConfig(AppConfig):
    name = "incidents"
    verbose_name = _("Incidents")

    def ready(self):
        # they register their kinds of work, and what they keep about a member
        from incidents import (  # noqa: F401
            counting,
            employers,
            mydata,
            reach,
            reach_letters,
            reach_mails,
        )
        from incidents.dossiers import bundle  # noqa: F401
