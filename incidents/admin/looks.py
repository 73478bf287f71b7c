"""Pages that show a version without moving it: as a person, beside another one, as a call script."""

from dataclasses import replace

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.shortcuts import redirect, render
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents import notices, renderings, review
from incidents.audience import ADULT_AGE
from incidents.models import NoticeVersion
from incidents.models.wording import Audience
from incidents.renderings import OF_A_PERSON
from members import audit
from members.days import years_before
from members.models import AyantDroit, Member

# The pages that people read; the other audiences have none, and read the same blocks.
PAGES = {
    Audience.MEMBER: "incidents/personal.html",
    Audience.FORMER: "incidents/personal.html",
    Audience.ADULT: "incidents/personal.html",
    Audience.PUBLIC: "incidents/public.html",
}


def _member(number: str) -> Member | None:
    number = number.strip()
    # PostgreSQL holds no NUL, and says so by an error
    return Member.objects.filter(number=number).first() if number and "\0" not in number else None


class Adults(forms.ModelChoiceField):
    def label_from_instance(self, person):
        return person.full_name


class PreviewForm(forms.Form):
    """`person` is whose data are told, or None."""

    audience = forms.ChoiceField(
        label=gettext_lazy("Public"), choices=Audience.choices, required=False
    )
    number = forms.CharField(
        label=gettext_lazy("Numéro d'adhérent"),
        max_length=20,
        required=False,
        help_text=gettext_lazy("Demandé pour un adhérent, un ancien adhérent ou un ayant droit."),
    )
    adult = Adults(
        label=gettext_lazy("Ayant droit majeur"),
        queryset=AyantDroit.objects.none(),
        required=False,
        help_text=gettext_lazy("Donnez d'abord le numéro d'adhérent, puis choisissez."),
    )

    def __init__(self, data=None):
        super().__init__(data)
        self.member = _member((data or {}).get("number", ""))
        if self.member:
            born = years_before(timezone.localdate(), ADULT_AGE)
            adults = AyantDroit.objects.filter(member=self.member, birth_date__lte=born)
            self.fields["adult"].queryset = adults.order_by("birth_date", "birth_rank")

    def clean_number(self):
        if self.cleaned_data["number"].strip() and self.member is None:
            raise ValidationError(_("Aucun adhérent n'a ce numéro."))
        return self.cleaned_data["number"]

    def clean(self):
        cleaned = super().clean()
        cleaned["audience"] = Audience(cleaned.get("audience") or Audience.MEMBER)
        apart = (Audience.PUBLIC, Audience.EMPLOYER)  # who reads of nobody in particular
        self.person = None if cleaned["audience"] in apart else self.member
        if (
            cleaned["audience"] in OF_A_PERSON
            and self.member is None
            and "number" not in self.errors
        ):
            self.add_error("number", _("Donnez le numéro d'un adhérent."))
        if cleaned["audience"] == Audience.ADULT and self.member:
            adults = list(self.fields["adult"].queryset[:2])
            self.person = cleaned.get("adult") or (adults[0] if len(adults) == 1 else None)
            if not adults:
                self.add_error(
                    "adult", _("Aucun ayant droit majeur n'est couvert par cet adhérent.")
                )
            elif self.person is None:
                self.add_error("adult", _("Choisissez l'ayant droit."))
        return cleaned


class CompareForm(forms.Form):
    other = forms.ModelChoiceField(
        label=gettext_lazy("Comparer avec"), queryset=NoticeVersion.objects.none()
    )

    def __init__(self, version, data=None):
        super().__init__(data)
        others = version.incident.versions.exclude(pk=version.pk).select_related("incident")
        self.fields["other"].queryset = others.order_by("-number")
        self.fields["other"].label_from_instance = lambda one: (
            _("Version %(number)s, %(state)s")
            % {"number": one.number, "state": one.get_state_display()}
        )


class Looks:
    """For the admin of versions, beside `Moves`."""

    def look(self, request, template: str, version, title: str, **context):
        context |= self.admin_site.each_context(request)
        context |= {"opts": self.opts, "title": title, "subtitle": None, "object": version}
        return TemplateResponse(request, f"admin/incidents/noticeversion/{template}.html", context)

    def preview(self, request, object_id):
        """The version as one reads it. Nothing is recorded for him; the look itself is."""
        version = self.object_to_move(request, object_id, "incidents.preview_noticeversion")
        form = PreviewForm(request.GET or None)
        if not form.is_valid():
            return self.look(request, "preview", version, _("Voir comme un lecteur"), form=form)
        audience = form.cleaned_data["audience"]
        told = {"member": form.member.number} if form.person else {}
        audit.record(
            "incident.previewed",
            user=form.member.user if form.person else None,
            request=request,
            incident=version.incident.reference,
            version=version.number,
            audience=audience.value,
            **told,
        )
        page = renderings.page(version, audience, form.person)
        if audience in PAGES:
            return render(request, PAGES[audience], {"page": replace(page, is_preview=True)})
        title = audience.label.capitalize()
        return self.look(request, "rendering", version, title, blocks=renderings.blocks(page))

    def compare(self, request, object_id):
        version = self.object_to_move(request, object_id, "incidents.view_noticeversion")
        form = CompareForm(version, request.GET or None)
        compared = review.compare(version, form.cleaned_data["other"]) if form.is_valid() else None
        return self.look(
            request, "compare", version, _("Comparer deux versions"), form=form, review=compared
        )

    def script(self, request, object_id):
        """What to tell who calls about an incident: always by the version in force."""
        version = self.object_to_move(request, object_id, "incidents.view_noticeversion")
        live = notices.latest(version.incident)
        if live is None:
            messages.error(request, _("Aucune version n'est en vigueur : il n'y a rien à dire."))
            return redirect("admin:incidents_noticeversion_change", version.pk)
        member = None
        if number := request.GET.get("number", ""):
            if not request.user.has_perm("members.view_member"):
                raise PermissionDenied
            member = _member(number)
        if member:
            audit.record(
                "incident.script_read",
                user=member.user,
                request=request,
                incident=live.incident.reference,
                version=live.number,
                member=member.number,
            )
        blocks = renderings.render(live, Audience.SUPPORT, member)
        return self.look(request, "script", live, _("Script d'appel"), blocks=blocks, member=member)
