import copy
import re

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from members import ibans, letters, phones
from members.limits import limit
from members.models import User
from members.models.preference import OptionalMail

FROM_PAPER = {"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}
A_NAME = {"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}


class SignInForm(forms.Form):
    """What was typed, whole: whether it opens is `members.signin`'s to say."""

    identifiant = forms.CharField(
        label=_("Identifiant"),
        max_length=64,
        widget=forms.TextInput(
            attrs={
                "autocomplete": "username webauthn",  # a passkey stands among the suggestions
                "autocapitalize": "none",
                "spellcheck": "false",
            }
        ),
        error_messages={
            "required": _("Saisissez votre identifiant."),
            "max_length": _("Un identifiant ne dépasse pas 64 caractères."),
        },
    )
    password = forms.CharField(
        label=_("Mot de passe"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
        error_messages={"required": _("Saisissez votre mot de passe.")},
    )
    next = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        longest = limit("PASSWORD_LONGEST")
        self.fields["password"].max_length = longest
        self.fields["password"].widget.attrs["maxlength"] = str(longest)

    def clean_password(self):
        password = self.cleaned_data["password"]
        if len(password) > limit("PASSWORD_LONGEST"):
            raise ValidationError(
                _("Un mot de passe ne dépasse pas %(count)d caractères.")
                % {"count": limit("PASSWORD_LONGEST")}
            )
        return password


class PasswordForm(forms.Form):
    """The password alone, of the account whose session sleeps in this browser."""

    password = forms.CharField(
        label=_("Mot de passe"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
        error_messages={"required": _("Saisissez votre mot de passe.")},
    )
    next = forms.CharField(required=False, widget=forms.HiddenInput)


class IdentifiantForm(forms.Form):
    """An identifiant that may be anybody's: whether it is known is nobody's to learn."""

    identifiant = forms.CharField(
        label=_("Identifiant"),
        max_length=64,
        widget=forms.TextInput(attrs=A_NAME),
        error_messages={
            "required": _("Saisissez votre identifiant."),
            "max_length": _("Un identifiant ne dépasse pas 64 caractères."),
        },
    )


class NewPasswordFields(forms.Form):
    """A new password, typed twice: long, not common, not about its holder. Mixed into other forms.

    `account`: the account that it is for, set by who builds the form.
    """

    account = None
    new_password = forms.CharField(
        label=_("Nouveau mot de passe"),
        strip=False,
        help_text=_("Au moins 12 caractères. Une phrase facile à retenir convient très bien."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        error_messages={"required": _("Choisissez un mot de passe.")},
    )
    new_password_again = forms.CharField(
        label=_("Le même, une seconde fois"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        error_messages={"required": _("Saisissez le mot de passe une seconde fois.")},
    )

    def clean_new_password(self):
        password = self.cleaned_data["new_password"]
        validate_password(password, self.account)
        return password

    def clean(self):
        cleaned = super().clean()
        first, again = cleaned.get("new_password"), cleaned.get("new_password_again")
        if first and again and first != again:
            self.add_error("new_password_again", _("Les deux saisies sont différentes."))
        return cleaned


class NewPasswordForm(NewPasswordFields):
    def __init__(self, account, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.account = account


class CodeInput(forms.TextInput):
    """Never writes a code back into the page: what was refused is typed anew."""

    def format_value(self, value):
        return None


class NewPhoneFields(forms.Form):
    """Another mobile than the present one, in E.164 once clean. Mixed into other forms.

    `present_phone`: the one on file, set by who builds the form.
    """

    present_phone = ""
    phone = forms.CharField(
        label=_("Nouveau numéro de mobile"),
        help_text=_("Exemple : 06 12 34 56 78. Mobile de France ou d'outre-mer."),
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "tel", "inputmode": "tel"}),
        error_messages={
            "required": _("Saisissez votre nouveau numéro de mobile."),
            "null_characters_not_allowed": _("Ce numéro n'est pas reconnu."),
        },
    )

    def clean_phone(self):
        phone = phones.mobile_e164(self.cleaned_data["phone"])
        if phone == self.present_phone:
            raise ValidationError(_("C'est déjà votre téléphone de connexion."))
        return phone


class NewPhoneForm(NewPhoneFields):
    def __init__(self, present_phone, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.present_phone = present_phone


class NewEmailFields(forms.Form):
    """Another address than the present one. Mixed into other forms.

    `present_email`: the one on file, set by who builds the form.
    """

    present_email = ""
    email = forms.EmailField(
        label=_("Nouvelle adresse e-mail"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email", "spellcheck": "false"}),
        error_messages={
            "required": _("Saisissez votre nouvelle adresse e-mail."),
            "invalid": _("Cette adresse n'est pas reconnue. Exemple : nom@exemple.fr."),
            "max_length": _("Une adresse ne dépasse pas 254 caractères."),
            "null_characters_not_allowed": _("Cette adresse n'est pas reconnue."),
        },
    )

    def clean_email(self):
        email = self.cleaned_data["email"]
        if email.casefold() == self.present_email.casefold():
            raise ValidationError(_("C'est déjà votre adresse e-mail."))
        return email


class BankAccountFields(forms.Form):
    """Another account than the present one, its IBAN compact once clean. Mixed into other forms.

    `present_iban`: the one that serves, set by who builds the form.
    """

    present_iban = ""
    iban = forms.CharField(
        label=_("IBAN du nouveau compte"),
        max_length=50,
        help_text=_(
            "Il est écrit sur votre relevé d'identité bancaire. En France, il commence par FR."
        ),
        widget=forms.TextInput(attrs=FROM_PAPER),
    )
    holder = forms.CharField(
        label=_("Titulaire du compte"),
        max_length=70,
        help_text=_("Le nom écrit sur le relevé d'identité bancaire."),
        widget=forms.TextInput(attrs={"autocomplete": "name", "spellcheck": "false"}),
        error_messages={
            "required": _("Saisissez le nom du titulaire."),
            "max_length": _("Un nom ne dépasse pas 70 caractères."),
            "null_characters_not_allowed": _("Ce nom n'est pas lisible."),
        },
    )

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.unreadable = _("Cet IBAN n'est pas le bon. Vérifiez chaque lettre et chaque chiffre.")
        self.fields["iban"].error_messages |= {
            "required": _("Saisissez l'IBAN du compte."),
            "max_length": self.unreadable,
            "null_characters_not_allowed": self.unreadable,
        }

    def clean_iban(self):
        try:
            iban = ibans.compact(_without_separators(self.cleaned_data["iban"]))
        except ibans.OutOfReach:
            raise ValidationError(
                _("Nous ne pouvons pas verser dans ce pays. Donnez un compte d'Europe.")
            ) from None
        except ibans.InvalidIban:
            raise ValidationError(self.unreadable) from None
        if iban == self.present_iban:
            raise ValidationError(_("C'est déjà votre compte."))
        return iban

    def clean_holder(self):
        holder = " ".join(self.cleaned_data["holder"].split())
        if not all(sign.isprintable() for sign in holder) or not any(map(str.isalpha, holder)):
            raise ValidationError(_("Ce nom n'est pas lisible."))
        return holder


class OptionalMailsForm(forms.Form):
    mails = forms.MultipleChoiceField(
        label=_("E-mails que je veux recevoir"),
        choices=OptionalMail.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"invalid_choice": _("Choisissez dans la liste.")},
    )


class LongCodeForm(forms.Form):
    """A code of letters and digits from paper. Any separators, any case: who checks it drops them."""

    code = forms.CharField(
        max_length=64,
        widget=forms.TextInput(attrs=FROM_PAPER),
        error_messages={
            "required": _("Saisissez le code."),
            "max_length": _("Un code ne dépasse pas 64 caractères."),
            "null_characters_not_allowed": _("Ce code n'est pas lisible. Recopiez-le."),
        },
    )

    def __init__(self, label, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["code"].label = label


class TicketForm(IdentifiantForm):
    ticket = forms.CharField(
        label=_("Code d'arrivée"),
        max_length=40,
        widget=forms.TextInput(attrs=FROM_PAPER),
        error_messages={"required": _("Saisissez le code d'arrivée.")},
    )


class CodeForm(forms.Form):
    """Six ASCII digits; spaces, hyphens and what a phone pastes around them are dropped."""

    code = forms.CharField(
        label=_("Code reçu"),
        max_length=40,
        widget=CodeInput(
            attrs={
                "inputmode": "numeric",
                "autocomplete": "one-time-code",
                "autocapitalize": "none",
                "spellcheck": "false",
                "autofocus": True,
            }
        ),
    )

    def __init__(self, *args, from_app=False, **kwargs):
        super().__init__(*args, **kwargs)
        if from_app:
            self.fields["code"].label = _("Code de l'application")
        self.unreadable = _("Saisissez les %(count)d chiffres du code.") % {
            "count": limit("CODE_DIGITS")
        }
        self.fields["code"].error_messages |= dict.fromkeys(
            ("required", "max_length", "null_characters_not_allowed"), self.unreadable
        )
        self.fields["code"].validators = []
        self.fields["code"].max_length = None

    def clean_code(self):
        sent = self.data.getlist("code") if hasattr(self.data, "getlist") else [self.data["code"]]
        code = re.sub(r"[\s\u00a0\u202f\-\u2010-\u2015]", "", self.cleaned_data["code"])
        if len(sent) != 1 or len(code) != limit("CODE_DIGITS") or not _is_ascii_digits(code):
            raise ValidationError(self.unreadable, code="unreadable")
        return code


class EnrolmentForm(NewPasswordForm, CodeForm):
    """A new colleague's password, and the first code of his app."""

    field_order = ["new_password", "new_password_again", "code"]

    def __init__(self, account, *args, **kwargs):
        super().__init__(account, *args, from_app=True, **kwargs)
        self.fields["code"].widget.attrs["autofocus"] = False


class MemberNumberForm(forms.Form):
    """A member number that may be anybody's: whether it is known is nobody's to learn."""

    number = forms.CharField(
        label=_("Numéro d'adhérent"),
        max_length=40,
        help_text=_("Il est inscrit sur votre carte de tiers payant et sur nos courriers."),
        widget=forms.TextInput(attrs=FROM_PAPER),
    )

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.unreadable = _("Saisissez votre numéro d'adhérent, sans autre signe.")
        self.fields["number"].error_messages |= dict.fromkeys(
            ("required", "max_length", "null_characters_not_allowed"), self.unreadable
        )

    def clean_number(self):
        number = _without_separators(self.cleaned_data["number"]).upper()
        if not re.fullmatch(r"[0-9A-Z]{4,20}", number):
            raise ValidationError(self.unreadable, code="unreadable")
        return number


class LetterForm(MemberNumberForm):
    """A member number and the code of a letter, in any case, with or without separators."""

    code = forms.CharField(
        label=_("Code du courrier"),
        max_length=40,
        help_text=_("10 lettres et chiffres. Avec ou sans tiret, en majuscules ou non."),
        widget=forms.TextInput(attrs=FROM_PAPER),
    )

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["code"].error_messages |= dict.fromkeys(
            ("required", "max_length", "null_characters_not_allowed"),
            _("Saisissez les 10 lettres et chiffres du code."),
        )

    def clean_code(self):
        code = letters.plain(self.cleaned_data["code"])
        if not code:
            raise ValidationError(
                _("Un code a 10 lettres et chiffres. Recopiez-le tel qu'il est imprimé."),
                code="unreadable",
            )
        return code


class FirstPasswordForm(NewPasswordFields):
    """The first password of a member and, while he has no account, his identifiant.

    Whether it is somebody else's, or the number of another, is said by who saves it. Digits alone are his
    own number or nobody's: one must not sign in with the number of another, even of one to come.
    """

    identifiant = forms.CharField(
        label=_("Votre identifiant"),
        max_length=64,
        help_text=_(
            "Pour vous connecter. Gardez votre numéro d'adhérent, ou choisissez-en un autre."
        ),
        widget=forms.TextInput(attrs=A_NAME),
        error_messages={
            "required": _("Choisissez un identifiant."),
            "max_length": _("Un identifiant ne dépasse pas 64 caractères."),
        },
    )
    field_order = ["identifiant", "new_password", "new_password_again"]

    def __init__(self, member, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.member = member
        self.account = member.user or User()
        self.account.member = copy.copy(member)  # the caller's own still says who has no account
        if member.user_id:
            del self.fields["identifiant"]

    def clean_identifiant(self):
        identifiant = User.objects.normalize_identifiant(self.cleaned_data["identifiant"])
        User._meta.get_field("identifiant").run_validators(identifiant)
        if identifiant.isdigit() and identifiant != self.member.number.lower():
            raise ValidationError(_("Ajoutez une lettre à cet identifiant."), code="digits")
        self.account.identifiant = identifiant
        return identifiant


class MobileForm(forms.Form):
    """A mobile phone able to receive our texts; cleaned to E.164."""

    phone = forms.CharField(
        label=_("Votre téléphone mobile"),
        max_length=30,
        help_text=_("De France ou d'outre-mer. Exemple : 06 12 34 56 78."),
        widget=forms.TextInput(attrs={"autocomplete": "tel", "inputmode": "tel"}),
        error_messages={
            "required": _("Saisissez votre numéro de téléphone mobile."),
            "max_length": _("Ce numéro est trop long. Exemple : 06 12 34 56 78."),
        },
    )

    def clean_phone(self):
        return phones.mobile_e164(self.cleaned_data["phone"])


def _without_separators(text: str) -> str:
    return re.sub(r"[\s\u00a0\u202f.\-\u2010-\u2015]", "", text)


def _is_ascii_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()  # isdigit alone accepts the digits of every script
