"""What staff may write as a reason: the trail keeps it, and never holds a whole phone number or a NIR."""

import re

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

LONG_NUMBER = re.compile(r"\d(?:[\s.\-\u2010-\u2015]*\d){7,}")


def no_long_number(reason: str) -> None:
    """Raises ValidationError on 8 digits or more in a row, spaces, dots and dashes left out."""
    if LONG_NUMBER.search(reason):
        raise ValidationError(
            _(
                "N'écrivez ni NIR, ni téléphone, ni autre numéro de 8 chiffres ou plus. "
                "Écrivez les dates avec des barres : 12/03/2024."
            ),
            code="long_number",
        )
