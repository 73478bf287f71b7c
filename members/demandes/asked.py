"""What each kind of demande asks: its form, what a draft keeps of it, and its words for both sides.

A draft keeps what was typed right; what was not is shown again beside its error. `is_whole` judges it
once more when the demande is deposited.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from members import cover, days, money, nir
from members.models import (
    AyantDroit,
    Care,
    CareDomain,
    Correction,
    Demande,
    Joining,
    Leaving,
    Member,
)
from members.models.demande import DemandeKind
from members.models.demande_detail import DEAREST, Detail, LeavingReason, WrongData
from members.models.member import HIMSELF, Civility, Link

# Code de la mutualité, art. L. 221-11: what is asked later than two years after the care is prescribed.
OLDEST_YEARS = 2
A_DAY = gettext_lazy("Indiquez un jour, par exemple 12/03/2024.")
PLAINLY = gettext_lazy("Choisissez dans la liste.")


def a_day(**options) -> forms.DateField:
    """A day typed as French people do, 12/03/2024, or chosen in the browser's own calendar."""
    return forms.DateField(
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
        input_formats=["%Y-%m-%d", "%d/%m/%Y", "%d/%m/%y", "%d.%m.%Y", "%d-%m-%Y"],
        error_messages={"required": A_DAY, "invalid": A_DAY},
        **options,
    )


def choice(choices, **options) -> forms.ChoiceField:
    return forms.ChoiceField(
        choices=[("", gettext_lazy("Choisir")), *choices],
        error_messages={"required": PLAINLY, "invalid_choice": PLAINLY},
        **options,
    )


def words(**options) -> forms.CharField:
    return forms.CharField(
        error_messages={
            "required": gettext_lazy("Écrivez quelques mots ici."),
            "max_length": gettext_lazy("Ce texte est trop long."),
            "null_characters_not_allowed": gettext_lazy("Un signe de ce texte n'est pas lisible."),
        },
        **options,
    )


class EuroField(forms.CharField):
    """An amount in euros; cleaned to cents."""

    widget = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})

    def __init__(self, **options):
        super().__init__(
            max_length=20,
            error_messages={
                "required": gettext_lazy("Indiquez un montant, par exemple 45,50."),
                "max_length": gettext_lazy("Indiquez un montant, par exemple 45,50."),
            },
            **options,
        )

    def clean(self, value):
        typed = super().clean(value)
        if not typed:
            return None
        try:
            amount = money.cents(typed)
        except ValueError:
            raise ValidationError(_("Indiquez un montant, par exemple 45,50.")) from None
        if not 0 < amount <= DEAREST:
            raise ValidationError(_("Ce montant n'est pas possible. Vérifiez la virgule."))
        return amount


class NeverTold(forms.TextInput):
    """Never writes back into the page what was typed: the draft keeps it sealed."""

    def format_value(self, value):
        return None


class AskedForm(forms.Form):
    """Of one kind. `columns` says which of the detail's columns hold what was typed right."""

    def __init__(self, member: Member, data=None, **options):
        super().__init__(data, **options)
        self.member = member
        self.family = {one.pk: one for one in AyantDroit.objects.filter(member=member)}
        self.prepare()

    def prepare(self) -> None:
        """Fills the choices that are the member's own."""

    def columns(self) -> dict:
        raise NotImplementedError

    @staticmethod
    def typed(detail: Detail) -> dict:
        """What the form would show of a draft."""
        raise NotImplementedError


class CareForm(AskedForm):
    person = choice([], label=gettext_lazy("Qui a été soigné"))
    care_on = a_day(
        label=gettext_lazy("Date des soins"),
        help_text=gettext_lazy("Celle de la facture. Deux ans au plus."),
    )
    domain = forms.ModelChoiceField(
        label=gettext_lazy("Type de soins"),
        queryset=CareDomain.objects.all(),
        empty_label=gettext_lazy("Choisir"),
        error_messages={"required": PLAINLY, "invalid_choice": PLAINLY},
    )
    paid = EuroField(
        label=gettext_lazy("Montant payé, en euros"),
        help_text=gettext_lazy("Ce que vous avez payé. Par exemple 45,50."),
    )

    def prepare(self):
        names = [(pk, one.full_name) for pk, one in self.family.items()]
        himself = (HIMSELF, _("Vous, %(name)s") % {"name": self.member.full_name})
        self.fields["person"].choices = [("", _("Choisir")), himself, *names]

    def clean_care_on(self):
        day, today = self.cleaned_data["care_on"], timezone.localdate()
        if day > today:
            raise ValidationError(_("Ce jour n'est pas encore venu."))
        oldest = days.years_before(today, OLDEST_YEARS)
        if day < oldest:
            raise ValidationError(
                _("Ces soins datent de plus de deux ans : la loi ne permet plus de les rembourser.")
            )
        return day

    def clean(self):
        cleaned = super().clean()
        person, day = cleaned.get("person"), cleaned.get("care_on")
        if person and day and int(person) not in cover.covered_on(self.member, day):
            self.add_error(
                "person",
                _("Cette personne n'était pas couverte par votre contrat le %(day)s.")
                % {"day": days.day(day)},
            )
        return cleaned

    def columns(self):
        found = self.cleaned_data
        person = int(found["person"]) if found.get("person") else None
        return {
            "for_member": person == HIMSELF,
            "ayant_droit_id": person or None,
            "care_on": found.get("care_on"),
            "domain": found.get("domain"),
            "paid_cents": found.get("paid"),
        }

    @staticmethod
    def typed(detail: Care):
        return {
            "person": HIMSELF if detail.for_member else detail.ayant_droit_id,
            "care_on": detail.care_on,
            "domain": detail.domain_id,
            "paid": "" if detail.paid_cents is None else money.plain(detail.paid_cents),
        }


class JoiningForm(AskedForm):
    """The rank is asked only where somebody of the family is born on the same day."""

    link = choice(Link.choices, label=gettext_lazy("Cette personne est"))
    civility = choice(
        [one for one in Civility.choices if one[0]],
        label=gettext_lazy("Civilité (facultatif)"),
        required=False,
    )
    birth_name = words(label=gettext_lazy("Nom de naissance"), max_length=100)
    usage_name = words(
        label=gettext_lazy("Nom d'usage (facultatif)"), max_length=100, required=False
    )
    first_names = words(label=gettext_lazy("Prénoms"), max_length=150)
    birth_date = a_day(label=gettext_lazy("Date de naissance"))
    birth_rank = forms.IntegerField(
        label=gettext_lazy("Rang de naissance"),
        initial=1,
        min_value=1,
        max_value=9,
        help_text=gettext_lazy("Pour des jumeaux : 1 pour le premier né, 2 pour l'autre."),
        error_messages={
            "required": gettext_lazy(
                "Quelqu'un de votre famille est né ce jour-là : indiquez le rang."
            ),
            **{
                name: gettext_lazy("Indiquez un chiffre de 1 à 9.")
                for name in ("invalid", "min_value", "max_value")
            },
        },
    )
    since = a_day(label=gettext_lazy("À couvrir à partir du"))
    nir = forms.CharField(
        label=gettext_lazy("Numéro de sécurité sociale (facultatif)"),
        required=False,
        max_length=25,
        help_text=gettext_lazy("Les 15 chiffres de sa carte Vitale. Il est chiffré dès réception."),
        widget=NeverTold(attrs={"autocomplete": "off"}),
        error_messages={"max_length": gettext_lazy("Ce numéro n'est pas valide. Vérifiez-le.")},
    )

    def prepare(self):
        if not self._has_somebody_born_that_day():
            del self.fields["birth_rank"]
        if given := self.initial.get("nir_given"):
            told = _("Déjà donné : %(number)s. Laissez vide pour le garder.") % {"number": given}
            self.fields["nir"].help_text = told
            self.fields["forgets_nir"] = forms.BooleanField(
                label=_("Ne plus donner ce numéro"), required=False
            )

    def _has_somebody_born_that_day(self) -> bool:
        typed = self.data.get("birth_date") if self.is_bound else self.initial.get("birth_date")
        try:
            day = self.fields["birth_date"].clean(typed)
        except ValidationError:
            return False
        return any(one.birth_date == day for one in [self.member, *self.family.values()])

    def clean_birth_date(self):
        day = self.cleaned_data["birth_date"]
        if not days.years_before(timezone.localdate(), 130) <= day <= timezone.localdate():
            raise ValidationError(_("Cette date de naissance n'est pas possible."))
        return day

    def clean_since(self):
        day, today = self.cleaned_data["since"], timezone.localdate()
        if abs(day - today) > timedelta(days=366):
            raise ValidationError(_("Choisissez un jour à moins d'un an d'aujourd'hui."))
        return day

    def clean_nir(self):
        typed = self.cleaned_data["nir"]
        try:
            return nir.compact(typed) if typed else ""
        except nir.InvalidNir:
            raise ValidationError(_("Ce numéro n'est pas valide. Vérifiez-le.")) from None

    def clean(self):
        cleaned = super().clean()
        born, since = cleaned.get("birth_date"), cleaned.get("since")
        if born and since and since < born:
            self.add_error("since", _("Personne n'est couvert avant sa naissance."))
        rank = cleaned.get("birth_rank")
        if rank and any(
            (one.birth_date, one.birth_rank) == (born, rank)
            for one in [self.member, *self.family.values()]
        ):
            self.add_error(
                "birth_rank", _("Quelqu'un de votre famille est né ce jour-là : changez le rang.")
            )
        return cleaned

    def columns(self):
        found = self.cleaned_data
        texts = ("link", "civility", "birth_name", "usage_name", "first_names")
        return {
            **{name: found.get(name) or "" for name in texts},
            "birth_date": found.get("birth_date"),
            "birth_rank": found.get("birth_rank") or 1,
            "since": found.get("since"),
        }

    @staticmethod
    def typed(detail: Joining):
        names = [name for name in JoiningForm.base_fields if name != "nir"]
        return {name: getattr(detail, name) for name in names}


class LeavingForm(AskedForm):
    person = choice([], label=gettext_lazy("Qui n'est plus à couvrir"))
    reason = choice(LeavingReason.choices, label=gettext_lazy("Pourquoi"))
    last_day = a_day(
        label=gettext_lazy("Dernier jour couvert"),
        help_text=gettext_lazy("Ce jour-là est encore remboursé."),
    )

    def prepare(self):
        today = timezone.localdate()
        present = [one for one in self.family.values() if not one.end or one.end >= today]
        self.fields["person"].choices = [
            ("", _("Choisir")),
            *((one.pk, one.full_name) for one in present),
        ]

    def clean(self):
        cleaned = super().clean()
        person, day = cleaned.get("person"), cleaned.get("last_day")
        if not (person and day):
            return cleaned
        start, end = self.family[int(person)].start, self.family[int(person)].end
        if day < start or (end and day > end):
            self.add_error("last_day", _("Cette personne n'est pas couverte ce jour-là."))
        return cleaned

    def columns(self):
        found = self.cleaned_data
        return {
            "ayant_droit_id": int(found["person"]) if found.get("person") else None,
            "reason": found.get("reason") or "",
            "last_day": found.get("last_day"),
        }

    @staticmethod
    def typed(detail: Leaving):
        return {
            "person": detail.ayant_droit_id,
            "reason": detail.reason,
            "last_day": detail.last_day,
        }


def no_nir(text: str) -> None:
    """Raises ValidationError where a NIR may stand: free text is read by more people than a sealed number."""
    if nir.stands_in(text):
        raise ValidationError(
            _("N'écrivez pas de numéro de sécurité sociale ici : joignez plutôt un justificatif.")
        )


class CorrectionForm(AskedForm):
    about = choice(WrongData.choices, label=gettext_lazy("Ce qui est à corriger"))
    wrong = words(
        label=gettext_lazy("Ce qui est écrit aujourd'hui"),
        max_length=500,
        validators=[no_nir],
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    right = words(
        label=gettext_lazy("Ce qui est exact"),
        max_length=500,
        validators=[no_nir],
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def columns(self):
        return {name: self.cleaned_data.get(name) or "" for name in self.fields}

    @staticmethod
    def typed(detail: Correction):
        return {name: getattr(detail, name) for name in CorrectionForm.base_fields}


Facts = list[tuple[str, str]]


def _of_care(care: Care) -> Facts:
    person = care.ayant_droit or care.demande.member
    return [
        (_("Qui a été soigné"), person.full_name),
        (_("Date des soins"), days.day(care.care_on)),
        (_("Type de soins"), care.domain.label),
        (_("Montant payé"), money.euros(care.paid_cents)),
    ]


def _of_joining(one: Joining) -> Facts:
    last = one.birth_name
    if one.usage_name:
        last = _("%(usage)s (né ou née %(birth)s)") % {"usage": one.usage_name, "birth": last}
    return [
        (_("Lien"), capfirst(one.get_link_display())),
        (_("Nom"), last),
        (_("Prénoms"), one.first_names),
        (_("Date de naissance"), days.day(one.birth_date)),
        (_("Rang de naissance"), str(one.birth_rank)),
        (_("À couvrir à partir du"), days.day(one.since)),
        (_("Numéro de sécurité sociale"), one.nir_masked or _("Non donné")),
    ]


def _of_leaving(one: Leaving) -> Facts:
    return [
        (_("Qui n'est plus à couvrir"), one.ayant_droit.full_name),
        (_("Pourquoi"), capfirst(one.get_reason_display())),
        (_("Dernier jour couvert"), days.day(one.last_day)),
    ]


def _of_correction(one: Correction) -> Facts:
    return [
        (_("Ce qui est à corriger"), capfirst(one.get_about_display())),
        (_("Ce qui est écrit aujourd'hui"), one.wrong),
        (_("Ce qui est exact"), one.right),
    ]


@dataclass(frozen=True)
class Kind:
    """`title`: what a member reads on its button. `proof`: which documents are needed, empty if none."""

    detail: type[Detail]
    form: type[AskedForm]
    facts: Callable[[Detail], Facts]
    title: str
    proof: str
    needs_document: bool = True
    due_in_a_month: bool = False  # GDPR art. 12(3)


KINDS = {
    DemandeKind.CARE: Kind(
        Care,
        CareForm,
        _of_care,
        gettext_lazy("Demander un remboursement"),
        gettext_lazy("La facture payée, et le relevé de l'Assurance Maladie si vous l'avez."),
    ),
    DemandeKind.JOINING: Kind(
        Joining,
        JoiningForm,
        _of_joining,
        gettext_lazy("Ajouter un bénéficiaire"),
        gettext_lazy("Le livret de famille, un acte de naissance ou le contrat de PACS."),
    ),
    DemandeKind.LEAVING: Kind(
        Leaving,
        LeavingForm,
        _of_leaving,
        gettext_lazy("Retirer un bénéficiaire"),
        gettext_lazy("Un jugement, un acte de décès ou l'attestation de l'autre mutuelle."),
    ),
    DemandeKind.CORRECTION: Kind(
        Correction,
        CorrectionForm,
        _of_correction,
        gettext_lazy("Faire corriger une erreur"),
        gettext_lazy("Si vous en avez un : un document qui montre ce qui est exact."),
        needs_document=False,
        due_in_a_month=True,
    ),
}


def kind_of(demande: Demande) -> Kind:
    return KINDS[DemandeKind(demande.kind)]


def form_of(demande: Demande, data=None) -> AskedForm:
    kind = kind_of(demande)
    initial = kind.form.typed(demande.detail)
    if demande.kind == DemandeKind.JOINING:
        initial["nir_given"] = demande.joining.nir_masked
    return kind.form(demande.member, data, initial=initial)


def keep(demande: Demande, form: AskedForm) -> None:
    """Writes what was typed right into the draft's row, and nothing of the rest."""
    detail = demande.detail
    for name, value in form.columns().items():
        setattr(detail, name, value)
    if form.cleaned_data.get("nir"):
        detail.set_nir(form.cleaned_data["nir"])
    elif form.cleaned_data.get("forgets_nir"):
        detail.set_nir("")
    detail.save()


def is_whole(demande: Demande) -> bool:
    """Whether what is asked is complete and right today."""
    kind = kind_of(demande)
    return kind.form(demande.member, kind.form.typed(demande.detail)).is_valid()


def facts(demande: Demande) -> Facts:
    """(label, value) of what is asked, as both sides read it; of what is whole."""
    return kind_of(demande).facts(demande.detail)
