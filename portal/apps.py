from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class PortalConfig(AppConfig):
    name = "portal"

    def ready(self):
        from portal import checks  # noqa: F401


class PortalAdminConfig(AdminConfig):
    default_site = "portal.admin_site.PortalAdminSite"
