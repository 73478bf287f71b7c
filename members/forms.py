import re

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from members.limits import limit


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
        widget=forms.TextInput(
            attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}
        ),
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


def _is_ascii_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()  # isdigit alone accepts the digits of every script
