import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.forms import PasswordInput

from members.forms import NewPasswordFields, PasswordForm, SignInForm
from members.stepup import StepUpForm
from tests.members.conftest import PASSWORD


@pytest.mark.parametrize(
    "password",
    [
        PASSWORD,
        "x" * 6 + " " * 6 + "y",
        "é" * 64 + "à" * 64,
        "quatre mots au hasard ici",
        "🦀🌊⛵🐚🌅🪸🦞🐬🐳🦑🐙🐠",
    ],
)
def test_long_phrases_pass_whatever_their_characters(claire, password):
    validate_password(password, claire.user)


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("trop court", "12 caractères"),
        ("x" * 129, "128 caractères"),
        ("qwerty123456", "trop courant"),
        ("je suis CLAIRE ici", "ni nom"),
        ("Vasseur et compagnie", "ni nom"),
        ("née le 14 09 1981", "ni nom"),
        ("claire-et-son-chat", "ni nom"),
    ],
)
def test_short_common_and_personal_ones_are_refused_in_french(claire, password, why):
    with pytest.raises(ValidationError) as refused:
        validate_password(password, claire.user)
    assert why in " ".join(refused.value.messages)


@pytest.mark.parametrize("form", [SignInForm, PasswordForm, NewPasswordFields, StepUpForm])
def test_every_password_field_hides_it_keeps_it_whole_and_lets_managers_in(form):
    fields = [field for name, field in form.base_fields.items() if "password" in name]
    assert fields
    for field in fields:
        assert isinstance(field.widget, PasswordInput)
        assert not field.strip, "spaces at both ends are part of it"
        assert field.widget.attrs["autocomplete"] in ("current-password", "new-password")
