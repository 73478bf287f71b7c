from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MembersConfig(AppConfig):
    name = "members"
    verbose_name = _("Adhérents")

    def ready(self):
        # their kinds of work, and the subjects of a copy, are known from then on
        import members.feed.work
        import members.mydata_sections  # noqa: F401
