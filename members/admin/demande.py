"""The queue of demandes and the page of each: every act is a form of its own, refused beside its field."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, SuspiciousOperation, ValidationError
from django.db.models import Q
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from members import files
from members.admin.links import link
from members.admin.lists import MachineRows
from members.admin.traced import Traced
from members.admin.typed import TypedOnly
from members.demandes import asked, deciding, family, following, queue
from members.demandes.steps import Overtaken
from members.models import CannedAnswer, Decompte, Demande, DemandeDocument, User
from members.models.demande import DECIDED, HELD, DemandeKind, State

HANDLE = "members.handle_demande"
AGES = (7, 15, 30)  # days


class QueueForm(forms.Form):
    """What to show. A value that none of the choices holds shows all that waits."""

    q = forms.CharField(
        label=gettext_lazy("Référence ou numéro d'adhérent"), max_length=25, required=False
    )
    etat = forms.ChoiceField(
        label=gettext_lazy("État"),
        required=False,
        choices=[
            ("", gettext_lazy("À traiter")),
            *((one.value, one.label) for one in State if one != State.DRAFT),
        ],
    )
    nature = forms.ChoiceField(
        label=gettext_lazy("Nature"),
        required=False,
        choices=[("", gettext_lazy("Toutes")), *DemandeKind.choices],
    )
    qui = forms.ChoiceField(
        label=gettext_lazy("Suivie par"),
        required=False,
        choices=[
            ("", gettext_lazy("Tous")),
            (queue.MINE, gettext_lazy("Moi")),
            (queue.NOBODYS, gettext_lazy("Personne")),
        ],
    )
    age = forms.TypedChoiceField(
        label=gettext_lazy("Ancienneté"),
        required=False,
        coerce=int,
        empty_value=None,
        choices=[
            ("", gettext_lazy("Toutes")),
            *((days, gettext_lazy("Plus de %d jours") % days) for days in AGES),
        ],
    )
    apres = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1)

    def chosen(self) -> queue.Chosen:
        if not self.is_valid():
            return queue.Chosen()
        told = self.cleaned_data
        return queue.Chosen(
            state=told["etat"],
            kind=told["nature"],
            whose=told["qui"],
            days=told["age"],
            sought=told["q"].upper(),
            after=told["apres"],
        )


class TextForm(forms.Form):
    """Words for the member: a canned answer, what is typed, or one after the other."""

    canned = forms.ModelChoiceField(
        label=gettext_lazy("Réponse type"),
        queryset=CannedAnswer.objects.all(),
        required=False,
        empty_label=gettext_lazy("Aucune"),
    )
    text = forms.CharField(
        label=gettext_lazy("Texte"),
        max_length=2000,
        required=False,
        validators=[asked.no_nir],
        help_text=gettext_lazy("L'adhérent le lit tel quel, à la suite de la réponse type."),
        widget=forms.Textarea(attrs={"rows": 4}),
    )
    is_needed = True

    def clean(self):
        cleaned = super().clean()
        canned = cleaned.get("canned")
        words = "\n\n".join(filter(None, [canned and canned.text, cleaned.get("text")]))
        if self.is_needed and not words and not self.errors:
            self.add_error("text", _("Écrivez un texte, ou choisissez une réponse type."))
        cleaned["words"] = words
        return cleaned


class AcceptForm(TextForm):
    is_needed = False


class GrantForm(AcceptForm):
    cents = asked.EuroField(label=gettext_lazy("Montant accordé, en euros"))
    field_order = ["cents", "canned", "text"]

    def clean(self):
        cleaned = super().clean()
        paid = self.demande.care.paid_cents
        if cleaned.get("cents") and cleaned["cents"] > paid:
            self.add_error("cents", _("C'est plus que ce que l'adhérent a payé."))
        return cleaned


class ConfirmForm(forms.Form):
    """The proposal as the page showed it: an agent who has not read the last one does not confirm it."""

    cents = forms.IntegerField(required=False, widget=forms.HiddenInput)
    proposed_at = forms.DateTimeField(required=False, widget=forms.HiddenInput)


def _as_shown(demande: Demande):
    shown = {"cents": demande.granted_cents, "proposed_at": demande.state_at.isoformat()}
    return partial(ConfirmForm, initial=shown)


class PayForm(forms.Form):
    paid_on = asked.a_day(label=gettext_lazy("Payée le"), initial=timezone.localdate)
    number = forms.CharField(
        label=gettext_lazy("Numéro du décompte (s'il existe déjà)"), max_length=30, required=False
    )

    def clean_paid_on(self):
        day = self.cleaned_data["paid_on"]
        if not timezone.localdate(self.demande.decided_at) <= day <= timezone.localdate():
            raise ValidationError(_("Ce jour est avant la décision, ou n'est pas encore venu."))
        return day

    def clean_number(self):
        number = self.cleaned_data["number"]
        mine = Decompte.objects.filter(member=self.demande.member_id, number=number)
        self.decompte = mine.first() if number else None
        if number and self.decompte is None:
            raise ValidationError(_("Cet adhérent n'a pas de décompte de ce numéro."))
        return number


class AgentField(forms.ModelChoiceField):
    def label_from_instance(self, user):
        return user.name or user.identifiant


class AssignForm(forms.Form):
    agent = AgentField(label=gettext_lazy("Conseiller"), queryset=None)

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        may = Q(groups__permissions__codename="handle_demande")
        agents = User.objects.filter(may, is_staff=True, is_active=True, suspended_at=None)
        self.fields["agent"].queryset = agents.distinct().order_by("name", "identifiant")


@dataclass(frozen=True)
class Act:
    """One act: its address, the right it asks for, when it is offered, and what it does."""

    slug: str
    label: str
    done: str
    offered: Callable[[Demande, User], bool]
    run: Callable[[Demande, Any, dict], None]
    form: Callable[[Demande], Callable[..., forms.Form]] = lambda demande: forms.Form
    right: str = HANDLE


def _is(*states: State):
    return lambda demande, agent: demande.state in states


def _holds(*states: State):
    return lambda demande, agent: demande.state in states and demande.assigned_to_id == agent.pk


def _is_care(demande: Demande) -> bool:
    return demande.kind == DemandeKind.CARE


ACTS = [
    Act(
        "prendre",
        gettext_lazy("Prendre"),
        gettext_lazy("Vous suivez cette demande."),
        _is(State.SUBMITTED),
        lambda demande, form, told: deciding.take(demande, **told),
    ),
    Act(
        "reprendre-a-un-collegue",
        gettext_lazy("La suivre à sa place"),
        gettext_lazy("Vous suivez cette demande."),
        lambda demande, agent: (
            demande.state in (State.TAKEN, State.AWAITING) and demande.assigned_to_id != agent.pk
        ),
        lambda demande, form, told: deciding.assign(demande, told["by"], **told),
    ),
    Act(
        "continuer",
        gettext_lazy("Continuer sans la pièce"),
        gettext_lazy("La demande est de nouveau en cours."),
        _holds(State.AWAITING),
        lambda demande, form, told: deciding.resume(demande, **told),
    ),
    Act(
        "confirmer",
        gettext_lazy("Confirmer le montant"),
        gettext_lazy("La demande est acceptée."),
        lambda demande, agent: (
            demande.state == State.CHECKING and demande.proposed_by_id != agent.pk
        ),
        lambda demande, form, told: deciding.confirm(demande, **form.cleaned_data, **told),
        _as_shown,
    ),
    Act(
        "renvoyer",
        gettext_lazy("Renvoyer sans confirmer"),
        gettext_lazy("La demande revient à qui la suit."),
        _is(State.CHECKING),
        lambda demande, form, told: deciding.send_back(demande, **told),
    ),
    Act(
        "accepter",
        gettext_lazy("Accepter"),
        gettext_lazy("C'est enregistré."),
        _holds(State.TAKEN),
        lambda demande, form, told: deciding.accept(
            demande,
            cents=form.cleaned_data.get("cents"),
            text=form.cleaned_data["words"],
            **told,
        ),
        lambda demande: GrantForm if _is_care(demande) else AcceptForm,
    ),
    Act(
        "demander-une-piece",
        gettext_lazy("Demander une pièce"),
        gettext_lazy("L'adhérent est prévenu : la pièce lui est demandée."),
        _holds(State.TAKEN),
        lambda demande, form, told: deciding.ask(demande, form.cleaned_data["words"], **told),
        lambda demande: TextForm,
    ),
    Act(
        "refuser",
        gettext_lazy("Refuser"),
        gettext_lazy("La demande est refusée, l'adhérent en lit le motif."),
        _holds(State.TAKEN),
        lambda demande, form, told: deciding.refuse(demande, form.cleaned_data["words"], **told),
        lambda demande: TextForm,
    ),
    Act(
        "payer",
        gettext_lazy("Marquer payée"),
        gettext_lazy("La demande est payée."),
        lambda demande, agent: demande.state == State.ACCEPTED and _is_care(demande),
        lambda demande, form, told: deciding.pay(
            demande, form.cleaned_data["paid_on"], decompte=form.decompte, **told
        ),
        lambda demande: PayForm,
        "members.pay_demande",
    ),
    Act(
        "repondre",
        gettext_lazy("Écrire à l'adhérent"),
        gettext_lazy("Votre message est envoyé."),
        lambda demande, agent: demande.state != State.DRAFT,
        lambda demande, form, told: deciding.answer(demande, form.cleaned_data["words"], **told),
        lambda demande: TextForm,
    ),
    Act(
        "confier",
        gettext_lazy("Confier à un autre conseiller"),
        gettext_lazy("La demande est confiée."),
        _is(*HELD),
        lambda demande, form, told: deciding.assign(demande, form.cleaned_data["agent"], **told),
        lambda demande: AssignForm,
        "members.assign_demande",
    ),
    Act(
        "remettre",
        gettext_lazy("Remettre à traiter"),
        gettext_lazy("Un autre conseiller peut la prendre."),
        _holds(State.TAKEN),
        lambda demande, form, told: deciding.put_back(demande, **told),
    ),
]


def _form_of(act: Act, demande: Demande, data=None) -> forms.Form:
    form = act.form(demande)(data, prefix=act.slug)
    form.demande = demande
    return form


@admin.register(Demande)
class DemandeAdmin(MachineRows, admin.ModelAdmin):
    def get_urls(self):
        wrap = self.admin_site.admin_view
        acts = [
            path(
                f"<int:pk>/{act.slug}/",
                wrap(require_POST(self._do(act))),
                name=f"members_demande_{act.slug}",
            )
            for act in ACTS
        ]
        return [
            *acts,
            path(
                "<int:pk>/pieces/<int:number>/",
                wrap(self.document),
                name="members_demande_document",
            ),
            path("<int:pk>/change/", wrap(self.page), name="members_demande_change"),
            path("", wrap(self.list), name="members_demande_changelist"),
        ]

    def list(self, request):
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = QueueForm(request.GET)
        if set(request.GET) - set(
            form.fields
        ):  # as every list of the site: no other column filters
            raise SuspiciousOperation("The queue is filtered by its own fields.")
        chosen = form.chosen()
        found, after = queue.page(chosen, request.user)
        query = request.GET.dict()
        context = {
            **self.admin_site.each_context(request),
            "title": _("Demandes des adhérents"),
            "opts": self.opts,
            "form": form,
            "fields": [field for field in form if field.name != "apres"],
            "found": found,
            "waiting": queue.waiting(),
            "more": after
            and reverse("admin:members_demande_changelist", query=query | {"apres": after}),
        }
        return TemplateResponse(request, "admin/members/demande/queue.html", context)

    def page(self, request, pk):
        return self._page(request, self._demande(request, pk))

    def _demande(self, request, pk) -> Demande:
        """Drafts are their members' alone. Raises PermissionDenied or Http404."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        rows = Demande.objects.exclude(state=State.DRAFT)
        rows = rows.select_related(
            "member__user", "assigned_to", "proposed_by", "decided_by", "decompte"
        )
        return get_object_or_404(rows, pk=pk)

    def _page(self, request, demande: Demande, refused: tuple[Act, forms.Form] | None = None):
        written = list(demande.messages.select_related("by"))
        offered = [
            act
            for act in ACTS
            if request.user.has_perm(act.right) and act.offered(demande, request.user)
        ]
        shown = []
        for act in offered:
            is_refused = refused is not None and refused[0] is act
            form = refused[1] if is_refused else _form_of(act, demande)
            address = reverse(f"admin:members_demande_{act.slug}", args=[demande.pk])
            shown.append((act, form, address, is_refused))
        context = {
            **self.admin_site.each_context(request),
            "title": demande.reference,
            "opts": self.opts,
            "demande": demande,
            "member": link(request.user, demande.member, demande.member.full_name),
            "facts": asked.facts(demande),
            "alike": queue.alike(demande),
            "documents": list(demande.documents.all())
            if request.user.has_perm("members.view_demandedocument")
            else [],
            "written": written,
            "events": demande.events.select_related("by"),
            "buttons": [one for one in shown if not one[1].visible_fields()],
            "forms": [one for one in shown if one[1].visible_fields()],
            "is_decided": demande.state in DECIDED,
        }
        if request.user.has_perm(HANDLE) and demande.assigned_to_id in (None, request.user.pk):
            following.read(written, from_staff=False)
        return TemplateResponse(request, "admin/members/demande/page.html", context)

    def _do(self, act: Act):
        def do(request, pk):
            if not request.user.has_perm(act.right):
                raise PermissionDenied
            demande = self._demande(request, pk)
            if not act.offered(demande, request.user):
                messages.error(request, _("Cet acte n'est plus possible : la demande a avancé."))
                return redirect("admin:members_demande_change", pk)
            form = _form_of(act, demande, request.POST)
            if not form.is_valid():
                return self._page(request, demande, (act, form))
            try:
                act.run(demande, form, {"by": request.user, "request": request})
            except Overtaken:
                messages.error(request, _("Un collègue, ou l'adhérent, vient d'agir avant vous."))
            except deciding.SamePerson:
                messages.error(request, _("Un autre agent que vous doit confirmer ce montant."))
            except family.Impossible as refusal:
                for sentence in refusal.sentences:
                    messages.error(request, sentence)
            else:
                messages.success(request, act.done)
            return redirect("admin:members_demande_change", pk)

        return do

    def document(self, request, pk, number):
        """A picture is shown in the page; a PDF is kept, for a browser would run its own reader on it."""
        demande = self._demande(request, pk)
        if not request.user.has_perm("members.view_demandedocument"):
            raise PermissionDenied
        row = get_object_or_404(DemandeDocument, demande=demande, pk=number)
        try:
            answer = files.answer(
                row.file, name=row.name, content_type=row.content_type, inline=row.is_image
            )
        except FileNotFoundError:
            raise Http404 from None
        row.demande = demande
        deciding.read(row, by=request.user, request=request)
        return answer


@admin.register(CannedAnswer)
class CannedAnswerAdmin(Traced, TypedOnly, admin.ModelAdmin):
    list_display = ["title"]
    search_fields = ["title"]
