"""The acts of support on a member's page: one page each, a reason, a confirmation by POST."""

from collections.abc import Callable
from dataclasses import dataclass

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext_lazy as _

from members import support, viewing
from members.admin.reasons import ReasonForm
from members.models import Member, Recovery


@dataclass(frozen=True)
class Act:
    """One act: its address, the right it asks for, its words, when it is offered, and what it does."""

    slug: str
    permission: str
    label: str
    text: str
    done: str
    offered: Callable[[Member, Recovery | None, object], bool]
    run: Callable


def _has_account(member, recovery, agent):
    return member.user is not None


ACTS = [
    Act(
        "debloquer",
        "members.unlock_account",
        _("Débloquer"),
        _("Les essais manqués sont oubliés : l'adhérent peut réessayer tout de suite."),
        _("Les essais manqués sont oubliés."),
        _has_account,
        lambda member, recovery, **told: support.unlock(member.user, **told),
    ),
    Act(
        "suspendre",
        "members.block_account",
        _("Suspendre"),
        _(
            "L'adhérent ne pourra plus se connecter. Ses connexions se ferment. "
            "Ses changements en attente et la récupération de son téléphone sont annulés."
        ),
        _("Le compte est suspendu."),
        lambda member, recovery, agent: member.user is not None and member.user.may_sign_in,
        lambda member, recovery, **told: support.block(member.user, **told),
    ),
    Act(
        "rouvrir",
        "members.block_account",
        _("Rouvrir"),
        _("L'adhérent pourra de nouveau se connecter, avec ses deux étapes."),
        _("Le compte est rouvert."),
        lambda member, recovery, agent: (
            member.user is not None and member.user.suspended_at is not None
        ),
        lambda member, recovery, **told: support.unblock(member.user, **told),
    ),
    Act(
        "fermer-les-connexions",
        "members.end_sessions",
        _("Fermer les connexions"),
        _("Tous les appareils de l'adhérent seront déconnectés."),
        _("Les connexions sont fermées."),
        _has_account,
        lambda member, recovery, **told: support.end_sessions(member.user, **told),
    ),
    Act(
        "appareil-perdu",
        "members.block_account",
        _("Appareil perdu"),
        _(
            "Ses clés d'accès et son application ne serviront plus. Toutes ses connexions se ferment, "
            "et aucun navigateur n'est plus connu. Son mot de passe et le SMS restent. "
            "Il est prévenu par e-mail."
        ),
        _("Les clés d'accès et l'application sont retirées."),
        lambda member, recovery, agent: (
            member.user is not None and bool(member.phone) and member.has_own_factor
        ),
        lambda member, recovery, **told: support.switch_off_factors(member.user, **told),
    ),
    Act(
        "telephone-perdu",
        "members.start_recovery",
        _("Téléphone perdu"),
        _(
            "Vous confirmez que l'appelant est l'adhérent. Un second agent devra le confirmer aussi. "
            "L'adhérent est prévenu par e-mail et par SMS."
        ),
        _("La récupération attend un second agent."),
        lambda member, recovery, agent: member.user is not None and recovery is None,
        lambda member, recovery, **told: support.start_recovery(member.user, **told),
    ),
    Act(
        "telephone-perdu-confirmer",
        "members.start_recovery",
        _("Confirmer le téléphone perdu"),
        _(
            "Vous avez vérifié vous-même l'identité de l'appelant. "
            "Il pourra donner un nouveau numéro, qui servira 72 heures plus tard."
        ),
        _("La récupération est ouverte pour 24 heures."),
        lambda member, recovery, agent: (
            recovery is not None
            and recovery.approved_by_id is None
            and recovery.started_by.may_sign_in
            and recovery.started_by_id != agent.pk
        ),
        lambda member, recovery, **told: support.approve_recovery(recovery, **told),
    ),
    Act(
        "telephone-perdu-annuler",
        "members.start_recovery",
        _("Annuler la récupération"),
        _("La récupération en cours ne servira plus."),
        _("La récupération est annulée."),
        lambda member, recovery, agent: recovery is not None,
        lambda member, recovery, **told: support.end_recovery(recovery, **told),
    ),
    Act(
        "voir-son-espace",
        viewing.RIGHT,
        _("Voir son espace"),
        _(
            "Vous verrez son espace en lecture seule, pendant 15 minutes. Chaque page est enregistrée."
        ),
        "",
        _has_account,
        lambda member, recovery, reason, request: viewing.start(request, member, reason),
    ),
]


class SupportActs:
    """For the ModelAdmin of members: a page for each act, and those that this agent may do now."""

    def get_urls(self):
        return [
            path(
                f"<int:pk>/{act.slug}/",
                self.admin_site.admin_view(self._page(act)),
                name=f"members_member_{act.slug}",
            )
            for act in ACTS
        ] + super().get_urls()

    def acts_offered(self, request, member: Member) -> list[tuple[str, str]]:
        """(address, words) of each act."""
        recovery = support.standing_recovery(member.user) if member.user else None
        return [
            (reverse(f"admin:members_member_{act.slug}", args=[member.pk]), act.label)
            for act in ACTS
            if request.user.has_perm(act.permission) and act.offered(member, recovery, request.user)
        ]

    def _page(self, act: Act):
        def page(request, pk):
            if not request.user.has_perm(act.permission):
                raise PermissionDenied
            member = Member.objects.select_related("user").filter(pk=pk).first()
            if member is None or not self.has_view_permission(request, member):
                raise Http404
            recovery = support.standing_recovery(member.user) if member.user else None
            if not act.offered(member, recovery, request.user):
                messages.error(request, _("Cet acte n'est plus possible."))
                return redirect("admin:members_member_change", pk)
            form = ReasonForm(request.POST or None)
            if request.method == "POST" and form.is_valid():
                return self._done(request, act, member, recovery, form.cleaned_data["reason"])
            context = {
                **self.admin_site.each_context(request),
                "title": act.label,
                "text": act.text,
                "opts": self.opts,
                "member": member,
                "recovery": recovery,
                "form": form,
            }
            return TemplateResponse(request, "admin/members/act.html", context)

        return page

    def _done(self, request, act: Act, member: Member, recovery, reason: str):
        try:
            act.run(member, recovery, reason=reason, request=request)
        except support.NotPossible:
            messages.error(request, _("Cet acte n'est plus possible."))
        else:
            if act.permission == viewing.RIGHT:
                return redirect("home")
            messages.success(request, act.done)
        return redirect("admin:members_member_change", member.pk)
