"""Pages of an incident beside its form: what they share."""

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from incidents import evidence
from incidents.models.evidence import HEAVIEST

TOGETHER = 3 * HEAVIEST  # bytes of one form


def moment(**options) -> forms.DateTimeField:
    """A day and an hour of Paris, now unless something else is typed."""
    widget = forms.DateTimeInput(format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local"})
    return forms.DateTimeField(initial=this_minute, widget=widget, **options)


def this_minute():
    return timezone.localtime().replace(second=0, microsecond=0)


def day(**options) -> forms.DateField:
    widget = forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
    return forms.DateField(widget=widget, **options)


class TargetField(forms.ModelChoiceField):
    """A target of one incident, by its operator."""

    def label_from_instance(self, target):
        return target.operator.name


class FilesForm(forms.Form):
    """A form whose fields of files say why one of them is not kept."""

    def __init__(self, *args, too_heavy: set[str] = frozenset(), **kwargs):
        super().__init__(*args, **kwargs)
        self.too_heavy = too_heavy

    def clean(self):
        cleaned = super().clean()
        for name, field in self.fields.items():
            if not isinstance(field, forms.FileField):
                continue
            if name in self.too_heavy:
                self.errors.pop(name, None)  # it is not missing
                self.add_error(name, _("Ce fichier est trop lourd : 25 Mo au plus, 75 Mo en tout."))
            elif file := cleaned.get(name):
                self._recognize(name, file)
        return cleaned

    def _recognize(self, name: str, file) -> None:
        try:
            evidence.recognize(file)
        except evidence.TooHeavy:
            self.add_error(name, _("Ce fichier est vide, ou pèse plus de 25 Mo."))
        except evidence.Unrecognized:
            self.add_error(
                name, _("Ce fichier n'est ni PDF, ni image, ni texte, ni document bureautique.")
            )


class IncidentPages:
    """For the ModelAdmin of incidents: finds the incident of a page, and shows it."""

    def incident_for(self, request, object_id, permission: str):
        """The incident, for who may see it and holds `permission`. Raises PermissionDenied or Http404."""
        if not request.user.has_perm(permission):
            raise PermissionDenied
        incident = self.get_object(request, object_id)
        if incident is None:
            raise Http404
        if not self.has_view_permission(request, incident):
            raise PermissionDenied
        return incident

    def page(self, request, template: str, title: str, incident=None, **context):
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "subtitle": None,
            "object": incident,
            **context,
        }
        return TemplateResponse(request, f"admin/incidents/incident/{template}.html", context)
