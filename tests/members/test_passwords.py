import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.forms import PasswordInput

from members import passwords
from members.forms import NewPasswordFields, PasswordForm, SignInForm
from members.passwords import GuessableValidator, LeakedValidator
from members.stepup import StepUpForm
from tests.members.conftest import PASSWORD


@pytest.mark.parametrize(
    "password",
    [
        PASSWORD,
        " galets  gris  et  bleus ",
        "Éloïse à l'île d'Yeu",
        "un phare, deux phares, trois phares " * 3 + "et un bateau vert",
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
        ("q" * 128, "se devine"),
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


@pytest.mark.parametrize(
    "password",
    [
        "Motdepasse2024!",
        "m0td3p4ss3!!!!",
        "mutuelle du rivage",
        "Adhérent-Rivage",
        "azertyuiop123",
        "123456789012",
        "abcdefghijkl",
        "bonjour bonjour",
        "MarseilleOM1993",
        "Password123!",
        "septembre 1981",
        "loulouloulou75",
        "1981-09-14 1981",
    ],
)
def test_what_everybody_tries_is_refused(password):
    with pytest.raises(ValidationError) as refused:
        GuessableValidator().validate(password)
    assert "trois ou quatre mots" in refused.value.messages[0]


def test_a_name_that_is_no_whole_word_of_it_makes_it_no_harder_to_guess(claire):
    claire.first_names = "Maëlle"
    claire.user.member = claire
    GuessableValidator().validate("maelle maelle bzh")
    with pytest.raises(ValidationError):
        GuessableValidator().validate("maelle maelle bzh", claire.user)


def test_what_a_stranger_types_is_estimated_in_bounded_time(monkeypatch):
    seen = []
    monkeypatch.setattr(
        passwords, "zxcvbn", lambda typed, user_inputs: seen.append(typed) or {"guesses": 10**12}
    )
    GuessableValidator().validate("4@8({[<369!|0$+7%2x1" * 6)
    assert len(seen[0]) == passwords.ESTIMATED


@pytest.fixture
def leaked(settings):
    """A list of leaked passwords over HTTP; the paths that were asked of it."""
    asked = []

    class List(BaseHTTPRequestHandler):
        answers = (200, {})

        def do_GET(self):
            asked.append(self.path)
            status, suffixes = self.answers
            self.send_response(status)
            self.end_headers()
            self.wfile.write("\r\n".join(f"{end}:3" for end in suffixes).encode())

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), List)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.LEAKED_PASSWORDS_URL = f"http://127.0.0.1:{server.server_port}/range/"
    List.asked = asked
    yield List
    server.shutdown()
    server.server_close()


def test_a_leaked_one_is_refused_and_only_five_characters_of_a_digest_leave(leaked):
    digest = hashlib.sha1(PASSWORD.encode()).hexdigest().upper()
    leaked.answers = (200, [digest[5:]])
    with pytest.raises(ValidationError, match="a fuité"):
        LeakedValidator().validate(PASSWORD)
    assert leaked.asked == [f"/range/{digest[:5]}"]
    leaked.answers = (200, ["0" * 35])
    LeakedValidator().validate(PASSWORD)


def test_while_the_list_is_away_the_common_ones_are_still_refused(leaked):
    leaked.answers = (503, [])
    LeakedValidator().validate(PASSWORD)
    with pytest.raises(ValidationError):
        LeakedValidator().validate("qwerty123456")


@pytest.mark.parametrize("form", [SignInForm, PasswordForm, NewPasswordFields, StepUpForm])
def test_every_password_field_hides_it_keeps_it_whole_and_lets_managers_in(form):
    fields = [field for name, field in form.base_fields.items() if "password" in name]
    assert fields
    for field in fields:
        assert isinstance(field.widget, PasswordInput)
        assert not field.strip, "spaces at both ends are part of it"
        assert field.widget.attrs["autocomplete"] in ("current-password", "new-password")
