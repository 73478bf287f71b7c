"""« Mes demandes »: begun, filled in, handed in, followed to their end. Plain steps, each a page."""

from uuid import uuid4

from django import forms
from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from members import documents, files
from members.demandes import asked, drafts, following, steps
from members.demandes.steps import Overtaken
from members.models import Demande, DemandeDocument
from members.models.demande import DemandeKind, State
from members.throttle import Throttled
from members.views.access import member_or_viewer, member_required
from members.views.signin import too_many, wait_message

reading_or_writing = require_http_methods(["GET", "HEAD", "POST"])

MOVED = gettext_lazy("Cette demande a avancé entre-temps : voici où elle en est.")


class BegunForm(forms.Form):
    """Which page begins a draft: « Continuer » clicked twice begins one."""

    key = forms.UUIDField(widget=forms.HiddenInput)


class FilesInput(forms.FileInput):
    allow_multiple_selected = True


class DocumentsField(forms.FileField):
    """Several files at once; cleaned to a list."""

    widget = FilesInput(attrs={"accept": documents.TAKEN})

    def clean(self, data, initial=None):
        return [super(DocumentsField, self).clean(one, initial) for one in data or [None]]


class DocumentsForm(forms.Form):
    documents = DocumentsField(
        label=gettext_lazy("Vos documents"),
        help_text=gettext_lazy("Photos ou PDF : cinq au plus, 5 Mo chacun."),
        allow_empty_file=True,  # documents.accept says so of each by its name
        error_messages={
            "required": gettext_lazy("Choisissez au moins un document."),
            "invalid": gettext_lazy("Choisissez au moins un document."),
        },
    )

    def __init__(self, *args, too_heavy=frozenset(), **options):
        super().__init__(*args, **options)
        self.is_too_heavy = "documents" in too_heavy

    def clean(self):
        if self.is_too_heavy:
            self.errors.pop("documents", None)  # they are not missing
            self.add_error("documents", documents.TOO_HEAVY_TOGETHER)
        return self.cleaned_data


class MessageForm(forms.Form):
    body = asked.words(
        label=gettext_lazy("Votre message"),
        max_length=2000,
        validators=[asked.no_nir],
        widget=forms.Textarea(attrs={"rows": 4}),
    )


def _mine(request, pk: int) -> Demande:
    """The demande of this number, if it is this member's. Raises Http404."""
    demande = get_object_or_404(Demande, pk=pk, member=request.member)
    demande.member = request.member
    return demande


def _draft(request, pk: int) -> Demande | None:
    demande = _mine(request, pk)
    return demande if demande.is_draft else None


@require_safe
@member_or_viewer
def overview(request):
    found = list(following.mine(request.member, drafts=not request.viewer))
    context = {
        "drafts": [one for one in found if one.is_draft],
        "open": [one for one in found if one.is_undecided],
        "ended": [one for one in found if not one.is_draft and not one.is_undecided],
        "kinds": [(kind.value, told.title) for kind, told in asked.KINDS.items()],
    }
    return render(request, "members/demandes/overview.html", context)


# --------------------------------------------------------------------------------------- a draft


@reading_or_writing
@member_required
def begin(request, kind):
    """The first page; what is typed there makes a draft, right or not."""
    if kind not in DemandeKind.values:
        raise Http404
    told = asked.KINDS[DemandeKind(kind)]
    if request.method != "POST":
        form = told.form(request.member)
        return _facts_page(request, kind, form, reverse("demande_begin", args=[kind]))
    page = BegunForm(request.POST)
    try:
        key = page.cleaned_data["key"] if page.is_valid() else None
        demande = drafts.begin(request.member, DemandeKind(kind), key)
    except drafts.TooMany:
        messages.warning(
            request, _("Trop de brouillons vous attendent : terminez ou supprimez-en un.")
        )
        return redirect("demandes")
    if not demande.is_draft or demande.kind != kind:
        messages.info(request, MOVED)
        return redirect("demande", demande.pk)
    return _keep(request, demande)


@reading_or_writing
@member_required
def edit(request, pk):
    demande = _draft(request, pk)
    if demande is None:
        return redirect("demande", pk)
    if request.method == "POST":
        return _keep(request, demande)
    return _facts_page(request, demande.kind, asked.form_of(demande), request.path, demande)


def _keep(request, demande: Demande):
    form = asked.form_of(demande, request.POST)
    is_right = form.is_valid()
    try:
        drafts.keep(demande, form)
    except Overtaken:
        messages.info(request, MOVED)
        return redirect("demande", demande.pk)
    if is_right:
        return redirect("demande_documents", demande.pk)
    address = reverse("demande_edit", args=[demande.pk])
    return _facts_page(request, demande.kind, form, address, demande)


def _facts_page(request, kind, form, address, demande=None):
    context = {
        "form": form,
        "title": asked.KINDS[DemandeKind(kind)].title,
        "address": address,
        "demande": demande,
        "begun": None if demande else BegunForm(initial={"key": uuid4}),
    }
    return render(request, "members/demandes/facts.html", context)


@documents.taking
@reading_or_writing
@member_required
def join(request, pk):
    """Documents of a draft, or those that staff asked for."""
    demande = _mine(request, pk)
    if not demande.takes_documents:
        return redirect("demande", pk)
    if request.method != "POST":
        return _documents_page(request, demande, DocumentsForm())
    form = DocumentsForm(request.POST, request.FILES, too_heavy=request.too_heavy)
    if not form.is_valid():
        return _documents_page(request, demande, form)
    awaited = demande.state == State.AWAITING
    try:
        added = drafts.attach(
            demande, form.cleaned_data["documents"], by=request.user, request=request
        )
    except documents.Refused as refusal:
        for sentence in refusal.sentences:
            form.add_error("documents", sentence)
        return _documents_page(request, demande, form)
    except Throttled as refusal:
        form.add_error("documents", wait_message(refusal))
        return too_many(_documents_page(request, demande, form, status=429), refusal)
    except Overtaken:
        messages.info(request, MOVED)
        return redirect("demande", pk)
    if not added:
        messages.info(request, _("Ces documents étaient déjà joints."))
    elif awaited:
        messages.success(request, _("Merci. Vos documents sont arrivés, votre demande avance."))
    else:
        messages.success(request, _("Vos documents sont joints."))
    return redirect("demande" if awaited and added else "demande_documents", pk)


def _documents_page(request, demande: Demande, form: DocumentsForm, status=200):
    kind = asked.kind_of(demande)
    joined = list(demande.documents.all())
    context = {
        "demande": demande,
        "form": form,
        "proof": kind.proof,
        "joined": joined,
        "may_go_on": demande.is_draft and (joined or not kind.needs_document),
    }
    return render(request, "members/demandes/documents.html", context, status=status)


@require_safe
@member_required
def document(request, pk, number):
    """One of his documents, to keep."""
    demande = _mine(request, pk)
    row = get_object_or_404(DemandeDocument, demande=demande, pk=number)
    try:
        return files.answer(row.file, name=row.name, content_type=row.content_type)
    except FileNotFoundError:
        raise Http404 from None


@require_POST
@member_required
def remove(request, pk, number):
    row = get_object_or_404(DemandeDocument, demande=_mine(request, pk), pk=number)
    try:
        drafts.detach(row)
    except Overtaken:
        messages.info(request, MOVED)
    else:
        messages.success(request, _("Le document est retiré."))
    return redirect("demande_documents", pk)


@reading_or_writing
@member_required
def send(request, pk):
    """Read once more, then handed in."""
    demande = _draft(request, pk)
    if demande is None:
        return redirect("demande", pk)
    if not asked.is_whole(demande):
        messages.warning(request, _("Il manque encore quelque chose : vérifiez cette page."))
        return redirect("demande_edit", pk)
    refusal = None
    if request.method == "POST":
        try:
            drafts.deposit(demande, by=request.user, request=request)
        except drafts.NoDocument:
            messages.warning(request, _("Joignez d'abord un document."))
            return redirect("demande_documents", pk)
        except (Overtaken, drafts.Incomplete):
            return redirect("demande", pk)
        except Throttled as caught:
            refusal = caught
        else:
            messages.success(request, _("Votre demande est déposée. Nous vous tenons au courant."))
            return redirect("demande", pk)
    context = {
        "demande": demande,
        "facts": asked.facts(demande),
        "documents": demande.documents.all(),
        "refusal": wait_message(refusal) if refusal else "",
        "is_told": steps.tells(demande.member),
    }
    page = render(request, "members/demandes/send.html", context, status=429 if refusal else 200)
    return too_many(page, refusal) if refusal else page


@require_POST
@member_required
def delete(request, pk):
    demande = _mine(request, pk)
    try:
        drafts.delete(demande, request=request)
    except Overtaken:
        messages.info(request, MOVED)
        return redirect("demande", pk)
    messages.success(request, _("Le brouillon est supprimé."))
    return redirect("demandes")


# ------------------------------------------------------------------------------ once it is handed in


@require_safe
@member_or_viewer
def follow(request, pk):
    demande = _mine(request, pk)
    if demande.is_draft and request.viewer:
        raise Http404
    if demande.is_draft:
        return redirect("demande_edit", pk)
    return _follow_page(request, demande, MessageForm())


def _follow_page(request, demande: Demande, form: MessageForm, status=200):
    """An agent who looks reads where it is, and neither its documents nor what was written."""
    context = {
        "demande": demande,
        "form": form,
        "events": list(demande.events.all()),
        "facts": asked.facts(demande),
    }
    if not getattr(request, "viewer", None):
        written = list(demande.messages.all())
        context |= {
            "written": written,
            "documents": list(demande.documents.all()),
            "may_withdraw": following.may_withdraw(demande),
        }
        following.read(written, from_staff=True)
    return render(request, "members/demandes/follow.html", context, status=status)


@require_POST
@member_required
def write(request, pk):
    demande = _mine(request, pk)
    form = MessageForm(request.POST)
    if form.is_valid():
        try:
            following.write(demande, form.cleaned_data["body"], by=request.user, request=request)
        except Overtaken:
            return redirect("demande", pk)
        except Throttled as refusal:
            form.add_error("body", wait_message(refusal))
            return too_many(_follow_page(request, demande, form, status=429), refusal)
        messages.success(request, _("Votre message est envoyé."))
        return redirect("demande", pk)
    if demande.is_draft:
        return redirect("demande", pk)
    return _follow_page(request, demande, form)


@reading_or_writing
@member_required
def withdraw(request, pk):
    """Asks once more, then gives it up."""
    demande = _mine(request, pk)
    if not following.may_withdraw(demande):
        messages.info(request, _("Cette demande ne peut plus être abandonnée."))
        return redirect("demande", pk)
    if request.method != "POST":
        return render(request, "members/demandes/withdraw.html", {"demande": demande})
    try:
        following.withdraw(demande, by=request.user, request=request)
    except Overtaken:
        messages.info(request, MOVED)
    else:
        messages.success(request, _("Votre demande est abandonnée."))
    return redirect("demande", pk)
