"""An operator calls: which incident, then everything that the call teaches, on one page."""

from django import forms
from django.contrib import messages
from django.contrib.admin.widgets import (
    AdminEmailInputWidget,
    AdminTextareaWidget,
    AdminTextInputWidget,
)
from django.core.exceptions import PermissionDenied, ValidationError
from django.shortcuts import redirect
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents import intake, lifecycle
from incidents.admin.lines import LinesField
from incidents.admin.pages import TOGETHER, FilesForm, IncidentPages, day, moment, this_minute
from incidents.models import Claim, Incident
from incidents.models.call import Channel, not_yet
from incidents.models.claim import ClaimState, Confidence, not_in_the_future
from incidents.models.evidence import HEAVIEST, EvidenceKind
from incidents.models.incident import IncidentState, StepKind
from members import files
from members.admin.reasons import no_long_number
from members.days import day as in_words
from members.days import hour
from members.models import Operator
from members.models.category import DataCategory

FILES = ("file_1", "file_2", "file_3")
NEW = "new"


class ChoiceOfIncidentForm(forms.Form):
    """An incident under way, or the little that a new one needs before the caller goes on."""

    incident = forms.ChoiceField(
        label=gettext_lazy("De quoi s'agit-il ?"), widget=forms.RadioSelect
    )
    title = forms.CharField(
        label=gettext_lazy("Titre du nouvel incident"),
        max_length=150,
        required=False,
        help_text=gettext_lazy("Exemple : Attaque d'Almerys."),
        widget=AdminTextInputWidget,
    )
    dpo_name = forms.CharField(
        label=gettext_lazy("Délégué à la protection des données"),
        max_length=150,
        required=False,
        widget=AdminTextInputWidget,
    )
    dpo_email = forms.EmailField(
        label=gettext_lazy("Son adresse e-mail"), required=False, widget=AdminEmailInputWidget
    )

    def __init__(self, *args, may_open: bool, **kwargs):
        super().__init__(*args, **kwargs)
        self.under_way = {
            str(incident.pk): incident
            for incident in Incident.objects.exclude(state=IncidentState.CLOSED)
        }
        choices = [(pk, f"{one.title} ({one})") for pk, one in self.under_way.items()]
        if may_open:
            choices.append((NEW, _("Un nouvel incident")))
        self.fields["incident"].choices = choices
        if len(choices) == 1:
            self.fields["incident"].initial = choices[0][0]
        if latest := Incident.objects.order_by("-pk").first():
            self.fields["dpo_name"].initial = latest.dpo_name
            self.fields["dpo_email"].initial = latest.dpo_email

    def clean(self):
        cleaned = super().clean()
        if cleaned.get("incident") == NEW:
            for name in ("title", "dpo_name", "dpo_email"):
                if not cleaned.get(name) and name not in self.errors:
                    self.add_error(name, _("Un nouvel incident en a besoin."))
        return cleaned


class CallForm(FilesForm):
    """What a call teaches, in the order in which one hears it."""

    operator = forms.ModelChoiceField(
        label=gettext_lazy("Opérateur"), queryset=Operator.objects.order_by("name")
    )
    called_at = moment(
        label=gettext_lazy("Appel reçu le"),
        validators=[not_yet],
        help_text=gettext_lazy("Le premier appel d'un opérateur démarre ses délais."),
    )
    channel = forms.ChoiceField(
        label=gettext_lazy("Par"), choices=Channel.choices, initial=Channel.PHONE
    )
    caller_name = forms.CharField(
        label=gettext_lazy("Nom de l'interlocuteur"),
        max_length=100,
        validators=[no_long_number],
        widget=AdminTextInputWidget(attrs={"autocomplete": "off"}),
    )
    caller_role = forms.CharField(
        label=gettext_lazy("Sa fonction"),
        max_length=100,
        validators=[no_long_number],
        help_text=gettext_lazy("Rien d'autre sur cette personne."),
        widget=AdminTextInputWidget(attrs={"autocomplete": "off"}),
    )
    said = LinesField(
        label=gettext_lazy("Ce qui est dit"),
        max_length=4000,
        help_text=gettext_lazy("Les faits, avec ses mots. Aucune donnée d'adhérent."),
        widget=AdminTextareaWidget(attrs={"rows": 5}),
    )
    window = forms.ChoiceField(
        label=gettext_lazy("Les jours de l'attaque"),
        choices=[
            ("unknown", gettext_lazy("Il ne les connaît pas encore")),
            ("known", gettext_lazy("Il les donne")),
        ],
        initial="unknown",
        widget=forms.RadioSelect,
    )
    window_from = day(
        label=gettext_lazy("Premier jour"), required=False, validators=[not_in_the_future]
    )
    window_until = day(
        label=gettext_lazy("Dernier jour"),
        required=False,
        validators=[not_in_the_future],
        help_text=gettext_lazy("Vide : il ne le connaît pas."),
    )
    source = forms.CharField(
        label=gettext_lazy("Source"),
        max_length=250,
        required=False,
        help_text=gettext_lazy("Vide : cet appel."),
        widget=AdminTextInputWidget,
    )
    stated_on = day(
        label=gettext_lazy("Affirmé le"),
        required=False,
        validators=[not_in_the_future],
        help_text=gettext_lazy("Vide : le jour de l'appel."),
    )
    files_kind = forms.ChoiceField(
        label=gettext_lazy("Nature des fichiers"),
        choices=EvidenceKind.choices,
        initial=EvidenceKind.EMAIL,
    )

    def __init__(self, incident: Incident, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.incident = incident
        self.live: dict[str, list[Claim]] = {}
        claims = Claim.objects.live().filter(target__incident=incident)
        for claim in claims.select_related("target__operator"):
            self.live.setdefault(claim.category, []).append(claim)
        for category in DataCategory:
            self.fields[f"state_{category}"] = forms.ChoiceField(
                label=category.label,
                choices=[("", _("n'en parle pas")), *ClaimState.choices],
                required=False,
            )
            self.fields[f"confidence_{category}"] = forms.ChoiceField(
                label=_("Certitude : %(category)s") % {"category": category.label},
                choices=Confidence.choices,
                initial=Confidence.TOLD,
                required=False,
            )
        for kind in intake.STEPS:
            self.fields[f"step_{kind}"] = forms.BooleanField(
                label=StepKind(kind).label, required=False
            )
            self.fields[f"day_{kind}"] = day(
                label=_("Jour : %(step)s") % {"step": StepKind(kind).label},
                required=False,
                validators=[not_in_the_future],
            )
        for number, name in enumerate(FILES, start=1):
            self.fields[name] = forms.FileField(
                label=_("Fichier %(number)s") % {"number": number}, required=False, max_length=255
            )

    @property
    def who(self):
        names = ("operator", "called_at", "channel", "caller_name", "caller_role")
        return [self[name] for name in names]

    @property
    def days_of_attack(self):
        return [self["window_from"], self["window_until"]]

    @property
    def sources(self):
        return [self["source"], self["stated_on"]]

    @property
    def rows(self):
        """(state, confidence, what is said today by each operator) of each category."""
        return [
            (self[f"state_{one}"], self[f"confidence_{one}"], self.live.get(one, ()))
            for one in DataCategory
        ]

    @property
    def steps(self):
        return [(self[f"step_{kind}"], self[f"day_{kind}"]) for kind in intake.STEPS]

    @property
    def uploads(self):
        return [self["files_kind"], *(self[name] for name in FILES)]

    def clean(self):
        cleaned = super().clean()
        first, last = cleaned.get("window_from"), cleaned.get("window_until")
        if cleaned.get("window") == "known" and not first and "window_from" not in self.errors:
            self.add_error("window_from", _("Donnez au moins le premier jour."))
        if cleaned.get("window") == "unknown" and (first or last):
            self.add_error("window", _("Des jours sont donnés : choisissez « Il les donne »."))
        if first and last and last < first:
            self.add_error("window_until", _("Le dernier jour suit le premier."))
        return cleaned

    def told(self) -> intake.Told:
        data = self.cleaned_data
        at, operator = data["called_at"], data["operator"]
        source = data["source"] or _(
            "%(channel)s de %(operator)s (%(role)s), le %(day)s à %(hour)s"
        ) % {
            "channel": Channel(data["channel"]).label.capitalize(),
            "operator": operator.name,
            "role": data["caller_role"],
            "day": in_words(at),
            "hour": hour(at),
        }
        known = data["window"] == "known"
        return intake.Told(
            operator=operator,
            called_at=at,
            channel=data["channel"],
            caller_name=data["caller_name"],
            caller_role=data["caller_role"],
            said=data["said"],
            source=source,
            stated_on=data["stated_on"] or timezone.localdate(at),
            claims={
                category: (
                    data[f"state_{category}"],
                    data[f"confidence_{category}"] or Confidence.TOLD,
                )
                for category in DataCategory.values
                if data[f"state_{category}"]
            },
            window_from=data["window_from"] if known else None,
            window_until=data["window_until"] if known else None,
            steps={
                kind: data[f"day_{kind}"]
                for kind in intake.STEPS
                if data[f"step_{kind}"] or data[f"day_{kind}"]
            },
            files=[data[name] for name in FILES if data[name]],
            files_kind=data["files_kind"],
        )


class IntakePages(IncidentPages):
    """For the ModelAdmin of incidents: « Un opérateur appelle »."""

    def get_urls(self):
        wrap = self.admin_site.admin_view
        call = files.taking(each=HEAVIEST, together=TOGETHER)(wrap(self.call))
        return [
            path("appel/", wrap(self.choose), name="incidents_incident_choose"),
            path("<path:object_id>/appel/", call, name="incidents_incident_call"),
            *super().get_urls(),
        ]

    def choose(self, request):
        """Which incident a call is about; a new one is opened at once."""
        if not request.user.has_perm("incidents.add_call"):
            raise PermissionDenied
        may_open = request.user.has_perm("incidents.add_incident")
        posted = request.POST if request.method == "POST" else None
        form = ChoiceOfIncidentForm(posted, may_open=may_open)
        if posted is not None and form.is_valid():
            chosen = form.under_way.get(form.cleaned_data["incident"])
            if chosen is None:
                chosen = self._open(request, form)
            if chosen is not None:
                return redirect("admin:incidents_incident_call", chosen.pk)
        return self.page(request, "choose", _("Un opérateur appelle"), form=form, new=NEW)

    def _open(self, request, form) -> Incident | None:
        data = form.cleaned_data
        try:
            return intake.open_incident(
                title=data["title"],
                dpo_name=data["dpo_name"],
                dpo_email=data["dpo_email"],
                detected_on=timezone.localdate(),
                by=request.user,
                request=request,
            )
        except intake.Taken:
            form.add_error("title", _("Un incident de ce mois porte déjà ce titre."))
            return None

    def call(self, request, object_id):
        """Everything that one call teaches; its operator's clocks start at the first one."""
        incident = self.incident_for(request, object_id, "incidents.add_call")
        if incident.is_closed:
            messages.error(request, _("Cet incident est clos : ouvrez-en un autre pour cet appel."))
            return redirect("admin:incidents_incident_choose")
        if request.method == "POST":
            form = CallForm(incident, request.POST, request.FILES, too_heavy=request.too_heavy)
            if form.is_valid() and (answer := self._record(request, incident, form)):
                return answer
        else:
            form = CallForm(incident)
        return self.page(
            request, "call", _("Un opérateur appelle"), incident, form=form, now=this_minute()
        )

    def _record(self, request, incident, form):
        try:
            call = intake.record(incident, form.told(), by=request.user, request=request)
        except intake.Twice:
            form.add_error(
                "called_at", _("Un appel de cet opérateur à cette minute est déjà saisi.")
            )
            return None
        except lifecycle.Moved:
            messages.error(request, _("Cet incident vient d'être clos : rien n'est enregistré."))
            return redirect("admin:incidents_incident_change", incident.pk)
        except ValidationError as error:
            form.add_error(None, error)
            return None
        messages.success(
            request,
            _("L'appel de %(operator)s est enregistré.") % {"operator": call.target.operator.name},
        )
        return redirect("admin:incidents_incident_timeline", incident.pk)
