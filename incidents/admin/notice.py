from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.shortcuts import redirect
from django.urls import path
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents import notices, review
from incidents.admin import texts
from incidents.admin.lines import lines
from incidents.admin.looks import Looks
from incidents.admin.meanwhile import Meanwhile
from incidents.admin.moves import Moves, ReasonForm
from incidents.admin.texts import NewTextsForm, TextsForm
from incidents.completeness import gaps
from incidents.models import NoticeVersion
from incidents.models.notice import VersionState
from incidents.models.wording import OTHERS
from members import audit
from members.admin.links import Readers, link
from members.admin.reasons import no_long_number
from members.models.written_once import WrittenOnce


class ApprovalForm(forms.Form):
    """Carries the digest of the text and the facts that stood on the page which the approver read."""

    read = forms.CharField(widget=forms.HiddenInput)


class EmergencyForm(ApprovalForm):
    """One of two reasons, on what stood on the page. `second`: it said that this one publishes."""

    second = forms.BooleanField(required=False, widget=forms.HiddenInput)
    reason = forms.CharField(
        label=gettext_lazy("Motif"),
        min_length=10,
        max_length=250,
        validators=[no_long_number],
        help_text=gettext_lazy("Enregistré au journal avec votre nom."),
        widget=forms.Textarea(attrs={"rows": 3}),
    )


@admin.register(NoticeVersion)
class NoticeVersionAdmin(Meanwhile, Readers, Moves, Looks, admin.ModelAdmin):
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
    form = TextsForm
    followed = [
        "number",
        "state",
        "written_by",
        "revision_reason",
        "submitted_at",
        "held_back_at",
        "approved_by",
        "approved_at",
        "published_at",
        "withdrawn_at",
        "withdrawn_reason",
        "digest",
    ]
    emergency = ["called_by", "emergency_reason", "emergency_at", "approval_reason", "missing"]
    readonly_fields = [*followed, *emergency, "importance", "other_texts"]
    in_words = {"material": "importance"}
    head = [
        (None, {"fields": ["incident", "headline", "public_summary"]}),
        (
            gettext_lazy("Ce que lit l'adhérent"),
            {"fields": ["what_happened", "consequences", "what_to_do", "reassurance"]},
        ),
    ]
    others = [
        (
            gettext_lazy("Pour : %(audience)s") % {"audience": audience.label},
            {"fields": texts.fields_of(audience), "classes": ["collapse"]},
        )
        for audience in OTHERS
    ]
    others_read = [(gettext_lazy("Ce que lisent les autres"), {"fields": ["other_texts"]})]
    tail = [
        (gettext_lazy("Correction"), {"fields": ["material", "change_note"]}),
        (gettext_lazy("Parution"), {"fields": ["appears_at", "expires_at"]}),
        (gettext_lazy("Suivi"), {"fields": followed}),
    ]
    urgency = [(gettext_lazy("Publication d'urgence"), {"fields": emergency})]
    change_form_template = "admin/incidents/noticeversion/change_form.html"
    refusals = {
        WrittenOnce: gettext_lazy("Cette version n'est plus un brouillon : rien n'est enregistré."),
        notices.AlreadyUnderWay: gettext_lazy(
            "Une autre version est déjà en cours pour cet incident."
        ),
        notices.TooLate: gettext_lazy("Cet incident est clos."),
    }

    def get_form(self, request, obj=None, change=False, **kwargs):
        if not change:
            kwargs["form"] = NewTextsForm
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fieldsets(self, request, obj=None):
        """In words where nobody may change it: the admin's red cross would say that « non » is wrong."""
        if obj is None or self.has_change_permission(request, obj):
            return [*self.head, *self.others, *self.tail]
        called = self.urgency if obj.emergency_by_id else []
        return [
            (title, {"fields": [self.in_words.get(name, name) for name in options["fields"]]})
            for title, options in [*self.head, *self.others_read, *self.tail, *called]
        ]

    @admin.display(description=gettext_lazy("rédigée par"))
    def written_by(self, version):
        return link(version.reader, version.author, version.author.name)

    @admin.display(description=gettext_lazy("approuvée par"))
    def approved_by(self, version):
        if version.approver is None:
            return _("personne encore")
        return link(version.reader, version.approver, version.approver.name)

    @admin.display(description=gettext_lazy("urgence demandée par"))
    def called_by(self, version):
        return link(version.reader, version.emergency_by, version.emergency_by.name)

    @admin.display(description=gettext_lazy("ce qui manque à cette version"))
    def missing(self, version):
        lacking = gaps(version, notices.facts_of(version))
        return format_html_join("\n", "{}", ((gap.text,) for gap in lacking)) or _("rien")

    @admin.display(description=gettext_lazy("textes propres"))
    def other_texts(self, version):
        return texts.in_words(version)

    @admin.display(description=gettext_lazy("changement important"), ordering="material")
    def importance(self, version):
        return _("oui") if version.material else _("non")

    def formfield_for_dbfield(self, db_field, request, **kwargs):
        """Django's label names a date and an hour together: each field says which one it is."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        for part, name in zip(
            getattr(field.widget, "widgets", ()), (_("date"), _("heure")), strict=False
        ):
            part.attrs["aria-label"] = f"{field.label}, {name}"
        return field

    def get_readonly_fields(self, request, obj=None):
        return [*self.readonly_fields, "incident"] if obj else self.readonly_fields

    def has_change_permission(self, request, obj=None):
        allowed = super().has_change_permission(request, obj)
        return allowed and (obj is None or (obj.is_draft and obj.author_id == request.user.pk))

    def has_delete_permission(self, request, obj=None):
        return False

    def save_model(self, request, obj, form, change):
        if change:
            obj.save(update_fields=form.typed)
            details = {"incident": obj.incident.reference, "version": obj.number}
            audit.record(
                "incident.version_changed", request=request, fields=form.changed_data, **details
            )
        else:
            typed = {name: getattr(obj, name) for name in NoticeVersion.TYPED}
            started = notices.start(obj.incident, author=request.user, request=request, **typed)
            obj.pk, obj.number, obj._state.adding = started.pk, started.number, False

    def get_urls(self):
        moves = {
            "soumettre": self.submit,
            "soumettre-en-urgence": self.submit_for_emergency,
            "publier": self.publish,
            "urgence": self.emergency,
            "retirer": self.withdraw,
            "corriger": self.revise,
            "apercu": self.preview,
            "comparer": self.compare,
            "script": self.script,
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
        writes = self.has_change_permission(request, version)
        is_another = version.author_id != user.pk
        approves = is_another and user.has_perm("incidents.publish_noticeversion")
        lacks = writes and bool(gaps(version, notices.facts_of(version)))
        offered = [
            ("submit", _("Soumettre"), writes),
            ("submit_for_emergency", _("Soumettre pour une urgence"), lacks),
            ("publish", _("Approuver et publier"), approves and version.is_submitted),
            ("publish", _("Publier sans attendre"), approves and version.is_scheduled),
            (
                "emergency",
                _("Publier en urgence, à deux"),
                version.is_submitted
                and is_another
                and user.has_perm("incidents.override_noticeversion"),
            ),
            (
                "revise",
                _("Nouvelle version à partir de celle-ci"),
                state in (VersionState.PUBLISHED, VersionState.WITHDRAWN)
                and not version.incident.is_closed
                and user.has_perm("incidents.add_noticeversion"),
            ),
            ("withdraw", _("Retirer"), self._may_withdraw(user, version)),
            (
                "preview",
                _("Voir comme un lecteur"),
                user.has_perm("incidents.preview_noticeversion"),
            ),
            ("compare", _("Comparer"), version.number > 1),
            ("script", _("Script d'appel"), version.is_published),
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

    def submit_for_emergency(self, request, object_id):
        """What may wait is missing: the text is frozen, and two colleagues decide."""
        version = self.object_to_move(request, object_id, "incidents.change_noticeversion")
        facts = notices.facts_of(version)
        lacking = gaps(version, facts)
        return self.move(
            request,
            version,
            title=_("Soumettre pour une urgence"),
            text=_(
                "Le texte ne pourra plus changer. Deux administrateurs décideront de le publier."
            ),
            gaps=lacking,
            may_go_on=all(gap.may_wait for gap in lacking),
            review=review.of(version, facts),
            act=lambda data: notices.submit(
                version, by=request.user, for_emergency=True, request=request
            ),
            refusals={
                notices.Incomplete: _("Il manque ce qu'aucune urgence ne permet d'omettre."),
                notices.NotTheAuthor: _("Seul son auteur soumet un brouillon."),
                notices.TooLate: _("Cette version n'est plus un brouillon."),
            },
            done=_("La version attend deux administrateurs."),
        )

    def publish(self, request, object_id):
        """Approves what was submitted, for now or for later; publishes at once what was for later."""
        version = self.object_to_move(request, object_id, "incidents.publish_noticeversion")
        if not version.is_waiting:
            return self._no_decision(request, version)
        facts = notices.facts_of(version)
        act = notices.publish if version.is_scheduled else notices.approve
        later = not version.is_scheduled and version.appears_after(timezone.now())
        return self.move(
            request,
            version,
            title=_("Approuver la version") if later else _("Approuver et publier la version"),
            text=_("Elle paraîtra à l'heure dite. Si les faits changent, elle sera retenue.")
            if later
            else _("Les faits seront figés. Chaque adhérent verra cette version à sa connexion."),
            form=ApprovalForm,
            hidden={"read": notices.as_read(version, facts)},
            gaps=gaps(version, facts),
            review=review.of(version, facts),
            act=lambda data: act(version, by=request.user, read=data["read"], request=request),
            refusals={
                notices.AuthorCannotApprove: _("L'auteur d'une version ne peut pas l'approuver."),
                notices.FactsChanged: _(
                    "Le texte ou les faits ont changé depuis votre lecture. Relisez-les."
                ),
                notices.Incomplete: _("Il manque des éléments : la version n'est pas publiée."),
                notices.TooLate: _("Cette version n'attend plus d'approbation."),
            },
            done=_("La version est approuvée.") if later else _("La version est publiée."),
        )

    def emergency(self, request, object_id):
        """The first of two words, or the second by another person on the same facts."""
        version = self.object_to_move(request, object_id, "incidents.override_noticeversion")
        if not version.is_submitted:
            return self._no_decision(request, version)
        facts = notices.facts_of(version)
        first = version.emergency_by
        same = version.emergency_facts == notices.facts_digest(facts)
        is_second = first not in (None, request.user) and same
        lacking = gaps(version, facts)
        return self.move(
            request,
            version,
            title=_("Publier en urgence, à deux"),
            text=_("Un collègue l'a demandé : son motif est ci-dessous. Votre motif publie.")
            if is_second
            else _("Rien ne paraît encore : un autre administrateur devra confirmer."),
            form=EmergencyForm,
            hidden={"read": notices.as_read(version, facts), "second": "1" if is_second else ""},
            gaps=lacking,
            may_go_on=all(gap.may_wait for gap in lacking),
            review=review.of(version, facts),
            act=lambda data: (
                notices.publish_in_emergency if data["second"] else notices.call_emergency
            )(
                version,
                by=request.user,
                reason=data["reason"],
                read=data["read"],
                request=request,
            ),
            refusals={
                notices.AlreadyCalled: _("Le premier motif vient d'être donné. Relisez la page."),
                notices.AuthorCannotApprove: _("L'auteur d'une version ne peut pas l'approuver."),
                notices.FactsChanged: _(
                    "Le texte ou les faits ont changé depuis votre lecture. Relisez-les."
                ),
                notices.Incomplete: _("Il manque ce qu'aucune urgence ne permet d'omettre."),
                notices.NotAnotherPerson: _("Le second motif vient d'une autre personne."),
                notices.TooLate: _("Cette version n'attend plus de décision."),
            },
            done=_("La version est publiée en urgence.")
            if is_second
            else _("Votre motif est enregistré. Un autre administrateur doit confirmer."),
        )

    def _no_decision(self, request, version):
        """A draft changes under the eyes of whoever reads it; what was decided is not decided again."""
        messages.error(request, _("Cette version n'attend pas de décision."))
        return redirect("admin:incidents_noticeversion_change", version.pk)

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
            text=_("Un brouillon reprend ces textes. Vous direz aux adhérents ce qui a changé."),
            form=ReasonForm,
            act=lambda data: notices.revise(
                version, author=request.user, reason=data["reason"], request=request
            ),
            refusals={
                notices.AlreadyUnderWay: _("Une autre version est déjà en cours."),
                notices.TooLate: _("Cet incident est clos."),
            },
            done=_("Le brouillon est créé."),
        )
