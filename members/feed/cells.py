"""What a cell may hold: each reader takes the stripped text and returns a value, or says why not."""

import re
from collections.abc import Callable
from datetime import date
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils import timezone
from django.utils.translation import gettext as _

from members import nir, phones
from members.models.category import DataCategory, mask_of
from members.models.contract import DIALLED

Reader = Callable[[str], Any]

EARLIEST, LATEST = date(1900, 1, 1), date(2199, 12, 31)
_STARTED = timezone.localdate()  # no day before it is to come: one question less a line
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_DIALLED = re.compile(DIALLED)
_MONEY = re.compile(r"([0-9]{1,7})(?:\.([0-9]{1,2}))?")


class Refused(Exception):
    """A French sentence, for whoever made the file."""


def text(longest: int, *, required: bool = False) -> Reader:
    def read(value: str) -> str:
        if not value:
            if required:
                raise Refused(_("obligatoire, et vide."))
            return value
        if len(value) > longest:
            raise Refused(_("plus de %d caractères.") % longest)
        if not value.isprintable() and CONTROL.search(value):
            raise Refused(_("un caractère n'est pas imprimable."))
        return value

    return read


def pattern(expression: str, told: str, *, required: bool = True) -> Reader:
    """`told`: what the cell holds, in French, as an msgid."""
    matches = re.compile(expression).fullmatch

    def read(value: str) -> str:
        if not value and not required:
            return value
        if not value:
            raise Refused(_("obligatoire, et vide."))
        if not matches(value):
            raise Refused(_("%s.") % _(told))
        return value

    return read


def choice(*codes: str, required: bool = True) -> Reader:
    known = frozenset(codes) if required else frozenset({*codes, ""})

    def read(value: str) -> str:
        if value not in known:
            raise Refused(_("attendu : %s.") % ", ".join(codes))
        return value

    return read


def day(value: str) -> date:
    if not value:
        raise Refused(_("obligatoire, et vide."))
    if len(value) != 10 or value[4] != "-" or value[7] != "-":
        raise Refused(_("une date s'écrit AAAA-MM-JJ."))
    try:
        read = date.fromisoformat(value)
    except ValueError:
        raise Refused(_("cette date n'existe pas.")) from None
    if not EARLIEST <= read <= LATEST:
        raise Refused(_("entre 1900 et 2199 ; une fin inconnue se laisse vide."))
    return read


def day_or_empty(value: str) -> date | None:
    return day(value) if value else None


def birth_day(value: str) -> date:
    read = day(value)
    if read > _STARTED and read > timezone.localdate():
        raise Refused(_("une naissance n'est pas à venir."))
    return read


def integer(least: int, most: int) -> Reader:
    def read(value: str) -> int:
        if not (value.isascii() and value.isdigit() and len(value) < 10):
            raise Refused(_("un nombre entier est attendu."))
        number = int(value)
        if not least <= number <= most:
            raise Refused(_("de %(least)d à %(most)d.") % {"least": least, "most": most})
        return number

    return read


def cents(value: str) -> int:
    """Euros with a point, as integer cents."""
    found = _MONEY.fullmatch(value)
    if not found:
        raise Refused(_("un montant s'écrit en euros avec un point, par exemple 12.50."))
    return int(found[1]) * 100 + int((found[2] or "").ljust(2, "0"))


def cents_or_empty(value: str) -> int | None:
    return cents(value) if value else None


def nir_or_empty(value: str) -> str:
    try:
        return nir.compact(value) if value else ""
    except nir.InvalidNir:
        raise Refused(_("ce NIR n'est pas valide.")) from None


def mobile_or_empty(value: str) -> str:
    try:
        return phones.mobile_e164(value) if value else ""
    except ValidationError as error:
        raise Refused(error.messages[0]) from None


def dialled(value: str) -> str:
    """A number that members call, as it is printed: short ones and landlines too."""
    if not _DIALLED.fullmatch(value):
        raise Refused(_("un numéro de téléphone est attendu."))
    return value


def email_or_empty(value: str) -> str:
    if value:
        try:
            validate_email(value)
        except ValidationError:
            raise Refused(_("cette adresse e-mail n'est pas valide.")) from None
        if len(value) > 254:
            raise Refused(_("plus de 254 caractères."))
    return value


def categories(value: str) -> int:
    """Codes of DataCategory between « | », as their mask."""
    codes = [code.strip() for code in value.split("|") if code.strip()]
    if not codes:
        raise Refused(_("indiquez au moins une catégorie de données."))
    if unknown := [code for code in codes if code not in DataCategory]:
        raise Refused(_("catégorie inconnue (%s).") % ", ".join(unknown))
    return mask_of(codes)
