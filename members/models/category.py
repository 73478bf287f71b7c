"""Categories of personal data, and sets of them."""

from collections.abc import Iterable

from django import forms
from django.db import models
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _


class DataCategory(models.TextChoices):
    """The codes are a public contract, and their order is how sets are stored: only append."""

    ETAT_CIVIL = "ETAT_CIVIL", _("État civil (nom, prénoms)")
    RANG_NAISSANCE = "RANG_NAISSANCE", _("Rang de naissance")
    DATE_NAISSANCE = "DATE_NAISSANCE", _("Date de naissance")
    NIR = "NIR", _("Numéro de sécurité sociale")
    NOM_ASSUREUR = "NOM_ASSUREUR", _("Nom de l'assureur santé")
    GARANTIES_CONTRAT = "GARANTIES_CONTRAT", _("Garanties du contrat")
    REFERENCE_INTERNE = "REFERENCE_INTERNE", _("Référence interne")
    BANCAIRE = "BANCAIRE", _("Informations bancaires")
    MEDICAL = "MEDICAL", _("Données médicales")
    REMBOURSEMENTS = "REMBOURSEMENTS", _("Remboursements")
    ADRESSE_POSTALE = "ADRESSE_POSTALE", _("Adresse postale")
    TELEPHONE = "TELEPHONE", _("Numéro de téléphone")
    EMAIL = "EMAIL", _("Adresse e-mail")
    NUMERO_CONTRAT = "NUMERO_CONTRAT", _("Numéro de contrat")
    NUMERO_ADHERENT = "NUMERO_ADHERENT", _("Numéro d'adhérent")
    IDENTIFIANTS_ESPACE = "IDENTIFIANTS_ESPACE", _("Identifiants de l'espace adhérent")

    @property
    def bit(self) -> int:
        return _BITS[self]

    @property
    def description(self) -> str:
        return DESCRIPTIONS[self]


_BITS = {category: 1 << position for position, category in enumerate(DataCategory)}

DESCRIPTIONS = {
    DataCategory.ETAT_CIVIL: _("Le nom et les prénoms."),
    DataCategory.RANG_NAISSANCE: _("Un chiffre qui distingue des jumeaux."),
    DataCategory.DATE_NAISSANCE: _("Le jour, le mois et l'année de naissance."),
    DataCategory.NIR: _("Le numéro inscrit sur la carte Vitale, aussi appelé NIR."),
    DataCategory.NOM_ASSUREUR: _("Le nom de la mutuelle."),
    DataCategory.GARANTIES_CONTRAT: _("Ce que le contrat rembourse."),
    DataCategory.REFERENCE_INTERNE: _("Un numéro de dossier propre à l'opérateur."),
    DataCategory.BANCAIRE: _("L'IBAN et les coordonnées de la banque."),
    DataCategory.MEDICAL: _("Les soins, ordonnances et diagnostics."),
    DataCategory.REMBOURSEMENTS: _("Les montants versés."),
    DataCategory.ADRESSE_POSTALE: _("L'adresse du domicile."),
    DataCategory.TELEPHONE: _("Les numéros fixe et mobile."),
    DataCategory.EMAIL: _("L'adresse de messagerie."),
    DataCategory.NUMERO_CONTRAT: _("Le numéro du contrat santé."),
    DataCategory.NUMERO_ADHERENT: _("Le numéro à la mutuelle."),
    DataCategory.IDENTIFIANTS_ESPACE: _("L'identifiant et le mot de passe de cet espace."),
}


def mask_of(categories: Iterable[str]) -> int:
    """The bit mask of a set of category codes. Raises ValueError on an unknown code."""
    mask = 0
    for code in categories:
        mask |= DataCategory(code).bit
    return mask


def codes_of(mask: int) -> frozenset[str]:
    return frozenset(category.value for category in DataCategory if mask & category.bit)


class CategorySetField(models.IntegerField):
    """A set of category codes, stored as a bit mask so that sets meet inside the database."""

    def __init__(self, *args, **kwargs):
        kwargs.setdefault("default", 0)
        super().__init__(*args, **kwargs)

    def from_db_value(self, value, expression, connection):
        return value if value is None else codes_of(value)

    def to_python(self, value):
        if value is None or isinstance(value, frozenset):
            return value
        return codes_of(value) if isinstance(value, int) else frozenset(value)

    def get_prep_value(self, value):
        return value if value is None or isinstance(value, int) else mask_of(value)

    def value_from_object(self, obj):
        """As a list: form widgets take any other set for one value, and tick nothing."""
        codes = super().value_from_object(obj)
        return [category.value for category in DataCategory if category in codes]

    def value_to_string(self, obj):
        return str(self.get_prep_value(self.value_from_object(obj)))

    def get_default(self):
        return frozenset()

    @property
    def validators(self):
        return []

    def validate(self, value, model_instance):
        mask_of(value)

    def formfield(self, **kwargs):
        kwargs.pop("min_value", None)
        return forms.TypedMultipleChoiceField(
            label=kwargs.get("label", capfirst(self.verbose_name)),
            choices=DataCategory.choices,
            coerce=str,
            required=not self.blank,
            widget=forms.CheckboxSelectMultiple,
            help_text=self.help_text,
            initial=kwargs.get("initial"),
        )
