from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MembersConfig(AppConfig):
    name = "members"
    verbose_name = _("Adhérents")

    def ready(self):
        import members.feed.work  # noqa: F401 - its kind of work is known from then on
