"""The pages of the reach ledger: figures, lists by state, one person, and the acts of who may do them."""

from datetime import date

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST

from incidents import concerned, employers, notices, reach, reach_letters, reach_mails
from incidents.models import Incident, Reach
from incidents.models.reach import TO_INFORM, Capacity, ReachState, Unreachable
from members import audit, files
from members.admin.reasons import no_long_number
from members.ids import row_id
from members.models import AyantDroit, Member

PAGE = 50
TO_INFORM_LIST = "a_informer"
LINES = 2_000
# Letters come back for weeks: they are taken, and answered, after the closing too.
WHILE_OPEN = ("refresh", "mails", "employers")
WEIGHT = 1 << 20  # bytes of a list of returned letters


class SearchForm(forms.Form):
    """Posted, so that no name and no number stands in an address or in a log."""

    who = forms.CharField(
        label=gettext_lazy("Numéro d'adhérent, ou début d'un nom"),
        min_length=2,
        max_length=60,
        widget=forms.TextInput(attrs={"type": "search", "autocomplete": "off"}),
    )


class LettersForm(forms.Form):
    who = forms.ChoiceField(
        label=gettext_lazy("Pour qui"),
        choices=[
            ("new", gettext_lazy("Ceux qui n'ont pas encore eu de courrier")),
            ("again", gettext_lazy("Ceux dont le courrier est revenu : un second courrier")),
        ],
        initial="new",
        widget=forms.RadioSelect,
    )
    unread_days = forms.IntegerField(
        label=gettext_lazy("Jours laissés à ceux qui ont un espace"),
        min_value=0,
        max_value=365,
        initial=reach_letters.UNREAD_DAYS,
        help_text=gettext_lazy(
            "Après ces jours sans lecture, un courrier part. 0 : tout de suite."
        ),
    )


class ReturnsForm(forms.Form):
    """Valid: some lines, typed or in a file; `lines` holds them all."""

    references = forms.CharField(
        label=gettext_lazy("Références"),
        required=False,
        max_length=100 * LINES,
        help_text=gettext_lazy("Une par ligne, comme sur le courrier : CDFG-HJKM-NPQR."),
        widget=forms.Textarea(attrs={"rows": 8, "cols": 40, "spellcheck": "false"}),
    )
    file = forms.FileField(
        label=gettext_lazy("Ou un fichier CSV"),
        required=False,
        help_text=gettext_lazy("La référence dans la première colonne, 2 000 lignes au plus."),
    )

    def clean(self):
        cleaned = super().clean()
        self.lines = cleaned.get("references", "").splitlines()
        if file := cleaned.get("file"):
            try:
                self.lines += file.read().decode("utf-8-sig").splitlines()
            except UnicodeDecodeError:
                raise ValidationError({"file": _("Ce fichier n'est pas du texte.")}) from None
        if not any(line.strip() for line in self.lines) and not self.errors:
            raise ValidationError(_("Tapez des références, ou choisissez un fichier."))
        if len(self.lines) > LINES:
            raise ValidationError(_("2 000 lignes au plus à la fois."))
        return cleaned


class ExcuseForm(forms.Form):
    reason = forms.ChoiceField(label=gettext_lazy("Raison"), choices=Unreachable.choices)
    note = forms.CharField(
        label=gettext_lazy("Preuve"),
        min_length=10,
        max_length=300,
        validators=[no_long_number],
        help_text=gettext_lazy("Ce qui l'établit : acte, retour postal, recherche faite."),
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class GroupExcuseForm(ExcuseForm):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["reason"].choices = [(one.value, one.label) for one in reach.BY_GROUP]


class ReachPages:
    """For the admin of incidents: everything under « Information des personnes »."""

    def get_urls(self):
        returns = files.taking(each=WEIGHT, together=WEIGHT)(self.reach_returns)
        pages = {
            "": ("reach", self.reach_page),
            "personnes/": ("reach_people", self.reach_people),
            "chercher/": ("reach_search", require_POST(self.reach_search)),
            "personnes/<int:person>/": ("reach_person", self.reach_person),
            "personnes/<int:person>/joignable/": ("reach_again", require_POST(self.reach_again)),
            "actualiser/": ("reach_refresh", require_POST(self.reach_refresh)),
            "emails/": ("reach_mails", self.reach_mails),
            "courriers/": ("reach_letters", self.reach_letters),
            "retours/": ("reach_returns", returns),
            "injoignables/": ("reach_excuse", self.reach_excuse),
            "employeurs/": ("reach_employers", require_POST(self.reach_employers)),
        }
        return [
            path(
                f"<path:object_id>/information/{address}",
                self.admin_site.admin_view(view),
                name=f"incidents_incident_{name}",
            )
            for address, (name, view) in pages.items()
        ] + super().get_urls()

    # --------------------------------------------------------------------------------- to read

    def reach_page(self, request, object_id):
        incident = self.object_to_move(request, object_id, "incidents.view_reach")
        totals = reach.totals(incident)
        people = reverse("admin:incidents_incident_reach_people", args=[incident.pk])
        return self._page(
            request,
            incident,
            "page",
            _("Information des personnes"),
            totals=totals,
            census=reach.last_census(incident),
            version=notices.latest(incident),
            is_outdated=totals and reach.is_outdated(incident, totals),
            states=totals
            and [
                (state.label, totals.states[state], f"{people}?etat={state}")
                for state in ReachState
            ],
            capacities=totals
            and [(capacity.label, totals.capacities[capacity]) for capacity in Capacity],
            curve=totals and [(f"{date.fromisoformat(at):%d/%m}", n) for at, n in totals.curve],
            p50=totals and lasted(totals.p50),
            p95=totals and lasted(totals.p95),
            p95_call=totals and totals.p95_call is not None and lasted(totals.p95_call),
            acts=self._acts(request.user, incident),
            to_inform_url=f"{people}?etat={TO_INFORM_LIST}",
        )

    def _acts(self, user, incident: Incident) -> list[tuple[str, str, bool]]:
        """(name of the URL, words, whether it is done at once by POST) of what this person may do now."""
        offered = [
            ("refresh", _("Actualiser le registre"), "refresh_reach", True),
            ("mails", _("Envoyer les e-mails"), "mail_reach", False),
            ("letters", _("Imprimer les courriers"), "print_reach", False),
            ("returns", _("Courriers revenus"), "print_reach", False),
            ("excuse", _("Déclarer des injoignables"), "excuse_reach", False),
            ("employers", _("Avis aux employeurs"), "tell_employers", True),
        ]
        return [
            (f"admin:incidents_incident_reach_{name}", words, at_once)
            for name, words, right, at_once in offered
            if user.has_perm(f"incidents.{right}")
            and not (incident.is_closed and name in WHILE_OPEN)
        ]

    def reach_people(self, request, object_id):
        """One state at a time, fifty people a page, from the last id of the page before: no count."""
        incident = self.object_to_move(request, object_id, "incidents.view_reach")
        state = request.GET.get("etat", TO_INFORM_LIST)
        after = row_id(request.GET.get("apres", ""))
        rows = self._rows(incident).concerned()
        if state == TO_INFORM_LIST:
            rows = rows.filter(state__in=TO_INFORM)
        elif state in ReachState.values:
            rows = rows.filter(state=state)
        if after is not None:
            rows = rows.filter(pk__gt=after)
        found = list(rows.order_by("pk")[: PAGE + 1])
        following = None
        if len(found) > PAGE:
            found.pop()
            following = urlencode({"etat": state, "apres": found[-1].pk})
        return self._people(
            request, incident, found, state=state, following=following, is_first=after is None
        )

    def reach_search(self, request, object_id):
        """Also those who are no longer concerned. Each search is in the trail, without what was typed."""
        incident = self.object_to_move(request, object_id, "incidents.view_reach")
        form, found = SearchForm(request.POST), []
        if form.is_valid():
            rows = _alike(self._rows(incident), form.cleaned_data["who"])
            found = list(rows.order_by("pk")[: PAGE + 1])
            audit.record(
                "incident.reach_searched",
                request=request,
                incident=incident.reference,
                count=len(found[:PAGE]),
            )
        return self._people(
            request, incident, found[:PAGE], form=form, more=len(found) > PAGE, is_first=True
        )

    def _rows(self, incident: Incident) -> QuerySet:
        rows = incident.reach.with_state(reach.enough(incident))
        return rows.select_related("member", "ayant_droit")

    def _people(self, request, incident, found, **context):
        for row in found:
            row.state_label = ReachState(row.state).label
        return self._page(
            request,
            incident,
            "people",
            _("Personnes à informer"),
            **{"form": SearchForm()} | context,
            rows=found,
            states=[(TO_INFORM_LIST, _("reste à informer")), *ReachState.choices],
        )

    def reach_person(self, request, object_id, person):
        """What one person was told. A POST says why he cannot be."""
        incident = self.object_to_move(request, object_id, "incidents.view_reach")
        row = self._one(incident, person)
        may = request.user.has_perm("incidents.excuse_reach")
        form = ExcuseForm(request.POST if request.method == "POST" else None)
        if request.method == "POST":
            self.object_to_move(request, object_id, "incidents.excuse_reach")
            if form.is_valid():
                said = form.cleaned_data
                if reach.excuse(
                    row, said["reason"], said["note"], by=request.user, request=request
                ):
                    messages.success(request, _("La personne est déclarée injoignable."))
                else:
                    messages.warning(request, _("Quelqu'un d'autre vient de le dire."))
                return redirect(request.path)
        return self._page(
            request,
            incident,
            "person",
            row.person.full_name,
            row=row,
            story=reach.story(row),
            form=form if may and not row.unreachable else None,
            may_reach_again=may and row.unreachable,
        )

    # ----------------------------------------------------------------------------------- to act

    def reach_again(self, request, object_id, person):
        incident = self.object_to_move(request, object_id, "incidents.excuse_reach")
        row = self._one(incident, person)
        if reach.reach_again(row, by=request.user, request=request):
            messages.success(request, _("La personne est de nouveau à informer."))
        else:
            messages.warning(request, _("Elle n'était plus déclarée injoignable."))
        return redirect("admin:incidents_incident_reach_person", incident.pk, row.pk)

    def reach_refresh(self, request, object_id):
        incident = self._live(request, object_id, "incidents.refresh_reach")
        job = reach.refresh(incident, by=request.user, request=request)
        return redirect("admin:job", job.pk)

    def reach_mails(self, request, object_id):
        incident = self._live(request, object_id, "incidents.mail_reach")
        form = forms.Form(request.POST or None)
        if request.method == "POST":
            job = reach_mails.start(incident, by=request.user, request=request)
            return redirect("admin:job", job.pk)
        return self._page(
            request,
            incident,
            "act",
            _("Envoyer les e-mails"),
            texts=[
                _("Pour ceux qui ont un espace ouvert, une adresse, et n'ont rien lu."),
                _("L'e-mail invite à se connecter. Il ne dit ni l'opérateur, ni les données."),
                _("Une seule fois par personne et par version importante."),
            ],
            form=form,
            confirm=_("Envoyer"),
        )

    def reach_letters(self, request, object_id):
        incident = self.object_to_move(request, object_id, "incidents.print_reach")
        form = LettersForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            try:
                job = reach_letters.start(
                    incident,
                    unread_days=form.cleaned_data["unread_days"],
                    again=form.cleaned_data["who"] == "again",
                    by=request.user,
                    request=request,
                )
            except reach_letters.UnderWay as other:
                job = other.job
                messages.warning(
                    request,
                    _(
                        "Rien de nouveau n'est lancé : une impression d'un autre choix est en cours."
                    ),
                )
            return redirect("admin:job", job.pk)
        return self._page(
            request,
            incident,
            "act",
            _("Imprimer les courriers"),
            texts=[
                _("Un courrier par personne, en son nom, avec ce qui la concerne."),
                _("Personne n'a deux courriers pour une version, sauf un second demandé ici."),
                _("Chaque fichier contient 500 courriers au plus, et a son index."),
            ],
            form=form,
            confirm=_("Imprimer"),
        )

    def reach_returns(self, request, object_id):
        """What is refused stays in the box, each line with its reason: nothing is dropped."""
        incident = self.object_to_move(request, object_id, "incidents.print_reach")
        posted = request.method == "POST"
        form = ReturnsForm(request.POST if posted else None, request.FILES if posted else None)
        if posted and "file" in request.too_heavy:
            form.add_error("file", _("Ce fichier pèse plus de 1 Mo."))
        rejected = []
        if posted and form.is_valid():
            done = reach_letters.take_back(incident, form.lines, by=request.user, request=request)
            if done.accepted:
                count = len(done.accepted)
                words = ngettext(
                    "%(count)d courrier revenu est enregistré.",
                    "%(count)d courriers revenus sont enregistrés.",
                    count,
                )
                messages.success(request, words % {"count": count})
            if not done.rejected:
                return redirect("admin:incidents_incident_reach", incident.pk)
            rejected = done.rejected
            form = ReturnsForm(initial={"references": "\n".join(line for line, _why in rejected)})
        return self._page(
            request,
            incident,
            "returns",
            _("Courriers revenus"),
            texts=[_("Ces personnes sont de nouveau à informer.")],
            form=form,
            rejected=rejected,
            confirm=_("Enregistrer les retours"),
        )

    def reach_excuse(self, request, object_id):
        incident = self.object_to_move(request, object_id, "incidents.excuse_reach")
        form = GroupExcuseForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            count = reach.excuse_all(
                incident,
                Unreachable(form.cleaned_data["reason"]),
                form.cleaned_data["note"],
                by=request.user,
                request=request,
            )
            words = ngettext(
                "%(count)d personne est déclarée injoignable.",
                "%(count)d personnes sont déclarées injoignables.",
                count,
            )
            messages.success(request, words % {"count": count})
            return redirect("admin:incidents_incident_reach", incident.pk)
        return self._page(
            request,
            incident,
            "act",
            _("Déclarer des injoignables"),
            texts=[
                _("Pour tous ceux que le registre montre ainsi, et qui restent à informer."),
                _("Sans adresse : ceux qui n'ont pas non plus d'espace ouvert."),
                _("Un décès ou un refus se déclare sur la page de la personne."),
            ],
            form=form,
            confirm=_("Déclarer injoignables"),
        )

    def reach_employers(self, request, object_id):
        incident = self._live(request, object_id, "incidents.tell_employers")
        job = employers.start(incident, by=request.user, request=request)
        return redirect("admin:job", job.pk)

    # ------------------------------------------------------------------------------------------

    def _live(self, request, object_id, permission: str) -> Incident:
        """The incident, for someone who holds `permission`, while it is open."""
        incident = self.object_to_move(request, object_id, permission)
        if incident.is_closed:
            raise Http404
        return incident

    def _one(self, incident: Incident, pk: int) -> Reach:
        rows = incident.reach.select_related("incident", "member", "ayant_droit", "unreachable_by")
        return get_object_or_404(rows, pk=pk)

    def _page(self, request, incident, name: str, title: str, **context):
        context |= self.admin_site.each_context(request)
        context |= {"opts": self.opts, "title": title, "subtitle": None, "incident": incident}
        return TemplateResponse(request, f"admin/incidents/reach/{name}.html", context)


def _alike(rows: QuerySet, sought: str) -> QuerySet:
    """By a member's whole number, or by the beginning of the name of whoever is written to."""
    if any(sign.isdigit() for sign in sought):
        return rows.filter(member__number=sought.upper().replace(" ", ""))
    alike = concerned.named(" ".join(sought.split()))
    himself = Q(ayant_droit__isnull=True, member__in=Member.objects.filter(alike))
    return rows.filter(himself | Q(ayant_droit__in=AyantDroit.objects.filter(alike)))


def lasted(hours: int | None) -> str:
    """« 5 h », « 3 jours »; hours are rounded up, days too."""
    if hours is None:
        return _("pas encore")
    if hours < 48:
        return _("%(count)d h") % {"count": max(hours, 1)}
    return _("%(count)d jours") % {"count": -(-hours // 24)}
