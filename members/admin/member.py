from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import HttpResponseNotAllowed
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from members import audit, bank, contacts, days, nir, trail
from members.admin.cells import CellForm, touched
from members.admin.letter import may_print, print_letters
from members.admin.links import Readers, link
from members.admin.lists import LargeTable
from members.admin.reasons import ReasonForm
from members.admin.support import SupportActs
from members.admin.typed import TypedOnly
from members.models import Adhesion, AuditEvent, AyantDroit, Member, SmsDevice, User
from members.models.sms import SmsState
from members.sms.gateway import Problem

SHOWN_EVENTS = 50
TONES = {
    SmsState.DELIVERED: "safe",
    SmsState.SENT: "safe",
    SmsState.UNKNOWN: "maybe",
    SmsState.UNDELIVERED: "risk",
    SmsState.FAILED: "risk",
    SmsState.EXPIRED: "risk",
}


class PersonForm(forms.ModelForm):
    """A person's form, where a NIR can be typed in but is never filled in from what is known."""

    new_nir = forms.CharField(
        label=_("Nouveau NIR"),
        max_length=21,
        required=False,
        help_text=_("Vide : le NIR connu ne change pas."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def clean_new_nir(self):
        typed = self.cleaned_data["new_nir"]
        if not typed:
            return ""
        try:
            return nir.compact(typed)
        except nir.InvalidNir:
            raise ValidationError(
                _("Ce NIR n'est pas valide. Vérifiez ses 15 caractères.")
            ) from None

    def clean(self):
        cleaned = super().clean()
        number, absence = cleaned.get("new_nir"), cleaned.get("nir_absence")
        if number and absence:
            self.add_error("nir_absence", _("Un NIR saisi n'a pas de motif d'absence."))
        elif number:
            self.instance.set_nir(number)
        elif absence:
            self.instance.nir_sealed, self.instance.nir_digest = "", None
        elif not self.instance.nir_sealed and "new_nir" not in self.errors:
            self.add_error("new_nir", _("Indiquez le NIR, ou pourquoi il est absent."))
        return cleaned


class AdhesionInline(admin.TabularInline):
    """An adhésion is ended, never deleted: ayants droit were covered by it, and exposure reads it."""

    model = Adhesion
    form = CellForm
    autocomplete_fields = ["contract"]
    extra = 0

    def has_delete_permission(self, request, obj=None):
        return False


class AyantDroitInline(admin.TabularInline):
    model = AyantDroit
    fields = [
        "reference",
        "link",
        "birth_name",
        "first_names",
        "birth_date",
        "birth_rank",
        "start",
        "end",
    ]
    readonly_fields = fields
    show_change_link = True
    extra = 0

    def has_add_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False


class RevealForm(ReasonForm):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        reason = self.fields["reason"]
        reason.label = _("Pourquoi avez-vous besoin de ce numéro ?")
        reason.help_text = _(
            "Enregistré au journal avec votre nom. Jamais pour identifier un appelant."
        )


class PersonAdmin(TypedOnly, Readers, LargeTable):
    """Masked NIR, and one page that shows it against a recorded reason."""

    form = PersonForm

    def typed(self, form):
        typed = form.changed_data
        if {"new_nir", "nir_absence"} & {*typed}:
            return [*typed, "nir_sealed", "nir_digest", "nir_absence"]
        return typed

    def get_urls(self):
        name = f"{self.opts.app_label}_{self.opts.model_name}_nir"
        own = [path("<int:pk>/nir/", self.admin_site.admin_view(self.reveal_nir), name=name)]
        return own + super().get_urls()

    def get_fieldsets(self, request, obj=None):
        """Without the fields that set a NIR, for those who only look."""
        fieldsets = super().get_fieldsets(request, obj)
        if self.has_change_permission(request, obj):
            return fieldsets
        setters = ("new_nir", "nir_absence")
        return [
            (title, options | {"fields": [f for f in options["fields"] if f not in setters]})
            for title, options in fieldsets
        ]

    def save_model(self, request, obj, form, change):
        known = type(obj).objects.filter(pk=obj.pk).values_list("nir_digest", flat=True).first()
        super().save_model(request, obj, form, change)
        if change and known != obj.nir_digest:
            told = self._told(request, obj)
            audit.record("nir.replaced", known_before=known is not None, **told)

    def save_related(self, request, form, formsets, change):
        """Names what changed in the file, never what it holds."""
        super().save_related(request, form, formsets, change)
        fields = [name for name in form.changed_data if name != "new_nir"]
        rows = touched(formsets)
        if fields or rows or not change:
            audit.record(
                "person.changed" if change else "person.added",
                fields=fields,
                rows=rows,
                **self._told(request, form.instance),
            )

    def _told(self, request, person) -> dict[str, Any]:
        return {
            "user": getattr(person, "user", None),
            "request": request,
            "person": f"{self.opts.model_name}/{person.pk}",
        }

    @admin.display(description=_("numéro de sécurité sociale"))
    def nir_shown(self, person):
        if not person.nir_sealed or not person.reader.has_perm("members.reveal_nir"):
            return person.nir_masked
        url = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_nir", args=[person.pk])
        return format_html(
            '{} · <a href="{}">{}</a>', person.nir_masked, url, _("Afficher en entier")
        )

    def reveal_nir(self, request, pk):
        person = self.get_object(request, str(pk))
        if not request.user.has_perm("members.reveal_nir"):
            raise PermissionDenied
        if person is None or not person.nir_sealed:
            return self._get_obj_does_not_exist_redirect(request, self.opts, str(pk))
        if request.method not in ("GET", "POST"):
            return HttpResponseNotAllowed(["GET", "POST"])
        form = RevealForm(request.POST or None)
        shown = ""
        if request.method == "POST" and form.is_valid():
            shown = self._reveal(request, person, form.cleaned_data["reason"])
        context = self.admin_site.each_context(request) | {
            "title": _("Numéro de sécurité sociale"),
            "opts": self.opts,
            "person": person,
            "form": form,
            "shown": shown,
        }
        return render(request, "admin/members/nir.html", context)

    @transaction.atomic
    def _reveal(self, request, person, reason: str) -> str:
        audit.record("nir.revealed", reason=reason, **self._told(request, person))
        return person.nir


IDENTITY = ["civility", "birth_name", "usage_name", "first_names", "birth_date", "birth_rank"]
CONTACT = ["email", "address", "postal_code", "city"]


@admin.register(Member)
class MemberAdmin(SupportActs, PersonAdmin):
    list_display = [
        "number",
        "last_name_shown",
        "first_names",
        "birth_date",
        "account",
        "phone_masked",
    ]
    list_select_related = ["user"]
    search_fields = ["=number", "birth_name__istartswith", "usage_name__istartswith"]
    search_help_text = _("Un numéro d'adhérent, ou le début d'un nom. Jamais un NIR.")
    search_prompt = _("Cherchez un numéro ou un nom.")
    inlines = [AdhesionInline, AyantDroitInline]
    fieldsets = [
        (None, {"fields": ["number", "identifiant"]}),
        (_("Identité"), {"fields": [*IDENTITY, "nir_shown", "new_nir", "nir_absence", "noemie"]}),
        (_("Coordonnées"), {"fields": [*CONTACT, "bank_account"]}),
    ]
    readonly_fields = ["identifiant", "nir_shown", "noemie", "bank_account"]
    change_form_template = "admin/members/member/change_form.html"
    actions = [print_letters]

    @admin.display(description=_("nom"), ordering="birth_name")
    def last_name_shown(self, member):
        return member.last_name

    @admin.display(description=_("identifiant de connexion"))
    def identifiant(self, member):
        return link(member.reader, member.user) if member.user else _("aucun compte")

    @admin.display(description=_("compte bancaire"))
    def bank_account(self, member):
        serving, waiting = bank.serving(member), bank.waiting(member)
        shown = serving.masked if serving else _("aucun")
        if waiting is None:
            return shown
        told = {"shown": shown, "next": waiting.masked, "day": days.day(waiting.serves_from)}
        return _("%(shown)s, puis %(next)s à partir du %(day)s") % told

    @admin.display(description=_("compte"))
    def account(self, member):
        if member.user is None:
            return _("aucun")
        return member.user.status

    @admin.display(description=_("téléphone de connexion"))
    def phone_masked(self, member):
        return member.phone_masked or _("aucun")

    def has_delete_permission(self, request, obj=None):
        return False

    def typed(self, form):
        return [name for name in super().typed(form) if name != "email"]  # `contacts` writes it

    def save_model(self, request, obj, form, change):
        super().save_model(request, obj, form, change)
        if change and "email" in form.changed_data:
            contacts.replace_email(obj, obj.email, request=request)

    def get_actions(self, request):
        """Without the letters, for those who may not print them."""
        actions = super().get_actions(request)
        if not may_print(request.user):
            actions.pop("print_letters", None)
        return actions

    def change_view(self, request, object_id, form_url="", extra_context=None):
        member = self.get_object(request, object_id)
        follow = _follow(member.user if member else None, request.user)
        follow["acts"] = self.acts_offered(request, member) if member else []
        return super().change_view(
            request, object_id, form_url, {**(extra_context or {}), **follow}
        )


@dataclass(frozen=True)
class TextLine:
    """One text in the words of the support team."""

    created_at: datetime
    state: str
    since: datetime
    problem: str
    tone: str


@dataclass(frozen=True)
class EventLine:
    at: datetime
    label: str
    by: str
    address: str


def _follow(user: User | None, reader: User) -> dict[str, Any]:
    """What the page of a member tells `reader` of his account, beside his file: of his texts and of the
    trail, what he may see elsewhere."""
    sees = {
        "texts": reader.has_perm("members.view_smsmessage"),
        "events": reader.has_perm("members.view_auditevent"),
    }
    if user is None:
        return {"sees": sees, "account": None}
    told = {
        "sees": sees,
        "account": user,
        "account_tone": "safe" if user.may_sign_in else "risk",
    }
    if sees["texts"]:
        told |= _texts(user)
    if sees["events"]:
        told |= {"last_sign_in": trail.last_sign_in(user), "events": _events(user)}
    return told


def _texts(user: User) -> dict[str, Any]:
    device = SmsDevice.objects.filter(user=user, flagged_at__isnull=False).first()
    texts = user.texts.order_by("-created_at")[:SHOWN_EVENTS]
    return {
        "flag": Problem.words(device.flag) if device else "",
        "flagged_at": device.flagged_at if device else None,
        "texts": [
            TextLine(
                created_at=text.created_at,
                state=text.get_state_display(),
                since=text.state_at,
                problem=Problem.words(text.problem),
                tone=TONES.get(text.state, "wait"),
            )
            for text in texts
        ],
    }


def _events(user: User) -> list[EventLine]:
    return [
        EventLine(
            at=event.at,
            label=trail.label(event.action),
            by=_author(event),
            address=event.address,
        )
        for event in user.audit_events.select_related("actor")[:SHOWN_EVENTS]
    ]


def _author(event: AuditEvent) -> str:
    """Who did it: an agent by his name, the member himself otherwise."""
    if event.actor is None or event.actor_id == event.user_id:
        return ""
    return event.actor.name or event.actor.identifiant


@admin.register(AyantDroit)
class AyantDroitAdmin(PersonAdmin):
    list_display = [
        "last_name",
        "first_names",
        "birth_date",
        "birth_rank",
        "link",
        "member",
        "start",
        "end",
    ]
    list_select_related = ["member"]
    search_fields = ["=member__number", "birth_name__istartswith", "usage_name__istartswith"]
    search_help_text = _("Un numéro d'adhérent, ou le début d'un nom. Jamais un NIR.")
    autocomplete_fields = ["member"]
    fieldsets = [
        (None, {"fields": ["member", "reference", "link", "start", "end"]}),
        (_("Identité"), {"fields": [*IDENTITY, "nir_shown", "new_nir", "nir_absence", "noemie"]}),
        (_("Coordonnées"), {"fields": CONTACT}),
    ]
    readonly_fields = ["nir_shown", "noemie"]
