"""Demandes and documents as members hand them in."""

import io
from datetime import date, timedelta

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from PIL import Image

from members.demandes import drafts
from members.models import Demande, DemandeDocument
from members.models.demande import DemandeKind


def yesterday() -> date:
    return timezone.localdate() - timedelta(days=1)


def photo(name="facture.png", colour="white") -> SimpleUploadedFile:
    content = io.BytesIO()
    Image.new("RGB", (40, 40), colour).save(content, "PNG")
    return SimpleUploadedFile(name, content.getvalue(), "image/png")


def draft(member, domain, *, document=True, cents=4550) -> Demande:
    demande = drafts.begin(member, DemandeKind.CARE)
    demande.care.for_member, demande.care.care_on = True, yesterday()
    demande.care.domain, demande.care.paid_cents = domain, cents
    demande.care.save()
    if document:
        paper(demande)
    return demande


def paper(demande, name="facture.png") -> DemandeDocument:
    file = default_storage.save(f"demandes/{demande.pk}-{name}", ContentFile(b"paper"))
    return DemandeDocument.objects.create(
        demande=demande, name=name, content_type="image/png", file=file, size=5, sha256=name
    )


def deposited(member, domain, **told) -> Demande:
    demande = draft(member, domain, **told)
    drafts.deposit(demande, by=member.user)
    return demande
