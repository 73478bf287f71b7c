from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.shortcuts import render
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents import exposure, notices, pages, review
from incidents.admin.lines import lines
from incidents.admin.meanwhile import Meanwhile
from incidents.admin.moves import Moves, ReasonForm
from incidents.completeness import gaps
from incidents.models import NoticeVersion
from incidents.models.notice import VersionState
from members import audit
from members.admin.links import Readers, link
from members.models import Member
from members.models.written_once import WrittenOnce


class NoticeForm(forms.ModelForm):
    def clean(self):
        cleaned = super().clean()
        incident = cleaned.get("incident")
        if incident and incident.is_closed:
            raise ValidationError(_("Cet incident est clos."))
        if incident and notices.under_way(incident).exists():
            raise ValidationError(_("Une autre version est déjà en cours pour cet incident."))
        return cleaned


class ApprovalForm(forms.Form):
    """Carries the digest of the facts that stood on the page which the approver read."""

    read = forms.CharField(widget=forms.HiddenInput)


class PreviewForm(forms.Form):
    number = forms.CharField(label=gettext_lazy("Numéro d'adhérent"), max_length=20)

    def clean_number(self):
        self.member = Member.objects.filter(number=self.cleaned_data["number"].strip()).first()
        if self.member is None:
            raise ValidationError(_("Aucun adhérent n'a ce numéro."))
        return self.member.number


@admin.register(NoticeVersion)
class NoticeVersionAdmin(Meanwhile, Readers, Moves, admin.ModelAdmin):
    """A draft belongs to its author; from its submission on, nobody edits it."""

    list_display = [
        "__str__",
        "headline",
        "state",
        "importance",
        "author",
        "approver",
        "published_at",
    ]
    list_filter = ["state"]
    list_select_related = ["incident", "author", "approver"]
    search_fields = ["incident__reference", "headline"]
    formfield_overrides = lines(6)
    followed = [
        "number",
        "state",
        "written_by",
        "approved_by",
        "submitted_at",
        "published_at",
        "withdrawn_at",
        "withdrawn_reason",
        "digest",
    ]
    readonly_fields = [*followed, "importance"]
    in_words = {"material": "importance"}
    fieldsets = [
        (None, {"fields": ["incident", "headline", "public_summary"]}),
        (
            gettext_lazy("Ce que lit l'adhérent"),
            {"fields": ["what_happened", "consequences", "what_to_do", "reassurance"]},
        ),
        (gettext_lazy("Correction"), {"fields": ["material", "change_note"]}),
        (gettext_lazy("Suivi"), {"fields": followed}),
    ]
    change_form_template = "admin/incidents/noticeversion/change_form.html"
    refusals = {
        WrittenOnce: gettext_lazy("Cette version n'est plus un brouillon : rien n'est enregistré."),
        notices.AlreadyUnderWay: gettext_lazy(
            "Une autre version est déjà en cours pour cet incident."
        ),
    }

    def get_form(self, request, obj=None, change=False, **kwargs):
        if not change:
            kwargs["form"] = NoticeForm
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fieldsets(self, request, obj=None):
        """In words where nobody may change it: the admin's red cross would say that « non » is wrong."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return fieldsets
        return [
            (title, {"fields": [self.in_words.get(name, name) for name in options["fields"]]})
            for title, options in fieldsets
        ]

    @admin.display(description=gettext_lazy("rédigée par"))
    def written_by(self, version):
        return link(version.reader, version.author, version.author.name)

    @admin.display(description=gettext_lazy("approuvée par"))
    def approved_by(self, version):
        if version.approver is None:
            return _("personne encore")
        return link(version.reader, version.approver, version.approver.name)

    @admin.display(description=gettext_lazy("changement important"), ordering="material")
    def importance(self, version):
        return _("oui") if version.material else _("non")

    def get_readonly_fields(self, request, obj=None):
        return [*self.readonly_fields, "incident"] if obj else self.readonly_fields

    def has_change_permission(self, request, obj=None):
        allowed = super().has_change_permission(request, obj)
        return allowed and (obj is None or (obj.is_draft and obj.author_id == request.user.pk))

    def has_delete_permission(self, request, obj=None):
        return False

    def save_model(self, request, obj, form, change):
        if change:
            obj.save(update_fields=form.changed_data)
            details = {"incident": obj.incident.reference, "version": obj.number}
            audit.record(
                "incident.version_changed", request=request, fields=form.changed_data, **details
            )
        else:
            texts = {name: getattr(obj, name) for name in (*NoticeVersion.TEXTS, "material")}
            started = notices.start(obj.incident, author=request.user, request=request, **texts)
            obj.pk, obj.number, obj._state.adding = started.pk, started.number, False

    def get_urls(self):
        moves = {
            "soumettre": self.submit,
            "publier": self.publish,
            "retirer": self.withdraw,
            "corriger": self.revise,
            "apercu": self.preview,
        }
        return [
            path(
                f"<path:object_id>/{address}/",
                self.admin_site.admin_view(view),
                name=f"incidents_noticeversion_{view.__name__}",
            )
            for address, view in moves.items()
        ] + super().get_urls()

    def render_change_form(self, request, context, *args, obj=None, **kwargs):
        context["moves"] = self._moves(request, obj) if obj else []
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)

    def _moves(self, request, version) -> list[tuple[str, str]]:
        """(name of the URL, words of the button) of each move that this person may make now."""
        user, state = request.user, version.state
        offered = [
            ("submit", _("Soumettre"), self.has_change_permission(request, version)),
            (
                "publish",
                _("Approuver et publier"),
                state == VersionState.SUBMITTED
                and version.author_id != user.pk
                and user.has_perm("incidents.publish_noticeversion"),
            ),
            (
                "revise",
                _("Nouvelle version à partir de celle-ci"),
                state in (VersionState.PUBLISHED, VersionState.WITHDRAWN)
                and user.has_perm("incidents.add_noticeversion"),
            ),
            ("withdraw", _("Retirer"), self._may_withdraw(user, version)),
            (
                "preview",
                _("Voir comme un adhérent"),
                user.has_perm("incidents.preview_noticeversion"),
            ),
        ]
        return [
            (f"admin:incidents_noticeversion_{name}", words) for name, words, may in offered if may
        ]

    def _may_withdraw(self, user, version) -> bool:
        """Its author gives up what is not published; who may publish may also take back."""
        if version.state == VersionState.WITHDRAWN:
            return False
        if user.has_perm("incidents.publish_noticeversion"):
            return True
        return version.author_id == user.pk and not version.is_published

    def submit(self, request, object_id):
        version = self.object_to_move(request, object_id, "incidents.change_noticeversion")
        facts = notices.facts_of(version)
        return self.move(
            request,
            version,
            title=_("Soumettre la version"),
            text=_("Le texte ne pourra plus changer. Une autre personne devra l'approuver."),
            gaps=gaps(version, facts),
            review=review.of(version, facts),
            act=lambda data: notices.submit(version, by=request.user, request=request),
            refusals={
                notices.Incomplete: _("Il manque des éléments : la version n'est pas soumise."),
                notices.NotTheAuthor: _("Seul son auteur soumet un brouillon."),
                notices.TooLate: _("Cette version n'est plus un brouillon."),
            },
            done=_("La version attend son approbation."),
        )

    def publish(self, request, object_id):
        version = self.object_to_move(request, object_id, "incidents.publish_noticeversion")
        facts = notices.facts_of(version)
        return self.move(
            request,
            version,
            title=_("Approuver et publier la version"),
            text=_("Les faits seront figés. Chaque adhérent verra cette version à sa connexion."),
            form=ApprovalForm,
            hidden={"read": notices.facts_digest(facts)},
            gaps=gaps(version, facts),
            review=review.of(version, facts),
            act=lambda data: notices.publish(
                version, by=request.user, read=data["read"], request=request
            ),
            refusals={
                notices.AuthorCannotApprove: _("L'auteur d'une version ne peut pas l'approuver."),
                notices.FactsChanged: _("Les faits ont changé depuis votre lecture. Relisez-les."),
                notices.Incomplete: _("Il manque des éléments : la version n'est pas publiée."),
                notices.TooLate: _("Cette version n'attend plus d'approbation."),
            },
            done=_("La version est publiée."),
        )

    def withdraw(self, request, object_id):
        version = self.object_to_move(request, object_id, "incidents.view_noticeversion")
        if not self._may_withdraw(request.user, version):
            raise PermissionDenied
        return self.move(
            request,
            version,
            title=_("Retirer la version"),
            text=_(
                "Elle ne sera plus montrée. La version publiée avant elle redevient en vigueur."
            ),
            form=ReasonForm,
            act=lambda data: notices.withdraw(
                version, by=request.user, reason=data["reason"], request=request
            ),
            refusals={notices.TooLate: _("Cette version vient de changer d'état.")},
            done=_("La version est retirée."),
        )

    def revise(self, request, object_id):
        version = self.object_to_move(request, object_id, "incidents.add_noticeversion")
        return self.move(
            request,
            version,
            title=_("Nouvelle version"),
            text=_("Un brouillon reprend ces textes. Vous direz ce qui a changé."),
            act=lambda data: notices.revise(version, author=request.user, request=request),
            refusals={notices.AlreadyUnderWay: _("Une autre version est déjà en cours.")},
            done=_("Le brouillon est créé."),
        )

    def preview(self, request, object_id):
        """The page as one member would read it. Nothing is recorded for him; the look itself is."""
        version = self.object_to_move(request, object_id, "incidents.preview_noticeversion")
        form = PreviewForm(request.GET or None)
        if not form.is_valid():
            context = {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "title": _("Voir comme un adhérent"),
                "subtitle": None,
                "object": version,
                "form": form,
            }
            return TemplateResponse(request, "admin/incidents/noticeversion/preview.html", context)
        audit.record(
            "incident.previewed",
            user=form.member.user,
            request=request,
            incident=version.incident.reference,
            version=version.number,
            member=form.member.number,
        )
        facts = notices.facts_of(version)
        people = exposure.of_member(form.member, facts)
        shown = pages.personal(version, facts, form.member, people, is_preview=True)
        return render(request, "incidents/personal.html", {"page": shown})
