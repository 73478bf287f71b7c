"""« Ma carte »: the tiers payant card on a page and on paper, and its check by whoever is shown it."""

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_safe

from members import audit, card_pages, cards, qr
from members.ids import row_id
from members.views.access import member_or_viewer, member_required


@require_GET  # looking may issue a card: HEAD looks at nothing
@member_or_viewer
def current(request):
    wallet = cards.wallet(request.member, request=None if request.viewer else request)
    person = _person(request)
    context = {
        "cards": [_page_of(card, _chosen(request, card)) for card in wallet.present],
        "past": wallet.past,
        "person": person,
        "pdf": reverse("card_pdf", query=None if person is None else {"personne": person}),
    }
    return render(request, "members/cards/current.html", context)


@require_safe
@member_or_viewer
def past(request, code):
    """A card as it was issued, whatever was changed since."""
    card = cards.own(request.member, code)
    if card is None:
        raise Http404
    return render(request, "members/cards/past.html", {"card": _page_of(card, card)})


@require_GET
@member_required
def pdf(request):
    """The cards of today, a page or more each; of one person with « personne »."""
    shown = [
        _chosen(request, card) for card in cards.wallet(request.member, request=request).present
    ]
    if not shown:
        raise Http404
    return _paper(request, shown)


@require_safe
@member_required
def past_pdf(request, code):
    card = cards.own(request.member, code)
    if card is None:
        raise Http404
    return _paper(request, [card])


@login_not_required  # a health professional is shown the card: he has no account here
@require_safe
def check(request, code):
    found = cards.check(code)
    status = 200 if found else 404
    return render(request, "members/cards/check.html", {"found": found}, status=status)


def _person(request) -> int | None:
    """Whose card is asked for; None: the whole family's."""
    asked = request.GET.get("personne", "")
    if not asked:
        return None
    if (person := row_id(asked)) is None:
        raise Http404
    return person


def _chosen(request, card: cards.Shown) -> cards.Shown:
    try:
        return card.only(_person(request))
    except cards.UnknownPerson:
        raise Http404 from None


def _page_of(whole: cards.Shown, shown: cards.Shown) -> dict:
    return {
        "said": shown.content,
        "people": shown.people,
        "everybody": whole.people,
        "valid_from": shown.valid_from,
        "valid_until": shown.valid_until,
        "operators": shown.operators,
        "domains": [
            domain | {"said": card_pages.rate(domain)} for domain in shown.content["domains"]
        ],
        "code": shown.code,
        "qr_code": qr.svg(shown.check_url) if shown.card else "",
        "card": shown.card,
    }


def _paper(request, shown: list[cards.Shown]) -> HttpResponse:
    content = card_pages.render(shown)
    audit.record("card.downloaded", user=request.user, request=request, cards=len(shown))
    headers = {"Content-Disposition": f'attachment; filename="{_("carte-tiers-payant.pdf")}"'}
    return HttpResponse(content, content_type="application/pdf", headers=headers)
