"""Step-up: a sensitive act wants a password or a sign-in of the last ten minutes. (signin.md §2; ASVS 7.5)

The password is asked in the form of the act itself: nobody is sent away, nothing typed is lost.
"""

import time

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from members import signin
from members.gate import Busy
from members.limits import limit
from members.throttle import Throttled


def is_fresh(request) -> bool:
    return time.time() - request.session.get(signin.STEPPED_UP, 0) < limit("STEP_UP_LIFETIME")


class StepUpForm(forms.Form):
    """A form that asks for the present password unless its holder showed who he is a moment ago.

    Named first among the bases of a form, so that the other fields are checked before the password.
    Valid: the step-up stands. Wrong passwords count as those of the sign-in do, behind the same gate.
    """

    always_asks = False  # True: even of who showed it a moment ago
    present_password = forms.CharField(
        label=_("Votre mot de passe actuel"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
        error_messages={"required": _("Saisissez votre mot de passe actuel.")},
        help_text=_("Pour vérifier que c'est bien vous."),
    )

    def __init__(self, request, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.request = request
        if is_fresh(request) and not self.always_asks:
            del self.fields["present_password"]
        else:
            self.order_fields([name for name in self.fields if name != "present_password"])

    def clean(self):
        cleaned = super().clean()
        password = cleaned.get("present_password")
        # the other fields first: a hash is dear, and a typing error is no attempt
        if password and not self.errors:
            self._check(password)
        return cleaned

    def _check(self, password: str) -> None:
        if len(password) > limit("PASSWORD_LONGEST"):
            self.add_error("present_password", _("Ce mot de passe n'est pas le bon."))
            return
        try:
            right = signin.knows_password(self.request, self.request.user, password)
        except Throttled:
            raise ValidationError(_("Trop d'essais. Réessayez dans quelques minutes.")) from None
        except Busy:
            raise ValidationError(_("Beaucoup de monde en ce moment. Réessayez.")) from None
        if right:
            self.request.session[signin.STEPPED_UP] = int(time.time())
        else:
            self.add_error("present_password", _("Ce mot de passe n'est pas le bon."))
