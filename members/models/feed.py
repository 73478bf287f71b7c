from django.utils.translation import gettext_lazy as _

from members.models.job import Job


class FeedImport(Job):
    """The jobs that import the files of the management system: a page and a right of their own."""

    class Meta:
        proxy = True
        default_permissions = ()
        permissions = [("import_feed", _("Peut importer les fichiers de gestion"))]
        verbose_name = _("import des fichiers de gestion")
        verbose_name_plural = _("imports des fichiers de gestion")
