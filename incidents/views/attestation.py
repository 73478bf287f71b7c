"""Attestations: the page and the PDF of a member, and the check that is open to anybody."""

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from incidents import attestation_pages, attestations, information
from incidents.attestations import NotShown
from members import qr
from members.throttle import Throttled
from members.views.access import member_or_viewer, member_required
from members.views.signin import too_many, wait_message


def _draft(request, reference: str) -> attestations.Draft:
    """What may be attested to this member. Raises Http404: an incident that he was not shown is not his."""
    try:
        return attestations.draft(request.member, reference)
    except NotShown:
        raise Http404 from None


@require_http_methods(["GET", "HEAD", "POST"])
def attestation(request, reference):
    """What the document says, or will say; a POST has it issued, once for the same words."""
    return (_issue if request.method == "POST" else _page)(request, reference)


@member_required
def _issue(request, reference):
    attestations.issue(_draft(request, reference), request=request)
    messages.success(request, _("Votre attestation est prête."))
    return redirect("attestation", reference)


@member_or_viewer
def _page(request, reference):
    draft = _draft(request, reference)
    issued = draft.issued
    context = {"document": draft.document, "issued": issued}
    if issued:
        address = attestations.check_url(draft.code)
        context |= {
            "code": attestations.printed(draft.code),
            "groups": attestations.grouped(issued.fingerprint),
            "address": address,
            "qr_code": qr.svg(address),
        }
    return render(request, "incidents/attestation.html", context)


@require_safe
@member_required
def attestation_pdf(request, reference):
    """The document, once it was issued; until then, the page where it is."""
    draft = _draft(request, reference)
    issued = draft.issued
    if issued is None:
        return redirect("attestation", reference)
    name = f"attestation-{draft.document.reference}.pdf"
    return HttpResponse(
        attestation_pages.pdf(issued, draft.code),
        content_type="application/pdf",
        headers={"Content-Disposition": content_disposition_header(True, name)},
    )


# ------------------------------------------------------------------------------------- open to all


class CheckForm(forms.Form):
    code = forms.CharField(
        label=gettext_lazy("Code de vérification"),
        help_text=gettext_lazy("16 signes, en bas de chaque page. Avec ou sans tiret."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "characters"}),
        error_messages={"required": gettext_lazy("Saisissez le code de vérification.")},
    )


@login_not_required  # whoever is handed a document has no account here
@require_http_methods(["GET", "HEAD", "POST"])
def attestation_check(request):
    form = CheckForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            return _result(request, attestations.check(form.cleaned_data["code"], request=request))
        except Throttled as refusal:
            form.add_error("code", wait_message(refusal))
            return too_many(_form_page(request, form, status=429), refusal)
    return _form_page(request, form)


@login_not_required  # the QR of a document leads here
@require_safe
def attestation_checked(request, code):
    try:
        page = _result(request, attestations.check(code, request=request))
    except Throttled as refusal:
        page = too_many(_result(request, None, status=429, wait=wait_message(refusal)), refusal)
    page["Referrer-Policy"] = "no-referrer"  # no other site learns the code; no form stands there
    return page


def _form_page(request, form, status=200):
    return _unlisted(
        render(request, "incidents/attestation_check.html", {"form": form}, status=status)
    )


def _result(request, found: attestations.Checked | None, *, wait="", status=200):
    """The same page for a code that was never printed and for what cannot be one."""
    context = {
        "found": found,
        "wait": wait,
        "notice_url": information.url_of(found.reference) if found else "",
    }
    page = render(request, "incidents/attestation_checked.html", context, status=status)
    return _unlisted(page)


def _unlisted(response):
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response
