"""Phone numbers: kept in E.164, able to receive a text, shown masked."""

import re

import phonenumbers
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

# Metropolitan France and the overseas territories served: (calling code, region).
REGIONS = ("FR", "GP", "RE", "MQ", "GF", "YT", "PM", "BL", "MF", "NC", "PF", "WF")
TEXTABLE = {
    phonenumbers.PhoneNumberType.MOBILE,
    phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE,
}
# The library's own pattern, for what files and most people write: forty times as fast as to ask it.
_MOBILE = phonenumbers.PhoneMetadata.metadata_for_region("FR").mobile.national_number_pattern
_FRENCH_MOBILE = re.compile(rf"(?:\+33|0)({_MOBILE})", re.ASCII)


def mobile_e164(value: str) -> str:
    """A number able to receive our texts, in E.164. Raises ValidationError with a French sentence."""
    if usual := _FRENCH_MOBILE.fullmatch(value):
        return f"+33{usual[1]}"
    try:
        number = phonenumbers.parse(value, "FR")
    except phonenumbers.NumberParseException:
        raise ValidationError(
            _("Ce numéro n'est pas reconnu. Exemple : 06 12 34 56 78."), code="phone_unknown"
        ) from None
    if not phonenumbers.is_valid_number(number):
        raise ValidationError(
            _("Ce numéro n'existe pas. Vérifiez ses chiffres."), code="phone_invalid"
        )
    region = phonenumbers.region_code_for_number(number)
    if region not in REGIONS or phonenumbers.number_type(number) not in TEXTABLE:
        raise ValidationError(
            _("Indiquez un téléphone mobile de France ou d'outre-mer."), code="phone_not_mobile"
        )
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def masked(e164: str) -> str:
    """« 06 •• •• •• 12 »: the first two and the last two digits of the national number."""
    national = phonenumbers.format_number(
        phonenumbers.parse(e164), phonenumbers.PhoneNumberFormat.NATIONAL
    )
    digits = [character for character in national if character.isdigit()]
    return f"{''.join(digits[:2])} •• •• •• {''.join(digits[-2:])}"
