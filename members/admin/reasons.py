"""What staff may write as a reason: the trail keeps it, and never holds a whole phone number or a NIR."""

import re

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

# Whatever stands between the digits, but « 12, 13, 14 et 15 » is a list: there, 10 digits are too many.
LONG_NUMBER = re.compile(r"\d(?:(?:(?!,\s)[\W_])*\d){7,}|\d(?:[\W_]*\d){9,}")
# A day as we ask for it. Not within a longer row of digits and bars: a NIR may hold one.
DAY = re.compile(r"(?<![\d/])(?:0?[1-9]|[12]\d|3[01])/(?:0?[1-9]|1[0-2])/(?:19|20)\d\d(?![\d/])")


def no_long_number(reason: str) -> None:
    """Raises ValidationError on 8 digits or more without a letter between, days left out."""
    if LONG_NUMBER.search(DAY.sub("day", reason)):
        raise ValidationError(
            _(
                "N'écrivez ni NIR, ni téléphone, ni autre numéro de 8 chiffres ou plus. "
                "Écrivez les dates avec des barres : 12/03/2024."
            ),
            code="long_number",
        )


class ReasonForm(forms.Form):
    """Why a member's data is looked at, or his account acted on: a sentence, not a word."""

    reason = forms.CharField(
        label=gettext_lazy("Motif"),
        min_length=10,
        max_length=300,
        validators=[no_long_number],
        help_text=gettext_lazy("Enregistré au journal avec votre nom."),
        widget=forms.Textarea(attrs={"rows": 3}),
    )
